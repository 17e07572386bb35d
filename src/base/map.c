#include "base/map.h"

#include <stdlib.h>
#include <string.h>

uint64_t xb_hash_u64(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	return x;
}

uint64_t xb_hash_words(const uint64_t *words, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ n;

	for (size_t i = 0; i < n; i++) {
		h ^= words[i];
		h *= 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return h;
}

void xb_hash_words_twice(const uint64_t *words, size_t n, uint64_t ret[2])
{
	uint64_t h = 0x2127599bf4325c37ULL ^ n;

	ret[0] = xb_hash_words(words, n);
	for (size_t i = 0; i < n; i++) {
		h = (h << 23 | h >> 41) + words[i];
		h *= 0xd6e8feb86659fd93ULL;
		h ^= h >> 32;
	}
	ret[1] = h;
}

uint64_t xb_hash_bytes(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++) {
		h ^= p[i];
		h *= 0x100000001b3ULL;
	}
	return h;
}

static struct xb_map_slot *find(const struct xb_map *map, uint64_t key)
{
	size_t mask = map->cap - 1;

	for (size_t i = xb_hash_u64(key) & mask;; i = (i + 1) & mask) {
		struct xb_map_slot *s = &map->slots[i];

		if (!s->used || s->key == key)
			return s;
	}
}

uint64_t *xb_map_get(const struct xb_map *map, uint64_t key)
{
	struct xb_map_slot *s;

	if (map->cap == 0)
		return NULL;
	s = find(map, key);
	return s->used ? &s->value : NULL;
}

static bool grow(struct xb_map *map)
{
	struct xb_map bigger = { .cap = map->cap == 0 ? 16 : map->cap * 2, .len = map->len };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return false;
	for (size_t i = 0; i < map->cap; i++) {
		if (map->slots[i].used)
			*find(&bigger, map->slots[i].key) = map->slots[i];
	}
	free(map->slots);
	*map = bigger;
	return true;
}

uint64_t *xb_map_at(struct xb_map *map, uint64_t key)
{
	struct xb_map_slot *s;

	if (map->len + 1 > map->cap / 4 * 3 && !grow(map))
		return NULL;
	s = find(map, key);
	if (!s->used) {
		*s = (struct xb_map_slot){ .key = key, .used = true };
		map->len++;
	}
	return &s->value;
}

bool xb_map_put(struct xb_map *map, uint64_t key, uint64_t value)
{
	uint64_t *at = xb_map_at(map, key);

	if (at == NULL)
		return false;
	*at = value;
	return true;
}

void xb_map_clear(struct xb_map *map)
{
	if (map->cap > 0)
		memset(map->slots, 0, map->cap * sizeof(*map->slots));
	map->len = 0;
}

void xb_map_deinit(struct xb_map *map)
{
	free(map->slots);
	*map = (struct xb_map)XB_MAP_INIT;
}
