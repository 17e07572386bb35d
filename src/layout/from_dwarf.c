#include "layout/from_dwarf.h"

#include "base/vec.h"
#include "elf/dwtypes.h"
#include "layout/entry.h"
#include "layout/table.h"

#include <string.h>

/* One spelling of one entry; the entries' spellings follow each other in the order they are believed. */
struct asked {
	bool is_size;
	int id;
};

XB_VEC(want_list, struct xb_dwtypes_want);
XB_VEC(asked_list, struct asked);

struct questions {
	struct xb_arena arena;
	struct want_list wants;
	struct asked_list asked;
};

/* The next of the alternatives in @*text, or false at their end. */
static bool next_alternative(const char **text, const char **ret, int *ret_len)
{
	const char *bar = strchr(*text, '|');

	if (**text == '\0')
		return false;
	*ret = *text;
	*ret_len = (int)(bar == NULL ? strlen(*text) : (size_t)(bar - *text));
	*text += (size_t)*ret_len + (bar != NULL);
	return true;
}

static bool ask(struct questions *q, struct asked who, const char *name)
{
	return name != NULL && asked_list_push(&q->asked, who) &&
	       want_list_push(&q->wants,
			      (struct xb_dwtypes_want){ .kind = XB_DWTYPES_TYPE, .name = name });
}

/* Every C type with every member path: releases rename both. */
static bool ask_entry(struct questions *q, struct asked who, const struct xb_layout_spec *spec)
{
	const char *types = spec->ctype, *type, *member;
	int type_len, member_len;

	while (next_alternative(&types, &type, &type_len)) {
		const char *members = spec->member;

		if (who.is_size && !ask(q, who, xb_arena_printf(&q->arena, "%.*s", type_len, type)))
			return false;
		while (!who.is_size && next_alternative(&members, &member, &member_len)) {
			if (!ask(q, who,
				 xb_arena_printf(&q->arena, "%.*s.%.*s", type_len, type, member_len,
						 member)))
				return false;
		}
	}
	return true;
}

static bool ask_all(struct questions *q)
{
	for (int f = 0; f < XB_F__COUNT; f++) {
		if (!ask_entry(q, (struct asked){ false, f }, &xb_layout_field_specs[f]))
			return false;
	}
	for (int s = 0; s < XB_S__COUNT; s++) {
		if (!ask_entry(q, (struct asked){ true, s }, &xb_layout_size_specs[s]))
			return false;
	}
	return true;
}

static void note_difference(struct xb_layout *l, const struct xb_log *log, const char *name,
			    uint64_t dwarf, uint64_t dwarf_width, uint64_t table, uint64_t table_width)
{
	l->dwarf_differs++;
	xb_logf(log, XB_LOG_INFO,
		"layout: %s: DWARF says %llu (%llu bytes), table %s says %llu (%llu bytes)", name,
		(unsigned long long)dwarf, (unsigned long long)dwarf_width, l->name,
		(unsigned long long)table, (unsigned long long)table_width);
}

static struct xb_error *take_field(struct xb_layout *l, int f, const struct xb_dwtypes_want *w,
				   const struct xb_log *log)
{
	const struct xb_layout_spec *spec = &xb_layout_field_specs[f];
	struct xb_layout_place *p = &l->field[f];
	bool embedded = strcmp(spec->width, "0") == 0;
	uint16_t width = embedded ? 0 : (uint16_t)w->width;

	if (!embedded && !xb_entry_width_ok(spec->width, w->width))
		return xb_errorf(XB_ERR_NO_LAYOUT,
				 "%s: DWARF gives %s %llu bytes, this program reads fields of %s",
				 spec->name, w->name, (unsigned long long)w->width, spec->width);
	if (w->value > UINT32_MAX)
		return xb_errorf(XB_ERR_NO_LAYOUT, "%s: DWARF puts %s at offset %llu", spec->name,
				 w->name, (unsigned long long)w->value);
	if (p->from == XB_FROM_TABLE && (p->offset != w->value || p->width != width))
		note_difference(l, log, spec->name, w->value, width, p->offset, p->width);
	*p = (struct xb_layout_place){ (uint32_t)w->value, width, XB_FROM_DWARF };
	l->from_dwarf++;
	return NULL;
}

static void take_size(struct xb_layout *l, int s, const struct xb_dwtypes_want *w,
		      const struct xb_log *log)
{
	if (l->size[s] != 0 && l->size[s] != w->width)
		note_difference(l, log, xb_layout_size_specs[s].name, w->width, w->width, l->size[s],
				l->size[s]);
	l->size[s] = w->width;
	l->size_from[s] = XB_FROM_DWARF;
	l->from_dwarf++;
}

/* What DWARF did not answer: the table's when it is for this build, else nothing, which only a "may" can stand. */
static struct xb_error *leave(struct xb_layout *l, struct asked who, const struct xb_dwtypes_want *why,
			      bool table_fits, const struct xb_log *log)
{
	const struct xb_layout_spec *spec =
		who.is_size ? &xb_layout_size_specs[who.id] : &xb_layout_field_specs[who.id];
	bool known = who.is_size ? l->size[who.id] != 0 : l->field[who.id].from != XB_FROM_NOWHERE;

	if (known && table_fits) {
		xb_logf(log, XB_LOG_DEBUG, "layout: %s from table %s: %s", spec->name, l->name,
			why->why);
		return NULL;
	}
	if (spec->must)
		return xb_errorf(XB_ERR_NO_LAYOUT, "%s: DWARF does not tell: %s", spec->name, why->why);
	if (who.is_size) {
		l->size[who.id] = 0;
		l->size_from[who.id] = XB_FROM_NOWHERE;
	} else
		l->field[who.id] = (struct xb_layout_place){ .from = XB_FROM_NOWHERE };
	return NULL;
}

/* The first spelling that has an answer; a conflict or a refusal says more than "absent". */
static const struct xb_dwtypes_want *best(const struct xb_dwtypes_want *w, size_t n)
{
	const struct xb_dwtypes_want *ret = w;

	for (size_t i = 0; i < n; i++) {
		if (w[i].status == XB_DWTYPES_FOUND)
			return &w[i];
		if (ret->status == XB_DWTYPES_ABSENT)
			ret = &w[i];
	}
	return ret;
}

static struct xb_error *answer(struct questions *q, bool table_fits, const struct xb_log *log,
			       struct xb_layout *l)
{
	for (size_t i = 0, end; i < q->asked.len; i = end) {
		struct asked who = q->asked.data[i];
		const struct xb_dwtypes_want *w;

		for (end = i + 1; end < q->asked.len && q->asked.data[end].id == who.id &&
				  q->asked.data[end].is_size == who.is_size;)
			end++;
		w = best(&q->wants.data[i], end - i);
		if (w->status != XB_DWTYPES_FOUND)
			XB_TRY(leave(l, who, w, table_fits, log));
		else if (who.is_size)
			take_size(l, who.id, w, log);
		else
			XB_TRY(take_field(l, who.id, w, log));
	}
	return NULL;
}

struct xb_error *xb_layout_from_dwarf(Dwarf *dw, bool table_fits, const struct xb_log *log,
				      struct xb_layout *l)
{
	struct questions q = { 0 };
	struct xb_layout made = *l;
	struct xb_error *err = NULL;

	if (!ask_all(&q))
		err = xb_error_nomem();
	if (err == NULL)
		err = xb_dwtypes_resolve(dw, q.wants.data, q.wants.len, &q.arena);
	if (err == NULL)
		err = answer(&q, table_fits, log, &made);
	if (err == NULL)
		*l = made;
	want_list_deinit(&q.wants);
	asked_list_deinit(&q.asked);
	xb_arena_deinit(&q.arena);
	return err;
}
