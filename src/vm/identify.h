/* Which VM this is, read from the emulator's own executable: no symbols needed, nothing assumed from
 * file names. */
#ifndef XB_VM_IDENTIFY_H
#define XB_VM_IDENTIFY_H

#include "base/error.h"
#include "layout/flavor.h"

struct xb_image;

enum { XB_BUILD_ID_TEXT = 96 };

struct xb_identity {
	unsigned otp;  /* major release, 25 */
	char erts[24]; /* "13.1.5" */
	enum xb_flavor flavor;
	bool native_stack; /* JIT: the Erlang stack is the machine stack; as the layout says, known when attached */
	bool frame_pointers;             /* the running VM keeps them (+JPperf true|map); read from
				erts_frame_layout */
	bool stripped;                   /* no .symtab in the executable */
	bool has_dwarf;                  /* in the executable or its separate debug file */
	char build_id[XB_BUILD_ID_TEXT]; /* hexadecimal, "" without one */
	char banner[320]; /* the format string of system_info(system_version), as compiled in */
};

/**
 * Find the version banner in the image's data.  Mirrors
 * erts/emulator/beam/erl_bif_info.c:erts_system_version[].
 * @return NULL, or NOT_BEAM when the image holds no such banner.
 * Cost: one pass over the data, below 1 ms.
 */
XB_NODISCARD struct xb_error *xb_identify(struct xb_image *image, struct xb_identity *ret);

/** The build-id alone, as xb_identity.build_id; "" without one.  Cost: none. */
void xb_identify_build(const struct xb_image *image, char ret[XB_BUILD_ID_TEXT]);

#endif
