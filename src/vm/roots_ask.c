/* The methods that need no more than a name, a shape, or what an earlier run said. */
#include "elf/symbols.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

/* enum xb_symbol_source and the first four bits of enum xb_root_source are in the same order. */
static xb_addr by_symbol(const struct xb_vm_source *source, const struct root_spec *spec,
			 unsigned *sources)
{
	const struct xb_symbol *s;

	if ((source->without & XB_ROOT_BY_SYMBOL) != 0)
		return 0;
	s = spec->file != NULL ? xb_symbols_find_in(source->symbols, spec->file, spec->symbol)
			       : xb_symbols_find(source->symbols, spec->symbol);
	if (s != NULL) {
		*sources |= 1U << s->source;
		return source->bias + s->vaddr;
	}
	if (spec->other != NULL)
		s = xb_symbols_find(source->symbols, spec->other);
	if (s == NULL)
		return 0;
	*sources |= 1U << s->source;
	return source->bias + s->vaddr + spec->other_at;
}

struct xb_error *xb_roots_proc_table(const struct xb_vm_source *source, xb_addr *ret)
{
	const struct root_spec *spec = &xb_root_specs[XB_ROOT_PROC_TABLE];
	const struct xb_symbol *none;
	unsigned sources = 0;

	*ret = by_symbol(source, spec, &sources);
	if (*ret != 0)
		return NULL;
	if ((source->without & XB_ROOT_BY_SYMBOL) != 0)
		return xb_errorf(XB_ERR_NO_SYMBOL, "%s: not asked for by symbol", spec->name);
	return xb_error_wrap(xb_symbols_need(source->symbols, spec->symbol, &none), "%s", spec->name);
}

xb_addr xb_roots_guess_proc_table(struct xb_finder *finder, const struct xb_vm_source *source)
{
	const struct root_spec *spec = &xb_root_specs[XB_ROOT_PROC_TABLE];
	const char *via;
	size_t hits = 0;
	xb_addr at = 0;

	if (source->hints != NULL && source->hints->has[XB_ROOT_PROC_TABLE]) {
		at = source->bias + source->hints->vaddr[XB_ROOT_PROC_TABLE];
		if (spec->looks(finder, at))
			return at;
	}
	if ((source->without & XB_ROOT_BY_SCAN) == 0)
		at = xb_finder_scan(finder, spec, 0, &hits);
	else if ((source->without & XB_ROOT_BY_OPERANDS) == 0)
		return xb_finder_mine(finder, spec, &via);
	return hits == 1 ? at : 0;
}

struct xb_error *xb_ask_symbol(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	struct xb_opinion o = { 0 };

	o.addr = by_symbol(s->source, &xb_root_specs[id], &o.source);
	if (o.addr != 0)
		*ret = o;
	return NULL;
}

struct xb_error *xb_ask_scan(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	const struct root_spec *spec = &xb_root_specs[id];
	struct xb_opinion o = { .source = XB_ROOT_BY_SCAN };
	size_t hits = 0;

	if (spec->looks != NULL)
		o.addr = xb_finder_scan(s->f, spec, s->vm->roots.at[id].addr, &hits);
	else if (spec->is_array)
		XB_TRY(xb_scan_schedulers(s, spec->kind, s->vm->roots.at[id].addr, &o.addr, &hits));
	/* It decides alone only where it is unambiguous; otherwise it can confirm. */
	o.only_agrees = hits != 1;
	if (hits > 0)
		*ret = o;
	return NULL;
}

struct xb_error *xb_ask_operands(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	const struct root_spec *spec = &xb_root_specs[id];
	struct xb_opinion o = { .source = XB_ROOT_BY_OPERANDS };

	if (id == XB_ROOT_JIT_DESCRIPTOR)
		o.addr = xb_finder_mine_store(s->f, spec);
	else if (id == XB_ROOT_CODE_INDEX)
		o.addr = xb_finder_mine_index(s->f, spec, s->vm->roots.at[XB_ROOT_RANGES].addr, &o.via);
	else if (spec->looks != NULL)
		o.addr = xb_finder_mine(s->f, spec, &o.via);
	if (o.addr != 0)
		*ret = o;
	return NULL;
}

struct xb_error *xb_ask_cache(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	const struct xb_root_hints *h = s->source->hints;

	/* The index of active code and that of staged code look alike: such a hint decides nothing. */
	if (h != NULL && h->has[id] && !s->distrusted[id])
		*ret = (struct xb_opinion){ .addr = s->source->bias + h->vaddr[id],
					    .source = XB_ROOT_BY_CACHE,
					    .only_agrees = xb_root_specs[id].is_live };
	return NULL;
}
