/* Delays between a sample and the read of what was not exact, counted. */
#ifndef XB_VIEW_SKID_H
#define XB_VIEW_SKID_H

#include "base/base.h"

enum {
	XB_SKID_STEPS = 16 /* buckets for every power of two: a quantile is at most a 16th too large */
};

/* All zero: empty. */
struct xb_skid {
	uint64_t bucket[64 * XB_SKID_STEPS];
	uint64_t n, worst_ns;
	uint64_t still_on; /* of @n: the scheduler still ran the same process */
};

/** Count one delay. */
void xb_skid_add(struct xb_skid *skid, uint64_t delay_ns, bool still_on);

/**
 * Delay that @share (0 to 1) of those counted do not exceed, in ns: at least the true one and at most a 16th more; 0
 * without any.
 */
uint64_t xb_skid_quantile(const struct xb_skid *skid, double share);

#endif
