/* Collecting the variables of a function. */
#include "elf/dwloc_priv.h"

#include "elf/dwutil.h"

#include <dwarf.h>
#include <string.h>

struct walk {
	struct xb_dwloc *obj;
	size_t spans; /* collected so far */
	struct xb_error *err;
};

static bool is_a(Dwarf_Die *die, const char *name)
{
	const char *got = dwarf_diename(die);

	return got != NULL && strcmp(got, name) == 0;
}

static bool push(struct walk *w, struct xb_dwspans *spans, struct xb_dwspan span)
{
	if (++w->spans > XB_DWLOC_MAX_SPANS)
		w->err = xb_errorf(XB_ERR_LIMIT, "%s has more than %d locations", w->obj->function,
				   XB_DWLOC_MAX_SPANS);
	else if (!xb_dwspans_push(spans, span))
		w->err = xb_error_nomem();
	return w->err == NULL;
}

/* The code ranges of a DIE; none is no error. */
static void add_ranges(struct walk *w, Dwarf_Die *die, struct xb_dwspans *ret)
{
	Dwarf_Addr base = 0, start = 0, end = 0;
	ptrdiff_t off = 0;

	while ((off = dwarf_ranges(die, off, &base, &start, &end)) > 0) {
		if (start < end && !push(w, ret, (struct xb_dwspan){ .start = start, .end = end }))
			return;
	}
}

/* All locations of an attribute.  Of a damaged list what can be read is used, and the damage counted.
 */
static void add_locations(struct walk *w, Dwarf_Attribute *attr, struct xb_dwspans *ret,
			  bool *ret_whole)
{
	w->err = xb_dwlist_read(attr, &w->obj->arena, ret, ret_whole);
	if (w->err != NULL && xb_error_code(w->err) == XB_ERR_BAD_FILE) {
		xb_error_destroy(xb_take(w->err));
		w->obj->damaged++;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct xb_dwspan *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static bool sort_spans(struct xb_dwspans *spans)
{
	bool overlap = false;

	if (spans->len > 1)
		qsort(spans->data, spans->len, sizeof(*spans->data), by_start);
	for (size_t i = 1; i < spans->len; i++)
		overlap |= spans->data[i].start < spans->data[i - 1].end;
	return overlap;
}

static void add_variable(struct walk *w, Dwarf_Die *die, size_t var, const struct xb_dwspans *scope,
			 unsigned depth)
{
	struct xb_dwloc_entry e = { .var = var, .instance = w->obj->instances.len - 1, .depth = depth };
	Dwarf_Attribute attr;
	Dwarf_Die type;
	Dwarf_Word word = 0;
	uint64_t size = 0;

	if (xb_dw_flag(die, DW_AT_declaration))
		return;
	if (xb_dw_type(die, &type) && xb_dw_sizeof(&type, &size) && size <= UINT32_MAX)
		e.width = (uint32_t)size;
	if (dwarf_attr_integrate(die, DW_AT_location, &attr) != NULL) {
		add_locations(w, &attr, &e.locs, &e.whole_scope);
		e.overlap = sort_spans(&e.locs);
	} else if (dwarf_attr_integrate(die, DW_AT_const_value, &attr) != NULL &&
		   dwarf_formudata(&attr, &word) == 0) {
		e.is_const = e.whole_scope = true;
		e.constant = word;
	}
	for (size_t i = 0; i < scope->len && w->err == NULL; i++)
		(void)push(w, &e.scope, scope->data[i]);
	if (w->err == NULL && !xb_dwloc_entries_push(&w->obj->entries, e))
		w->err = xb_error_nomem();
	if (w->err != NULL) {
		xb_dwspans_deinit(&e.scope);
		xb_dwspans_deinit(&e.locs);
	}
}

/* Variables of @die and of the blocks in it, but not of functions inlined into it. */
static void walk_scope(struct walk *w, Dwarf_Die *die, const struct xb_dwspans *scope, unsigned depth)
{
	Dwarf_Die child;

	if (depth == XB_DWLOC_MAX_DEPTH || dwarf_child(die, &child) != 0)
		return;
	do {
		struct xb_dwspans inner = { 0 };

		switch (dwarf_tag(&child)) {
		case DW_TAG_variable:
		case DW_TAG_formal_parameter:
			for (size_t i = 0; i < w->obj->n_names; i++) {
				if (is_a(&child, w->obj->names[i])) {
					add_variable(w, &child, i, scope, depth);
					break;
				}
			}
			break;
		case DW_TAG_lexical_block:
			add_ranges(w, &child, &inner);
			if (inner.len > 0 && w->err == NULL)
				walk_scope(w, &child, &inner, depth + 1);
			xb_dwspans_deinit(&inner);
			break;
		default:
			break;
		}
	} while (w->err == NULL && xb_dw_next(&child, &child));
}

/* Whether some call in @die leaves by a jump. */
static bool tail_calls(Dwarf_Die *die, unsigned depth)
{
	Dwarf_Die child;

	if (depth == XB_DWLOC_MAX_DEPTH)
		return true;
	if (dwarf_child(die, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site) &&
		    (xb_dw_flag(&child, DW_AT_call_tail_call) ||
		     xb_dw_flag(&child, DW_AT_GNU_tail_call)))
			return true;
		if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
		    tail_calls(&child, depth + 1))
			return true;
	} while (xb_dw_next(&child, &child));
	return false;
}

/* @die has code of the function; @frame is the subprogram it is in. */
static void add_instance(struct walk *w, Dwarf_Die *die, Dwarf_Die *frame, unsigned depth)
{
	struct xb_dwloc_instance in = { .entered_as = dwarf_diename(frame) };
	Dwarf_Attribute attr;
	bool whole;

	in.has_tail_calls = tail_calls(frame, 0);
	add_ranges(w, die, &in.code);
	if (in.code.len > 0 && w->err == NULL &&
	    dwarf_attr_integrate(frame, DW_AT_frame_base, &attr) != NULL)
		add_locations(w, &attr, &in.frame_base, &whole);
	if (in.code.len == 0 || w->err != NULL || !xb_dwloc_instances_push(&w->obj->instances, in)) {
		if (in.code.len > 0 && w->err == NULL)
			w->err = xb_error_nomem();
		xb_dwspans_deinit(&in.code);
		xb_dwspans_deinit(&in.frame_base);
		return;
	}
	walk_scope(w, die, &w->obj->instances.data[w->obj->instances.len - 1].code, depth);
}

/* Inlined copies anywhere below @die. */
static void find_copies(struct walk *w, Dwarf_Die *die, Dwarf_Die *frame, unsigned depth)
{
	Dwarf_Die child;

	if (depth == XB_DWLOC_MAX_DEPTH || dwarf_child(die, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_inlined_subroutine && is_a(&child, w->obj->function))
			add_instance(w, &child, frame, depth);
		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block)
			find_copies(w, &child, frame, depth + 1);
	} while (w->err == NULL && xb_dw_next(&child, &child));
}

static void scan_unit(struct walk *w, Dwarf_Die *unit)
{
	bool inlined = false;
	Dwarf_Die die;

	if (dwarf_child(unit, &die) != 0)
		return;
	do {
		if (dwarf_tag(&die) != DW_TAG_subprogram || !is_a(&die, w->obj->function))
			continue;
		if (dwarf_hasattr(&die, DW_AT_inline))
			inlined = true;
		else
			add_instance(w, &die, &die, 0);
	} while (w->err == NULL && xb_dw_next(&die, &die));
	if (!inlined || dwarf_child(unit, &die) != 0)
		return;
	do {
		if (dwarf_tag(&die) == DW_TAG_subprogram && !dwarf_hasattr(&die, DW_AT_inline))
			find_copies(w, &die, &die, 1);
	} while (w->err == NULL && xb_dw_next(&die, &die));
}

static struct xb_error *collect(struct xb_dwloc *obj)
{
	struct walk w = { .obj = obj };
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	size_t before = 0;
	unsigned units = 0;

	while (w.err == NULL && xb_dw_next_unit(obj->dw, &cu, &unit)) {
		scan_unit(&w, &unit);
		units += obj->instances.len > before;
		before = obj->instances.len;
	}
	if (w.err == NULL && units == 0)
		return xb_errorf(XB_ERR_NO_SYMBOL, "no code of a function %s in the debug information",
				 obj->function);
	/* Statics of one name in two files: which one is meant nobody can tell. */
	if (w.err == NULL && units > 1)
		return xb_errorf(XB_ERR_NO_SYMBOL, "%u source files have a function %s", units,
				 obj->function);
	return w.err;
}

struct xb_error *xb_dwloc_create(Dwarf *dw, const char *function, const char *const *names,
				 size_t n_names, struct xb_dwloc **ret)
{
	struct xb_dwloc *obj = calloc(1, sizeof(*obj));
	struct xb_error *err;

	if (obj == NULL)
		return xb_error_nomem();
	obj->dw = dw;
	obj->function = strdup(function);
	obj->names = calloc(n_names + 1, sizeof(*obj->names));
	for (size_t i = 0; obj->names != NULL && i < n_names; i++) {
		obj->names[i] = strdup(names[i]);
		if (obj->names[i] == NULL)
			break;
		obj->n_names++;
	}
	if (obj->function == NULL || obj->names == NULL || obj->n_names < n_names)
		err = xb_error_nomem();
	else
		err = collect(obj);
	if (err != NULL) {
		xb_dwloc_destroy(obj);
		return err;
	}
	*ret = obj;
	return NULL;
}

void xb_dwloc_destroy(struct xb_dwloc *obj)
{
	if (obj == NULL)
		return;
	for (size_t i = 0; i < obj->entries.len; i++) {
		xb_dwspans_deinit(&obj->entries.data[i].scope);
		xb_dwspans_deinit(&obj->entries.data[i].locs);
	}
	for (size_t i = 0; i < obj->instances.len; i++) {
		xb_dwspans_deinit(&obj->instances.data[i].code);
		xb_dwspans_deinit(&obj->instances.data[i].frame_base);
	}
	for (size_t i = 0; i < obj->n_names; i++)
		free(obj->names[i]);
	xb_dwloc_entries_deinit(&obj->entries);
	xb_dwloc_instances_deinit(&obj->instances);
	xb_dwloc_params_deinit(&obj->params);
	xb_map_deinit(&obj->calls_seen);
	xb_arena_deinit(&obj->arena);
	free(obj->names);
	free(obj->function);
	free(obj);
}
