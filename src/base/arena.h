/* Bump allocator: everything in it is freed at once. */
#ifndef XB_BASE_ARENA_H
#define XB_BASE_ARENA_H

#include "base/base.h"

struct xb_arena_block;

struct xb_arena {
	struct xb_arena_block *head;
	size_t used, cap;
	size_t total; /* bytes handed out since init or the last reset */
};

#define XB_ARENA_INIT                                                                                  \
	{                                                                                              \
		0                                                                                      \
	}

/** Zeroed, 16-byte aligned memory, or NULL when there is none.  Lives until reset or deinit.  Cost:
 * O(1). */
void *xb_arena_alloc(struct xb_arena *arena, size_t size) __attribute__((malloc));

/** @n times @size with overflow check. */
void *xb_arena_array(struct xb_arena *arena, size_t n, size_t size);

/** A NUL-terminated copy of @len bytes at @s. */
char *xb_arena_strndup(struct xb_arena *arena, const char *s, size_t len);

/** Formatted text in the arena, or NULL. */
char *xb_arena_printf(struct xb_arena *arena, const char *fmt, ...) XB_PRINTF(2, 3);

/** Forget everything but keep one block for re-use. */
void xb_arena_reset(struct xb_arena *arena);

void xb_arena_deinit(struct xb_arena *arena);

#endif
