/*
 * The kernel's BPF machine: maps, programs, and the ring they write to.
 *
 * Bare system calls: nothing is needed at run time but a kernel that allows them (Linux 5.15, CAP_BPF and CAP_PERFMON
 * where unprivileged BPF is off, which is everywhere).
 */
#ifndef XB_OS_BPF_H
#define XB_OS_BPF_H

#include "base/error.h"

#include <linux/bpf.h>

/** A map of @entries values of @value_size bytes; @ret_fd is the caller's.  Errors: PERM, UNSUPPORTED, SYS. */
XB_NODISCARD struct xb_error *xb_bpf_map_create(enum bpf_map_type type, uint32_t key_size,
						uint32_t value_size, uint32_t entries, int *ret_fd);

/** Set the value of @key; sizes are those of the map. */
XB_NODISCARD struct xb_error *xb_bpf_map_put(int fd, const void *key, const void *value);

/** The value of @key; false when there is none. */
bool xb_bpf_map_get(int fd, const void *key, void *value);

/**
 * Load a program of @n instructions that runs on perf events.  The verifier's last words go into the error.
 * The kernel lets only programs under the GPL use its tracing helpers, so the program is offered under it.
 */
XB_NODISCARD struct xb_error *xb_bpf_load(const struct bpf_insn *insns, size_t n, int *ret_fd);

/*
 * A ring as its reader sees it (kernel/bpf/ringbuf.c): the data is mapped twice in a row, so that every record is in one
 * piece.
 *
 *	consumer position │ producer position │ data │ data once more
 */
struct xb_bpf_ring {
	int fd;
	uint64_t *consumer;
	const uint64_t *producer;
	const unsigned char *data;
	size_t size;       /* of the data, a power of two */
	void *map[2];      /* what is mapped, and … */
	size_t map_len[2]; /* … how much */
	uint64_t at;       /* of the reader, ahead of *consumer until xb_bpf_ring_release() */
};

/** @size: a power of two, a multiple of the page.  @ret must be closed. */
XB_NODISCARD struct xb_error *xb_bpf_ring_open(size_t size, struct xb_bpf_ring *ret);

/** Safe on one that was not opened (fd -1) and twice. */
void xb_bpf_ring_close(struct xb_bpf_ring *r);

/** The next finished record, NULL for none; valid until it is released. */
const unsigned char *xb_bpf_ring_next(struct xb_bpf_ring *r, size_t *ret_len);

/** Give back everything handed out so far. */
void xb_bpf_ring_release(struct xb_bpf_ring *r);

#endif
