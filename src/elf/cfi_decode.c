/* Running call-frame instructions (DWARF 5, 6.4.2) over the pc range of one FDE. */
#include "elf/cfi_decode.h"

#include "base/vec.h"
#include "elf/leb.h"

#include <dwarf.h>

_Static_assert(sizeof(struct xb_cfi_row) == 32, "rows are packed two to a cache line");
_Static_assert(offsetof(struct xb_cfi_row, flags) == offsetof(struct xb_cfi_row, flags_),
	       "shared head");

XB_VEC(row_vec, struct xb_cfi_row);

struct exec {
	const struct xb_cfi_section *sec;
	const struct xb_cfi_fde *fde;
	struct xb_arena *arena;
	struct row_vec rows;
	xb_addr loc;
	struct xb_cfi_full now, initial;
	struct xb_cfi_full remembered[XB_CFI_MAX_REMEMBER];
	unsigned n_remembered;
	bool in_cie; /* no rows yet, nothing to restore to */
	bool oom;
};

#define SAVED_MASK                                                                                     \
	(1U << XB_REG_RBX | 1U << XB_REG_RBP | 1U << XB_REG_R12 | 1U << XB_REG_R13 |                   \
	 1U << XB_REG_R14 | 1U << XB_REG_R15 | 1U << XB_REG_RIP)

/* False: only the general form can say it. */
static bool pack(const struct xb_cfi_full *full, struct xb_cfi_row *row)
{
	if (full->cfa.kind != XB_CFI_RULE_OFFSET || full->cfa.off != (int32_t)full->cfa.off)
		return false;
	row->cfa_reg = full->cfa.reg;
	row->cfa_off = (int32_t)full->cfa.off;
	for (unsigned reg = 0; reg < XB_REG_COUNT; reg++) {
		const struct xb_cfi_rule *rule = &full->reg[reg];

		/* What gcc says of no other register, or what holds for it anyway. */
		if ((SAVED_MASK >> reg & 1) == 0 && rule->kind != XB_CFI_RULE_UNSPECIFIED &&
		    (rule->kind != XB_CFI_RULE_UNDEFINED || reg == XB_REG_RSP))
			return false;
	}
	for (unsigned i = 0; i < XB_CFI_SAVED_COUNT; i++) {
		const struct xb_cfi_rule *rule = &full->reg[xb_cfi_saved_reg[i]];

		if (rule->kind == XB_CFI_RULE_OFFSET && rule->off > XB_CFI_UNDEFINED &&
		    rule->off <= INT16_MAX)
			row->save[i] = (int16_t)rule->off;
		else if (rule->kind == XB_CFI_RULE_UNDEFINED)
			row->save[i] = XB_CFI_UNDEFINED;
		else if (i != XB_CFI_RA &&
			 (rule->kind == XB_CFI_RULE_UNSPECIFIED || rule->kind == XB_CFI_RULE_SAME))
			row->save[i] = XB_CFI_SAME;
		else
			return false;
	}
	return true;
}

/* The state holds from x->loc to @to. */
static bool emit(struct exec *x, xb_addr to)
{
	struct xb_cfi_row row = { .start = x->loc, .len = (uint32_t)(to - x->loc) };
	bool compact;

	if (to == x->loc)
		return true;
	if (x->rows.len == XB_CFI_MAX_ROWS || x->now.cfa.kind == XB_CFI_RULE_UNSPECIFIED)
		return false;
	compact = pack(&x->now, &row);
	row.flags = 0;
	if (!compact) {
		struct xb_cfi_full *full = xb_arena_alloc(x->arena, sizeof(*full));

		if (full == NULL) {
			x->oom = true;
			return false;
		}
		*full = x->now;
		row.full = full;
		row.flags = XB_CFI_GENERAL;
	}
	if (x->fde->cie.is_signal)
		row.flags |= XB_CFI_SIGNAL;
	if (x->now.reg[XB_REG_RIP].kind == XB_CFI_RULE_UNDEFINED)
		row.flags |= XB_CFI_OUTERMOST;
	x->oom = !row_vec_push(&x->rows, row);
	x->loc = to;
	return !x->oom;
}

/* Beyond the end of the function the rest of the instructions says nothing. */
static bool advance(struct exec *x, uint64_t delta)
{
	uint64_t bytes;

	if (x->in_cie || __builtin_mul_overflow(delta, x->fde->cie.code_align, &bytes) ||
	    bytes > x->fde->end - x->loc)
		return false;
	return emit(x, x->loc + bytes);
}

/* Registers beyond ours (vectors, segments) may be spoken of; their rules are dropped. */
static void set_rule(struct exec *x, uint64_t reg, struct xb_cfi_rule rule)
{
	if (reg < XB_REG_COUNT)
		x->now.reg[reg] = rule;
}

static bool set_offset(struct exec *x, uint64_t reg, int64_t factored, uint8_t kind)
{
	int64_t off;

	if (__builtin_mul_overflow(factored, x->fde->cie.data_align, &off))
		return false;
	set_rule(x, reg, (struct xb_cfi_rule){ .kind = kind, .off = off });
	return true;
}

static bool restore(struct exec *x, uint64_t reg)
{
	if (x->in_cie)
		return false;
	if (reg < XB_REG_COUNT)
		x->now.reg[reg] = x->initial.reg[reg];
	return true;
}

/* @reg UINT64_MAX: the present register. */
static bool set_cfa(struct exec *x, uint64_t reg, int64_t off)
{
	if (reg == UINT64_MAX && x->now.cfa.kind == XB_CFI_RULE_OFFSET)
		reg = x->now.cfa.reg;
	if (reg >= XB_REG_COUNT)
		return false;
	x->now.cfa =
		(struct xb_cfi_rule){ .kind = XB_CFI_RULE_OFFSET, .reg = (uint8_t)reg, .off = off };
	return true;
}

static struct xb_cfi_rule expression(struct xb_rd *r, uint8_t kind)
{
	uint64_t len = xb_rd_uleb(r);
	const unsigned char *bytes = xb_rd_bytes(r, len);

	if (len > UINT32_MAX)
		r->bad = true;
	return (struct xb_cfi_rule){ .kind = kind, .len = (uint32_t)len, .expr = bytes };
}

static bool run_cfa(struct exec *x, uint8_t op, struct xb_rd *r)
{
	int64_t off;
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = xb_rd_uleb(r);
		return set_cfa(x, reg, (int64_t)xb_rd_uleb(r));
	case DW_CFA_def_cfa_sf:
		reg = xb_rd_uleb(r);
		return !__builtin_mul_overflow(xb_rd_sleb(r), x->fde->cie.data_align, &off) &&
		       set_cfa(x, reg, off);
	case DW_CFA_def_cfa_register:
		return x->now.cfa.kind == XB_CFI_RULE_OFFSET &&
		       set_cfa(x, xb_rd_uleb(r), x->now.cfa.off);
	case DW_CFA_def_cfa_offset:
		return set_cfa(x, UINT64_MAX, (int64_t)xb_rd_uleb(r));
	case DW_CFA_def_cfa_offset_sf:
		return !__builtin_mul_overflow(xb_rd_sleb(r), x->fde->cie.data_align, &off) &&
		       set_cfa(x, UINT64_MAX, off);
	default:
		x->now.cfa = expression(r, XB_CFI_RULE_EXPR);
		return true;
	}
}

static bool run_register(struct exec *x, uint8_t op, struct xb_rd *r)
{
	uint64_t reg = xb_rd_uleb(r), other;

	switch (op) {
	case DW_CFA_offset_extended:
		return set_offset(x, reg, (int64_t)xb_rd_uleb(r), XB_CFI_RULE_OFFSET);
	case DW_CFA_offset_extended_sf:
		return set_offset(x, reg, xb_rd_sleb(r), XB_CFI_RULE_OFFSET);
	case DW_CFA_GNU_negative_offset_extended:
		return set_offset(x, reg, (int64_t)(0 - xb_rd_uleb(r)), XB_CFI_RULE_OFFSET);
	case DW_CFA_val_offset:
		return set_offset(x, reg, (int64_t)xb_rd_uleb(r), XB_CFI_RULE_VAL_OFFSET);
	case DW_CFA_val_offset_sf:
		return set_offset(x, reg, xb_rd_sleb(r), XB_CFI_RULE_VAL_OFFSET);
	case DW_CFA_restore_extended:
		return restore(x, reg);
	case DW_CFA_undefined:
		set_rule(x, reg, (struct xb_cfi_rule){ .kind = XB_CFI_RULE_UNDEFINED });
		return true;
	case DW_CFA_same_value:
		set_rule(x, reg, (struct xb_cfi_rule){ .kind = XB_CFI_RULE_SAME });
		return true;
	case DW_CFA_register:
		other = xb_rd_uleb(r);
		if (other >= XB_REG_COUNT)
			return false;
		set_rule(x, reg,
			 (struct xb_cfi_rule){ .kind = XB_CFI_RULE_REGISTER, .reg = (uint8_t)other });
		return true;
	case DW_CFA_expression:
		set_rule(x, reg, expression(r, XB_CFI_RULE_EXPR));
		return true;
	default: /* DW_CFA_val_expression */
		set_rule(x, reg, expression(r, XB_CFI_RULE_VAL_EXPR));
		return true;
	}
}

static bool run_set_loc(struct exec *x, struct xb_rd *r)
{
	xb_addr to = xb_cfi_pointer(r, x->fde->cie.fde_enc, x->sec->vaddr, 0);

	return !r->bad && !x->in_cie && to >= x->loc && to <= x->fde->end && emit(x, to);
}

/* False: the instructions make no sense from here on. */
static bool run_one(struct exec *x, struct xb_rd *r)
{
	uint8_t op = xb_rd_u8(r), low = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(x, low);
	case DW_CFA_offset:
		return set_offset(x, low, (int64_t)xb_rd_uleb(r), XB_CFI_RULE_OFFSET);
	case DW_CFA_restore:
		return restore(x, low);
	default:
		break;
	}
	switch (op) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_advance_loc1:
		return advance(x, xb_rd_u8(r));
	case DW_CFA_advance_loc2:
		return advance(x, xb_rd_u16(r));
	case DW_CFA_advance_loc4:
		return advance(x, xb_rd_u32(r));
	case DW_CFA_set_loc:
		return run_set_loc(x, r);
	case DW_CFA_GNU_args_size:
		(void)xb_rd_uleb(r);
		return true;
	case DW_CFA_remember_state:
		if (x->n_remembered == XB_CFI_MAX_REMEMBER)
			return false;
		x->remembered[x->n_remembered++] = x->now;
		return true;
	case DW_CFA_restore_state:
		if (x->n_remembered == 0)
			return false;
		x->now = x->remembered[--x->n_remembered];
		return true;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		return run_cfa(x, op, r);
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_register:
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		return run_register(x, op, r);
	default:
		return false;
	}
}

static bool run(struct exec *x, struct xb_rd r)
{
	while (r.at < r.len) {
		if (!run_one(x, &r) || r.bad)
			return false;
	}
	return true;
}

/*
 * Compilers do not say of an epilogue that a register was restored: the rule stays, and after the pop its place is below
 * rsp, outside the stack.  The register itself has the caller's value then.  A place below rsp from the start is
 * something else: a register kept in the red zone.
 */
static void mark_popped(struct xb_cfi_row *rows, size_t n)
{
	bool above[XB_CFI_SAVED_COUNT] = { false };

	for (size_t k = 0; k < n; k++) {
		struct xb_cfi_row *row = &rows[k];

		for (unsigned i = 0; (row->flags & XB_CFI_GENERAL) == 0 && i < XB_CFI_RA; i++) {
			if (row->save[i] <= XB_CFI_UNDEFINED)
				continue;
			if (row->cfa_reg != XB_REG_RSP || row->save[i] + row->cfa_off >= 0)
				above[i] = true;
			else if (above[i])
				row->flags |= XB_CFI_POPPED;
		}
	}
}

bool xb_cfi_decode(const struct xb_cfi_section *sec, const struct xb_cfi_fde *fde,
		   struct xb_arena *arena, struct xb_cfi_rows *ret)
{
	struct exec x;
	struct xb_cfi_row *rows = NULL;
	bool ok;

	/* Not as a whole: the remembered states are 5 KB and only what was pushed is read. */
	x.sec = sec;
	x.fde = fde;
	x.arena = arena;
	x.rows = (struct row_vec){ 0 };
	x.loc = fde->start;
	x.now = x.initial = (struct xb_cfi_full){ .cfa.kind = XB_CFI_RULE_UNSPECIFIED };
	x.n_remembered = 0;
	x.in_cie = true;
	x.oom = false;
	ok = run(&x, fde->cie.insns);
	x.in_cie = false;
	x.initial = x.now;
	ok = ok && run(&x, fde->insns) && emit(&x, fde->end);
	mark_popped(x.rows.data, x.rows.len);
	if (x.rows.len > 0 && !x.oom) {
		rows = xb_arena_array(arena, x.rows.len, sizeof(*rows));
		x.oom = rows == NULL;
		if (rows != NULL)
			memcpy(rows, x.rows.data, x.rows.len * sizeof(*rows));
	}
	if (!x.oom)
		*ret = (struct xb_cfi_rows){ .rows = rows, .len = x.rows.len, .damaged = !ok };
	row_vec_deinit(&x.rows);
	return !x.oom;
}
