/* Naming an address: symbol, else function bounds, else object. */
#include "elf/object.h"

#include <stdlib.h>

static struct xb_symbols *symbols_of(struct xb_object *o)
{
	struct xb_symbols *s = NULL;

	xb_error_destroy(xb_object_symbols(o, &s));
	return s;
}

static struct xb_funcs *funcs_of(struct xb_object *o)
{
	struct xb_funcs *f = NULL;

	xb_error_destroy(xb_object_funcs(o, &f));
	return f;
}

/* "beam.smp+0x1087a0", one string for each function. */
static const char *function_name(struct xb_object *o, xb_addr start)
{
	uint64_t *slot = xb_map_at(&o->state->names, start);

	if (slot == NULL)
		return NULL;
	if (*slot == 0)
		*slot = (uint64_t)(uintptr_t)xb_arena_printf(&o->state->arena, "%s+0x%llx", o->name,
							     (unsigned long long)start);
	/* A host pointer that was stored two lines above. */
	return (const char *)(uintptr_t)*slot; // NOLINT(performance-no-int-to-ptr)
}

bool xb_loaded_name(struct xb_loaded *l, xb_addr addr, struct xb_loaded_name *ret)
{
	xb_addr vaddr, start = 0, end = 0;
	struct xb_object *o = xb_loaded_find(l, addr, &vaddr);
	const struct xb_symbol *y = NULL;
	struct xb_loaded_name n = { 0 };
	struct xb_symbols *symbols;
	struct xb_funcs *funcs;
	bool bounded = false;

	if (o == NULL)
		return false;
	n.object = n.name = o->name;
	n.vaddr = XB_NO_VADDR;
	if (vaddr == XB_NO_VADDR) {
		n.offset = addr - o->state->delta;
		*ret = n;
		return true;
	}
	symbols = symbols_of(o);
	y = symbols == NULL ? NULL : xb_symbols_at(symbols, vaddr);
	if (y == NULL || y->size == 0) {
		funcs = funcs_of(o);
		bounded = funcs != NULL && xb_funcs_at(funcs, vaddr, &start, &end);
		/* How far a symbol without size reaches was a guess; a function that begins behind it
		 * ends it. */
		if (y != NULL && bounded && start > y->vaddr)
			y = NULL;
	}
	if (y != NULL) {
		n.name = y->name;
		n.offset = vaddr - y->vaddr;
		n.vaddr = y->vaddr;
		n.has_symbol = true;
	} else if (bounded) {
		n.name = function_name(o, start);
		n.offset = vaddr - start;
		n.vaddr = start;
	} else {
		n.offset = vaddr;
	}
	if (n.name == NULL)
		return false;
	*ret = n;
	return true;
}
