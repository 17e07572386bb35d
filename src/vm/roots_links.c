/*
 * Roots by what they lead to.
 *
 *	gdb JIT list: where each module's code is ─► sorted arrays { start, end }[] of those ◄─ r[0…2], their middles
 *	code ranges: where each module's code is ◄─ Module.curr ◄─ segment[0] ◄─ module_tables[0…2].seg_table
 *	process ─► registry entry, in a chain of the bucket that its name belongs to ◄─ process_reg
 *
 * What tables are called and how big they are is not looked at here: that is what their shape is told by.
 */
#include "base/rd.h"
#include "mem/gather.h"
#include "vm/code.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	INDICES = 3,           /* of code: active, staging, previous */
	MAX_MODULES = 1 << 16, /* looked at */
	RANGE_WORDS = 2,       /* start and end, each */
	TABLE_STRIDE = 128,    /* sizeof(IndexTable): they lie in an array */
	MAX_PAIRS = 1024,
	MAX_CHAIN = 64,
	SOME_PROCESSES = 256,
};

/* Read @words words at each of @n places into consecutive rows; what cannot be read is zero. */
static struct xb_error *rows_at(struct xb_search *s, const xb_addr *at, size_t n, size_t words,
				uint64_t **ret)
{
	struct xb_arena *arena = xb_finder_arena(s->f);
	uint64_t *rows = xb_arena_array(arena, n + 1, words * 8);
	struct xb_io *io = xb_arena_array(arena, n + 1, sizeof(*io));

	if (rows == NULL || io == NULL)
		return xb_error_nomem();
	memset(rows, 0, n * words * 8);
	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = at[i], .len = words * 8, .buf = rows + i * words };
	XB_TRY(xb_mem_gather(s->source->mem, io, n));
	*ret = rows;
	return NULL;
}

/* --- code ranges --- */

static bool starts_module(const struct xb_jitlist *list, const uint64_t *range)
{
	const struct xb_jitentry *e = xb_jitlist_module(list, range[0]);

	return e != NULL && range[1] > range[0] && range[1] - range[0] <= e->code_size;
}

/*
 * Whether r may begin at @addr: what each of the three begins with is a module, or there is nothing; of one, the middle
 * is a module too.  In the middle of one that is no longer active may be what was unloaded since.
 */
static bool holds_ranges(struct xb_search *s, xb_addr addr, const struct xb_map *good)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	size_t full = 0;

	for (size_t i = 0; i < INDICES; i++) {
		xb_addr at = addr + i * l->size[XB_S_ranges];
		xb_addr first = at + xb_layout_at(l, XB_F_ranges_modules),
			mid = at + xb_layout_at(l, XB_F_ranges_mid);

		if (xb_map_get(good, first) == NULL && xb_finder_word(s->f, first) != 0)
			return false;
		full += xb_map_get(good, first) != NULL && xb_map_get(good, mid) != NULL;
	}
	return full > 0;
}

/* Pointers of the data behind which the one to the middle follows: what they and that lead to is worth a look. */
static size_t pairs(struct xb_search *s, xb_addr *ret_at, xb_addr *ret_to, size_t max)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	xb_addr apart =
		(xb_addr)xb_layout_at(l, XB_F_ranges_mid) - xb_layout_at(l, XB_F_ranges_modules);
	size_t n, found = 0;
	const xb_addr *at = xb_finder_pointers(s->f, 8, &n);

	for (size_t i = 0; i < n && found + 2 <= max; i++) {
		xb_addr first = xb_finder_word(s->f, at[i]), mid = xb_finder_word(s->f, at[i] + apart);

		if (mid < first || mid - first >= (xb_addr)MAX_MODULES * RANGE_WORDS * 8)
			continue;
		ret_at[found] = at[i];
		ret_to[found++] = first;
		ret_at[found] = at[i] + apart;
		ret_to[found++] = mid;
	}
	return found;
}

static struct xb_error *try_ranges(struct xb_search *s, struct xb_opinion *ret)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	xb_cleanup(xb_map_deinit) struct xb_map good = XB_MAP_INIT;
	const struct xb_jitlist *list;
	struct xb_arena *arena = xb_finder_arena(s->f);
	xb_addr *at = xb_arena_array(arena, MAX_PAIRS, sizeof(*at)),
		*to = xb_arena_array(arena, MAX_PAIRS, sizeof(*to)), found = 0;
	uint64_t *rows;
	size_t n, hits = 0;

	if (at == NULL || to == NULL)
		return xb_error_nomem();
	XB_TRY(xb_search_jitlist(s, &list));
	if (list == NULL)
		return NULL;
	n = pairs(s, at, to, MAX_PAIRS);
	XB_TRY(rows_at(s, to, n, RANGE_WORDS, &rows));
	for (size_t i = 0; i < n; i++) {
		if (starts_module(list, rows + i * RANGE_WORDS) && !xb_map_put(&good, at[i], i + 1))
			return xb_error_nomem();
	}
	for (size_t i = 0; i < n; i++) {
		xb_addr r = at[i] - xb_layout_at(l, XB_F_ranges_modules);

		for (size_t k = 0; k < INDICES && xb_map_get(&good, at[i]) != NULL; k++) {
			xb_addr start = r - k * l->size[XB_S_ranges];

			if (start != found && holds_ranges(s, start, &good)) {
				found = start;
				hits++;
			}
		}
	}
	/* Where not all three were used yet, it could begin at several places. */
	if (hits == 1)
		*ret = (struct xb_opinion){ .addr = found, .source = XB_ROOT_BY_LINKS };
	return NULL;
}

/* The list and the data are read one after the other, and code is loaded in between: then they are read again. */
static struct xb_error *links_to_ranges(struct xb_search *s, struct xb_opinion *ret)
{
	enum { TRIES = 4 };
	struct xb_error *err = try_ranges(s, ret);

	for (int i = 1; i < TRIES && err == NULL && ret->source == 0 && s->list_state == XB_LIST_READ;
	     i++) {
		xb_search_forget(s);
		err = try_ranges(s, ret);
	}
	return err;
}

/* --- module tables --- */

/* Where code starts, of all the ranges there are; *@good from the address to something. */
static struct xb_error *code_starts(struct xb_search *s, struct xb_map *good)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	xb_addr ranges = s->vm->roots.at[XB_ROOT_RANGES].addr;

	for (size_t i = 0; ranges != 0 && i < INDICES; i++) {
		xb_addr at = ranges + i * l->size[XB_S_ranges];
		xb_addr first = xb_finder_word(s->f, at + xb_layout_at(l, XB_F_ranges_modules));
		size_t n = (size_t)XB_MIN(xb_finder_word(s->f, at + xb_layout_at(l, XB_F_ranges_n)),
					  (uint64_t)MAX_MODULES);
		uint64_t *rows = xb_arena_array(xb_finder_arena(s->f), n + 1, (size_t)RANGE_WORDS * 8);
		size_t got;

		if (rows == NULL)
			return xb_error_nomem();
		got = first == 0 ? 0 : xb_mem_try(s->source->mem, first, rows, n * RANGE_WORDS * 8);
		for (size_t k = 0; k < got / ((size_t)RANGE_WORDS * 8); k++) {
			if (!xb_map_put(good, rows[k * RANGE_WORDS], 1))
				return xb_error_nomem();
		}
	}
	return NULL;
}

/* Places of the data that may be an IndexTable: some name, some entries, a pointer to segments. */
static size_t index_tables(struct xb_search *s, const xb_addr *at, size_t n, xb_addr *ret)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	uint32_t entries = xb_layout_at(l, XB_F_IndexTable_entries),
		 name = xb_layout_at(l, XB_F_Hash_name),
		 seg = xb_layout_at(l, XB_F_IndexTable_seg_table);
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		xb_addr table = at[i] - seg;
		uint32_t used = xb_finder_half(s->f, table + entries);

		if (used >= 10 && used < MAX_MODULES &&
		    xb_finder_in_image(s->f, xb_finder_word(s->f, table + name)))
			ret[found++] = table;
	}
	return found;
}

/* What the first entry of each table is a module of: whether its code is a code range. */
static struct xb_error *first_code(struct xb_search *s, const xb_addr *table, size_t n,
				   const struct xb_map *starts, bool *ret)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	uint32_t code = xb_layout_at(l, XB_F_Module_curr_code);
	xb_addr *at = xb_arena_array(xb_finder_arena(s->f), n + 1, sizeof(*at));
	uint64_t *word;

	if (at == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < n; i++)
		at[i] = xb_finder_word(s->f, table[i] + xb_layout_at(l, XB_F_IndexTable_seg_table));
	for (int depth = 0; depth < 2; depth++) {
		XB_TRY(rows_at(s, at, n, 1, &word));
		for (size_t i = 0; i < n; i++)
			at[i] = xb_finder_is_pointer(s->f, word[i]) ? word[i] : 0;
	}
	for (size_t i = 0; i < n; i++)
		at[i] = at[i] == 0 ? 0 : at[i] + code;
	XB_TRY(rows_at(s, at, n, 1, &word));
	for (size_t i = 0; i < n; i++)
		ret[i] = word[i] != 0 && xb_map_get(starts, word[i]) != NULL;
	return NULL;
}

static struct xb_error *links_to_modules(struct xb_search *s, struct xb_opinion *ret)
{
	xb_cleanup(xb_map_deinit) struct xb_map starts = XB_MAP_INIT;
	xb_cleanup(xb_map_deinit) struct xb_map tables = XB_MAP_INIT;
	struct xb_arena *arena = xb_finder_arena(s->f);
	xb_addr found = 0, *table;
	const xb_addr *at;
	size_t n, hits = 0;
	bool *good;

	XB_TRY(code_starts(s, &starts));
	at = xb_finder_pointers(s->f, 8, &n);
	table = xb_arena_array(arena, n + 1, sizeof(*table));
	good = xb_arena_array(arena, n + 1, sizeof(*good));
	if (at == NULL || table == NULL || good == NULL)
		return xb_error_nomem();
	n = index_tables(s, at, n, table);
	XB_TRY(first_code(s, table, n, &starts, good));
	for (size_t i = 0; i < n; i++) {
		if (good[i] && !xb_map_put(&tables, table[i], 1))
			return xb_error_nomem();
	}
	for (size_t i = 0; i < n; i++) {
		if (good[i] && xb_map_get(&tables, table[i] + TABLE_STRIDE) != NULL &&
		    xb_map_get(&tables, table[i] + 2 * (xb_addr)TABLE_STRIDE) != NULL) {
			found = table[i];
			hits++;
		}
	}
	if (hits == 1)
		*ret = (struct xb_opinion){ .addr = found, .source = XB_ROOT_BY_LINKS };
	return NULL;
}

/* --- the registry --- */

/* A registry entry of some process, and its hash value: the second word of a bucket's chain. */
static struct xb_error *some_entry(struct xb_search *s, xb_addr *ret, uint64_t *ret_hash)
{
	xb_addr at[SOME_PROCESSES];
	size_t n = xb_some_processes(s->vm, at, SOME_PROCESSES);
	uint64_t reg[SOME_PROCESSES];

	for (size_t i = 0; i < n; i++)
		at[i] += xb_layout_at(&s->vm->layout, XB_F_Process_reg);
	XB_TRY(xb_mem_words(s->source->mem, at, n, reg));
	*ret = 0;
	for (size_t i = 0; i < n && *ret == 0; i++) {
		if (xb_finder_is_pointer(s->f, reg[i]) &&
		    xb_mem_try(s->source->mem, reg[i] + 8, ret_hash, 8) == 8)
			*ret = reg[i];
	}
	return NULL;
}

/* erts/emulator/beam/hash.h:hash_get_slot(): the upper bits of a product. */
static bool chain_holds(struct xb_search *s, xb_addr table, xb_addr entry, uint64_t hash)
{
	const struct xb_layout *l = xb_finder_layout(s->f);
	xb_addr bucket = xb_finder_word(s->f, table + xb_layout_at(l, XB_F_Hash_bucket)), at = 0;
	uint32_t shift = xb_finder_half(s->f, table + xb_layout_at(l, XB_F_Hash_shift));

	/* Nearly every place is refused here: a table has a name, whatever it is, and buckets. */
	if (shift < 32 || shift >= 64 || !xb_finder_is_pointer(s->f, bucket) ||
	    !xb_finder_in_image(s->f, xb_finder_word(s->f, table + xb_layout_at(l, XB_F_Hash_name))))
		return false;
	at = bucket + 8 * (hash * 11400714819323198485ULL >> shift);
	for (int i = 0; i < MAX_CHAIN && at != 0; i++) {
		xb_addr next = 0;

		if (xb_mem_try(s->source->mem, at, &next, 8) < 8)
			return false;
		if (next == entry)
			return true;
		at = next;
	}
	return false;
}

static struct xb_error *links_to_registry(struct xb_search *s, struct xb_opinion *ret)
{
	uint32_t bucket = xb_layout_at(&s->vm->layout, XB_F_Hash_bucket);
	xb_addr entry, found = 0;
	uint64_t hash = 0;
	size_t n, hits = 0;
	const xb_addr *at;

	if (!xb_layout_has(&s->vm->layout, XB_F_Hash_bucket))
		return NULL;
	XB_TRY(some_entry(s, &entry, &hash));
	at = xb_finder_pointers(s->f, 8, &n);
	for (size_t i = 0; entry != 0 && i < n; i++) {
		if (!chain_holds(s, at[i] - bucket, entry, hash))
			continue;
		found = at[i] - bucket;
		hits++;
	}
	if (hits == 1)
		*ret = (struct xb_opinion){ .addr = found, .source = XB_ROOT_BY_LINKS };
	return NULL;
}

struct xb_error *xb_ask_links(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	if (id == XB_ROOT_RANGES)
		return links_to_ranges(s, ret);
	if (id == XB_ROOT_MODULE_TABLES)
		return links_to_modules(s, ret);
	if (id == XB_ROOT_REGISTRY)
		return links_to_registry(s, ret);
	return xb_links_to_schedulers(s, id, ret);
}
