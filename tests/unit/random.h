/* The same numbers in every run. */
#ifndef XB_TESTS_RANDOM_H
#define XB_TESTS_RANDOM_H

#include <stdint.h>

/* xorshift64; *@s must not be 0. */
static inline uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

#endif
