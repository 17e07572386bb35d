#include "view/top.h"

#include <stdlib.h>
#include <string.h>

XB_VEC(top_rows, struct xb_top_row);

struct maker {
	const struct xb_profile *p;
	const struct xb_top_opts *opts;
	struct xb_arena *arena;
	struct top_rows rows;
	struct xb_map row_of; /* key -> index + 1 */
	struct xb_u32s shown, seen;
};

const char *xb_top_kind_name(enum xb_top_kind kind)
{
	static const char *const names[] = { "erlang", "native", "kernel", "fragment", "other" };

	return names[kind];
}

size_t xb_top_shown(const struct xb_profile *p, const struct xb_pstack *s, bool only_erlang,
		    uint32_t *ret)
{
	bool erlang = false;
	size_t n = 0;

	for (uint32_t i = 0; i < s->n && !erlang; i++)
		erlang = xb_mixed_frame_kind(xb_profile_frame(p, s, i)->word) == XB_MIXED_ERLANG;
	for (uint32_t i = 0; i < s->n; i++) {
		enum xb_mixed_kind kind = xb_mixed_frame_kind(xb_profile_frame(p, s, i)->word);

		if (kind == XB_MIXED_ERLANG || (!only_erlang && !(kind == XB_MIXED_FRAGMENT && erlang)))
			ret[n++] = i;
	}
	return n;
}

bool xb_top_innermost(const struct xb_profile *p, const struct xb_pstack *s, uint32_t *ret)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (xb_mixed_frame_kind(xb_profile_frame(p, s, i)->word) == XB_MIXED_FRAGMENT)
			continue;
		*ret = i;
		/* Fragments are left out only where an Erlang function called them. */
		if (i == 0 || xb_mixed_frame_kind(xb_profile_frame(p, s, i)->word) == XB_MIXED_ERLANG)
			return true;
		break;
	}
	for (uint32_t i = 0; i < s->n; i++) {
		if (xb_mixed_frame_kind(xb_profile_frame(p, s, i)->word) == XB_MIXED_ERLANG)
			return true;
	}
	*ret = 0;
	return s->n > 0;
}

static enum xb_top_kind kind_of(const struct xb_pfunction *f)
{
	switch (f->kind) {
	case XB_MIXED_ERLANG:
		return XB_TOP_ERLANG;
	case XB_MIXED_KERNEL:
		return XB_TOP_KERNEL;
	case XB_MIXED_FRAGMENT:
		return XB_TOP_FRAGMENT;
	case XB_MIXED_NATIVE:
		return XB_TOP_NATIVE;
	}
	return XB_TOP_OTHER;
}

/* The row for a key; @make fills a new one.  UINT32_MAX: out of memory. */
static uint32_t row_at(struct maker *m, uint64_t key, const struct xb_top_row *make)
{
	uint64_t *at = xb_map_at(&m->row_of, key);

	if (at == NULL)
		return UINT32_MAX;
	if (*at == 0) {
		if (!top_rows_push(&m->rows, *make))
			return UINT32_MAX;
		*at = m->rows.len;
	}
	return (uint32_t)(*at - 1);
}

enum { KEY_UNRESOLVED = 1, KEY_NO_ERLANG = 2, KEY_NO_PROCESS = 3, KEY_GONE = 4, KEY_FIRST = 16 };

static uint32_t special(struct maker *m, uint64_t key, const char *name)
{
	return row_at(
		m, key,
		&(struct xb_top_row){
			.name = name, .module = "", .file = "", .process = "", .kind = XB_TOP_OTHER });
}

/* The row a frame counts for, by function, line or module. */
static uint32_t row_of_frame(struct maker *m, const struct xb_pframe *f)
{
	const struct xb_pfunction *fn = xb_profile_function(m->p, f);
	struct xb_top_row row = {
		.name = fn->name, .module = fn->module, .file = "", .process = "", .kind = kind_of(fn)
	};
	uint64_t key = KEY_FIRST + (uint64_t)f->function;

	if (!fn->known)
		return special(m, KEY_UNRESOLVED, "[unresolved]");
	if (m->opts->by == XB_TOP_LINE) {
		row.file = f->file;
		row.line = f->line;
		key = xb_hash_u64((uint64_t)f->function << 24 ^ f->line) ^
		      xb_hash_u64((uintptr_t)f->file);
		key |= UINT64_C(1) << 63;
	} else if (m->opts->by == XB_TOP_MODULE) {
		row.name = fn->module;
		key = xb_hash_bytes(fn->module, strlen(fn->module)) | UINT64_C(1) << 63;
	}
	return row_at(m, key, &row);
}

/* The row a whole sample counts for, by process, scheduler or CPU. */
static uint32_t row_of_sample(struct maker *m, const struct xb_pcounter *c)
{
	struct xb_top_row row = { .module = "", .file = "", .process = "", .kind = XB_TOP_OTHER };

	if (m->opts->by == XB_TOP_CPU) {
		row.name = xb_arena_printf(m->arena, "CPU %u", c->cpu);
		return row.name == NULL ? UINT32_MAX : row_at(m, KEY_FIRST + (uint64_t)c->cpu, &row);
	}
	if (m->opts->by == XB_TOP_SCHEDULER) {
		row.name = m->p->threads.data[c->thread].label;
		return row_at(m, KEY_FIRST + (uint64_t)c->thread, &row);
	}
	if (c->process == XB_PROFILE_NO_PROCESS)
		return special(m, KEY_NO_PROCESS, "[no Erlang process]");
	if (c->process == XB_PROFILE_GONE)
		return special(m, KEY_GONE, "[unknown process]");
	row.name = m->p->processes.data[c->process].label;
	row.process = m->p->processes.data[c->process].pid;
	row.module = m->p->processes.data[c->process].initial;
	row.kind = XB_TOP_ERLANG;
	return row_at(m, KEY_FIRST + (uint64_t)c->process, &row);
}

/* Every row of a stack counts once; @m->seen holds those already counted. */
static bool once(struct maker *m, uint32_t row)
{
	for (size_t i = 0; i < m->seen.len; i++) {
		if (m->seen.data[i] == row)
			return false;
	}
	return xb_u32s_push(&m->seen, row);
}

static bool add_frames(struct maker *m, const struct xb_pcounter *c)
{
	const struct xb_pstack *s = &m->p->stacks.data[c->stack];
	size_t n;

	if (!xb_u32s_reserve(&m->shown, s->n + 1U))
		return false;
	n = xb_top_shown(m->p, s, m->opts->only_erlang, m->shown.data);
	m->seen.len = 0;
	if (n == 0) {
		uint32_t row = m->opts->only_erlang || c->process == XB_PROFILE_NO_PROCESS
				       ? special(m, KEY_NO_ERLANG, "[no Erlang process]")
				       : special(m, KEY_UNRESOLVED, "[unresolved]");

		if (row == UINT32_MAX)
			return false;
		m->rows.data[row].self += c->count;
		m->rows.data[row].total += c->count;
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		const struct xb_pframe *f = xb_profile_frame(m->p, s, m->shown.data[i]);
		uint32_t row = row_of_frame(m, f);

		if (row == UINT32_MAX)
			return false;
		if (i == 0)
			m->rows.data[row].self += c->count;
		/* The innermost occurrence decides: it is the most certain one. */
		if (once(m, row)) {
			m->rows.data[row].total += c->count;
			m->rows.data[row].later += (f->word & XB_MIXED_LATER) != 0 ? c->count : 0;
		}
	}
	return true;
}

static bool add(struct maker *m, const struct xb_pcounter *c)
{
	uint32_t row;

	if (m->opts->by <= XB_TOP_MODULE)
		return add_frames(m, c);
	row = row_of_sample(m, c);
	if (row == UINT32_MAX)
		return false;
	m->rows.data[row].self += c->count;
	m->rows.data[row].total += c->count;
	return true;
}

static int by_self(const void *a, const void *b)
{
	const struct xb_top_row *x = a, *y = b;

	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct xb_error *xb_top_make(const struct xb_profile *p, const struct xb_top_opts *opts,
			     struct xb_arena *arena, struct xb_top *ret)
{
	struct maker m = { .p = p, .opts = opts, .arena = arena };
	struct xb_top top = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < p->counters.len; i++) {
		ok = add(&m, &p->counters.data[i]);
		top.samples += p->counters.data[i].count;
	}
	top.rows = ok ? xb_arena_array(arena, m.rows.len + 1, sizeof(*top.rows)) : NULL;
	if (top.rows != NULL && m.rows.len > 0) {
		memcpy(top.rows, m.rows.data, m.rows.len * sizeof(*top.rows));
		qsort(top.rows, m.rows.len, sizeof(*top.rows), by_self);
	}
	top.n = m.rows.len;
	top_rows_deinit(&m.rows);
	xb_u32s_deinit(&m.shown);
	xb_u32s_deinit(&m.seen);
	xb_map_deinit(&m.row_of);
	if (top.rows == NULL)
		return xb_error_nomem();
	*ret = top;
	return NULL;
}
