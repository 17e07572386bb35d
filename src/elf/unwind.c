#include "elf/unwind.h"

#include "base/rd.h"
#include "elf/dwexpr.h"

static inline bool load(const struct xb_stack_slice *stack, struct xb_mem *mem, xb_addr addr,
			uint64_t *ret)
{
	if (stack != NULL) {
		uint64_t off = addr - stack->addr; /* below the slice it wraps to something huge */

		if (off < stack->len && stack->len - off >= sizeof(*ret)) {
			*ret = xb_load64(stack->bytes, off);
			return true;
		}
	}
	return mem != NULL && xb_mem_try(mem, addr, ret, sizeof(*ret)) == sizeof(*ret);
}

/* A CFA that cannot be: not above the stack pointer, or not where a call can have left it. */
static inline bool is_bad(const struct xb_cfi_row *row, const struct xb_regs *regs, xb_addr cfa)
{
	if ((row->flags & XB_CFI_SIGNAL) != 0)
		return false;
	return (cfa & 7) != 0 || (xb_regs_has(regs, XB_REG_RSP) && cfa <= regs->r[XB_REG_RSP]);
}

static enum xb_step from_status(enum xb_dwexpr_status st)
{
	if (st == XB_DWEXPR_OK)
		return XB_STEP_OK;
	return st == XB_DWEXPR_FAULT ? XB_STEP_FAULT : XB_STEP_BAD;
}

/* The value of an expression; a register description has no sense here. */
static enum xb_step evaluate(const struct xb_cfi_rule *rule, const struct xb_dwexpr_ctx *ctx,
			     const uint64_t *push, uint64_t *ret)
{
	Dwarf_Op ops[XB_DWEXPR_MAX_OPS];
	struct xb_dwexpr_result res = { .value = 0 };
	enum xb_dwexpr_status st;
	size_t n;

	if (!xb_dwexpr_decode(rule->expr, rule->len, 0, ops, &n))
		return XB_STEP_BAD;
	st = xb_dwexpr_run(ctx, ops, n, 0, push, &res);
	if (st != XB_DWEXPR_OK)
		return from_status(st);
	if (res.next != n || (res.kind != XB_DWEXPR_ADDR && res.kind != XB_DWEXPR_VALUE))
		return XB_STEP_BAD;
	*ret = res.value;
	return XB_STEP_OK;
}

static enum xb_step apply_rule(const struct xb_cfi_rule *rule, unsigned reg,
			       const struct xb_dwexpr_ctx *ctx, xb_addr cfa, struct xb_regs *next)
{
	const struct xb_regs *regs = ctx->regs;
	uint64_t v = cfa + (uint64_t)rule->off;
	enum xb_step st;

	switch ((enum xb_cfi_kind)rule->kind) {
	case XB_CFI_RULE_UNSPECIFIED:
		if (reg == XB_REG_RSP)
			xb_regs_set(next, XB_REG_RSP, cfa);
		else if ((XB_REGS_CALLEE_SAVED >> reg & 1) != 0 && xb_regs_has(regs, reg))
			xb_regs_set(next, (enum xb_reg)reg, regs->r[reg]);
		return XB_STEP_OK;
	case XB_CFI_RULE_UNDEFINED:
		return XB_STEP_OK;
	case XB_CFI_RULE_SAME:
		if (xb_regs_has(regs, reg))
			xb_regs_set(next, (enum xb_reg)reg, regs->r[reg]);
		return XB_STEP_OK;
	case XB_CFI_RULE_REGISTER:
		if (xb_regs_has(regs, rule->reg))
			xb_regs_set(next, (enum xb_reg)reg, regs->r[rule->reg]);
		return XB_STEP_OK;
	case XB_CFI_RULE_VAL_OFFSET:
		xb_regs_set(next, (enum xb_reg)reg, v);
		return XB_STEP_OK;
	case XB_CFI_RULE_VAL_EXPR:
	case XB_CFI_RULE_EXPR:
		st = evaluate(rule, ctx, &cfa, &v);
		if (st != XB_STEP_OK)
			return st;
		if (rule->kind == XB_CFI_RULE_VAL_EXPR) {
			xb_regs_set(next, (enum xb_reg)reg, v);
			return XB_STEP_OK;
		}
		break;
	case XB_CFI_RULE_OFFSET:
		break;
	}
	if (!load(ctx->stack, ctx->mem, v, &v))
		return XB_STEP_FAULT;
	xb_regs_set(next, (enum xb_reg)reg, v);
	return XB_STEP_OK;
}

enum xb_step xb_unwind_cfa(const struct xb_cfi_row *row, const struct xb_regs *regs,
			   const struct xb_stack_slice *stack, struct xb_mem *mem, xb_addr *ret)
{
	struct xb_dwexpr_ctx ctx = { .regs = regs, .stack = stack, .mem = mem };
	struct xb_cfi_rule rule = xb_cfi_row_cfa(row);

	if (rule.kind == XB_CFI_RULE_EXPR)
		return evaluate(&rule, &ctx, NULL, ret);
	if (!xb_regs_has(regs, rule.reg))
		return XB_STEP_BAD;
	*ret = regs->r[rule.reg] + (uint64_t)rule.off;
	return XB_STEP_OK;
}

static enum xb_step step_general(const struct xb_cfi_row *row, struct xb_regs *regs,
				 const struct xb_stack_slice *stack, struct xb_mem *mem)
{
	const struct xb_cfi_full *full = row->full;
	struct xb_dwexpr_ctx ctx = { .regs = regs, .stack = stack, .mem = mem };
	struct xb_regs next = { .valid = 0 };
	enum xb_step st;
	xb_addr cfa;

	st = xb_unwind_cfa(row, regs, stack, mem, &cfa);
	if (st != XB_STEP_OK)
		return st;
	for (unsigned reg = 0; reg < XB_REG_COUNT; reg++) {
		st = apply_rule(&full->reg[reg], reg, &ctx, cfa, &next);
		if (st != XB_STEP_OK)
			return st;
	}
	if (!xb_regs_has(&next, XB_REG_RIP) || !xb_regs_has(&next, XB_REG_RSP))
		return XB_STEP_BAD;
	if (is_bad(row, regs, next.r[XB_REG_RSP]))
		return XB_STEP_BAD;
	if (next.r[XB_REG_RIP] == 0)
		return XB_STEP_END;
	*regs = next;
	return XB_STEP_OK;
}

enum xb_step xb_unwind_step(const struct xb_cfi_row *row, struct xb_regs *regs,
			    const struct xb_stack_slice *stack, struct xb_mem *mem)
{
	uint64_t word[XB_CFI_SAVED_COUNT];
	uint32_t valid = regs->valid & XB_REGS_CALLEE_SAVED, loaded = 0;
	xb_addr cfa;

	if ((row->flags & (XB_CFI_OUTERMOST | XB_CFI_GENERAL)) != 0)
		return (row->flags & XB_CFI_OUTERMOST) != 0 ? XB_STEP_END
							    : step_general(row, regs, stack, mem);
	if (!xb_regs_has(regs, row->cfa_reg) || row->save[XB_CFI_RA] <= XB_CFI_UNDEFINED)
		return XB_STEP_BAD;
	cfa = regs->r[row->cfa_reg] + (uint64_t)(int64_t)row->cfa_off;
	/* All is read before anything is written: a fault leaves the frame as it was. */
	for (unsigned i = 0; i < XB_CFI_SAVED_COUNT; i++) {
		int16_t save = row->save[i];

		if (save > XB_CFI_UNDEFINED && i != XB_CFI_RA && (row->flags & XB_CFI_POPPED) != 0 &&
		    xb_regs_has(regs, XB_REG_RSP) &&
		    cfa + (uint64_t)(int64_t)save < regs->r[XB_REG_RSP])
			continue;
		if (save > XB_CFI_UNDEFINED) {
			if (!load(stack, mem, cfa + (uint64_t)(int64_t)save, &word[i]))
				return XB_STEP_FAULT;
			valid |= 1U << xb_cfi_saved_reg[i];
			loaded |= 1U << i;
		} else if (save == XB_CFI_UNDEFINED) {
			valid &= ~(1U << xb_cfi_saved_reg[i]);
		}
	}
	if (is_bad(row, regs, cfa))
		return XB_STEP_BAD;
	if (word[XB_CFI_RA] == 0)
		return XB_STEP_END;
	for (unsigned i = 0; i < XB_CFI_SAVED_COUNT; i++) {
		if ((loaded >> i & 1) != 0)
			regs->r[xb_cfi_saved_reg[i]] = word[i];
	}
	regs->r[XB_REG_RSP] = cfa;
	regs->valid = valid | 1U << XB_REG_RSP;
	return XB_STEP_OK;
}
