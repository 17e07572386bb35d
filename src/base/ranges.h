/*
 * Sorted, disjoint half-open ranges [start, end) -> value, for "which mapping, module, image holds this
 * address". Filled in any order, then sealed; where two ranges overlap the one added first wins (add
 * the newest first).
 */
#ifndef XB_BASE_RANGES_H
#define XB_BASE_RANGES_H

#include "base/base.h"

struct xb_range {
	xb_addr start, end;
	uint64_t value;
	uint32_t order;
};

struct xb_ranges {
	struct xb_range *data;
	size_t len, cap;
	bool sealed;
};

#define XB_RANGES_INIT                                                                                 \
	{                                                                                              \
		0                                                                                      \
	}

/** Empty ranges are ignored.  False: out of memory. */
XB_NODISCARD bool xb_ranges_add(struct xb_ranges *r, xb_addr start, xb_addr end, uint64_t value);

/** Sort and cut overlaps.  @overlaps (may be NULL) receives how many ranges were cut or dropped. */
XB_NODISCARD bool xb_ranges_seal(struct xb_ranges *r, size_t *overlaps);

/** The range that holds @addr, or NULL.  Only after sealing.  Cost: one binary search. */
const struct xb_range *xb_ranges_find(const struct xb_ranges *r, xb_addr addr);

void xb_ranges_deinit(struct xb_ranges *r);

#endif
