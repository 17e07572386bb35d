/* Behind extrospect.h: nothing of this is exported. */
#ifndef XB_API_IMPL_H
#define XB_API_IMPL_H

#include "api/extrospect.h"
#include "base/map.h"
#include "session/session.h"
#include "view/namer.h"
#include "view/profile.h"

struct extrospect_vm {
	struct xb_session *session;
	struct xb_log log;
	struct extrospect_open_options options;
	struct xb_namer *namer;
	struct xb_jitlist jit; /* read when the first address is met that may be a shared fragment */
	bool has_jit, busy;    /* @busy: a callback of this VM is running */
	/* Frames named since the last pass began: pc -> struct extrospect_frame * in the arena. */
	struct xb_map named;
	struct xb_arena names;
};

/* Either frames of a process (pass), or of a profile. */
struct extrospect_stack {
	struct extrospect_vm *vm;
	const struct xb_frames *frames;
	const struct xb_profile *profile;
	const struct xb_pstack *counted;
	bool rooted;
};

/** What a caller sees of @err; NULL stays NULL. */
static inline struct extrospect_error *xb_api_error(struct xb_error *err)
{
	return (struct extrospect_error *)err;
}

/**
 * Copy options whose first member is their size: what the caller's header does not know stays zero.
 * @return NULL; USAGE when the caller sets something that this library does not know, or forgot the size.
 */
XB_NODISCARD struct xb_error *xb_api_take(const void *theirs, void *ours, size_t our_size);

/** Hand out a result whose first member is its size, as far as the caller's header knows it.  USAGE: size forgotten. */
XB_NODISCARD struct xb_error *xb_api_give(const void *ours, size_t our_size, void *theirs);

/** Mark the VM as in use by a call that has callbacks; USAGE from inside one. */
XB_NODISCARD struct xb_error *xb_api_enter(struct extrospect_vm *vm);
void xb_api_leave(struct extrospect_vm *vm);

/**
 * Make what is known of code and images current, and forget the frames named before.
 * Cost: a few small reads and the maps of the process: 0.1-1 ms.
 */
XB_NODISCARD struct xb_error *xb_api_refresh(struct extrospect_vm *vm);

/** Name @word (xb_mixed_frame()), from the cache where it is known already; NULL: out of memory. */
const struct extrospect_frame *xb_api_name(struct extrospect_vm *vm, uint64_t word);

#endif
