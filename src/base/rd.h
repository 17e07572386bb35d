/*
 * Bounded reader over bytes that came from the target or from a file.  Reading past the end never
 * touches memory: it yields zero and sets @bad, which the caller checks once at the end.
 */
#ifndef XB_BASE_RD_H
#define XB_BASE_RD_H

#include "base/base.h"

#include <string.h>

struct xb_rd {
	const unsigned char *data;
	size_t len, at;
	bool bad;
};

static inline struct xb_rd xb_rd_of(const void *data, size_t len)
{
	return (struct xb_rd){ .data = data, .len = len };
}

/** Pointer to the next @n bytes and past them; NULL (and bad) when there are fewer. */
static inline const void *xb_rd_bytes(struct xb_rd *r, size_t n)
{
	const void *p;

	if (r->bad || n > r->len - r->at) {
		r->bad = true;
		return NULL;
	}
	p = r->data + r->at;
	r->at += n;
	return p;
}

static inline void xb_rd_skip(struct xb_rd *r, size_t n)
{
	(void)xb_rd_bytes(r, n);
}

#define XB_RD_INT(name, type)                                                                          \
	static inline type name(struct xb_rd *r)                                                       \
	{                                                                                              \
		type v = 0;                                                                            \
		const void *p = xb_rd_bytes(r, sizeof(v));                                             \
		if (p != NULL)                                                                         \
			memcpy(&v, p, sizeof(v));                                                      \
		return v;                                                                              \
	}

/* Little endian, unaligned; the host is little endian too (checked by the build). */
XB_RD_INT(xb_rd_u8, uint8_t)
XB_RD_INT(xb_rd_u16, uint16_t)
XB_RD_INT(xb_rd_u32, uint32_t)
XB_RD_INT(xb_rd_u64, uint64_t)
#undef XB_RD_INT

/** The word at byte offset @off of a buffer the caller has checked to be long enough. */
static inline uint64_t xb_load64(const void *p, size_t off)
{
	uint64_t v;

	memcpy(&v, (const unsigned char *)p + off, sizeof(v));
	return v;
}

static inline uint32_t xb_load32(const void *p, size_t off)
{
	uint32_t v;

	memcpy(&v, (const unsigned char *)p + off, sizeof(v));
	return v;
}

static inline uint16_t xb_load16(const void *p, size_t off)
{
	uint16_t v;

	memcpy(&v, (const unsigned char *)p + off, sizeof(v));
	return v;
}

#endif
