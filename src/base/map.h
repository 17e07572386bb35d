/*
 * Hash map from a 64-bit key to a 64-bit value (an address, an index, an id): open addressing, linear
 * probing, at most 3/4 full.  Structures keep their records in a vector and its index here.
 */
#ifndef XB_BASE_MAP_H
#define XB_BASE_MAP_H

#include "base/base.h"

struct xb_map_slot {
	uint64_t key, value;
	bool used;
};

struct xb_map {
	struct xb_map_slot *slots;
	size_t len, cap; /* cap is 0 or a power of two */
};

#define XB_MAP_INIT                                                                                    \
	{                                                                                              \
		0                                                                                      \
	}

/** Multiply-xorshift mix of one word; good enough for addresses. */
uint64_t xb_hash_u64(uint64_t x);

/** FNV-1a style hash of @n words, used for stacks.  Cost: about 1 ns a word. */
uint64_t xb_hash_words(const uint64_t *words, size_t n);

/** Two independent hashes of @n words, for telling them by hash alone.  Cost: about 1 ns a word. */
void xb_hash_words_twice(const uint64_t *words, size_t n, uint64_t ret[2]);

/** FNV-1a of @n bytes. */
uint64_t xb_hash_bytes(const void *bytes, size_t n);

/** Pointer to the value of @key, or NULL.  Valid until the next insertion. */
uint64_t *xb_map_get(const struct xb_map *map, uint64_t key);

/** Insert or overwrite.  False: out of memory, nothing changed. */
XB_NODISCARD bool xb_map_put(struct xb_map *map, uint64_t key, uint64_t value);

/** Value of @key, inserted with 0 when absent; NULL when out of memory. */
XB_NODISCARD uint64_t *xb_map_at(struct xb_map *map, uint64_t key);

/** Forget all entries, keep the memory. */
void xb_map_clear(struct xb_map *map);

void xb_map_deinit(struct xb_map *map);

#endif
