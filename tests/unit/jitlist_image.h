/* A target that is one array of bytes, with a gdb JIT list built into it. */
#ifndef XB_TESTS_JITLIST_IMAGE_H
#define XB_TESTS_JITLIST_IMAGE_H

#include "vm/jitlist.h"
#include "vm/vm.h"

#include <stdlib.h>

#include "xbtest.h"

enum { IMAGE_BASE = 0x10000000, IMAGE_SIZE = 1 << 20, IMAGE_DESCRIPTOR = IMAGE_BASE + 64 };

struct image {
	unsigned char bytes[IMAGE_SIZE];
	size_t used;
	struct xb_vm vm;
	xb_addr newest;                                  /* node */
	void (*before_read)(struct image *, xb_addr at); /* what happens in the target meanwhile */
	unsigned reads;
	bool gone;
};

static inline struct xb_error *image_readv(void *self, struct xb_io *io, size_t n)
{
	struct image *im = self;

	if (im->gone)
		return xb_errorf(XB_ERR_GONE, "the image is gone");
	for (size_t i = 0; i < n; i++) {
		im->reads++;
		if (im->before_read != NULL)
			im->before_read(im, io[i].addr);
		if (io[i].addr < IMAGE_BASE || io[i].addr >= IMAGE_BASE + IMAGE_SIZE)
			continue;
		io[i].got = XB_MIN(io[i].len, (size_t)(IMAGE_BASE + IMAGE_SIZE - io[i].addr));
		memcpy(io[i].buf, im->bytes + (io[i].addr - IMAGE_BASE), io[i].got);
	}
	return NULL;
}

static inline bool image_is_stable(void *self)
{
	(void)self;
	return false;
}

static inline void image_destroy(void *self)
{
	(void)self;
}

static const struct xb_mem_ops image_ops = { "image", image_readv, image_is_stable, image_destroy };

static inline void *image_at(struct image *im, xb_addr addr)
{
	return im->bytes + (addr - IMAGE_BASE);
}

static inline void image_put(struct image *im, xb_addr addr, const void *bytes, size_t len)
{
	memcpy(image_at(im, addr), bytes, len);
}

static inline void image_put64(struct image *im, xb_addr addr, uint64_t v)
{
	image_put(im, addr, &v, 8);
}

static inline void image_put32(struct image *im, xb_addr addr, uint32_t v)
{
	image_put(im, addr, &v, 4);
}

static inline struct image *image_create(void)
{
	struct image *im = calloc(1, sizeof(*im));

	assert_non_null(im);
	im->used = 4096;
	im->vm.roots.at[XB_ROOT_JIT_DESCRIPTOR].addr = IMAGE_DESCRIPTOR;
	assert_ok(xb_mem_create(&image_ops, im, &im->vm.mem));
	image_put32(im, IMAGE_DESCRIPTOR, 1);
	return im;
}

static inline void image_free(struct image *im)
{
	xb_mem_destroy(im->vm.mem);
	free(im);
}

static inline xb_addr image_alloc(struct image *im, size_t len)
{
	xb_addr at = IMAGE_BASE + im->used;

	im->used += xb_align_up(len, 16);
	assert_true(im->used <= IMAGE_SIZE);
	return at;
}

/* Register @len bytes as the VM does. */
static inline xb_addr image_register(struct image *im, const void *text, size_t len)
{
	xb_addr symfile = image_alloc(im, len), node = image_alloc(im, 32);

	image_put(im, symfile, text, len);
	image_put64(im, node, im->newest);
	image_put64(im, node + 8, im->newest == 0 ? 0 : 0x4141414141414141); /* not set by OTP 25 */
	image_put64(im, node + 16, symfile);
	image_put64(im, node + 24, len);
	if (im->newest != 0)
		image_put64(im, im->newest + 8, node);
	image_put32(im, IMAGE_DESCRIPTOR + 4, 1);
	image_put64(im, IMAGE_DESCRIPTOR + 8, node);
	image_put64(im, IMAGE_DESCRIPTOR + 16, node);
	im->newest = node;
	return node;
}

/* Text of one entry in the making. */
struct text {
	unsigned char bytes[65536];
	size_t len;
};

static inline void text_add(struct text *t, const void *bytes, size_t len)
{
	assert_true(t->len + len <= sizeof(t->bytes));
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

static inline void text_u64(struct text *t, uint64_t v)
{
	text_add(t, &v, 8);
}

static inline void text_u32(struct text *t, uint32_t v)
{
	text_add(t, &v, 4);
}

/* Length with NUL, the name, and two bytes of padding that the VM counts to the structure. */
static inline void text_name(struct text *t, const char *name, size_t len)
{
	uint16_t with_nul = (uint16_t)(len + 1);

	text_add(t, &with_nul, 2);
	text_add(t, name, len);
	text_add(t, "\0\xaa\xaa", 3);
}

static inline void text_module(struct text *t, xb_addr base, uint32_t ranges, uint32_t code_size,
			       const char *name)
{
	uint16_t with_nul = (uint16_t)(strlen(name) + 1);

	t->len = 0;
	text_u64(t, 0xbbbbbbbb00000001); /* kind, padding */
	text_u64(t, base);
	text_u32(t, ranges);
	text_u32(t, code_size);
	text_add(t, &with_nul, 2);
	text_add(t, name, with_nul);
	text_add(t, "\xaa\xaa\xaa\xaa\xaa\xaa", 6); /* sizeof(struct debug_info) - 26 */
}

static inline void text_range_n(struct text *t, uint32_t start, uint32_t end, uint32_t lines,
				const char *name, size_t len)
{
	text_u32(t, start);
	text_u32(t, end);
	text_u32(t, lines);
	text_name(t, name, len);
}

static inline void text_range(struct text *t, uint32_t start, uint32_t end, uint32_t lines,
			      const char *name)
{
	text_range_n(t, start, end, lines, name, strlen(name));
}

static inline void text_line(struct text *t, uint32_t start, uint32_t line, const char *file)
{
	text_u32(t, start);
	text_u32(t, line);
	text_name(t, file, strlen(file));
}

static inline xb_addr image_emulator(struct image *im, uint32_t layout, xb_addr normal_exit)
{
	static struct text t;

	t.len = 0;
	text_u64(&t, 0);
	text_u64(&t, 0xcccccccc00000000 | layout);
	text_u64(&t, normal_exit);
	text_u64(&t, 0xdddddddddddddddd);
	return image_register(im, t.bytes, t.len);
}

/* A module of one function with two line rows. */
static inline xb_addr image_module(struct image *im, xb_addr base, const char *name)
{
	static struct text t;
	char label[128];

	text_module(&t, base, 4, 0x200, name);
	(void)snprintf(label, sizeof(label), "%s::codeHeader", name);
	text_range(&t, 0, 0x80, 0, label);
	(void)snprintf(label, sizeof(label), "%s:f/1-CodeInfoPrologue", name);
	text_range(&t, 0x80, 0xb0, 0, label);
	(void)snprintf(label, sizeof(label), "%s:f/1", name);
	text_range(&t, 0xb0, 0x180, 2, label);
	text_line(&t, 0xc0, 7, "a.erl");
	text_line(&t, 0x100, 99, "b\xc3\xa9.hrl");
	(void)snprintf(label, sizeof(label), "%s::codeFooter", name);
	text_range(&t, 0x180, 0x200, 0, label);
	return image_register(im, t.bytes, t.len);
}

static inline xb_addr image_fragments(struct image *im, xb_addr base)
{
	static struct text t;

	text_module(&t, base, 3, 0x300, "global");
	text_range(&t, 0x100, 0x200, 0, "global::second");
	text_range(&t, 0, 0x100, 0, "global::first");
	text_range(&t, 0x200, 0x300, 0, "global::third");
	return image_register(im, t.bytes, t.len);
}

#endif
