/* LEB128 numbers over the bounded reader. */
#ifndef XB_ELF_LEB_H
#define XB_ELF_LEB_H

#include "base/rd.h"

/** Bits above 64 are an error, except the padding of zeros that some assemblers emit. */
static inline uint64_t xb_rd_uleb(struct xb_rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; !r->bad; shift += 7) {
		uint8_t b = xb_rd_u8(r);
		uint64_t bits = b & 0x7f;

		if (shift >= 64 ? bits != 0 : (bits << shift) >> shift != bits)
			r->bad = true;
		else if (shift < 64)
			v |= bits << shift;
		if ((b & 0x80) == 0)
			break;
	}
	return r->bad ? 0 : v;
}

/** Bits above 64 are dropped: they can only repeat the sign in anything a compiler wrote. */
static inline int64_t xb_rd_sleb(struct xb_rd *r)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = xb_rd_u8(r);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while ((b & 0x80) != 0 && !r->bad);
	if (r->bad)
		return 0;
	if (shift < 64 && (b & 0x40) != 0)
		v |= ~(uint64_t)0 << shift;
	return (int64_t)v;
}

#endif
