#include "vm/roots.h"

#include "base/rd.h"
#include "elf/symbols.h"
#include "vm/roots_find.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

#include <string.h>

enum { AGAIN = 8 };

/* The surest and cheapest first. */
static const struct {
	unsigned bits;
	struct xb_error *(*ask)(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret);
} methods[] = {
	{ XB_ROOT_BY_SYMBOL, xb_ask_symbol },   { XB_ROOT_BY_CACHE, xb_ask_cache },
	{ XB_ROOT_BY_SCAN, xb_ask_scan },       { XB_ROOT_BY_NEIGHBOURS, xb_ask_neighbours },
	{ XB_ROOT_BY_COUNT, xb_ask_count },     { XB_ROOT_BY_OPERANDS, xb_ask_operands },
	{ XB_ROOT_BY_LINKS, xb_ask_links },     { XB_ROOT_BY_PROCESSES, xb_ask_processes },
	{ XB_ROOT_BY_JITLIST, xb_ask_jitlist }, { XB_ROOT_BY_JIT_CODE, xb_ask_jit_code },
};

/* --- one root --- */

/* What the variable holds; unreadable: all ones.  A table is its own value. */
static uint64_t value_of(struct xb_search *s, enum xb_root_id id, xb_addr addr, bool is_value)
{
	const struct root_spec *spec = &xb_root_specs[id];
	uint64_t v = 0;

	if (is_value || spec->width == 0 || spec->is_live ||
	    (spec->is_stub && s->vm->layout.konst[XB_K_STUBS_IN_PLACE] == 1))
		return addr;
	return xb_mem_try(s->source->mem, addr, &v, spec->width) == spec->width ? v : UINT64_MAX;
}

/* Whether what was found so far needs no further method: a symbol, and what looks like the root; or two methods. */
static bool is_enough(const struct xb_search *s, enum xb_root_id id, const struct xb_root *root)
{
	bool symbol = (root->sources & XB_ROOT_BY_SYMBOL) != 0;

	if (s->source->thorough)
		return false;
	if ((root->sources & XB_ROOT_BY_CACHE) != 0)
		return true;
	return xb_root_methods(root->sources) >= (symbol && xb_root_specs[id].looks == NULL ? 1 : 2);
}

/*
 * Whether what @o says is what was found so far.  Two methods may know two variables that hold the same, such as the
 * VM's own and the copy that debuggers read; what is kept in the cache has to be the place itself.
 */
static bool agrees(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o, uint64_t said)
{
	const struct xb_root *root = &s->vm->roots.at[id];
	bool places = !root->is_value && !o->is_value && xb_finder_in_data(s->f, root->addr) &&
		      xb_finder_in_data(s->f, o->addr);

	if (((root->sources | o->source) & XB_ROOT_BY_CACHE) != 0 && places && root->addr != o->addr)
		return false;
	return said == value_of(s, id, root->addr, root->is_value);
}

static void adopt(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o, uint64_t said)
{
	const struct root_spec *spec = &xb_root_specs[id];

	s->vm->roots.at[id] = (struct xb_root){
		.addr = o->addr, .sources = o->source, .is_value = o->is_value, .via = o->via
	};
	s->vm->roots.value[id] = spec->width == 0 || spec->is_live ? 0 : said;
}

/* What the linker put beside what is the weakest evidence: anything else that contradicts it takes its place. */
static void contradict(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o,
		       uint64_t said)
{
	struct xb_root *root = &s->vm->roots.at[id];

	if (root->sources == XB_ROOT_BY_NEIGHBOURS && root->against == 0) {
		uint64_t was = value_of(s, id, root->addr, root->is_value);

		adopt(s, id, o, said);
		root->against = XB_ROOT_BY_NEIGHBOURS;
		root->against_value = was;
		return;
	}
	root->against |= o->source;
	root->against_value = said;
}

static void take(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o)
{
	struct xb_root *root = &s->vm->roots.at[id];
	uint64_t said = value_of(s, id, o->addr, o->is_value);

	if (root->sources == 0 && !o->only_agrees) {
		adopt(s, id, o, said);
	} else if (root->sources != 0 && agrees(s, id, o, said)) {
		root->sources |= o->source;
		root->via = root->via == NULL ? o->via : root->via;
	} else if (!o->only_agrees) {
		contradict(s, id, o, said);
	} else if (o->source == XB_ROOT_BY_CACHE) {
		s->vm->roots.stale_hints++;
	}
}

static struct xb_error *judge(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o)
{
	const struct root_spec *spec = &xb_root_specs[id];

	if (xb_root_is_sound(s, id, o, value_of(s, id, o->addr, o->is_value))) {
		take(s, id, o);
		return NULL;
	}
	if ((o->source & XB_ROOT_BY_SYMBOL) != 0)
		return xb_errorf(XB_ERR_MISMATCH, "%s: what is at the symbol %s does not look like one",
				 spec->name, spec->symbol);
	if (o->source == XB_ROOT_BY_CACHE) {
		xb_logf(s->source->log, XB_LOG_INFO, "cache: %s: 0x%llx does not look like one",
			spec->name, (unsigned long long)o->addr);
		s->vm->roots.stale_hints++;
	}
	return NULL;
}

static struct xb_error *ask_all(struct xb_search *s, enum xb_root_id id)
{
	struct xb_root *root = &s->vm->roots.at[id];
	unsigned undecided = 0;

	*root = (struct xb_root){ 0 };
	s->vm->roots.value[id] = 0;
	for (size_t i = 0; i < XB_ARRAY_LEN(methods); i++) {
		struct xb_opinion o = { 0 };

		if ((s->source->without & methods[i].bits) != 0 || is_enough(s, id, root))
			continue;
		XB_TRY(methods[i].ask(s, id, &o));
		if (o.source == 0)
			continue;
		if (root->sources == 0 && o.only_agrees) {
			undecided |= 1U << i;
			continue;
		}
		XB_TRY(judge(s, id, &o));
		/* What could not decide by itself may know what was found now. */
		for (size_t k = 0; k < i && root->sources != 0 && undecided != 0; k++) {
			if ((undecided & 1U << k) == 0)
				continue;
			o = (struct xb_opinion){ 0 };
			XB_TRY(methods[k].ask(s, id, &o));
			if (o.source != 0)
				XB_TRY(judge(s, id, &o));
			undecided &= ~(1U << k);
		}
	}
	return NULL;
}

/* In terms of what they hold where that is what counts. */
static struct xb_error *contradiction(struct xb_search *s, enum xb_root_id id)
{
	const struct xb_root *root = &s->vm->roots.at[id];
	struct xb_str by = XB_STR_INIT, against = XB_STR_INIT;
	struct xb_error *err;

	xb_root_write_sources(root->sources, &by);
	xb_root_write_sources(root->against, &against);
	err = xb_errorf(XB_ERR_MISMATCH, "%s: methods disagree: 0x%llx by %s, 0x%llx by %s",
			xb_root_specs[id].name,
			(unsigned long long)value_of(s, id, root->addr, root->is_value),
			xb_str_get(&by), (unsigned long long)root->against_value, xb_str_get(&against));
	xb_str_deinit(&by);
	xb_str_deinit(&against);
	return err;
}

/* A hint is never a reason to refuse: without it, all is as if there were no cache. */
static bool blame_cache(struct xb_search *s, enum xb_root_id id)
{
	struct xb_root *root = &s->vm->roots.at[id];

	if (root->against == 0 || ((root->sources | root->against) & XB_ROOT_BY_CACHE) == 0)
		return false;
	xb_logf(s->source->log, XB_LOG_INFO, "cache: %s: not where it says", xb_root_specs[id].name);
	s->distrusted[id] = true;
	s->vm->roots.stale_hints++;
	return true;
}

/* What contradicts itself may have been changed between two reads: looked at again before it counts. */
static struct xb_error *ask_again(struct xb_search *s, enum xb_root_id id)
{
	const struct xb_root *root = &s->vm->roots.at[id];
	struct xb_error *err = ask_all(s, id);

	if (err == NULL && blame_cache(s, id))
		err = ask_all(s, id);
	for (int i = 0; i < AGAIN; i++) {
		if (err != NULL ? xb_error_code(err) != XB_ERR_MISMATCH
				: (root->sources != 0 || xb_root_specs[id].looks == NULL) &&
					  root->against == 0)
			break;
		xb_error_destroy(err);
		xb_search_forget(s);
		err = ask_all(s, id);
	}
	return err;
}

static struct xb_error *find_one(struct xb_search *s, enum xb_root_id id)
{
	const struct xb_root *root = &s->vm->roots.at[id];
	struct xb_error *err = ask_again(s, id);

	if (err != NULL || root->against == 0)
		return err;
	err = contradiction(s, id);
	/* The linker's word counts for more than a guess of ours, and two guesses for more than where it put things. */
	if (((root->sources & XB_ROOT_BY_SYMBOL) != 0 &&
	     (root->against & (XB_ROOT_BY_SCAN | XB_ROOT_BY_OPERANDS)) == 0) ||
	    (root->against == XB_ROOT_BY_NEIGHBOURS && xb_root_methods(root->sources) >= 2)) {
		xb_logf(s->source->log, XB_LOG_WARN, "%s", xb_error_message(err));
		xb_error_destroy(err);
		return NULL;
	}
	return err;
}

struct xb_error *xb_roots_read(struct xb_vm *vm)
{
	struct xb_roots *r = &vm->roots;
	unsigned char bytes[512];
	struct xb_rec rec = { &vm->layout, bytes, sizeof(bytes) };

	XB_TRY(xb_error_wrap(xb_mem_read(vm->mem, r->at[XB_ROOT_PROC_TABLE].addr, bytes, sizeof(bytes)),
			     "process table"));
	r->proc_tab = xb_rec_get(&rec, XB_F_ErtsPTab_tab);
	r->proc_max = (uint32_t)xb_rec_get(&rec, XB_F_ErtsPTab_max);
	r->proc_invalid = xb_rec_get(&rec, XB_F_ErtsPTab_invalid_element);
	r->proc_pix_mask = xb_rec_get(&rec, XB_F_ErtsPTab_pix_mask);
	r->proc_cl_mask = xb_rec_get(&rec, XB_F_ErtsPTab_pix_cl_mask);
	r->proc_cli_mask = xb_rec_get(&rec, XB_F_ErtsPTab_pix_cli_mask);
	/* A shift by more bits than a word has is none at all. */
	r->proc_cl_shift = (unsigned)xb_rec_get(&rec, XB_F_ErtsPTab_pix_cl_shift) % 64;
	r->proc_cli_shift = (unsigned)xb_rec_get(&rec, XB_F_ErtsPTab_pix_cli_shift) % 64;
	return NULL;
}

/* Builds without frame pointers have no variable for it: the frame layout is a constant (erl_vm.h). */
static bool is_absent(const struct xb_vm *vm, enum xb_root_id id)
{
	return (xb_root_specs[id].jit_only && vm->id.flavor != XB_FLAVOR_JIT) ||
	       (id == XB_ROOT_FRAME_LAYOUT && !xb_layout_has(&vm->layout, XB_F_Process_frame_pointer));
}

void xb_search_forget(struct xb_search *s)
{
	xb_finder_refresh(s->f);
	xb_jitlist_deinit(&s->list);
	s->list_state = XB_LIST_UNTRIED;
	s->scheds_scanned = false;
	s->scheds = (struct xb_sched_places){ 0 };
	s->exit_known = false;
}

static struct xb_error *find_all(struct xb_search *s)
{
	struct xb_vm *vm = s->vm;

	for (int i = 0; i < XB_ROOT__COUNT; i++) {
		enum xb_root_id id = (enum xb_root_id)i;
		const struct root_spec *spec = &xb_root_specs[id];
		const struct xb_symbol *none;

		if (is_absent(vm, id) || (spec->later && !s->source->thorough))
			continue;
		vm->roots.failed = id;
		XB_TRY(find_one(s, id));
		if (vm->roots.at[id].sources == 0 && spec->need) {
			XB_TRY(xb_error_wrap(xb_symbols_need(s->source->symbols, spec->symbol, &none),
					     "%s", spec->name));
			return xb_errorf(XB_ERR_NO_SYMBOL, "%s: no method finds it", spec->name);
		}
		if (id == XB_ROOT_PROC_TABLE)
			XB_TRY(xb_roots_read(vm));
	}
	vm->roots.failed = XB_ROOT__COUNT;
	return NULL;
}

struct xb_error *xb_roots_find(struct xb_vm *vm, const struct xb_vm_source *source,
			       struct xb_finder *finder)
{
	struct xb_search s = { .vm = vm, .source = source, .f = finder, .list = XB_JITLIST_INIT };
	struct xb_error *err = find_all(&s);

	vm->roots.thorough = source->thorough;
	vm->id.frame_pointers = vm->roots.value[XB_ROOT_FRAME_LAYOUT] == 1;
	xb_jitlist_deinit(&s.list);
	return err;
}

size_t xb_roots_to_hints(const struct xb_vm *vm, const struct xb_vm_source *source,
			 struct xb_finder *finder, struct xb_root_hints *ret)
{
	size_t n = 0;

	*ret = (struct xb_root_hints){ 0 };
	for (int id = 0; id < XB_ROOT__COUNT; id++) {
		const struct xb_root *root = &vm->roots.at[id];
		xb_addr at = root->addr;

		/* The variable that holds it, where there is only one. */
		if (root->is_value && xb_root_specs[id].is_stub) {
			at = xb_finder_next(finder, 0, root->addr);
			if (at != 0 && xb_finder_next(finder, at, root->addr) != 0)
				at = 0;
		} else if (root->is_value) {
			at = 0;
		}
		/* Numbers are told by their neighbours and by counting at no cost, and a zero is easily mistaken. */
		ret->has[id] = at != 0 && xb_finder_in_image(finder, at) && root->against == 0 &&
			       !xb_root_specs[id].is_count && id != XB_ROOT_FRAME_LAYOUT;
		ret->vaddr[id] = ret->has[id] ? at - source->bias : 0;
		n += ret->has[id];
	}
	return n;
}
