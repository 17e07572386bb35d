/* One stack of every scheduler: the latest sample of each that was running a process. */
#ifndef XB_VIEW_PSTACK_H
#define XB_VIEW_PSTACK_H

#include "view/collect.h"

struct xb_pstack_entry {
	const struct xb_sched *sched;
	bool wanted; /* it was running something when we looked, or every scheduler is waited for */
	bool seen;   /* a sample hit it while it ran a process */
	bool asleep; /* the stack is that of a sleeping thread */
	struct xb_mixed m; /* frames are owned by the entry */
	uint64_t *frames;
	struct xb_proc process;
	bool has_process;
};

struct xb_pstack_set {
	struct xb_session *s;
	struct xb_pstack_entry *entries; /* one for each scheduler, in the session's order */
	size_t n;
	bool wait_all;
};

/** @wait_all: every normal scheduler is wanted; else those that run a process now.  Errors: NOMEM, reads. */
XB_NODISCARD struct xb_error *xb_pstack_create(struct xb_session *s, bool wait_all,
					       struct xb_pstack_set **ret);
void xb_pstack_destroy(struct xb_pstack_set *p);

/** A look() for xb_collect(), with the set as argument: true once every wanted scheduler was seen. */
bool xb_pstack_look(void *set, const struct xb_mixed *m);

/** Stacks of schedulers that sleep, from where they entered the kernel; for those not seen. */
XB_NODISCARD struct xb_error *xb_pstack_sleeping(struct xb_pstack_set *p, struct xb_mixer *mixer);

#endif
