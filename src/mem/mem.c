#include "mem/mem.h"

#include <stdlib.h>
#include <string.h>

struct xb_mem {
	const struct xb_mem_ops *ops;
	void *self;
	struct xb_mem_stats stats;
	struct {
		xb_addr addr;
		const unsigned char *bytes;
		size_t len;
	} overlay;
};

struct xb_error *xb_mem_create(const struct xb_mem_ops *ops, void *self, struct xb_mem **ret)
{
	struct xb_mem *mem = calloc(1, sizeof(*mem));

	if (mem == NULL) {
		ops->destroy(self);
		return xb_error_nomem();
	}
	mem->ops = ops;
	mem->self = self;
	*ret = mem;
	return NULL;
}

void xb_mem_destroy(struct xb_mem *mem)
{
	if (mem == NULL)
		return;
	mem->ops->destroy(mem->self);
	free(mem);
}

/* The part of @io that the overlay covers is copied from it; what lies outside came from the backend.
 */
static void lay_over(struct xb_mem *mem, struct xb_io *io)
{
	xb_addr from = mem->overlay.addr, to = from + mem->overlay.len;
	xb_addr start = XB_MAX(io->addr, from), end = XB_MIN(io->addr + io->len, to);
	size_t skip;

	if (start >= end)
		return;
	skip = (size_t)(start - io->addr);
	memcpy((unsigned char *)io->buf + skip, mem->overlay.bytes + (start - from),
	       (size_t)(end - start));
	if (io->got >= skip)
		io->got = XB_MAX(io->got, (size_t)(end - io->addr));
}

struct xb_error *xb_mem_readv(struct xb_mem *mem, struct xb_io *io, size_t n)
{
	for (size_t i = 0; i < n; i++)
		io[i].got = 0;
	XB_TRY(mem->ops->readv(mem->self, io, n));
	mem->stats.calls++;
	mem->stats.ranges += n;
	for (size_t i = 0; i < n; i++) {
		if (mem->overlay.len > 0)
			lay_over(mem, &io[i]);
		mem->stats.bytes += io[i].got;
		mem->stats.faults += io[i].got < io[i].len;
	}
	return NULL;
}

struct xb_error *xb_mem_read(struct xb_mem *mem, xb_addr addr, void *buf, size_t len)
{
	struct xb_io io = { .addr = addr, .len = len, .buf = buf };

	XB_TRY(xb_mem_readv(mem, &io, 1));
	if (io.got < len)
		return xb_errorf(XB_ERR_FAULT, "cannot read %zu bytes at 0x%llx of the target", len,
				 (unsigned long long)addr);
	return NULL;
}

size_t xb_mem_try(struct xb_mem *mem, xb_addr addr, void *buf, size_t len)
{
	struct xb_io io = { .addr = addr, .len = len, .buf = buf };
	struct xb_error *err = xb_mem_readv(mem, &io, 1);

	if (err != NULL) {
		xb_error_destroy(err);
		return 0;
	}
	return io.got;
}

struct xb_error *xb_mem_u64(struct xb_mem *mem, xb_addr addr, uint64_t *ret)
{
	return xb_mem_read(mem, addr, ret, sizeof(*ret));
}

struct xb_error *xb_mem_u32(struct xb_mem *mem, xb_addr addr, uint32_t *ret)
{
	return xb_mem_read(mem, addr, ret, sizeof(*ret));
}

struct xb_error *xb_mem_cstr(struct xb_mem *mem, xb_addr addr, char *buf, size_t size)
{
	struct xb_io io = { .addr = addr, .len = size - 1, .buf = buf };

	XB_TRY(xb_mem_readv(mem, &io, 1));
	if (io.got == 0)
		return xb_errorf(XB_ERR_FAULT, "cannot read a string at 0x%llx of the target",
				 (unsigned long long)addr);
	buf[io.got] = '\0';
	return NULL;
}

void xb_mem_overlay(struct xb_mem *mem, xb_addr addr, const void *bytes, size_t len)
{
	mem->overlay.addr = addr;
	mem->overlay.bytes = bytes;
	mem->overlay.len = len;
}

bool xb_mem_is_stable(const struct xb_mem *mem)
{
	return mem->ops->is_stable(mem->self);
}

const struct xb_mem_stats *xb_mem_stats(const struct xb_mem *mem)
{
	return &mem->stats;
}

struct xb_error *xb_mem_words(struct xb_mem *mem, const xb_addr *at, size_t n, uint64_t *ret)
{
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	struct xb_error *err;

	if (io == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = at[i], .len = 8, .buf = &ret[i] };
	err = xb_mem_readv(mem, io, n);
	for (size_t i = 0; err == NULL && i < n; i++) {
		if (io[i].got < 8)
			ret[i] = 0;
	}
	free(io);
	return err;
}
