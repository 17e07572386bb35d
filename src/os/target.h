/* Holding on to one process: pids are re-used, a pidfd and a start time are not. */
#ifndef XB_OS_TARGET_H
#define XB_OS_TARGET_H

#include "base/error.h"

#include <sys/types.h>

struct xb_proc_handle {
	pid_t pid;
	int pidfd;           /* readable once the process has exited; -1 before Linux 5.3 */
	uint64_t start_time; /* clock ticks since boot */
};

#define XB_PROC_HANDLE_NONE                                                                            \
	{                                                                                              \
		.pidfd = -1                                                                            \
	}

/** GONE when @pid does not exist, USAGE when it is a thread of another process (the sentence names it).
 */
XB_NODISCARD struct xb_error *xb_target_open(pid_t pid, struct xb_proc_handle *ret);

/** Whether this very process still runs; a zombie does not.  Cost: one system call, four without pidfd.
 */
bool xb_target_alive(const struct xb_proc_handle *h);

/** Whether the process exits within @ms milliseconds; one that is on its way out has lost its memory before. */
bool xb_target_exits_within(const struct xb_proc_handle *h, int ms);

/** Accepts XB_PROC_HANDLE_NONE. */
void xb_target_close(struct xb_proc_handle *h);

#endif
