/* Clocks in nanoseconds. */
#ifndef XB_BASE_CLOCK_H
#define XB_BASE_CLOCK_H

#include "base/base.h"

#include <time.h>

/** What @clock shows; none of those asked for can fail. */
static inline uint64_t xb_clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/** Monotonic time, which is also that of samples. */
static inline uint64_t xb_now_ns(void)
{
	return xb_clock_ns(CLOCK_MONOTONIC);
}

#endif
