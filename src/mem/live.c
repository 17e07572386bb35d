/*
 * A running process as memory.
 *
 * process_vm_readv() needs the right to ptrace (same user or CAP_SYS_PTRACE) but neither attaches nor
 * stops.  One call takes up to IOV_MAX remote ranges; the kernel ends it at the first unreadable page,
 * possibly inside a range, so after a short transfer the rest is asked for again behind the range that
 * failed.
 */
#include "mem/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { BATCH = 1024 };

struct live {
	pid_t pid;
	struct iovec local[BATCH], remote[BATCH]; /* here rather than on the stack: 32 KiB */
};

static struct xb_error *refused(const struct live *l, int err)
{
	if (err == ESRCH)
		return xb_errorf(XB_ERR_GONE, "process %d exited", (int)l->pid);
	return xb_error_sys(err, "cannot read the memory of process %d", (int)l->pid);
}

/* Distribute @done bytes over the ranges; returns how many were filled completely. */
static size_t account(struct xb_io *io, size_t n, size_t done)
{
	size_t full = 0;

	while (full < n && done >= io[full].len) {
		io[full].got = io[full].len;
		done -= io[full].len;
		full++;
	}
	if (full < n)
		io[full].got = done;
	return full;
}

static struct xb_error *live_readv(void *self, struct xb_io *io, size_t n)
{
	struct live *l = self;

	for (size_t at = 0; at < n;) {
		size_t count = XB_MIN(n - at, BATCH);
		ssize_t done;
		size_t full;

		for (size_t i = 0; i < count; i++) {
			l->local[i].iov_base = io[at + i].buf;
			/* Remote addresses travel through the kernel's iovec only; they are never
			 * dereferenced. */
			l->remote[i].iov_base =
				(void *)(uintptr_t)io[at + i].addr; // NOLINT(performance-no-int-to-ptr)
			l->local[i].iov_len = l->remote[i].iov_len = io[at + i].len;
		}
		done = process_vm_readv(l->pid, l->local, count, l->remote, count, 0);
		if (done < 0 && errno != EFAULT && errno != EINVAL)
			return refused(l, errno);
		/* EINVAL: an address the kernel will not even look at; as unreadable as EFAULT. */
		full = account(io + at, count, done < 0 ? 0 : (size_t)done);
		at += full < count ? full + 1 : full;
	}
	return NULL;
}

static bool live_is_stable(void *self)
{
	(void)self;
	return false;
}

static const struct xb_mem_ops live_ops = {
	.name = "live process",
	.readv = live_readv,
	.is_stable = live_is_stable,
	.destroy = free,
};

struct xb_error *xb_mem_live(pid_t pid, struct xb_mem **ret)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return xb_error_nomem();
	l->pid = pid;
	return xb_mem_create(&live_ops, l, ret);
}
