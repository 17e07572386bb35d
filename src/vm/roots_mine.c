/*
 * Roots from the emulator's own code: static objects have no names in a stripped executable, but the functions that it
 * exports refer to them, and what stores into one does so in a way of its own.
 */
#include "base/rd.h"
#include "elf/image.h"
#include "elf/symbols.h"
#include "vm/roots_find.h"
#include "vm/vm.h"

#include <elf.h>
#include <string.h>

/* What is made of the operands of one function; several bodies may have to do with one question. */
typedef void (*body_sink)(void *arg, const struct xb_operands *ops);

static void visit(struct xb_finder *f, xb_addr start, xb_addr end, body_sink sink, void *arg, int depth)
{
	const struct xb_vm_source *source = xb_finder_source(f);
	struct xb_operands ops;
	struct xb_error *err = xb_mine_function(
		xb_finder_miner(f), source->image, start, end,
		XB_MINE_DATA | XB_MINE_LEA | XB_MINE_CALL | XB_MINE_JUMP, xb_finder_arena(f), &ops);

	if (err != NULL) {
		xb_error_destroy(err);
		return;
	}
	sink(arg, &ops);
	/* One level down, to what it calls directly: small helpers are often not inlined. */
	for (size_t i = 0; depth == 0 && i < ops.len; i++) {
		const struct xb_operand *o = &ops.list[i];
		const struct xb_symbol *callee;

		if ((o->kind != XB_MINE_CALL && o->kind != XB_MINE_JUMP) ||
		    (o->target >= start && o->target < end))
			continue;
		callee = xb_symbols_at(source->symbols, o->target);
		visit(f, o->target,
		      callee != NULL && callee->size > 0 ? callee->vaddr + callee->size
							 : o->target + 128,
		      sink, arg, 1);
	}
}

/* False when the image exports no such function. */
static bool visit_exported(struct xb_finder *f, const char *name, body_sink sink, void *arg)
{
	const struct xb_symbol *s = xb_symbols_find(xb_finder_source(f)->symbols, name);

	if (s == NULL || s->size == 0 || xb_finder_miner(f) == NULL)
		return false;
	visit(f, s->vaddr, s->vaddr + s->size, sink, arg, 0);
	return true;
}

struct question {
	struct xb_finder *f;
	const struct root_spec *spec;
	xb_addr beside, found;
	bool ambiguous; /* better no answer */
};

static void answer(struct question *q, xb_addr found)
{
	q->ambiguous |= found != 0 && q->found != 0 && found != q->found;
	if (found != 0)
		q->found = found;
}

/* The root that an operand refers to, as a whole or by one of its parts; 0 when what is there does not look like it. */
static xb_addr root_around(const struct question *q, xb_addr live)
{
	if (xb_finder_in_data(q->f, live) && live % 8 == 0 && q->spec->looks(q->f, live))
		return live;
	for (size_t i = 0; i < q->spec->n_parts; i++) {
		xb_addr start = live - xb_layout_at(xb_finder_layout(q->f), q->spec->parts[i]);

		if (xb_finder_in_data(q->f, start) && start % 8 == 0 && q->spec->looks(q->f, start))
			return start;
	}
	return 0;
}

static void look_for_root(void *arg, const struct xb_operands *ops)
{
	struct question *q = arg;

	for (size_t i = 0; i < ops->len; i++) {
		if (ops->list[i].kind == XB_MINE_DATA || ops->list[i].kind == XB_MINE_LEA)
			answer(q, root_around(q, xb_finder_source(q->f)->bias + ops->list[i].target));
	}
}

static xb_addr ask_functions(const struct question *question, body_sink sink, const char **via)
{
	for (size_t i = 0; i < XB_ARRAY_LEN(question->spec->mine) && question->spec->mine[i] != NULL;
	     i++) {
		struct question q = *question;

		if (visit_exported(q.f, q.spec->mine[i], sink, &q) && q.found != 0 && !q.ambiguous) {
			*via = q.spec->mine[i];
			return q.found;
		}
	}
	return 0;
}

xb_addr xb_finder_mine(struct xb_finder *f, const struct root_spec *spec, const char **via)
{
	struct question q = { .f = f, .spec = spec };

	return ask_functions(&q, look_for_root, via);
}

/*
 * erts/emulator/beam/beam_ranges.c:find_range() reads the active index and nothing else of that kind; functions that
 * build ranges read the staging one as well, so that they answer nothing.
 */
static void look_for_index(void *arg, const struct xb_operands *ops)
{
	struct question *q = arg;
	const struct xb_vm_source *source = xb_finder_source(q->f);
	bool refers = false, several = false;
	xb_addr index = 0;

	for (size_t i = 0; i < ops->len; i++) {
		const struct xb_operand *o = &ops->list[i];
		xb_addr live = source->bias + o->target;

		if (o->kind != XB_MINE_DATA && o->kind != XB_MINE_LEA)
			continue;
		refers |= live == q->beside;
		if (o->kind != XB_MINE_DATA || o->width != 4 || !o->read || live % 4 != 0 ||
		    !xb_finder_in_data(q->f, live) || xb_finder_half(q->f, live) > 2)
			continue;
		several |= index != 0 && index != live;
		index = live;
	}
	if (refers && !several)
		answer(q, index);
}

xb_addr xb_finder_mine_index(struct xb_finder *f, const struct root_spec *spec, xb_addr beside,
			     const char **via)
{
	struct question q = { .f = f, .spec = spec, .beside = beside };

	return beside == 0 ? 0 : ask_functions(&q, look_for_index, via);
}

/*
 * erts/emulator/beam/jit/beam_jit_metadata.cpp: whoever adds an entry sets descriptor.action_flag, the half word behind
 * the version, to JIT_REGISTER_FN.  As machine code: c7 05, the distance to the variable, the 32-bit number.
 */
xb_addr xb_finder_mine_store(struct xb_finder *f, const struct root_spec *spec)
{
	enum { LEN = 10, OPCODE = 0xc7, OPERAND = 0x05, DISPLACEMENT = 2, IMMEDIATE = 6, REGISTER = 1 };
	const struct xb_vm_source *source = xb_finder_source(f);
	struct question q = { .f = f, .spec = spec };
	const struct xb_segment *seg;
	size_t n;

	seg = xb_image_segments(source->image, &n);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *code, *p, *end;

		if ((seg[i].flags & PF_X) == 0)
			continue;
		code = xb_image_bytes(source->image, seg[i].vaddr, seg[i].filesz);
		end = code == NULL ? NULL : code + seg[i].filesz;
		for (p = code; p != NULL && (size_t)(end - p) >= LEN; p++) {
			xb_addr live;

			p = memchr(p, OPCODE, (size_t)(end - p) - LEN + 1);
			if (p == NULL)
				break;
			if (p[1] != OPERAND || xb_load32(p, IMMEDIATE) != REGISTER)
				continue;
			live = source->bias + seg[i].vaddr + (xb_addr)(p - code) + LEN +
			       (uint64_t)(int64_t)(int32_t)xb_load32(p, DISPLACEMENT) - 4;
			if (live % 8 == 0 && xb_finder_in_data(f, live) && spec->looks(f, live))
				answer(&q, live);
		}
	}
	return q.ambiguous ? 0 : q.found;
}
