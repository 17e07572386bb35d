/*
 * What a VM is: the facts that need both the operating system's and the VM's own view.  For showing; analysis does not
 * use it.
 */
#ifndef XB_SESSION_SYSTEM_H
#define XB_SESSION_SYSTEM_H

#include "layout/threads.h"
#include "os/about.h"
#include "session/session.h"

/* One thread of the process. */
struct xb_system_thread {
	struct xb_task task;
	enum xb_thread_role role;
	int no;                       /* the VM's number for it, -1: none */
	const struct xb_sched *sched; /* NULL: no scheduler, or not known which */
	/* Of a scheduler that runs a process at this moment, else NULL. */
	const char *pid;     /* "<0.44.0>" */
	const char *process; /* its name, or "m:f/a" of its initial call */
};

struct xb_system {
	struct xb_proc_about os;
	struct xb_system_thread *threads; /* schedulers first, in the VM's order; then by tid */
	size_t n_threads;
	const struct xb_image *debug_image; /* separate debug file, or NULL */
	bool has_dwarf;                     /* in the executable or its debug file */
	uint32_t processes, process_limit;
	uint32_t atoms;
	size_t modules; /* loaded instances, old code included */
	uint64_t code_bytes;
};

/**
 * Gather all of it; strings live in @arena.
 * @return NULL, GONE, PERM, FAULT, NOMEM.  Cost: about 1 ms.
 */
XB_NODISCARD struct xb_error *xb_system_gather(struct xb_session *s, struct xb_arena *arena,
					       struct xb_system *ret);

#endif
