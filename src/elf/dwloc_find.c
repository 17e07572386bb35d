/* Asking: the location at a pc, its kind, its value, and how much of the function has one. */
#include "elf/dwloc_priv.h"

#include <dwarf.h>
#include <string.h>

const struct xb_dwspan *xb_dwloc_span_at(const struct xb_dwspans *spans, xb_addr pc)
{
	for (size_t i = 0; i < spans->len; i++) {
		if (pc >= spans->data[i].start && pc < spans->data[i].end)
			return &spans->data[i];
	}
	return NULL;
}

bool xb_dwloc_covers(const struct xb_dwloc *obj, xb_addr pc)
{
	for (size_t i = 0; i < obj->instances.len; i++) {
		if (xb_dwloc_span_at(&obj->instances.data[i].code, pc) != NULL)
			return true;
	}
	return false;
}

static void classify_memory(const Dwarf_Op *ops, size_t n, const struct xb_dwspans *base,
			    struct xb_dwloc_loc *ret)
{
	ret->kind = XB_DWLOC_MEMORY;
	ret->reg = XB_DWLOC_NO_REG;
	if (n != 1)
		return;
	if (ops->atom >= DW_OP_breg0 && ops->atom <= DW_OP_breg31) {
		ret->reg = (unsigned)(ops->atom - DW_OP_breg0);
		ret->off = (int64_t)ops->number;
	} else if (ops->atom == DW_OP_bregx) {
		ret->reg = (unsigned)XB_MIN(ops->number, XB_DWLOC_NO_REG);
		ret->off = (int64_t)ops->number2;
	} else if (ops->atom == DW_OP_fbreg && base != NULL && base->len == 1 && base->data[0].n == 1 &&
		   base->data[0].ops[0].atom == DW_OP_call_frame_cfa) {
		ret->reg = XB_DWLOC_CFA;
		ret->off = (int64_t)ops->number;
	}
}

void xb_dwloc_classify(const struct xb_dwspan *span, const struct xb_dwspans *base,
		       struct xb_dwloc_loc *ret)
{
	bool pieces = false, entry = false, implicit = false;
	const Dwarf_Op *ops = span->ops;
	size_t n = span->n;

	ret->reg = XB_DWLOC_NO_REG;
	ret->off = 0;
	for (size_t i = 0; i < n; i++) {
		uint8_t a = ops[i].atom;

		pieces |= a == DW_OP_piece || a == DW_OP_bit_piece;
		entry |= a == DW_OP_entry_value || a == DW_OP_GNU_entry_value;
		implicit |= a == DW_OP_implicit_pointer || a == DW_OP_GNU_implicit_pointer;
	}
	ret->uninit = span->uninit;
	if (span->opaque)
		ret->kind = XB_DWLOC_OPAQUE;
	else if (n == 0)
		ret->kind = XB_DWLOC_OPTIMISED_OUT;
	else if (implicit)
		ret->kind = XB_DWLOC_IMPLICIT_POINTER;
	else if (pieces)
		ret->kind = XB_DWLOC_PIECES;
	else if (entry)
		ret->kind = XB_DWLOC_ENTRY_VALUE;
	else if (n == 1 && ops->atom >= DW_OP_reg0 && ops->atom <= DW_OP_reg31)
		ret->kind = XB_DWLOC_REGISTER, ret->reg = (unsigned)(ops->atom - DW_OP_reg0);
	else if (n == 1 && ops->atom == DW_OP_regx)
		ret->kind = XB_DWLOC_REGISTER,
		ret->reg = (unsigned)XB_MIN(ops->number, XB_DWLOC_NO_REG);
	else if (ops[n - 1].atom == DW_OP_stack_value || ops[n - 1].atom == DW_OP_implicit_value)
		ret->kind = XB_DWLOC_VALUE;
	else
		classify_memory(ops, n, base, ret);
}

/* The innermost declaration of @var whose scope holds @pc. */
static const struct xb_dwloc_entry *in_scope(const struct xb_dwloc *obj, size_t var, xb_addr pc)
{
	const struct xb_dwloc_entry *best = NULL;

	for (size_t i = 0; i < obj->entries.len; i++) {
		const struct xb_dwloc_entry *e = &obj->entries.data[i];

		if (e->var == var && (best == NULL || e->depth > best->depth) &&
		    xb_dwloc_span_at(&e->scope, pc) != NULL)
			best = e;
	}
	return best;
}

/* The first location for @pc, and how many more there are. */
static const struct xb_dwspan *location_at(const struct xb_dwloc_entry *e, xb_addr pc,
					   unsigned *ret_others)
{
	const struct xb_dwspan *found = NULL;
	size_t lo = 0, hi = e->locs.len;

	*ret_others = 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->locs.data[mid].start <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!e->overlap)
		return lo > 0 && pc < e->locs.data[lo - 1].end ? &e->locs.data[lo - 1] : NULL;
	for (size_t i = 0; i < lo; i++) {
		if (pc >= e->locs.data[i].end)
			continue;
		*ret_others += found != NULL;
		found = found == NULL ? &e->locs.data[i] : found;
	}
	return found;
}

void xb_dwloc_find(const struct xb_dwloc *obj, size_t var, xb_addr pc, struct xb_dwloc_loc *ret)
{
	const struct xb_dwloc_entry *e = in_scope(obj, var, pc);
	const struct xb_dwspan *span;

	*ret = (struct xb_dwloc_loc){ .kind = XB_DWLOC_ABSENT, .reg = XB_DWLOC_NO_REG, .pc = pc };
	if (e == NULL)
		return;
	ret->entry = e;
	ret->width = e->width;
	ret->whole_scope = e->whole_scope;
	ret->kind = e->is_const ? XB_DWLOC_VALUE : XB_DWLOC_OPTIMISED_OUT;
	span = location_at(e, pc, &ret->others);
	if (span == NULL)
		return;
	ret->start = span->start;
	ret->end = span->end;
	ret->ops = span->ops;
	ret->n_ops = span->n;
	xb_dwloc_classify(span, &obj->instances.data[e->instance].frame_base, ret);
}

struct entry_arg {
	struct xb_dwloc *obj;
	const struct xb_dwloc_instance *in;
	const struct xb_dwloc_frame *frame;
};

/* Only what a register held; memory of that moment is gone. */
static bool entry_value(void *arg, const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
	struct entry_arg *e = arg;
	unsigned reg;

	if (n != 1)
		return false;
	if (ops->atom >= DW_OP_reg0 && ops->atom <= DW_OP_reg31)
		reg = (unsigned)(ops->atom - DW_OP_reg0);
	else if (ops->atom >= DW_OP_breg0 && ops->atom <= DW_OP_breg31 && ops->number == 0)
		reg = (unsigned)(ops->atom - DW_OP_breg0);
	else
		return false;
	return xb_dwloc_entry_reg(e->obj, e->in, e->frame, reg, ret);
}

static uint64_t low_bytes(uint64_t v, uint64_t size)
{
	return size >= 8 ? v : v & (((uint64_t)1 << (size * 8)) - 1);
}

static enum xb_dwexpr_status fetch(const struct xb_dwexpr_ctx *ctx, const struct xb_dwexpr_result *res,
				   uint64_t size, uint64_t *ret)
{
	switch (res->kind) {
	case XB_DWEXPR_ADDR:
		return xb_stack_load(ctx->stack, ctx->mem, res->value, size, ret) ? XB_DWEXPR_OK
										  : XB_DWEXPR_FAULT;
	case XB_DWEXPR_REG:
	case XB_DWEXPR_VALUE:
		*ret = low_bytes(res->value, size);
		return XB_DWEXPR_OK;
	case XB_DWEXPR_EMPTY:
		break;
	}
	return XB_DWEXPR_UNKNOWN;
}

/* One location, or pieces that together make @width bytes, lowest first. */
static enum xb_dwexpr_status gather(const struct xb_dwexpr_ctx *ctx, const struct xb_dwloc_loc *loc,
				    uint64_t *ret)
{
	uint64_t value = 0, have = 0, part = 0;
	size_t at = 0;

	do {
		struct xb_dwexpr_result res = { .value = 0 };
		enum xb_dwexpr_status st = xb_dwexpr_run(ctx, loc->ops, loc->n_ops, at, NULL, &res);
		uint64_t size = loc->width;

		if (st != XB_DWEXPR_OK)
			return st;
		if (res.next < loc->n_ops) {
			const Dwarf_Op *op = &loc->ops[res.next];

			/* Nothing may follow a whole location; parts of bytes are not worth it. */
			if (op->atom != DW_OP_piece)
				return op->atom == DW_OP_bit_piece ? XB_DWEXPR_UNSUPPORTED
								   : XB_DWEXPR_MALFORMED;
			size = op->number;
		} else if (at > 0) {
			return XB_DWEXPR_MALFORMED; /* a location after the last piece */
		}
		if (size == 0 || size > loc->width - have)
			return XB_DWEXPR_UNSUPPORTED;
		st = fetch(ctx, &res, size, &part);
		if (st != XB_DWEXPR_OK)
			return st;
		value |= part << (have * 8);
		have += size;
		at = res.next + 1;
	} while (at < loc->n_ops && have < loc->width);
	if (have < loc->width)
		return XB_DWEXPR_UNKNOWN;
	*ret = value;
	return XB_DWEXPR_OK;
}

enum xb_dwexpr_status xb_dwloc_eval(struct xb_dwloc *obj, const struct xb_dwloc_loc *loc,
				    const struct xb_dwloc_frame *frame, uint64_t *ret)
{
	const struct xb_dwloc_entry *e = loc->entry;
	const struct xb_dwspan *base;
	struct entry_arg arg = { .obj = obj, .frame = frame };

	if (e == NULL || loc->kind == XB_DWLOC_OPTIMISED_OUT || loc->uninit)
		return XB_DWEXPR_UNKNOWN;
	if (loc->width == 0 || loc->width > sizeof(*ret) || loc->kind == XB_DWLOC_IMPLICIT_POINTER ||
	    loc->kind == XB_DWLOC_OPAQUE)
		return XB_DWEXPR_UNSUPPORTED;
	if (loc->ops == NULL) { /* a constant */
		*ret = low_bytes(e->constant, loc->width);
		return XB_DWEXPR_OK;
	}
	arg.in = &obj->instances.data[e->instance];
	base = xb_dwloc_span_at(&arg.in->frame_base, loc->pc);
	return gather(
		&(struct xb_dwexpr_ctx){
			.regs = frame->regs,
			.stack = frame->stack,
			.mem = frame->mem,
			.bias = frame->bias,
			.has_cfa = frame->has_cfa,
			.cfa = frame->cfa,
			.frame_base = base == NULL ? NULL : base->ops,
			.frame_base_len = base == NULL ? 0 : base->n,
			.entry_value = entry_value,
			.entry_arg = &arg,
		},
		loc, ret);
}

/* Sum of the union of spans, which is sorted here. */
static int by_start(const void *a, const void *b)
{
	const struct xb_dwspan *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static uint64_t total(struct xb_dwspans *spans)
{
	uint64_t sum = 0;
	xb_addr upto = 0;

	if (spans->len > 1)
		qsort(spans->data, spans->len, sizeof(*spans->data), by_start);
	for (size_t i = 0; i < spans->len; i++) {
		xb_addr from = XB_MAX(spans->data[i].start, upto);

		if (spans->data[i].end > from) {
			sum += spans->data[i].end - from;
			upto = spans->data[i].end;
		}
	}
	return sum;
}

static bool is_usable(const struct xb_dwspan *loc)
{
	struct xb_dwloc_loc l;

	xb_dwloc_classify(loc, NULL, &l);
	if (l.uninit)
		return false;
	return l.kind == XB_DWLOC_MEMORY || l.kind == XB_DWLOC_VALUE || l.kind == XB_DWLOC_PIECES ||
	       (l.kind == XB_DWLOC_REGISTER && l.reg < XB_REG_COUNT);
}

/* The part of @loc that lies in the scope of @e.  Memory running out only understates. */
static void clip(const struct xb_dwloc_entry *e, const struct xb_dwspan *loc, struct xb_dwspans *ret)
{
	for (size_t i = 0; i < e->scope.len; i++) {
		struct xb_dwspan s = { .start = XB_MAX(loc->start, e->scope.data[i].start),
				       .end = XB_MIN(loc->end, e->scope.data[i].end) };

		if (s.start < s.end)
			(void)!xb_dwspans_push(ret, s);
	}
}

struct xb_dwloc_coverage xb_dwloc_coverage(const struct xb_dwloc *obj, size_t var)
{
	struct xb_dwspans code = { 0 }, located = { 0 }, usable = { 0 };
	struct xb_dwloc_coverage c = { .damaged = (unsigned)obj->damaged };

	for (size_t i = 0; i < obj->instances.len; i++) {
		const struct xb_dwspans *s = &obj->instances.data[i].code;

		for (size_t k = 0; k < s->len; k++)
			(void)!xb_dwspans_push(&code, s->data[k]);
	}
	for (size_t i = 0; i < obj->entries.len; i++) {
		const struct xb_dwloc_entry *e = &obj->entries.data[i];
		struct xb_dwspan always = { .start = 0, .end = UINT64_MAX };

		if (e->var != var)
			continue;
		c.declared++;
		c.whole_scope |= e->whole_scope;
		c.entries += e->whole_scope ? 0 : (unsigned)e->locs.len;
		if (e->is_const) {
			clip(e, &always, &located);
			clip(e, &always, &usable);
		}
		for (size_t k = 0; k < e->locs.len; k++) {
			if (e->locs.data[k].n == 0 && !e->locs.data[k].opaque)
				continue;
			clip(e, &e->locs.data[k], &located);
			if (is_usable(&e->locs.data[k]))
				clip(e, &e->locs.data[k], &usable);
		}
	}
	c.code = total(&code);
	c.located = total(&located);
	c.usable = total(&usable);
	xb_dwspans_deinit(&code);
	xb_dwspans_deinit(&located);
	xb_dwspans_deinit(&usable);
	return c;
}
