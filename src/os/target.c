#include "os/target.h"

#include "os/procfs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* /proc/TID exists for every thread, hidden from listings: only Tgid tells. */
static struct xb_error *check_is_process(pid_t pid)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	char path[64], *text;
	const char *tgid;
	struct xb_error *err;
	long process;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	err = xb_read_file(path, &arena, &text, NULL);
	if (err != NULL) {
		xb_error_destroy(err);
		return xb_errorf(XB_ERR_GONE, "no such process %d", (int)pid);
	}
	tgid = xb_proc_field(text, "Tgid");
	process = tgid == NULL ? pid : strtol(tgid, NULL, 10);
	if (process != pid)
		return xb_errorf(XB_ERR_USAGE, "%d is a thread of process %ld, not a process", (int)pid,
				 process);
	return NULL;
}

static bool still(pid_t pid, uint64_t start_time)
{
	struct xb_proc_status now;
	struct xb_error *err = xb_proc_status(pid, &now);

	if (err != NULL) {
		xb_error_destroy(err);
		return false;
	}
	return now.start_time == start_time && now.state != 'Z' && now.state != 'X';
}

struct xb_error *xb_target_open(pid_t pid, struct xb_proc_handle *ret)
{
	struct xb_proc_handle h = { .pid = pid, .pidfd = -1 };
	struct xb_proc_status status;

	if (pid <= 0)
		return xb_errorf(XB_ERR_USAGE, "%d is no process id", (int)pid);
	XB_TRY(check_is_process(pid));
	XB_TRY(xb_proc_status(pid, &status));
	h.start_time = status.start_time;
	h.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Looked at again: the pid may have changed hands between the two. */
	if ((h.pidfd < 0 && errno == ESRCH) || !still(pid, h.start_time)) {
		xb_target_close(&h);
		return xb_errorf(XB_ERR_GONE, "process %d has exited", (int)pid);
	}
	*ret = h;
	return NULL;
}

bool xb_target_alive(const struct xb_proc_handle *h)
{
	struct pollfd p = { .fd = h->pidfd, .events = POLLIN };

	if (h->pidfd < 0)
		return still(h->pid, h->start_time);
	return poll(&p, 1, 0) == 0 || (p.revents & POLLIN) == 0;
}

bool xb_target_exits_within(const struct xb_proc_handle *h, int ms)
{
	struct pollfd p = { .fd = h->pidfd, .events = POLLIN };

	/* Without a pidfd this is just a pause: poll() ignores negative descriptors. */
	(void)poll(&p, 1, ms);
	return !xb_target_alive(h);
}

void xb_target_close(struct xb_proc_handle *h)
{
	xb_closep(&h->pidfd);
	h->pidfd = -1;
}
