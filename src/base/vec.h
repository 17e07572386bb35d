/*
 * Growable arrays, one type per element:
 *
 *	XB_VEC(pids, uint32_t);                       // struct pids { uint32_t *data; size_t len, cap;
 *} struct pids v = { 0 }; if (!pids_push(&v, 42)) …                     // false: out of memory,
 *nothing changed pids_deinit(&v);
 */
#ifndef XB_BASE_VEC_H
#define XB_BASE_VEC_H

#include "base/base.h"

#include <stdlib.h>

/* Grows to hold at least @need elements of @size bytes.  Returns the new array or NULL (old one
 * untouched). */
XB_NODISCARD void *xb_vec_grow(void *data, size_t *cap, size_t need, size_t size);

#define XB_VEC(name, type)                                                                             \
	struct name {                                                                                  \
		type *data;                                                                            \
		size_t len, cap;                                                                       \
	};                                                                                             \
	XB_UNUSED XB_NODISCARD static inline bool name##_reserve(struct name *v, size_t need)          \
	{                                                                                              \
		if (need > v->cap) {                                                                   \
			type *grown = xb_vec_grow(v->data, &v->cap, need, sizeof(type));               \
			if (grown == NULL)                                                             \
				return false;                                                          \
			v->data = grown;                                                               \
		}                                                                                      \
		return true;                                                                           \
	}                                                                                              \
	XB_UNUSED XB_NODISCARD static inline bool name##_push(struct name *v, type item)               \
	{                                                                                              \
		if (v->len == v->cap && !name##_reserve(v, v->len + 1))                                \
			return false;                                                                  \
		v->data[v->len++] = item;                                                              \
		return true;                                                                           \
	}                                                                                              \
	XB_UNUSED static inline void name##_deinit(struct name *v)                                     \
	{                                                                                              \
		free(v->data);                                                                         \
		*v = (struct name){ 0 };                                                               \
	}                                                                                              \
	struct name

#endif
