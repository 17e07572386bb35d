/* Between profile.c (counting, code changes) and profile_intern.c (ids of what samples have in common). */
#ifndef XB_VIEW_PROFILE_PRIV_H
#define XB_VIEW_PROFILE_PRIV_H

#include "view/profile.h"

enum {
	XB_PROFILE_NO_MEMORY = UINT32_MAX, /* instead of a stack id */
	XB_PROFILE_NO_ROOM = UINT32_MAX - 1,
};

/** Name the frames that have no name yet, with the code as it is known now.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_profile_name_pending(struct xb_profile *p);

/** Words met from now on may mean other code than the same words did before; all frames must have their names. */
void xb_profile_forget_words(struct xb_profile *p);

/** Index of the sample's stack in p->stacks, added when new; or one of the two values above. */
uint32_t xb_profile_stack(struct xb_profile *p, const struct xb_mixed *m);

/** Index of the sample's process in p->processes, XB_PROFILE_NO_PROCESS or XB_PROFILE_GONE. */
uint32_t xb_profile_process(struct xb_profile *p, const struct xb_mixed *m);

/** Index of the sample's thread in p->threads. */
uint32_t xb_profile_thread(struct xb_profile *p, const struct xb_mixed *m);

#endif
