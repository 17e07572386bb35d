/*
 * One perf ring buffer seen from the reading side.
 *
 *	data: |....rrrrrrrrrrrrrr......|      tail: ours, bytes consumed since the beginning
 *	           ^tail         ^head       head: the kernel's, bytes written since the beginning
 *
 * Both only grow; the place in @data is the value modulo @size.  The kernel publishes bytes before it
 * moves head (acquire when we read it) and may overwrite bytes once tail passed them (release when we
 * move it).  A record that wraps around the end is copied into the bounce buffer, so a record is always
 * contiguous; a round has at most one.
 */
#ifndef XB_SAMPLE_RING_H
#define XB_SAMPLE_RING_H

#include "base/base.h"

/* A record's size field has 16 bits. */
enum { XB_RING_BOUNCE = 64 << 10 };

struct xb_ring {
	const unsigned char *data;
	size_t size;           /* bytes, a power of two */
	const uint64_t *head;  /* shared with the kernel */
	uint64_t *tail;        /* shared with the kernel */
	unsigned char *bounce; /* XB_RING_BOUNCE bytes, 8-byte aligned; the ring's own */
	uint64_t at, end;      /* of the round between begin and end */
};

struct xb_ring_record {
	const unsigned char *bytes; /* header included, 8-byte aligned; in the ring or its bounce */
	size_t len;
};

/** Start a round: fix how far to read.  False: head and tail contradict each other; everything up to
 * head is given up. */
XB_NODISCARD bool xb_ring_begin(struct xb_ring *ring);

enum xb_ring_got { XB_RING_EMPTY, XB_RING_RECORD, XB_RING_DAMAGED };

/**
 * The next record of the round.  DAMAGED when its size cannot be true; there is no way to find the next
 * one then, so the rest of the round is given up.  Always ends: every record moves on by 8 bytes or
 * more.
 */
enum xb_ring_got xb_ring_next(struct xb_ring *ring, struct xb_ring_record *ret);

/** Give everything read so far back to the kernel; pointers into it die.  The round may go on. */
void xb_ring_release(struct xb_ring *ring);

#endif
