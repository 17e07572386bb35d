#include "view/skid.h"

/* Values below 16 have a bucket each; above, the four bits after the highest one choose among 16. */
static size_t bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < XB_SKID_STEPS)
		return (size_t)ns;
	shift = 63U - (unsigned)__builtin_clzll(ns) - 4;
	return ((size_t)shift + 1) * XB_SKID_STEPS + (size_t)((ns >> shift) - XB_SKID_STEPS);
}

/* The largest value of a bucket. */
static uint64_t upper_end(size_t bucket)
{
	size_t shift = bucket / XB_SKID_STEPS;

	if (shift == 0)
		return bucket;
	return ((uint64_t)(bucket % XB_SKID_STEPS + XB_SKID_STEPS + 1) << (shift - 1)) - 1;
}

void xb_skid_add(struct xb_skid *skid, uint64_t delay_ns, bool still_on)
{
	skid->bucket[bucket_of(delay_ns)]++;
	skid->n++;
	skid->still_on += still_on;
	skid->worst_ns = XB_MAX(skid->worst_ns, delay_ns);
}

uint64_t xb_skid_quantile(const struct xb_skid *skid, double share)
{
	uint64_t want = (uint64_t)((double)skid->n * share + 0.5), sum = 0;

	for (size_t i = 0; skid->n > 0 && i < XB_ARRAY_LEN(skid->bucket); i++) {
		sum += skid->bucket[i];
		/* Never more than was seen. */
		if (sum >= want && sum > 0)
			return XB_MIN(upper_end(i), skid->worst_ns);
	}
	return skid->worst_ns;
}
