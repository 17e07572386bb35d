#include "vm/jitlist_read.h"

#include "base/rd.h"
#include "vm/jitlist_parse.h"
#include "vm/vm.h"

#include <stdlib.h>

enum {
	BATCH = 256, /* entries read at a time */
	MAX_ENTRY_BYTES = 64 << 20,
};

/*
 * From @first down to @stop (0: to the end), newest first.  An entry reached a second time has to have been reached
 * from the same one as before, so going back over prev a cycle can only close at @first.
 */
struct xb_error *xb_jitlist_walk(struct xb_vm *vm, xb_addr first, xb_addr stop, size_t limit,
				 struct xb_jitnodes *ret, enum xb_jitwalk_end *ret_end)
{
	unsigned char raw[XB_JITNODE_BYTES];
	xb_addr from = 0;

	*ret_end = XB_JITWALK_WHOLE;
	for (xb_addr at = first; at != stop; from = at, at = ret->data[ret->len - 1].next) {
		struct xb_io io = { .addr = at, .len = sizeof(raw), .buf = raw };

		if (at == 0) {
			*ret_end = XB_JITWALK_MISSED;
			break;
		}
		if (ret->len == limit) {
			*ret_end = XB_JITWALK_LIMIT;
			break;
		}
		XB_TRY(xb_mem_readv(vm->mem, &io, 1));
		if (at % 8 != 0 || io.got < io.len ||
		    (from != 0 && (at == first || xb_load64(raw, 8) != from))) {
			*ret_end = XB_JITWALK_TORN;
			break;
		}
		if (!xb_jitnodes_push(ret, (struct xb_jitnode){ .addr = at,
								.next = xb_load64(raw, 0),
								.symfile = xb_load64(raw, 16),
								.size = xb_load64(raw, 24) }))
			return xb_error_nomem();
	}
	return NULL;
}

static bool is_plain(const struct xb_vm *vm)
{
	return vm->layout.konst[XB_K_JIT_LIST_PLAIN] == 1;
}

static bool parse(const struct xb_vm *vm, struct xb_jitlist *list, struct xb_jitentry *e, size_t len)
{
	return is_plain(vm) ? xb_jitentry_parse_plain(e, e->bytes, len)
			    : xb_jitentry_parse(e, e->bytes, len, list->opts.lines, &list->frame_layout,
						&list->normal_exit);
}

/* Make entries of @n nodes, oldest first, and read their text in one batch. */
static struct xb_error *read_batch(struct xb_vm *vm, struct xb_jitlist *list,
				   const struct xb_jitnode *nodes, size_t n)
{
	struct xb_jitentry **fresh = list->entries + list->len;
	struct xb_io io[BATCH];

	for (size_t i = 0; i < n; i++) {
		const struct xb_jitnode *node = &nodes[n - 1 - i];
		size_t len = node->size <= MAX_ENTRY_BYTES ? (size_t)node->size : 0;
		struct xb_jitentry *e = calloc(1, sizeof(*e));

		if (e == NULL)
			return xb_error_nomem();
		list->entries[list->len++] = e;
		*e = (struct xb_jitentry){ .kind = XB_JITENTRY_BROKEN,
					   .node = node->addr,
					   .next = node->next,
					   .symfile = node->symfile,
					   .symfile_size = node->size,
					   .bytes = malloc(len + 1) };
		if (e->bytes == NULL)
			return xb_error_nomem();
		io[i] = (struct xb_io){ .addr = node->symfile, .len = len, .buf = e->bytes };
	}
	XB_TRY(xb_mem_readv(vm->mem, io, n));
	for (size_t i = 0; i < n; i++) {
		struct xb_jitentry *e = fresh[i];

		if (io[i].got == io[i].len && !parse(vm, list, e, io[i].len))
			return xb_error_nomem();
		if (e->kind == XB_JITENTRY_BROKEN) {
			free(xb_take(e->bytes));
			list->broken++;
			continue;
		}
		list->has_emulator |= e->kind == XB_JITENTRY_EMULATOR && !is_plain(vm);
		list->n_ranges += e->n_ranges;
		list->bytes += io[i].len;
	}
	return NULL;
}

/* How many of the newest nodes fit into what we are ready to keep. */
static size_t affordable(const struct xb_jitlist *list, const struct xb_jitnodes *nodes)
{
	uint64_t left = list->opts.max_bytes - XB_MIN((uint64_t)list->opts.max_bytes, list->bytes);
	size_t n = 0;

	while (n < nodes->len) {
		uint64_t size = nodes->data[n].size;

		if (size <= MAX_ENTRY_BYTES) {
			if (size > left)
				break;
			left -= size;
		}
		n++;
	}
	return n;
}

struct xb_error *xb_jitlist_append(struct xb_vm *vm, struct xb_jitlist *list,
				   const struct xb_jitnodes *nodes)
{
	size_t left = affordable(list, nodes);

	list->cut |= left < nodes->len;
	if (list->len + left > list->cap) {
		struct xb_jitentry **grown = xb_vec_grow(list->entries, &list->cap, list->len + left,
							 sizeof(struct xb_jitentry *));

		if (grown == NULL)
			return xb_error_nomem();
		list->entries = grown;
	}
	while (left > 0) {
		size_t n = XB_MIN(left, (size_t)BATCH);

		XB_TRY(read_batch(vm, list, nodes->data + left - n, n));
		left -= n;
	}
	return NULL;
}
