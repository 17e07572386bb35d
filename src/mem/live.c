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

enum {
	BATCH = 1024, /* ranges of one call, on either side: IOV_MAX */
	NEAR_BYTES =
		2048, /* copying this much that nobody asked for costs less than a range of its own */
};

struct live {
	pid_t pid;
	size_t n_local, n_remote;
	struct iovec local[BATCH], remote[BATCH]; /* here rather than on the stack: 32 KiB */
	unsigned char unwanted[NEAR_BYTES];       /* what lies between two ranges read as one */
};

static struct xb_error *refused(const struct live *l, int err)
{
	if (err == ESRCH)
		return xb_errorf(XB_ERR_GONE, "process %d exited", (int)l->pid);
	return xb_error_sys(err, "cannot read the memory of process %d", (int)l->pid);
}

static void add(struct live *l, const struct xb_io *io, uint64_t gap)
{
	l->local[l->n_local++] = (struct iovec){ io->buf, io->len };
	/* Remote addresses travel through the kernel's iovec only; they are never dereferenced. */
	if (gap == UINT64_MAX)
		l->remote[l->n_remote++] = (struct iovec){
			(void *)(uintptr_t)io->addr, io->len // NOLINT(performance-no-int-to-ptr)
		};
	else
		l->remote[l->n_remote - 1].iov_len += gap + io->len;
}

/* Bytes between the end of one range and the start of the next; UINT64_MAX unless that is near and ahead. */
static uint64_t gap_between(const struct xb_io *a, const struct xb_io *b)
{
	uint64_t end;

	if (__builtin_add_overflow(a->addr, a->len, &end) || b->addr < end ||
	    b->addr - end > NEAR_BYTES)
		return UINT64_MAX;
	return b->addr - end;
}

/*
 * The vectors of one call, for as many of @io as fit.  What the kernel spends on a range is mostly finding its pages, so
 * ranges that follow each other closely are read as one.
 */
static size_t prepare(struct live *l, const struct xb_io *io, size_t n)
{
	size_t i;

	l->n_local = l->n_remote = 0;
	for (i = 0; i < n && l->n_local + 2 <= BATCH; i++) {
		uint64_t gap = i == 0 ? UINT64_MAX : gap_between(&io[i - 1], &io[i]);

		if (gap != UINT64_MAX && gap > 0)
			l->local[l->n_local++] = (struct iovec){ l->unwanted, gap };
		add(l, &io[i], gap);
	}
	return i;
}

/* Distribute @done bytes over the ranges; returns how many were filled completely. */
static size_t account(struct xb_io *io, size_t n, size_t done)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t gap = i == 0 ? UINT64_MAX : gap_between(&io[i - 1], &io[i]);
		size_t skip = gap == UINT64_MAX ? 0 : XB_MIN((size_t)gap, done);

		done -= skip;
		io[i].got = XB_MIN(io[i].len, done);
		done -= io[i].got;
		if (io[i].got < io[i].len)
			return i;
	}
	return n;
}

static struct xb_error *live_readv(void *self, struct xb_io *io, size_t n)
{
	struct live *l = self;
	bool alone = false; /* the next range by itself */

	for (size_t at = 0; at < n;) {
		size_t count = prepare(l, io + at, alone ? 1 : n - at), full;
		ssize_t done =
			process_vm_readv(l->pid, l->local, l->n_local, l->remote, l->n_remote, 0);

		if (done < 0 && errno != EFAULT && errno != EINVAL)
			return refused(l, errno);
		/* EINVAL: an address the kernel will not even look at; as unreadable as EFAULT. */
		full = account(io + at, count, done < 0 ? 0 : (size_t)done);
		/*
		 * The range where it ended is asked for once more by itself: what could not be read may have been
		 * before it, or, with EINVAL, anywhere.
		 */
		at += full < count && (alone || count == 1) ? 1 : full;
		alone = full < count && !alone && count > 1;
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
