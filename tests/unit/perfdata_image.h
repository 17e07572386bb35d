/* Synthetic perf.data images for tests. */
#ifndef XB_TESTS_PERFDATA_IMAGE_H
#define XB_TESTS_PERFDATA_IMAGE_H

#include "base/base.h"

#include <string.h>

#define IMAGE_JIT "/memfd:vmem (deleted)"

struct image {
	unsigned char bytes[1 << 20]; /* keep images static */
	size_t len;
	size_t id_size;   /* sample id behind every record */
	uint64_t data_at; /* 0: a stream */
};

/* A static image starts empty; nothing is written behind its length. */
static inline void image_clear(struct image *im)
{
	im->len = im->id_size = 0;
	im->data_at = 0;
}

static inline void image_put(struct image *im, const void *bytes, size_t len)
{
	xb_assert(len <= sizeof(im->bytes) - im->len);
	if (len > 0)
		memcpy(im->bytes + im->len, bytes, len);
	im->len += len;
}

static inline void image_fill(struct image *im, int byte, size_t n)
{
	xb_assert(n <= sizeof(im->bytes) - im->len);
	memset(im->bytes + im->len, byte, n);
	im->len += n;
}

static inline void image_u32(struct image *im, uint32_t v)
{
	image_put(im, &v, sizeof(v));
}

static inline void image_u64(struct image *im, uint64_t v)
{
	image_put(im, &v, sizeof(v));
}

static inline void image_header(struct image *im, uint32_t type, uint16_t misc, size_t size)
{
	uint16_t size16 = (uint16_t)size;

	image_u32(im, type);
	image_put(im, &misc, sizeof(misc));
	image_put(im, &size16, sizeof(size16));
}

/* A perf_event_attr of 64 bytes whose sample id is TID, TIME, CPU, IDENTIFIER: 32 bytes. */
static inline void image_attr(struct image *im)
{
	image_u32(im, 1);
	image_u32(im, 64);
	image_u64(im, 0);
	image_u64(im, 99);
	image_u64(im, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 7 | 1 << 16);
	image_u64(im, 0);
	image_u64(im, 1 << 18);
	image_u64(im, 0);
	image_u64(im, 0);
	im->id_size = 32;
}

static inline void image_file(struct image *im)
{
	image_clear(im);
	image_put(im, "PERFILE2", 8);
	image_u64(im, 104);
	image_u64(im, 64 + 16);
	image_u64(im, 104);
	image_u64(im, 64 + 16);
	image_u64(im, 104 + 80);
	image_u64(im, 0); /* image_end() */
	for (int i = 0; i < 6; i++)
		image_u64(im, 0);
	image_attr(im);
	image_u64(im, 0);
	image_u64(im, 0);
	im->data_at = im->len;
}

static inline void image_stream(struct image *im)
{
	image_clear(im);
	image_put(im, "PERFILE2", 8);
	image_u64(im, 16);
	image_header(im, 64, 0, 8 + 64 + 8);
	image_attr(im);
	image_u64(im, 7);
}

/* Closes the data section and puts a feature section behind it. */
static inline void image_end(struct image *im)
{
	uint64_t size = im->len - im->data_at;

	if (im->data_at == 0)
		return;
	memcpy(im->bytes + 48, &size, sizeof(size));
	image_put(im, IMAGE_JIT, sizeof(IMAGE_JIT)); /* as the build-id table may have it */
}

static inline void image_tail(struct image *im, const char *name)
{
	size_t len = strlen(name), padded = (len / 8 + 1) * 8;

	for (size_t i = 0; i < padded; i++)
		image_put(im, i < len ? &name[i] : "", 1);
	image_fill(im, 0x5a, im->id_size);
}

/* Returns the offset of the name. */
static inline size_t image_mmap2(struct image *im, uint32_t pid, uint32_t prot, uint16_t misc,
				 const char *name)
{
	image_header(im, 10, misc, 72 + (strlen(name) / 8 + 1) * 8 + im->id_size);
	image_u32(im, pid);
	image_u32(im, pid);
	for (int i = 0; i < 6; i++)
		image_u64(im, 0x1111111111111111);
	image_u32(im, prot);
	image_u32(im, 1);
	image_tail(im, name);
	return im->len - im->id_size - (strlen(name) / 8 + 1) * 8;
}

static inline size_t image_mmap(struct image *im, uint32_t pid, uint16_t misc, const char *name)
{
	image_header(im, 1, misc, 40 + (strlen(name) / 8 + 1) * 8 + im->id_size);
	image_u32(im, pid);
	image_u32(im, pid);
	for (int i = 0; i < 3; i++)
		image_u64(im, 0x2222222222222222);
	image_tail(im, name);
	return im->len - im->id_size - (strlen(name) / 8 + 1) * 8;
}

/* A record whose payload follows it uncounted, filled with what looks like a mapping. */
static inline void image_auxtrace(struct image *im, size_t payload)
{
	image_header(im, 71, 0, 48);
	image_u64(im, payload);
	for (int i = 0; i < 4; i++)
		image_u64(im, 0);
	for (size_t i = 0; i < payload; i++)
		image_put(im, &IMAGE_JIT[i % (sizeof(IMAGE_JIT) - 1)], 1);
}

static inline void image_tracing(struct image *im, uint32_t payload)
{
	image_header(im, 66, 0, 16);
	image_u32(im, payload);
	image_u32(im, 0);
	image_fill(im, 0xff, (payload + 7) / 8 * 8);
}

static inline void image_sample(struct image *im, size_t body)
{
	image_header(im, 9, 2, 8 + body);
	image_fill(im, 0x77, body);
}

#endif
