/*
 * What a frame is called: Erlang functions from the VM's code tables, shared fragments from its JIT list, C functions
 * from symbols, kernel functions from the kernel's list.
 */
#ifndef XB_VIEW_NAMER_H
#define XB_VIEW_NAMER_H

#include "base/str.h"
#include "sample/mixed.h"
#include "session/session.h"
#include "vm/jitlist.h"

struct xb_namer;

struct xb_frame_name {
	enum xb_mixed_kind kind;
	bool known; /* false: @name is only an address */
	bool ambiguous; /* the address belonged to two functions within one look: @name must not be believed */
	const char *
		name; /* "lists:map/2", "erts_schedule", "beam.smp+0x1087a0", "global::call_bif_shared" */
	const char *module; /* "lists"; for C code the image, "[kernel]" */
	const char *file;   /* "" where the VM has no line */
	uint32_t line;
};

/** @jit is borrowed, NULL for the interpreter. */
XB_NODISCARD struct xb_error *xb_namer_create(struct xb_session *s, const struct xb_jitlist *jit,
					      struct xb_namer **ret);
void xb_namer_destroy(struct xb_namer *n);

/**
 * Name of one frame word.  Strings in @ret live until the next call, except the file, which lives as long as the
 * module instance.
 */
void xb_namer_frame(struct xb_namer *n, uint64_t frame, struct xb_frame_name *ret);

/** An Erlang address that is no frame of a sample, such as those of xb_stack_frames(). */
void xb_namer_erlang(struct xb_namer *n, xb_addr pc, struct xb_frame_name *ret);

#endif
