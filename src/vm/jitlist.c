/*
 *   __jit_debug_descriptor { u32 version = 1, u32 action, relevant, first, mutex }
 *                                                                    │
 *     struct jit_code_entry { next, prev, symfile, u64 size } ◄──────┘    newest first
 *                               │            └──► struct debug_info …      see jitlist_parse.c
 *                               └──► the entry loaded before it, … 0
 *
 * The VM links an entry in when its text is complete, so what hangs off first is whole.  The entry that is first may
 * have anything in prev (OTP 25 leaves it unset); every other one leads back to the one it was reached from.
 */
#include "vm/jitlist.h"

#include "base/rd.h"
#include "vm/jitlist_read.h"
#include "vm/vm.h"

#include <stdlib.h>

enum {
	CHECK_BATCH = 64, /* entries compared at a time */
	TRIES = 8,
	DEFAULT_ENTRIES = 1000000,
	DEFAULT_BYTES = 256 << 20,
	HEAD_BYTES = 64, /* compared to tell whether an entry is still the same */
};

static struct xb_error *read_state(struct xb_vm *vm, struct xb_jitlist_state *ret)
{
	xb_addr at = vm->roots.at[XB_ROOT_JIT_DESCRIPTOR].addr;
	struct xb_jitlist_state s;

	if (at == 0)
		return xb_errorf(XB_ERR_UNSUPPORTED,
				 "this VM keeps no list of JIT code: it runs the interpreter");
	XB_TRY(xb_error_wrap(xb_mem_read(vm->mem, at, &s, sizeof(s)), "list of JIT code"));
	if (s.version != 1)
		return xb_errorf(XB_ERR_MISMATCH, "list of JIT code: version %u, not 1", s.version);
	*ret = s;
	return NULL;
}

static bool same_state(const struct xb_jitlist_state *a, const struct xb_jitlist_state *b)
{
	return a->action == b->action && a->relevant == b->relevant && a->first == b->first;
}

static void entry_destroy(struct xb_jitentry *e)
{
	free(e->bytes);
	free(e->storage);
	free(e);
}

static void forget(struct xb_jitlist *list)
{
	struct xb_jitlist_opts opts = list->opts;

	for (size_t i = 0; i < list->len; i++)
		entry_destroy(list->entries[i]);
	free(list->entries);
	xb_ranges_deinit(&list->fragment_ranges);
	xb_map_deinit(&list->by_base);
	*list = (struct xb_jitlist){ .opts = opts };
}

void xb_jitlist_deinit(struct xb_jitlist *list)
{
	forget(list);
	*list = (struct xb_jitlist)XB_JITLIST_INIT;
}

/* Whether @n entries are what they were when they were read. */
static struct xb_error *still_there(struct xb_vm *vm, struct xb_jitentry *const *entries, size_t n,
				    bool *ret)
{
	unsigned char raw[CHECK_BATCH][XB_JITNODE_BYTES], head[CHECK_BATCH][HEAD_BYTES];
	struct xb_io io[2 * CHECK_BATCH];

	for (size_t i = 0; i < n; i++) {
		const struct xb_jitentry *e = entries[i];
		size_t len = e->bytes != NULL ? XB_MIN((size_t)e->symfile_size, (size_t)HEAD_BYTES) : 0;

		io[2 * i] = (struct xb_io){ .addr = e->node, .len = XB_JITNODE_BYTES, .buf = raw[i] };
		io[2 * i + 1] = (struct xb_io){ .addr = e->symfile, .len = len, .buf = head[i] };
	}
	XB_TRY(xb_mem_readv(vm->mem, io, 2 * n));
	*ret = true;
	for (size_t i = 0; i < n; i++) {
		const struct xb_jitentry *e = entries[i];

		if (io[2 * i].got < XB_JITNODE_BYTES || io[2 * i + 1].got < io[2 * i + 1].len ||
		    xb_load64(raw[i], 0) != e->next || xb_load64(raw[i], 16) != e->symfile ||
		    xb_load64(raw[i], 24) != e->symfile_size ||
		    (e->bytes != NULL && memcmp(head[i], e->bytes, io[2 * i + 1].len) != 0))
			*ret = false;
	}
	return NULL;
}

static struct xb_error *all_still_there(struct xb_vm *vm, const struct xb_jitlist *list, bool *ret)
{
	*ret = true;
	for (size_t i = 0; *ret && i < list->len; i += CHECK_BATCH)
		XB_TRY(still_there(vm, list->entries + i, XB_MIN(list->len - i, (size_t)CHECK_BATCH),
				   ret));
	return NULL;
}

/*
 * Whether @list is what the VM has as of @now.  The newest entry is looked at as well: one that was taken off and one
 * that was put into its memory leave the same descriptor.
 */
static struct xb_error *is_current(struct xb_vm *vm, const struct xb_jitlist *list,
				   const struct xb_jitlist_state *now, bool *ret)
{
	*ret = same_state(now, &list->state);
	if (*ret && list->len > 0)
		XB_TRY(still_there(vm, &list->entries[list->len - 1], 1, ret));
	return NULL;
}

static struct xb_error *make_index(struct xb_jitlist *list, size_t from)
{
	bool own = false, ok = true;

	for (size_t i = from; ok && i < list->len; i++) {
		const struct xb_jitentry *e = list->entries[i];

		own |= e->own;
		if (e->kind == XB_JITENTRY_MODULE)
			ok = xb_map_put(&list->by_base, e->base, i + 1);
	}
	if (ok && own) {
		xb_ranges_deinit(&list->fragment_ranges);
		for (size_t i = list->len; ok && i-- > 0;) {
			const struct xb_jitentry *e = list->entries[i];

			for (uint32_t k = 0; ok && e->own && k < e->n_ranges; k++)
				ok = xb_ranges_add(&list->fragment_ranges, e->ranges[k].start,
						   e->ranges[k].end, (uint64_t)i << 32 | k);
		}
		ok = ok && xb_ranges_seal(&list->fragment_ranges, NULL);
	}
	return ok ? NULL : xb_error_nomem();
}

/* One pass: everything that is newer than what @list has, as of @now.  *@again: it has to be done once more. */
static struct xb_error *catch_up(struct xb_vm *vm, struct xb_jitlist *list,
				 const struct xb_jitlist_state *now, bool last_try, bool *again)
{
	struct xb_jitnodes nodes = { 0 };
	enum xb_jitwalk_end end = XB_JITWALK_WHOLE;
	size_t known;
	bool same = true;
	struct xb_error *err;

	err = all_still_there(vm, list, &same);
	if (err == NULL && !same)
		forget(list);
	known = list->len;
	if (err == NULL)
		err = xb_jitlist_walk(vm, now->first, known > 0 ? list->entries[known - 1]->node : 0,
				      list->opts.max_entries -
					      XB_MIN(known, (size_t)list->opts.max_entries),
				      &nodes, &end);
	*again = end == XB_JITWALK_MISSED || (end == XB_JITWALK_TORN && !last_try);
	if (*again && err == NULL) {
		forget(list);
	} else if (err == NULL) {
		err = xb_jitlist_append(vm, list, &nodes);
		if (err == NULL)
			err = make_index(list, known);
		list->cut |= end != XB_JITWALK_WHOLE;
		list->state = *now;
	}
	xb_jitnodes_deinit(&nodes);
	return err;
}

static struct xb_error *synchronise(struct xb_vm *vm, struct xb_jitlist *list)
{
	struct xb_jitlist_state now = { 0 };

	list->moving = false;
	for (int i = 0; i < TRIES; i++) {
		bool again = false, current;

		XB_TRY(read_state(vm, &now));
		XB_TRY(is_current(vm, list, &now, &current));
		if (current && list->len > 0)
			return NULL;
		XB_TRY(catch_up(vm, list, &now, i >= TRIES / 2, &again));
		if (now.first == 0 && !again)
			return NULL;
	}
	XB_TRY(read_state(vm, &now));
	XB_TRY(is_current(vm, list, &now, &list->moving));
	list->moving = !list->moving;
	return NULL;
}

struct xb_error *xb_jitlist_read(struct xb_vm *vm, const struct xb_jitlist_opts *opts,
				 struct xb_jitlist *ret)
{
	struct xb_error *err;

	forget(ret);
	ret->opts = opts != NULL ? *opts : (struct xb_jitlist_opts){ 0 };
	if (ret->opts.max_bytes == 0)
		ret->opts.max_bytes = DEFAULT_BYTES;
	if (ret->opts.max_entries == 0)
		ret->opts.max_entries = DEFAULT_ENTRIES;
	err = synchronise(vm, ret);
	if (err != NULL)
		forget(ret);
	return err;
}

struct xb_error *xb_jitlist_is_stale(struct xb_vm *vm, const struct xb_jitlist *list, bool *ret)
{
	struct xb_jitlist_state now = { 0 };
	bool current;

	XB_TRY(read_state(vm, &now));
	XB_TRY(is_current(vm, list, &now, &current));
	*ret = !current;
	return NULL;
}

struct xb_error *xb_jitlist_update(struct xb_vm *vm, struct xb_jitlist *list, bool *ret_changed)
{
	bool stale;
	struct xb_error *err;

	XB_TRY(xb_jitlist_is_stale(vm, list, &stale));
	if (ret_changed != NULL)
		*ret_changed = stale;
	if (!stale)
		return NULL;
	err = synchronise(vm, list);
	if (err != NULL)
		forget(list);
	return err;
}

const struct xb_jitrange *xb_jitlist_fragment(const struct xb_jitlist *list, xb_addr addr)
{
	const struct xb_range *r = xb_ranges_find(&list->fragment_ranges, addr);

	return r == NULL ? NULL : &list->entries[r->value >> 32]->ranges[r->value & UINT32_MAX];
}

const struct xb_jitentry *xb_jitlist_module(const struct xb_jitlist *list, xb_addr base)
{
	const uint64_t *index = xb_map_get(&list->by_base, base);

	return index == NULL ? NULL : list->entries[*index - 1];
}

bool xb_jitlist_emulator_agrees(const struct xb_vm *vm, const struct xb_jitlist *list)
{
	return !list->has_emulator ||
	       (list->normal_exit == vm->roots.value[XB_ROOT_NORMAL_EXIT] && list->frame_layout <= 1 &&
		(list->frame_layout == 1) == vm->id.frame_pointers);
}
