#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xb_arena_block {
	struct xb_arena_block *next;
	size_t cap;
	_Alignas(16) unsigned char data[];
};

enum { FIRST_BLOCK = 16 << 10, MAX_BLOCK = 1 << 20 };

static struct xb_arena_block *block_create(size_t cap)
{
	struct xb_arena_block *b;

	if (cap > SIZE_MAX - sizeof(*b))
		return NULL;
	b = malloc(sizeof(*b) + cap);
	if (b != NULL) {
		b->next = NULL;
		b->cap = cap;
	}
	return b;
}

void *xb_arena_alloc(struct xb_arena *arena, size_t size)
{
	size_t need = xb_align_up(XB_MAX(size, 1), 16);
	unsigned char *p;

	if (need < size)
		return NULL;
	if (arena->head == NULL || arena->cap - arena->used < need) {
		size_t cap = arena->head == NULL ? FIRST_BLOCK : XB_MIN(arena->cap * 2, MAX_BLOCK);
		struct xb_arena_block *b = block_create(XB_MAX(cap, need));

		if (b == NULL)
			return NULL;
		b->next = arena->head;
		arena->head = b;
		arena->used = 0;
		arena->cap = b->cap;
	}
	p = arena->head->data + arena->used;
	arena->used += need;
	arena->total += need;
	memset(p, 0, need);
	return p;
}

void *xb_arena_array(struct xb_arena *arena, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return xb_arena_alloc(arena, bytes);
}

char *xb_arena_strndup(struct xb_arena *arena, const char *s, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : xb_arena_alloc(arena, len + 1);

	if (copy != NULL && len > 0)
		memcpy(copy, s, len);
	return copy;
}

char *xb_arena_printf(struct xb_arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL, *copy;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	copy = xb_arena_strndup(arena, s, (size_t)n);
	free(s);
	return copy;
}

void xb_arena_reset(struct xb_arena *arena)
{
	struct xb_arena_block *b = arena->head, *next;

	if (b == NULL)
		return;
	for (struct xb_arena_block *old = b->next; old != NULL; old = next) {
		next = old->next;
		free(old);
	}
	b->next = NULL;
	arena->used = 0;
	arena->total = 0;
}

void xb_arena_deinit(struct xb_arena *arena)
{
	struct xb_arena_block *next;

	for (struct xb_arena_block *b = arena->head; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	*arena = (struct xb_arena)XB_ARENA_INIT;
}
