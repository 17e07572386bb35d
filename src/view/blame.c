#include "view/blame.h"

#include <stdlib.h>
#include <string.h>

static const char *const copy_members[] = {
	"copy_struct",          "copy_struct_x",         "copy_shared_calculate",
	"copy_shared_perform",  "copy_shared_perform_x", "size_object_x",
	"size_object_litopt_x", "copy_struct_litopt_x",  NULL
};
static const char *const gc_members[] = { "erts_garbage_collect",
					  "erts_garbage_collect_nobump",
					  "garbage_collect",
					  "erts_garbage_collect_hibernate",
					  "erts_garbage_collect_literals",
					  "erts_gc_after_bif_call*",
					  "do_minor",
					  "major_collection",
					  "minor_collection",
					  NULL };
static const char *const ets_members[] = { "ets_*", "db_*", NULL };
static const char *const t2b_members[] = { "term_to_binary*", "erts_term_to_binary*",
					   "binary_to_term*", "enc_term*",
					   "dec_term*",       "erts_encode*",
					   "erts_decode*",    NULL };
static const char *const send_members[] = { "erts_send_message",
					    "erl_send",
					    "erts_queue_message*",
					    "erts_queue_proc_message*",
					    "ebif_bang_2",
					    "send_2",
					    "send_3",
					    NULL };
static const char *const alloc_members[] = {
	"erts_alloc*", "erts_realloc*", "erts_free*", "erts_alcu_*", "malloc", "free", "realloc", NULL
};
static const char *const binary_members[] = { "binary_*", "erts_bs_*",    "bs_*",
					      "iolist_*", "erts_new_bs*", NULL };

static const struct xb_blame_family families[] = {
	{ "copy_struct", "copying terms between heaps: messages, ETS rows, literals", copy_members },
	{ "garbage_collect", "garbage collection", gc_members },
	{ "ets", "ETS operations", ets_members },
	{ "term_to_binary", "encoding and decoding of the external term format", t2b_members },
	{ "send", "sending messages", send_members },
	{ "alloc", "the VM's allocators and malloc", alloc_members },
	{ "binary", "building and matching binaries", binary_members },
	{ NULL, NULL, NULL },
};

const struct xb_blame_family *xb_blame_families(void)
{
	return families;
}

static bool is_member(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

bool xb_blame_matches(const char *what, const char *name)
{
	/* A function that the compiler split or cloned is still the function: "db_get.cold", "copy.part.0". */
	char base[256];
	size_t n = XB_MIN(strcspn(name, "."), sizeof(base) - 1);

	memcpy(base, name, n);
	base[n] = '\0';
	if (strcmp(what, name) == 0 || strcmp(what, base) == 0)
		return true;
	for (const struct xb_blame_family *f = families; f->name != NULL; f++) {
		if (strcmp(f->name, what) != 0)
			continue;
		for (const char *const *m = f->members; *m != NULL; m++) {
			if (is_member(*m, base))
				return true;
		}
	}
	return false;
}

/* --- counting by key, the same for rows, callers, processes and names --- */

struct tally {
	uint64_t key, count, later;
	uint32_t frame; /* an example: frame id */
	uint32_t row;   /* for callers and processes: whose */
};

XB_VEC(tallies, struct tally);

struct counter {
	struct tallies list;
	struct xb_map at;
};

static struct tally *tally(struct counter *c, uint32_t row, uint64_t key, uint64_t count, bool later)
{
	uint64_t hash = xb_hash_u64(key * 0x9e3779b97f4a7c15ULL + row + 1);
	struct tally *t;

	for (;; hash = xb_hash_u64(hash) + 1) {
		uint64_t *at = xb_map_at(&c->at, hash);

		if (at == NULL)
			return NULL;
		if (*at == 0) {
			if (!tallies_push(&c->list, (struct tally){ .key = key, .row = row }))
				return NULL;
			*at = c->list.len;
		}
		t = &c->list.data[*at - 1];
		if (t->key == key && t->row == row)
			break;
	}
	t->count += count;
	t->later += later ? count : 0;
	return t;
}

static void counter_deinit(struct counter *c)
{
	tallies_deinit(&c->list);
	xb_map_deinit(&c->at);
}

static int by_count(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

struct maker {
	const struct xb_profile *p;
	const char *what;
	struct counter rows, callers, processes, lines, names;
	uint8_t *matches; /* per function: 0 not asked yet, 1 no, 2 yes */
	struct xb_blame out;
};

static bool matches(struct maker *m, uint32_t function)
{
	const struct xb_pfunction *f = &m->p->functions.data[function];

	if (m->matches[function] == 0)
		m->matches[function] =
			f->kind == XB_MIXED_NATIVE && xb_blame_matches(m->what, f->name) ? 2 : 1;
	return m->matches[function] == 2;
}

/* The next Erlang frame at or above @i, or s->n. */
static uint32_t next_erlang(const struct maker *m, const struct xb_pstack *s, uint32_t i)
{
	while (i < s->n && xb_mixed_frame_kind(xb_profile_frame(m->p, s, i)->word) != XB_MIXED_ERLANG)
		i++;
	return i;
}

static bool add(struct maker *m, const struct xb_pcounter *c)
{
	const struct xb_pstack *s = &m->p->stacks.data[c->stack];
	const struct xb_pframe *f;
	uint32_t i = 0, caller;
	struct tally *t;

	m->out.samples += c->count;
	while (i < s->n && !matches(m, xb_profile_frame(m->p, s, i)->function))
		i++;
	if (i == s->n)
		return true;
	m->out.matched += c->count;
	if (tally(&m->names, 0, xb_profile_frame(m->p, s, i)->function, c->count, false) == NULL)
		return false;
	i = next_erlang(m, s, i);
	if (i == s->n) {
		m->out.no_erlang += c->count;
		return true;
	}
	f = xb_profile_frame(m->p, s, i);
	t = tally(&m->rows, 0, f->function, c->count, (f->word & XB_MIXED_LATER) != 0);
	if (t == NULL ||
	    tally(&m->lines, f->function, m->p->pool.data[s->first + i], c->count, false) == NULL ||
	    tally(&m->processes, f->function, c->process, c->count, false) == NULL)
		return false;
	caller = next_erlang(m, s, i + 1);
	if (caller == s->n)
		return true;
	f = xb_profile_frame(m->p, s, caller);
	return tally(&m->callers, m->p->frames.data[m->p->pool.data[s->first + i]].function,
		     f->function, c->count, (f->word & XB_MIXED_LATER) != 0) != NULL;
}

/* The tallies of @row, which are adjacent after sorting. */
static const struct tally *range_of(const struct counter *c, uint32_t row, size_t *n)
{
	size_t lo = 0, hi;

	while (lo < c->list.len && c->list.data[lo].row != row)
		lo++;
	for (hi = lo; hi < c->list.len && c->list.data[hi].row == row;)
		hi++;
	*n = hi - lo;
	return c->list.data + lo;
}

static struct xb_blame_share *shares(struct maker *m, const struct counter *c, uint32_t row,
				     bool processes, struct xb_arena *arena, size_t *n)
{
	const struct tally *t = range_of(c, row, n);
	struct xb_blame_share *list = xb_arena_array(arena, *n + 1, sizeof(*list));

	for (size_t i = 0; list != NULL && i < *n; i++) {
		uint32_t key = (uint32_t)t[i].key;

		list[i] = (struct xb_blame_share){ .count = t[i].count,
						   .later = t[i].later > 0,
						   .pid = "" };
		if (!processes)
			list[i].name = m->p->functions.data[key].name;
		else if (key >= XB_PROFILE_GONE)
			list[i].name =
				key == XB_PROFILE_GONE ? "[unknown process]" : "[no Erlang process]";
		else {
			list[i].name = m->p->processes.data[key].label;
			list[i].pid = m->p->processes.data[key].pid;
		}
	}
	return list;
}

static void sort(struct counter *c)
{
	if (c->list.len > 1)
		qsort(c->list.data, c->list.len, sizeof(*c->list.data), by_count);
}

static struct xb_error *fill_names(struct maker *m, struct xb_arena *arena)
{
	sort(&m->names);
	m->out.n_names = m->names.list.len;
	m->out.names = xb_arena_array(arena, m->out.n_names + 1, sizeof(*m->out.names));
	m->out.name_counts = xb_arena_array(arena, m->out.n_names + 1, sizeof(*m->out.name_counts));
	if (m->out.names == NULL || m->out.name_counts == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < m->out.n_names; i++) {
		m->out.names[i] = m->p->functions.data[m->names.list.data[i].key].name;
		m->out.name_counts[i] = m->names.list.data[i].count;
	}
	return NULL;
}

static struct xb_error *fill(struct maker *m, struct xb_arena *arena)
{
	sort(&m->rows);
	sort(&m->callers);
	sort(&m->processes);
	sort(&m->lines);
	m->out.n = m->rows.list.len;
	m->out.rows = xb_arena_array(arena, m->out.n + 1, sizeof(*m->out.rows));
	if (m->out.rows == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < m->out.n; i++) {
		const struct tally *t = &m->rows.list.data[i];
		uint32_t function = (uint32_t)t->key;
		struct xb_blame_row *r = &m->out.rows[i];
		const struct tally *lines;
		size_t n;

		lines = range_of(&m->lines, function, &n);
		*r = (struct xb_blame_row){ .function = m->p->functions.data[function].name,
					    .module = m->p->functions.data[function].module,
					    .file = m->p->frames.data[lines[0].key].file,
					    .line = m->p->frames.data[lines[0].key].line,
					    .count = t->count,
					    .later = t->later };
		r->callers = shares(m, &m->callers, function, false, arena, &r->n_callers);
		r->processes = shares(m, &m->processes, function, true, arena, &r->n_processes);
		if (r->callers == NULL || r->processes == NULL)
			return xb_error_nomem();
	}
	return fill_names(m, arena);
}

struct xb_error *xb_blame_make(const struct xb_profile *p, const char *what, struct xb_arena *arena,
			       struct xb_blame *ret)
{
	struct maker m = { .p = p, .what = what };
	struct xb_error *err;
	bool ok;

	m.matches = calloc(p->functions.len + 1, 1);
	ok = m.matches != NULL;
	for (size_t i = 0; ok && i < p->counters.len; i++)
		ok = add(&m, &p->counters.data[i]);
	err = ok ? fill(&m, arena) : xb_error_nomem();
	counter_deinit(&m.rows);
	counter_deinit(&m.callers);
	counter_deinit(&m.processes);
	counter_deinit(&m.lines);
	counter_deinit(&m.names);
	free(m.matches);
	if (err == NULL)
		*ret = m.out;
	return err;
}

struct xb_error *xb_blame_list(const struct xb_profile *p, struct xb_arena *arena, struct xb_blame *ret)
{
	struct maker m = { .p = p };
	struct xb_error *err = NULL;
	struct xb_u32s seen = { 0 };

	for (size_t i = 0; err == NULL && i < p->counters.len; i++) {
		const struct xb_pcounter *c = &p->counters.data[i];
		const struct xb_pstack *s = &p->stacks.data[c->stack];

		m.out.samples += c->count;
		seen.len = 0;
		for (uint32_t k = 0; err == NULL && k < s->n; k++) {
			const struct xb_pframe *f = xb_profile_frame(p, s, k);
			bool again = false;

			if (xb_profile_function(p, f)->kind != XB_MIXED_NATIVE ||
			    !xb_profile_function(p, f)->known)
				continue;
			for (size_t j = 0; j < seen.len; j++)
				again |= seen.data[j] == f->function;
			if (!again && (!xb_u32s_push(&seen, f->function) ||
				       tally(&m.names, 0, f->function, c->count, false) == NULL))
				err = xb_error_nomem();
		}
	}
	if (err == NULL)
		err = fill_names(&m, arena);
	counter_deinit(&m.names);
	xb_u32s_deinit(&seen);
	if (err == NULL)
		*ret = m.out;
	return err;
}
