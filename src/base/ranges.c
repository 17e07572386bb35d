#include "base/ranges.h"

#include "base/vec.h"

#include <stdlib.h>

bool xb_ranges_add(struct xb_ranges *r, xb_addr start, xb_addr end, uint64_t value)
{
	if (start >= end)
		return true;
	if (r->len == r->cap) {
		struct xb_range *grown = xb_vec_grow(r->data, &r->cap, r->len + 1, sizeof(*grown));

		if (grown == NULL)
			return false;
		r->data = grown;
	}
	r->data[r->len] = (struct xb_range){ start, end, value, (uint32_t)r->len };
	r->len++;
	r->sealed = false;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct xb_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int by_order(const void *a, const void *b)
{
	const struct xb_range *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static size_t first_overlap(const struct xb_range *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (v[i].start < v[i - 1].end)
			return i;
	}
	return n;
}

/*
 * Overlaps are rare (a purged module whose memory was given to a new one), so the general case is a
 * sort.  When there are some, ranges are re-inserted in the order they were added and those that touch
 * an earlier one dropped: a partly overwritten old range has nothing true left to say about its other
 * half either.
 */
static bool drop_overlapped(struct xb_ranges *r)
{
	struct xb_range *in = r->data;
	struct xb_ranges out = XB_RANGES_INIT;
	size_t n = r->len;

	qsort(in, n, sizeof(*in), by_order);
	out.data = calloc(n, sizeof(*out.data));
	if (out.data == NULL)
		return false;
	out.cap = n;
	for (size_t i = 0; i < n; i++) {
		size_t lo = 0, hi = out.len;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (out.data[mid].end <= in[i].start)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < out.len && out.data[lo].start < in[i].end)
			continue;
		for (size_t k = out.len; k > lo; k--)
			out.data[k] = out.data[k - 1];
		out.data[lo] = in[i];
		out.len++;
	}
	free(in);
	*r = out;
	return true;
}

bool xb_ranges_seal(struct xb_ranges *r, size_t *overlaps)
{
	size_t before = r->len;

	if (r->len > 1)
		qsort(r->data, r->len, sizeof(*r->data), by_start);
	if (first_overlap(r->data, r->len) < r->len && !drop_overlapped(r))
		return false;
	r->sealed = true;
	if (overlaps != NULL)
		*overlaps = before - r->len;
	return true;
}

const struct xb_range *xb_ranges_find(const struct xb_ranges *r, xb_addr addr)
{
	size_t lo = 0, hi = r->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->data[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < r->len && r->data[lo].start <= addr)
		return &r->data[lo];
	return NULL;
}

void xb_ranges_deinit(struct xb_ranges *r)
{
	free(r->data);
	*r = (struct xb_ranges)XB_RANGES_INIT;
}
