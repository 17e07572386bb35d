/*
 * The batched pass over the process table.
 *
 * Per batch: (1) slots, (2) Process structures, (3) stacks, registered names, current MFAs, (4) Process
 * structures again.  What moved between (2) and (4) is read again a bounded number of times.  Slots,
 * structures and stacks of one batch are read microseconds apart: reading the whole table first would
 * lose up to 40 % of a churning system.
 *
 * Ranges are asked for in the order of their addresses: structures lie next to each other in their carriers, and
 * so do heaps, and the memory layer reads neighbours as one range.
 */
#include "base/rd.h"
#include "vm/atom.h"
#include "vm/process_batch.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS_MIN =
		2048, /* table slots read at once: a few more than a batch where the table is full, */
	SLOTS_MAX = 32768, /* and many where it is empty */
	BATCH = 256, /* processes at once: what is read of them stays in the cache for the second look */
	MFA_SETS = 64, /* current functions remembered within a batch */
	RETRIES = 4,
	MAX_STACK_WORDS = 64 << 10 << 4, /* of one stack: 8 MiB */
	BATCH_WORDS = 1 << 18,           /* stack words kept for one batch: 2 MiB */
};

struct item {
	struct xb_proc p;
	xb_addr addr;
	uint32_t slot;
	size_t stack_at, stack_n; /* in batch.words */
	uint64_t reg_name;
	uint32_t mfa_of; /* item whose @mfa it is: many processes wait in the same function */
	unsigned char mfa[XB_MFA_BYTES];
	bool ok;    /* a process */
	bool whole; /* the structure could be read, this time */
};

struct batch {
	struct xb_vm *vm;
	unsigned flags;
	size_t size; /* bytes of a Process structure */
	struct item item[BATCH];
	size_t n;
	uint32_t order[BATCH]; /* items [from, to) of the first look by address, for the second */
	size_t n_order;
	unsigned char *first, *second; /* copies of the structures */
	struct xb_io io[BATCH * 3];
	uint64_t *words;
	size_t words_cap;
	struct {
		xb_addr addr; /* 0: none */
		uint32_t item;
	} mfas[MFA_SETS];
	struct xb_proc_stats stats;
};

static struct batch *batch_create(struct xb_vm *vm, unsigned flags)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->vm = vm;
	b->flags = flags;
	b->size = XB_MIN(vm->layout.size[XB_S_Process], XB_PROC_MAX_BYTES);
	b->first = malloc(BATCH * b->size);
	b->second = malloc(BATCH * b->size);
	b->words_cap = flags & XB_PROC_STACKS ? BATCH_WORDS : 0;
	b->words = malloc(b->words_cap * 8 + 8);
	if (b->first != NULL && b->second != NULL && b->words != NULL)
		return b;
	free(b->first);
	free(b->second);
	free(b->words);
	free(b);
	return NULL;
}

static void batch_destroy(struct batch *b)
{
	free(b->first);
	free(b->second);
	free(b->words);
	free(b);
}

static int by_address(const void *pa, const void *pb)
{
	const struct xb_io *a = pa, *b = pb;

	return (a->addr > b->addr) - (a->addr < b->addr);
}

/* Put the first @n of b->io in order, which they often are already. */
static void sort_io(struct batch *b, size_t n)
{
	size_t i = 1;

	while (i < n && b->io[i - 1].addr <= b->io[i].addr)
		i++;
	if (i < n)
		qsort(b->io, n, sizeof(b->io[0]), by_address);
}

static struct xb_io io_of(const struct batch *b, size_t i, unsigned char *copy)
{
	return (struct xb_io){ .addr = b->item[i].addr, .len = b->size, .buf = copy + i * b->size };
}

/* b->io[0 .. n) are structures of items, in @copy: read them and say of each whether all of it was there. */
static struct xb_error *read_ios(struct batch *b, size_t n, const unsigned char *copy)
{
	XB_TRY(xb_mem_readv(b->vm->mem, b->io, n));
	for (size_t k = 0; k < n; k++) {
		size_t i = (size_t)((unsigned char *)b->io[k].buf - copy) / b->size;

		b->item[i].whole = b->io[k].got == b->size;
		b->order[k] = (uint32_t)i;
	}
	b->n_order = n;
	return NULL;
}

/* (2): the structures of items [from, to). */
static struct xb_error *read_first(struct batch *b, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		b->io[i - from] = io_of(b, i, b->first);
	sort_io(b, to - from);
	return read_ios(b, to - from, b->first);
}

/* (4): those of them before @end again. */
static struct xb_error *read_second(struct batch *b, size_t end)
{
	size_t n = 0;

	for (size_t k = 0; k < b->n_order; k++) {
		if (b->order[k] < end)
			b->io[n++] = io_of(b, b->order[k], b->second);
	}
	return read_ios(b, n, b->second);
}

/* Ask for the current function of item @i, unless one of this batch has it already. */
static void want_mfa(struct batch *b, size_t i, xb_addr cur, struct xb_io *io, size_t *n_io)
{
	size_t set = (cur >> 3) % MFA_SETS;

	if (b->mfas[set].addr != cur) {
		b->mfas[set].addr = cur;
		b->mfas[set].item = (uint32_t)i;
		io[(*n_io)++] =
			(struct xb_io){ .addr = cur, .len = XB_MFA_BYTES, .buf = b->item[i].mfa };
	}
	b->item[i].mfa_of = b->mfas[set].item;
}

static bool want_stack(const struct batch *b, const struct xb_proc *p)
{
	return (b->flags & XB_PROC_STACKS) != 0 && p->status != XB_PROC_FREE;
}

/* (3): everything the structures of [from, to) point to; *end is where the stack words ran out. */
static struct xb_error *read_pointed(struct batch *b, size_t from, size_t to, size_t *end)
{
	const struct xb_layout *l = &b->vm->layout;
	struct xb_io *rest = b->io + BATCH; /* names and functions; they have no useful order */
	size_t n = 0, n_rest = 0, used = 0, i;

	memset(b->mfas, 0, sizeof(b->mfas));
	for (i = from; i < to; i++) {
		struct item *it = &b->item[i];
		struct xb_rec rec = { l, b->first + i * b->size, b->size };
		uint64_t reg = xb_rec_get(&rec, XB_F_Process_reg),
			 cur = xb_rec_get(&rec, XB_F_Process_current);
		size_t words =
			want_stack(b, &it->p) ? XB_MIN(it->p.stack_words, (size_t)MAX_STACK_WORDS) : 0;

		if (!it->ok)
			continue;
		if (used + words > b->words_cap && i > from)
			break;
		if (words > b->words_cap) {
			uint64_t *grown = realloc(b->words, words * 8);

			if (grown == NULL)
				return xb_error_nomem();
			b->words = grown;
			b->words_cap = words;
		}
		it->stack_at = used;
		it->stack_n = words;
		if (words > 0)
			b->io[n++] = (struct xb_io){ .addr = it->p.stop,
						     .len = words * 8,
						     .buf = b->words + used };
		used += words;
		it->reg_name = 0;
		if (reg != 0)
			rest[n_rest++] =
				(struct xb_io){ .addr = reg + xb_layout_at(l, XB_F_RegProc_name),
						.len = 8,
						.buf = &it->reg_name };
		it->p.has_current = cur != 0;
		if (cur != 0)
			want_mfa(b, i, cur, rest, &n_rest);
	}
	*end = i;
	sort_io(b, n);
	memmove(b->io + n, rest, n_rest * sizeof(*rest));
	n += n_rest;
	XB_TRY(xb_mem_readv(b->vm->mem, b->io, n));
	for (size_t k = 0; k < n; k++) {
		/* A short stack is not a stack: the structure check below tells whether the process
		 * moved. */
		if (b->io[k].got < b->io[k].len)
			b->stats.torn++;
	}
	return NULL;
}

static bool decode_all(struct batch *b, size_t from, size_t to)
{
	bool any = false;

	for (size_t i = from; i < to; i++) {
		struct item *it = &b->item[i];

		it->ok = it->whole && xb_proc_decode(b->vm, it->addr, it->slot, b->first + i * b->size,
						     b->size, &it->p);
		b->stats.torn += !it->ok;
		any |= it->ok;
	}
	return any;
}

/* Hand one out; false: the caller has enough. */
static bool deliver(struct batch *b, struct item *it, xb_proc_fn fn, void *arg)
{
	struct xb_stack stack = { b->words + it->stack_at, it->stack_n, it->p.i };

	it->p.has_name = xb_atom_index(b->vm, (xb_term){ it->reg_name }, &it->p.name);
	it->p.has_current =
		it->p.has_current && xb_mfa_decode(b->vm, b->item[it->mfa_of].mfa, &it->p.current);
	b->stats.seen++;
	b->stats.changed += it->p.grade == XB_GRADE_CHANGED;
	b->stats.running += it->p.grade == XB_GRADE_RUNNING;
	b->stats.stacks_cut += it->p.stack_words > MAX_STACK_WORDS;
	return fn(arg, &it->p, &stack);
}

/* Steps (2) to (4) for [from, to); *end as read_pointed(). */
static struct xb_error *read_once(struct batch *b, size_t from, size_t to, size_t *end)
{
	*end = to;
	XB_TRY(read_first(b, from, to));
	if (!decode_all(b, from, to))
		return NULL;
	XB_TRY(read_pointed(b, from, to, end));
	XB_TRY(read_second(b, *end));
	for (size_t i = from; i < *end; i++) {
		struct item *it = &b->item[i];

		if (it->ok && it->p.grade == XB_GRADE_PARKED &&
		    (!it->whole || !xb_proc_same(&b->vm->layout, b->first + i * b->size,
						 b->second + i * b->size, b->size)))
			it->p.grade = XB_GRADE_CHANGED;
	}
	return NULL;
}

/* One that moved is read again alone, a bounded number of times. */
static struct xb_error *deliver_changed(struct batch *b, size_t i, xb_proc_fn fn, void *arg, bool *stop)
{
	struct item *it = &b->item[i];
	size_t end;

	for (int tries = 0; it->ok && it->p.grade == XB_GRADE_CHANGED && tries < RETRIES; tries++) {
		b->stats.retried++;
		XB_TRY(read_once(b, i, i + 1, &end));
	}
	if (it->ok)
		*stop = !deliver(b, it, fn, arg);
	return NULL;
}

/* Those that did not move are handed out first: reading one again re-uses the words of the others. */
static struct xb_error *run_batch(struct batch *b, xb_proc_fn fn, void *arg, bool *stop)
{
	for (size_t from = 0, end; from < b->n && !*stop; from = end) {
		XB_TRY(read_once(b, from, b->n, &end));
		for (size_t i = from; i < end && !*stop; i++) {
			struct item *it = &b->item[i];

			if (it->ok && it->p.grade != XB_GRADE_CHANGED)
				*stop = !deliver(b, it, fn, arg);
		}
		for (size_t i = from; i < end && !*stop; i++) {
			if (b->item[i].ok && b->item[i].p.grade == XB_GRADE_CHANGED)
				XB_TRY(deliver_changed(b, i, fn, arg, stop));
		}
	}
	b->n = 0;
	return NULL;
}

/* Walk the slots, a block at a time; what of a block did not fit into a batch is read again for the next. */
static struct xb_error *walk(struct batch *b, uint64_t *slots, xb_proc_fn fn, void *arg)
{
	const struct xb_roots *r = &b->vm->roots;
	uint32_t block = SLOTS_MIN;
	bool stop = false;

	for (uint32_t at = 0; at < r->proc_max && !stop;) {
		uint32_t n = XB_MIN(r->proc_max - at, block), k;

		XB_TRY(xb_error_wrap(
			xb_mem_read(b->vm->mem, r->proc_tab + 8 * (uint64_t)at, slots, (size_t)n * 8),
			"process table"));
		for (k = 0; k < n && b->n < BATCH; k++) {
			if (slots[k] == 0 || slots[k] == r->proc_invalid || (slots[k] & 7) != 0)
				continue;
			b->item[b->n++] = (struct item){ .addr = slots[k], .slot = at + k };
		}
		at += k;
		block = b->n == BATCH ? SLOTS_MIN : XB_MIN(block * 2, (uint32_t)SLOTS_MAX);
		if (b->n == BATCH || at == r->proc_max)
			XB_TRY(run_batch(b, fn, arg, &stop));
	}
	return NULL;
}

struct xb_error *xb_proc_each(struct xb_vm *vm, unsigned flags, xb_proc_fn fn, void *arg,
			      struct xb_proc_stats *ret)
{
	struct batch *b = batch_create(vm, flags);
	uint64_t *slots = malloc(SLOTS_MAX * sizeof(*slots));
	struct xb_error *err = b == NULL || slots == NULL ? xb_error_nomem() : walk(b, slots, fn, arg);

	if (b != NULL) {
		*ret = b->stats;
		batch_destroy(b);
	}
	free(slots);
	return err;
}
