#include "elf/dwexpr.h"

#include <dwarf.h>
#include <string.h>

struct machine {
	const struct xb_dwexpr_ctx *ctx;
	const Dwarf_Op *ops;
	size_t n, at;
	size_t depth;
	bool done;
	enum xb_dwexpr_kind kind;
	unsigned reg;
	uint64_t stack[XB_DWEXPR_MAX_DEPTH];
};

bool xb_stack_load(const struct xb_stack_slice *stack, struct xb_mem *mem, xb_addr addr, size_t size,
		   uint64_t *ret)
{
	uint64_t word = 0;

	if (size == 0 || size > sizeof(word))
		return false;
	if (stack != NULL && addr >= stack->addr && addr - stack->addr <= stack->len &&
	    stack->len - (addr - stack->addr) >= size)
		memcpy(&word, stack->bytes + (addr - stack->addr), size);
	else if (mem == NULL || xb_mem_try(mem, addr, &word, size) != size)
		return false;
	*ret = word;
	return true;
}

static enum xb_dwexpr_status push(struct machine *m, uint64_t v)
{
	if (m->depth == XB_DWEXPR_MAX_DEPTH)
		return XB_DWEXPR_MALFORMED;
	m->stack[m->depth++] = v;
	return XB_DWEXPR_OK;
}

static enum xb_dwexpr_status push_reg(struct machine *m, uint64_t reg, uint64_t add)
{
	if (reg >= XB_REG_COUNT)
		return XB_DWEXPR_UNSUPPORTED;
	if (m->ctx->regs == NULL || !xb_regs_has(m->ctx->regs, (unsigned)reg))
		return XB_DWEXPR_NO_REG;
	return push(m, m->ctx->regs->r[reg] + add);
}

/* The operators that take two words and leave one.  a is below b. */
static enum xb_dwexpr_status binary(uint8_t atom, uint64_t a, uint64_t b, uint64_t *ret)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (atom) {
	case DW_OP_and:
		*ret = a & b;
		break;
	case DW_OP_or:
		*ret = a | b;
		break;
	case DW_OP_xor:
		*ret = a ^ b;
		break;
	case DW_OP_plus:
		*ret = a + b;
		break;
	case DW_OP_minus:
		*ret = a - b;
		break;
	case DW_OP_mul:
		*ret = a * b;
		break;
	case DW_OP_div: /* signed; INT64_MIN / -1 would trap the host */
		if (sb == 0)
			return XB_DWEXPR_MALFORMED;
		*ret = sb == -1 ? 0 - a : (uint64_t)(sa / sb);
		break;
	case DW_OP_mod: /* unsigned */
		if (b == 0)
			return XB_DWEXPR_MALFORMED;
		*ret = a % b;
		break;
	case DW_OP_shl:
		*ret = b < 64 ? a << b : 0;
		break;
	case DW_OP_shr:
		*ret = b < 64 ? a >> b : 0;
		break;
	case DW_OP_shra:
		*ret = (uint64_t)(sa >> (b < 64 ? b : 63));
		break;
	case DW_OP_eq:
		*ret = sa == sb;
		break;
	case DW_OP_ne:
		*ret = sa != sb;
		break;
	case DW_OP_ge:
		*ret = sa >= sb;
		break;
	case DW_OP_gt:
		*ret = sa > sb;
		break;
	case DW_OP_le:
		*ret = sa <= sb;
		break;
	case DW_OP_lt:
		*ret = sa < sb;
		break;
	default:
		return XB_DWEXPR_UNSUPPORTED;
	}
	return XB_DWEXPR_OK;
}

static enum xb_dwexpr_status run_binary(struct machine *m, uint8_t atom)
{
	enum xb_dwexpr_status st;

	if (m->depth < 2)
		return XB_DWEXPR_MALFORMED;
	st = binary(atom, m->stack[m->depth - 2], m->stack[m->depth - 1], &m->stack[m->depth - 2]);
	m->depth -= st == XB_DWEXPR_OK;
	return st;
}

static enum xb_dwexpr_status run_unary(struct machine *m, const Dwarf_Op *op)
{
	uint64_t *top;

	if (m->depth == 0)
		return XB_DWEXPR_MALFORMED;
	top = &m->stack[m->depth - 1];
	switch (op->atom) {
	case DW_OP_abs:
		*top = (int64_t)*top < 0 ? 0 - *top : *top;
		return XB_DWEXPR_OK;
	case DW_OP_neg:
		*top = 0 - *top;
		return XB_DWEXPR_OK;
	case DW_OP_not:
		*top = ~*top;
		return XB_DWEXPR_OK;
	case DW_OP_plus_uconst:
		*top += op->number;
		return XB_DWEXPR_OK;
	case DW_OP_deref:
	case DW_OP_deref_size:
		return xb_stack_load(m->ctx->stack, m->ctx->mem, *top,
				     op->atom == DW_OP_deref ? 8 : (size_t)op->number, top)
			       ? XB_DWEXPR_OK
			       : XB_DWEXPR_FAULT;
	default:
		return XB_DWEXPR_UNSUPPORTED;
	}
}

static enum xb_dwexpr_status run_shuffle(struct machine *m, const Dwarf_Op *op)
{
	uint64_t *s = m->stack + m->depth, tmp;
	uint64_t pick = op->atom == DW_OP_dup ? 0 : op->atom == DW_OP_over ? 1 : op->number;

	switch (op->atom) {
	case DW_OP_dup:
	case DW_OP_over:
	case DW_OP_pick:
		return pick < m->depth ? push(m, s[-1 - (ptrdiff_t)pick]) : XB_DWEXPR_MALFORMED;
	case DW_OP_drop:
		if (m->depth < 1)
			return XB_DWEXPR_MALFORMED;
		m->depth--;
		return XB_DWEXPR_OK;
	case DW_OP_swap:
		if (m->depth < 2)
			return XB_DWEXPR_MALFORMED;
		tmp = s[-1];
		s[-1] = s[-2];
		s[-2] = tmp;
		return XB_DWEXPR_OK;
	default: /* rot: the top goes below the two others */
		if (m->depth < 3)
			return XB_DWEXPR_MALFORMED;
		tmp = s[-1];
		s[-1] = s[-2];
		s[-2] = s[-3];
		s[-3] = tmp;
		return XB_DWEXPR_OK;
	}
}

/* Jump targets are byte offsets of the encoded form; they must hit the start of an operation or the
 * end. */
static enum xb_dwexpr_status run_jump(struct machine *m, const Dwarf_Op *op)
{
	uint64_t target = op->offset + 3 + (uint64_t)(int64_t)(int16_t)op->number;

	if (op->atom == DW_OP_bra) {
		if (m->depth == 0)
			return XB_DWEXPR_MALFORMED;
		if (m->stack[--m->depth] == 0)
			return XB_DWEXPR_OK;
	}
	for (size_t i = 0; i < m->n; i++) {
		if (m->ops[i].offset == target) {
			m->at = i;
			return XB_DWEXPR_OK;
		}
	}
	/* One past the last byte ends the expression; the length of the last operation is not kept. */
	if (target <= m->ops[m->n - 1].offset)
		return XB_DWEXPR_MALFORMED;
	m->at = m->n;
	return XB_DWEXPR_OK;
}

/* The frame base is an expression of its own: a register's content, an address, or the CFA. */
static enum xb_dwexpr_status push_frame_base(struct machine *m, uint64_t add)
{
	struct xb_dwexpr_ctx inner = *m->ctx;
	struct xb_dwexpr_result base = { .value = 0 };
	enum xb_dwexpr_status st;

	if (inner.frame_base_len == 0)
		return XB_DWEXPR_UNKNOWN;
	inner.frame_base = NULL; /* a frame base in terms of itself would not end */
	inner.frame_base_len = 0;
	st = xb_dwexpr_run(&inner, m->ctx->frame_base, m->ctx->frame_base_len, 0, NULL, &base);
	if (st != XB_DWEXPR_OK)
		return st;
	if (base.next != m->ctx->frame_base_len || base.kind == XB_DWEXPR_EMPTY)
		return XB_DWEXPR_UNSUPPORTED;
	return push(m, base.value + add);
}

static const unsigned char *block_of(const Dwarf_Op *op)
{
	return (const unsigned char *)(uintptr_t)op->number2; // NOLINT(performance-no-int-to-ptr)
}

static enum xb_dwexpr_status push_entry_value(struct machine *m, const Dwarf_Op *op)
{
	Dwarf_Op ops[XB_DWEXPR_MAX_OPS];
	size_t n = 0;
	uint64_t v = 0;

	if (m->ctx->entry_value == NULL)
		return XB_DWEXPR_UNKNOWN;
	if (!xb_dwexpr_decode(block_of(op), op->number, 0, ops, &n))
		return XB_DWEXPR_UNSUPPORTED;
	if (!m->ctx->entry_value(m->ctx->entry_arg, ops, n, &v))
		return XB_DWEXPR_UNKNOWN;
	return push(m, v);
}

static enum xb_dwexpr_status implicit_value(struct machine *m, const Dwarf_Op *op)
{
	uint64_t v = 0;

	if (op->number == 0 || op->number > sizeof(v))
		return XB_DWEXPR_UNSUPPORTED;
	memcpy(&v, block_of(op), op->number);
	m->kind = XB_DWEXPR_VALUE;
	m->done = true;
	return push(m, v);
}

static enum xb_dwexpr_status at_register(struct machine *m, uint64_t reg)
{
	m->kind = XB_DWEXPR_REG;
	m->reg = (unsigned)XB_MIN(reg, UINT32_MAX);
	m->done = true;
	return push_reg(m, reg, 0);
}

static enum xb_dwexpr_status run_other(struct machine *m, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_addr:
		return push(m, op->number + m->ctx->bias);
	case DW_OP_const1u ... DW_OP_consts:
		return push(m, op->number);
	case DW_OP_dup ... DW_OP_rot:
		return run_shuffle(m, op);
	case DW_OP_deref:
	case DW_OP_deref_size:
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_plus_uconst:
		return run_unary(m, op);
	case DW_OP_bra:
	case DW_OP_skip:
		return run_jump(m, op);
	case DW_OP_regx:
		return at_register(m, op->number);
	case DW_OP_bregx:
		return push_reg(m, op->number, op->number2);
	case DW_OP_fbreg:
		return push_frame_base(m, op->number);
	case DW_OP_call_frame_cfa:
		return m->ctx->has_cfa ? push(m, m->ctx->cfa) : XB_DWEXPR_UNKNOWN;
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
		return push_entry_value(m, op);
	case DW_OP_implicit_value:
		return implicit_value(m, op);
	case DW_OP_stack_value:
		m->kind = XB_DWEXPR_VALUE;
		m->done = true;
		return m->depth > 0 ? XB_DWEXPR_OK : XB_DWEXPR_MALFORMED;
	case DW_OP_nop:
		return XB_DWEXPR_OK;
	case DW_OP_and:
	case DW_OP_div ... DW_OP_mul:
	case DW_OP_or:
	case DW_OP_plus:
	case DW_OP_shl ... DW_OP_xor:
	case DW_OP_eq ... DW_OP_ne:
		return run_binary(m, op->atom);
	default: /* typed values, other DIEs, thread-local storage */
		return XB_DWEXPR_UNSUPPORTED;
	}
}

static enum xb_dwexpr_status run_one(struct machine *m, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, (uint64_t)(op->atom - DW_OP_lit0));
	if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31)
		return at_register(m, (uint64_t)(op->atom - DW_OP_reg0));
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_reg(m, (uint64_t)(op->atom - DW_OP_breg0), op->number);
	return run_other(m, op);
}

enum xb_dwexpr_status xb_dwexpr_run(const struct xb_dwexpr_ctx *ctx, const Dwarf_Op *ops, size_t n,
				    size_t from, const uint64_t *first, struct xb_dwexpr_result *ret)
{
	struct machine m;
	unsigned steps = 0;

	/* Not initialised as a whole: the stack is 512 bytes and only what was pushed is read. */
	m.ctx = ctx;
	m.ops = ops;
	m.n = n;
	m.at = from;
	m.depth = 0;
	m.done = false;
	m.kind = XB_DWEXPR_ADDR;
	m.reg = 0;
	if (first != NULL)
		m.stack[m.depth++] = *first;
	while (m.at < n && !m.done && ops[m.at].atom != DW_OP_piece &&
	       ops[m.at].atom != DW_OP_bit_piece) {
		enum xb_dwexpr_status st;

		if (++steps > XB_DWEXPR_MAX_STEPS)
			return XB_DWEXPR_MALFORMED;
		st = run_one(&m, &ops[m.at++]);
		if (st != XB_DWEXPR_OK)
			return st;
	}
	if (m.depth == 0 && steps > 0)
		return XB_DWEXPR_MALFORMED;
	*ret = (struct xb_dwexpr_result){
		.kind = m.depth == 0 ? XB_DWEXPR_EMPTY : m.kind,
		.reg = m.reg,
		.value = m.depth == 0 ? 0 : m.stack[m.depth - 1],
		.next = m.at,
	};
	return XB_DWEXPR_OK;
}
