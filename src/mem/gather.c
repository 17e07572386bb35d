#include "mem/gather.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_GAP = 512,      /* bytes worth reading in vain: about what one more range costs */
	MAX_RUN = 64 << 10, /* so that one unreadable page does not spoil much */
};

/* Ranges order[first .. first + n) as one. */
struct run {
	xb_addr start, end;
	size_t first, n;
};

static int by_address(const void *a, const void *b)
{
	const struct xb_io *const *x = a, *const *y = b;

	return (*x)->addr < (*y)->addr ? -1 : (*x)->addr > (*y)->addr;
}

/* Ranges that wrap around or are empty stay alone: they cannot be read anyway. */
static bool joins(const struct run *run, const struct xb_io *io)
{
	xb_addr end;

	return !__builtin_add_overflow(io->addr, io->len, &end) && run->end >= run->start &&
	       (io->addr <= run->end || io->addr - run->end <= MAX_GAP) &&
	       XB_MAX(end, run->end) - run->start <= MAX_RUN;
}

static size_t make_runs(struct xb_io *const *order, size_t n, struct run *runs)
{
	size_t n_runs = 0;

	for (size_t i = 0; i < n; i++) {
		struct run *last = n_runs > 0 ? &runs[n_runs - 1] : NULL;
		xb_addr end = order[i]->addr + order[i]->len;

		if (last != NULL && joins(last, order[i])) {
			last->end = XB_MAX(last->end, end);
			last->n++;
		} else {
			runs[n_runs++] = (struct run){ order[i]->addr, end, i, 1 };
		}
	}
	return n_runs;
}

/* What of @run was read goes to its ranges; false when one of them is not complete. */
static bool hand_out(const struct run *run, struct xb_io *const *order, const struct xb_io *got)
{
	bool whole = true;

	for (size_t k = run->first; k < run->first + run->n; k++) {
		size_t at = (size_t)(order[k]->addr - run->start);

		order[k]->got = at >= got->got ? 0 : XB_MIN(order[k]->len, got->got - at);
		if (order[k]->got > 0)
			memcpy(order[k]->buf, (const unsigned char *)got->buf + at, order[k]->got);
		whole &= order[k]->got == order[k]->len;
	}
	return whole;
}

static struct xb_error *read_runs(struct xb_mem *mem, struct xb_io *const *order,
				  const struct run *runs, size_t n_runs, struct xb_io *joined,
				  unsigned char *bytes)
{
	size_t used = 0;

	for (size_t i = 0; i < n_runs; i++) {
		const struct run *r = &runs[i];

		joined[i] = (struct xb_io){ .addr = r->start, .len = (size_t)(r->end - r->start) };
		if (r->n == 1) {
			joined[i].len = order[r->first]->len;
			joined[i].buf = order[r->first]->buf;
		} else {
			joined[i].buf = bytes + used;
			used += joined[i].len;
		}
	}
	XB_TRY(xb_mem_readv(mem, joined, n_runs));
	for (size_t i = 0; i < n_runs; i++) {
		const struct run *r = &runs[i];

		if (r->n == 1) {
			order[r->first]->got = joined[i].got;
		} else if (!hand_out(r, order, &joined[i])) {
			for (size_t k = r->first; k < r->first + r->n; k++)
				XB_TRY(xb_mem_readv(mem, order[k], 1));
		}
	}
	return NULL;
}

struct xb_error *xb_mem_gather(struct xb_mem *mem, struct xb_io *io, size_t n)
{
	struct xb_io **order = calloc(n + 1, sizeof(struct xb_io *)),
		     *joined = calloc(n + 1, sizeof(*joined));
	struct run *runs = calloc(n + 1, sizeof(*runs));
	unsigned char *bytes = NULL;
	struct xb_error *err = NULL;
	size_t n_runs, total = 0;

	if (order == NULL || joined == NULL || runs == NULL) {
		err = xb_error_nomem();
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = &io[i];
	qsort(order, n, sizeof(struct xb_io *), by_address);
	n_runs = make_runs(order, n, runs);
	for (size_t i = 0; i < n_runs; i++)
		total += runs[i].n > 1 ? (size_t)(runs[i].end - runs[i].start) : 0;
	bytes = malloc(total + 1);
	err = bytes == NULL ? xb_error_nomem() : read_runs(mem, order, runs, n_runs, joined, bytes);
out:
	free(order);
	free(joined);
	free(runs);
	free(bytes);
	return err;
}
