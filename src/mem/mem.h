/*
 * The one way to read the target.
 *
 * A struct xb_mem is a stack of segments of bytes: a live process today; an ELF core, a snapshot file
 * or an image a test built are other backends behind the same four functions.  Analysis sees only this,
 * never a pid or a path.
 *
 * Reads are batched: process_vm_readv() takes vectors, and 64 ranges in one call cost what eight single
 * calls cost. A short read is data (io.got < io.len), not an error: a running VM unmaps memory under
 * us. An overlay holds bytes that are known better than the target's present memory, such as the stack
 * the kernel copied at the instant of a sample; it wins over the backend for as long as it is set.
 */
#ifndef XB_MEM_MEM_H
#define XB_MEM_MEM_H

#include "base/error.h"

#include <sys/types.h>

/* One range to read. */
struct xb_io {
	xb_addr addr;
	size_t len; /* wanted, bytes */
	size_t got; /* had: a prefix of the range */
	void *buf;  /* caller's, at least @len */
};

struct xb_mem_stats {
	uint64_t calls, ranges, bytes;
	uint64_t faults; /* ranges that came back short */
};

struct xb_mem;

struct xb_mem_ops {
	const char *name;
	/* Fill as much as can be had of every range.  An error only where nothing can ever be read
	 * again (GONE, PERM). */
	struct xb_error *(*readv)(void *self, struct xb_io *io, size_t n);
	/* Whether two reads of the same range always agree (core, snapshot). */
	bool (*is_stable)(void *self);
	void (*destroy)(void *self);
};

/** Takes ownership of @self (destroyed with ops->destroy, also on failure). */
XB_NODISCARD struct xb_error *xb_mem_create(const struct xb_mem_ops *ops, void *self,
					    struct xb_mem **ret);
void xb_mem_destroy(struct xb_mem *mem);

/**
 * Read @n ranges.  Every io[i].got is set; ranges never overlap in @buf.
 * @return NULL, GONE when the target exited, PERM when the kernel refuses.  Unmapped memory is not an
 * error. Cost: live: about 0.2 us a range in large batches, 0.4 us alone; bulk 10 GB/s.
 */
XB_NODISCARD struct xb_error *xb_mem_readv(struct xb_mem *mem, struct xb_io *io, size_t n);

/** Exactly @len bytes, else FAULT naming the address. */
XB_NODISCARD struct xb_error *xb_mem_read(struct xb_mem *mem, xb_addr addr, void *buf, size_t len);

/** As much as there is; returns the bytes had.  For the hot path: no error object, faults are counted.
 */
size_t xb_mem_try(struct xb_mem *mem, xb_addr addr, void *buf, size_t len);

/** One little-endian word; FAULT naming the address. */
XB_NODISCARD struct xb_error *xb_mem_u64(struct xb_mem *mem, xb_addr addr, uint64_t *ret);
XB_NODISCARD struct xb_error *xb_mem_u32(struct xb_mem *mem, xb_addr addr, uint32_t *ret);

/** A NUL-terminated string of at most @size - 1 bytes; longer ones are cut.  FAULT when the first byte
 * is unreadable. */
XB_NODISCARD struct xb_error *xb_mem_cstr(struct xb_mem *mem, xb_addr addr, char *buf, size_t size);

/** Bytes that win over the backend until the next call; @len 0 removes them.  Borrowed. */
void xb_mem_overlay(struct xb_mem *mem, xb_addr addr, const void *bytes, size_t len);

/** Whether what is read cannot change meanwhile (a core); what reading has cost so far, borrowed. */
bool xb_mem_is_stable(const struct xb_mem *mem);
const struct xb_mem_stats *xb_mem_stats(const struct xb_mem *mem);

static inline void xb_mem_cleanup(struct xb_mem **mem)
{
	xb_mem_destroy(*mem);
}

/** A running process through process_vm_readv(): never stopped, attached to or written.  mem/live.c */
XB_NODISCARD struct xb_error *xb_mem_live(pid_t pid, struct xb_mem **ret);

/**
 * The 8-byte words at @n places, 0 where one cannot be read.
 * @return NULL, NOMEM, GONE, PERM.  Cost: one batched read.
 */
XB_NODISCARD struct xb_error *xb_mem_words(struct xb_mem *mem, const xb_addr *at, size_t n,
					   uint64_t *ret);

#endif
