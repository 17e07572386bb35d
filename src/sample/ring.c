#include "sample/ring.h"

#include "base/rd.h"

#include <string.h>

/* perf_event_header: u32 type, u16 misc, u16 size */
enum { HEADER = 8, SIZE_AT = 6, ALIGN = 8 };

bool xb_ring_begin(struct xb_ring *ring)
{
	/* Only we write tail: no ordering needed.  Acquire pairs with the kernel's barrier between the
	 * bytes and head. */
	ring->at = __atomic_load_n(ring->tail, __ATOMIC_RELAXED);
	ring->end = __atomic_load_n(ring->head, __ATOMIC_ACQUIRE);
	if (ring->end - ring->at > ring->size || ring->at % ALIGN != 0) {
		ring->at = ring->end;
		xb_ring_release(ring);
		return false;
	}
	return true;
}

enum xb_ring_got xb_ring_next(struct xb_ring *ring, struct xb_ring_record *ret)
{
	uint64_t left = ring->end - ring->at;
	size_t place = (size_t)(ring->at & (ring->size - 1));
	size_t size, first;

	if (left == 0)
		return XB_RING_EMPTY;
	/* The ring is a multiple of 8 and records are aligned to 8: a header never wraps. */
	size = left < HEADER ? 0 : xb_load16(ring->data + place, SIZE_AT);
	if (size < HEADER || size % ALIGN != 0 || size > left) {
		ring->at = ring->end;
		return XB_RING_DAMAGED;
	}
	first = ring->size - place;
	ret->len = size;
	ret->bytes = ring->data + place;
	if (size > first) {
		memcpy(ring->bounce, ring->data + place, first);
		memcpy(ring->bounce + first, ring->data, size - first);
		ret->bytes = ring->bounce;
	}
	ring->at += size;
	return XB_RING_RECORD;
}

void xb_ring_release(struct xb_ring *ring)
{
	/* Release: our reads of the bytes are done before the kernel may overwrite them. */
	__atomic_store_n(ring->tail, ring->at, __ATOMIC_RELEASE);
}
