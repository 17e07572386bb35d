#include "base/vec.h"

void *xb_vec_grow(void *data, size_t *cap, size_t need, size_t size)
{
	size_t new_cap = XB_MAX(need, *cap < 8 ? 8 : *cap + *cap / 2), bytes;
	void *grown;

	if (__builtin_mul_overflow(new_cap, size, &bytes))
		return NULL;
	grown = realloc(data, bytes);
	if (grown != NULL)
		*cap = new_cap;
	return grown;
}
