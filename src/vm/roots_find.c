#include "vm/roots_find.h"

#include "base/rd.h"
#include "elf/image.h"
#include "elf/mine.h"
#include "elf/symbols.h"
#include "vm/vm.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATA = 64 << 20, MAX_PARTS = 4 };

struct part {
	xb_addr start; /* live */
	unsigned char *bytes;
	size_t len;
};

struct xb_finder {
	struct xb_vm *vm;
	const struct xb_vm_source *source;
	struct part part[MAX_PARTS];
	size_t n_parts;
	struct xb_miner *miner; /* created when first needed */
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
		p->len = xb_mem_try(vm->mem, p->start, p->bytes, seg[i].memsz);
		f->n_parts++;
	}
	*ret = f;
	return NULL;
}

uint64_t xb_finder_word(struct xb_finder *f, xb_addr addr)
{
	uint64_t v = 0;

	for (size_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		if (addr >= p->start && addr - p->start + 8 <= p->len)
			return xb_load64(p->bytes, (size_t)(addr - p->start));
	}
	return xb_mem_try(f->vm->mem, addr, &v, 8) == 8 ? v : 0;
}

const char *xb_finder_literal(struct xb_finder *f, xb_addr addr, size_t len)
{
	const char *text;

	/* Nearly every word is refused here, without a look at the file. */
	if (addr < f->source->bias || addr - f->source->bias > MAX_DATA)
		return NULL;
	text = (const char *)xb_image_bytes(f->source->image, addr - f->source->bias, len);
	return text != NULL && text[len - 1] == '\0' ? text : NULL;
}

xb_addr xb_finder_scan(struct xb_finder *f, const struct root_spec *spec, xb_addr expected,
		       size_t *hits)
{
	xb_addr first = 0;
	bool seen = false;

	*hits = 0;
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
		}
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
		} else if (in_data(f, live) && live % 8 == 0 && spec->looks(f, live)) {
			hit = live;
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
