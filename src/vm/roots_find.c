#include "vm/roots_find.h"

#include "base/rd.h"
#include "elf/image.h"
#include "elf/mine.h"
#include "elf/symbols.h"
#include "mem/gather.h"
#include "vm/vm.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATA = 64 << 20, MAX_PARTS = 4, MAX_CANDIDATES = 4096 };

struct part {
	xb_addr start; /* live */
	unsigned char *bytes;
	size_t size, len; /* bytes there are, and had */
};

struct xb_finder {
	struct xb_vm *vm;
	const struct xb_vm_source *source;
	struct part part[MAX_PARTS];
	size_t n_parts;
	xb_addr image_start, image_end; /* all of the emulator's segments, live */
	struct xb_miner *miner;         /* created when first needed */
	struct xb_io *remote; /* what was fetched from outside the data; ascending addresses */
	size_t n_remote;
	uint64_t single[XB_FINDER_REMOTE_WORDS];
	struct xb_arena arena;
};

struct xb_vm *xb_finder_vm(struct xb_finder *f)
{
	return f->vm;
}

void xb_finder_destroy(struct xb_finder *f)
{
	for (size_t i = 0; i < f->n_parts; i++)
		free(f->part[i].bytes);
	xb_miner_destroy(f->miner);
	xb_arena_deinit(&f->arena);
	free(f);
}

void xb_finder_refresh(struct xb_finder *f)
{
	for (size_t i = 0; i < f->n_parts; i++) {
		struct part *p = &f->part[i];

		p->len = xb_mem_try(f->vm->mem, p->start, p->bytes, p->size);
	}
	f->n_remote = 0;
}

/* The copy is taken in one go: all words of it are microseconds apart. */
struct xb_error *xb_finder_create(struct xb_vm *vm, const struct xb_vm_source *source,
				  struct xb_finder **ret)
{
	struct xb_finder *f = calloc(1, sizeof(*f));
	const struct xb_segment *seg;
	size_t n;

	if (f == NULL)
		return xb_error_nomem();
	f->vm = vm;
	f->source = source;
	seg = xb_image_segments(source->image, &n);
	f->image_start = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		f->image_start = XB_MIN(f->image_start, source->bias + seg[i].vaddr);
		f->image_end = XB_MAX(f->image_end, source->bias + seg[i].vaddr + seg[i].memsz);
	}
	for (size_t i = 0; i < n && f->n_parts < MAX_PARTS; i++) {
		struct part *p = &f->part[f->n_parts];

		if ((seg[i].flags & PF_W) == 0 || seg[i].memsz == 0 || seg[i].memsz > MAX_DATA)
			continue;
		p->start = source->bias + seg[i].vaddr;
		p->bytes = malloc(seg[i].memsz);
		if (p->bytes == NULL) {
			xb_finder_destroy(f);
			return xb_error_nomem();
		}
		p->size = seg[i].memsz;
		f->n_parts++;
	}
	xb_finder_refresh(f);
	*ret = f;
	return NULL;
}

uint64_t xb_finder_word(const struct xb_finder *f, xb_addr addr)
{
	for (size_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		if (addr >= p->start && addr - p->start < p->len && p->len - (addr - p->start) >= 8)
			return xb_load64(p->bytes, (size_t)(addr - p->start));
	}
	return 0;
}

xb_addr xb_finder_next(const struct xb_finder *f, xb_addr after, uint64_t value)
{
	for (size_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->part[i];
		xb_addr from = after < p->start ? xb_align_up(p->start, 8) : after + 8;

		for (xb_addr a = from; a + 8 <= p->start + p->len; a += 8) {
			if (xb_load64(p->bytes, (size_t)(a - p->start)) == value)
				return a;
		}
	}
	return 0;
}

bool xb_finder_is_pointer(const struct xb_finder *f, uint64_t w)
{
	return w >= 4096 && w % 8 == 0 && w >> 47 == 0 && (w < f->image_start || w >= f->image_end);
}

static int by_address(const void *a, const void *b)
{
	const struct xb_io *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The 32 bytes at @addr that lie outside the data; all zero when they cannot be read. */
const uint64_t *xb_finder_remote(struct xb_finder *f, xb_addr addr)
{
	static const uint64_t none[XB_FINDER_REMOTE_WORDS];
	const struct xb_io key = { .addr = addr };
	const struct xb_io *hit;

	hit = f->n_remote == 0 ? NULL
			       : bsearch(&key, f->remote, f->n_remote, sizeof(*f->remote), by_address);
	if (hit != NULL)
		return hit->got == hit->len ? hit->buf : none;
	if (xb_mem_try(f->vm->mem, addr, f->single, sizeof(f->single)) < sizeof(f->single))
		return none;
	return f->single;
}

/*
 * Fetch in one go what the candidates of a scan point to, and what that points to.  Where memory for it is short,
 * xb_finder_remote() reads one by one.
 */
static void prefetch(struct xb_finder *f, const xb_addr *at, size_t n)
{
	struct xb_io *io = xb_arena_array(&f->arena, n + 1, sizeof(*io));
	uint64_t *words = xb_arena_array(&f->arena, n + 1, XB_FINDER_REMOTE_WORDS * 8);
	struct xb_error *err;

	f->n_remote = 0;
	if (io == NULL || words == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = at[i],
					.len = XB_FINDER_REMOTE_WORDS * 8,
					.buf = words + i * XB_FINDER_REMOTE_WORDS };
	err = xb_mem_gather(f->vm->mem, io, n);
	if (err == NULL) {
		qsort(io, n, sizeof(*io), by_address);
		f->remote = io;
		f->n_remote = n;
	}
	xb_error_destroy(err);
}

/* For roots that are told by what they point to: @spec->points gives the address of a candidate, 0 for none. */
static void prefetch_pointed(struct xb_finder *f, const struct root_spec *spec)
{
	xb_addr *at = xb_arena_array(&f->arena, (size_t)2 * MAX_CANDIDATES, sizeof(*at));
	size_t n = 0, first;

	for (size_t i = 0; at != NULL && i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		for (xb_addr a = xb_align_up(p->start, spec->align);
		     a + 8 <= p->start + p->len && n < MAX_CANDIDATES; a += spec->align) {
			xb_addr to = spec->points(f, a);

			if (to != 0)
				at[n++] = to;
		}
	}
	if (at == NULL || n == 0)
		return;
	prefetch(f, at, n);
	first = n;
	for (size_t i = 0; i < first; i++) {
		xb_addr next = xb_finder_remote(f, at[i])[0];

		if (xb_finder_is_pointer(f, next))
			at[n++] = next;
	}
	prefetch(f, at, n);
}

const char *xb_finder_literal(struct xb_finder *f, xb_addr addr, size_t len)
{
	const struct xb_segment *seg;
	const char *text;

	/* Nearly every word is refused here, without a look at the file. */
	if (addr < f->image_start || addr >= f->image_end)
		return NULL;
	seg = xb_image_segment_at(f->source->image, addr - f->source->bias);
	if (seg == NULL || (seg->flags & PF_W) != 0 || (seg->flags & PF_X) != 0)
		return NULL;
	text = (const char *)xb_image_bytes(f->source->image, addr - f->source->bias, len);
	return text != NULL && text[len - 1] == '\0' ? text : NULL;
}

xb_addr xb_finder_scan(struct xb_finder *f, const struct root_spec *spec, xb_addr expected,
		       size_t *hits)
{
	xb_addr first = 0, best = 0;
	size_t n_best = 0;
	bool seen = false;

	*hits = 0;
	if (spec->points != NULL)
		prefetch_pointed(f, spec);
	for (size_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		for (xb_addr a = xb_align_up(p->start, spec->align); a + 8 <= p->start + p->len;
		     a += spec->align) {
			if (!spec->looks(f, a))
				continue;
			(*hits)++;
			seen |= a == expected;
			if (first == 0)
				first = a;
			if (spec->is_beside != NULL && spec->is_beside(f, a)) {
				best = a;
				n_best++;
			}
		}
	}
	if (!seen && *hits > 1 && n_best == 1) {
		*hits = 1;
		return best;
	}
	return seen ? expected : first;
}

static bool in_data(const struct xb_finder *f, xb_addr addr)
{
	for (size_t i = 0; i < f->n_parts; i++) {
		if (addr >= f->part[i].start && addr < f->part[i].start + f->part[i].len)
			return true;
	}
	return false;
}

/* The root that an operand refers to, as a whole or by one of its parts; 0 when what is there does not look like it. */
static xb_addr root_around(struct xb_finder *f, const struct root_spec *spec, xb_addr live)
{
	if (in_data(f, live) && live % 8 == 0 && spec->looks(f, live))
		return live;
	for (size_t i = 0; i < spec->n_parts; i++) {
		xb_addr start = live - xb_layout_at(&f->vm->layout, spec->parts[i]);

		if (in_data(f, start) && start % 8 == 0 && spec->looks(f, start))
			return start;
	}
	return 0;
}

/* Operands of one function and, one level down, of what it calls directly: small helpers are often not
 * inlined. */
static xb_addr mine_one(struct xb_finder *f, const struct root_spec *spec, xb_addr start, xb_addr end,
			int depth)
{
	struct xb_operands ops;
	struct xb_error *err = xb_mine_function(
		f->miner, f->source->image, start, end,
		XB_MINE_DATA | XB_MINE_LEA | XB_MINE_CALL | XB_MINE_JUMP, &f->arena, &ops);
	xb_addr found = 0;

	if (err != NULL) {
		xb_error_destroy(err);
		return 0;
	}
	for (size_t i = 0; i < ops.len; i++) {
		const struct xb_operand *o = &ops.list[i];
		xb_addr live = f->source->bias + o->target, hit = 0;

		if (o->kind == XB_MINE_CALL || o->kind == XB_MINE_JUMP) {
			const struct xb_symbol *callee = xb_symbols_at(f->source->symbols, o->target);

			if (depth == 0 && (o->target < start || o->target >= end))
				hit = mine_one(f, spec, o->target,
					       callee != NULL && callee->size > 0
						       ? callee->vaddr + callee->size
						       : o->target + 128,
					       1);
		} else {
			hit = root_around(f, spec, live);
		}
		if (hit != 0 && found != 0 && hit != found)
			return 0; /* ambiguous: better no answer */
		if (hit != 0)
			found = hit;
	}
	return found;
}

xb_addr xb_finder_mine(struct xb_finder *f, const struct root_spec *spec, const char **via)
{
	if (f->miner == NULL) {
		struct xb_error *err = xb_miner_create(&f->miner);

		if (err != NULL) {
			xb_error_destroy(err);
			return 0;
		}
	}
	for (size_t i = 0; i < XB_ARRAY_LEN(spec->mine) && spec->mine[i] != NULL; i++) {
		const struct xb_symbol *s = xb_symbols_find(f->source->symbols, spec->mine[i]);
		xb_addr found;

		if (s == NULL || s->size == 0)
			continue;
		found = mine_one(f, spec, s->vaddr, s->vaddr + s->size, 0);
		if (found != 0) {
			*via = spec->mine[i];
			return found;
		}
	}
	return 0;
}
