#include "elf/regs.h"
#include "sample/site_priv.h"

#include <stdlib.h>

enum { REACH = 512 }; /* bytes; every place of OTP 25, 27 and 29 is decided within it */

struct xb_error *xb_sites_create(struct xb_vm *vm, const int *reg, struct xb_sites **ret)
{
	struct xb_sites *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return xb_error_nomem();
	s->vm = vm;
	s->reg = reg;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &s->handle) != CS_ERR_OK) {
		free(s);
		return xb_errorf(XB_ERR_UNSUPPORTED, "the disassembler library does not know x86-64");
	}
	(void)cs_option(s->handle, CS_OPT_DETAIL, CS_OPT_ON);
	s->insn = cs_malloc(s->handle);
	if (s->insn == NULL) {
		xb_sites_destroy(s);
		return xb_error_nomem();
	}
	*ret = s;
	return NULL;
}

void xb_sites_destroy(struct xb_sites *s)
{
	if (s == NULL)
		return;
	if (s->insn != NULL)
		cs_free(s->insn, 1);
	(void)cs_close(&s->handle);
	xb_map_deinit(&s->rules);
	xb_map_deinit(&s->frames);
	xb_map_deinit(&s->seen);
	site_places_deinit(&s->path);
	site_places_deinit(&s->branches);
	free(s);
}

void xb_sites_forget(struct xb_sites *s)
{
	xb_map_clear(&s->rules);
	xb_map_clear(&s->frames);
	s->window_len = 0;
}

/* General registers as DWARF numbers them. */
static const x86_reg registers[] = {
	X86_REG_RAX, X86_REG_RDX, X86_REG_RCX, X86_REG_RBX, X86_REG_RSI, X86_REG_RDI,
	X86_REG_RBP, X86_REG_RSP, X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11,
	X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15,
};

static x86_reg register_of(int number)
{
	return number >= 0 && (size_t)number < XB_ARRAY_LEN(registers) ? registers[number]
								       : X86_REG_INVALID;
}

/* -1 for others. */
static int dwarf_number(x86_reg reg)
{
	for (size_t i = 0; i < XB_ARRAY_LEN(registers); i++) {
		if (registers[i] == reg)
			return (int)i;
	}
	return -1;
}

/*
 * "mov rsp, E_saved" or "mov rsp, [c_p + stop]", decided by the instruction in s->insn.  Which register E_saved is the
 * instruction says itself.
 */
static enum xb_site_rule judge(const struct xb_sites *s, int *saved)
{
	const cs_x86 *x = &s->insn->detail->x86;
	int c_p = s->reg[XB_R_c_p], reg;

	if (s->insn->id != X86_INS_MOV || x->op_count != 2 || x->operands[0].type != X86_OP_REG ||
	    x->operands[0].reg != X86_REG_RSP)
		return XB_SITE_UNKNOWN;
	reg = x->operands[1].type == X86_OP_REG ? dwarf_number(x->operands[1].reg) : -1;
	/* Only such a register can hold E while a C function runs. */
	if (xb_reg_is_preserved(reg)) {
		*saved = reg;
		return XB_SITE_SAVED;
	}
	if (x->operands[1].type != X86_OP_MEM ||
	    x->operands[1].mem.disp != (int64_t)xb_layout_at(&s->vm->layout, XB_F_Process_stop))
		return XB_SITE_UNKNOWN;
	reg = dwarf_number(x->operands[1].mem.base);
	return reg >= 0 && (reg == c_p || c_p < 0) ? XB_SITE_STOP : XB_SITE_UNKNOWN;
}

static enum xb_site_rule decode(struct xb_sites *s, xb_addr ra, int *saved)
{
	uint8_t bytes[REACH];
	const uint8_t *at = bytes;
	uint64_t pc = ra;
	size_t left = xb_mem_try(s->vm->mem, ra, bytes, sizeof(bytes));

	while (left > 0) {
		enum xb_site_rule rule;

		if (!cs_disasm_iter(s->handle, &at, &left, &pc, s->insn)) {
			/* Padding or data between pieces of code: go on behind it. */
			at++;
			left--;
			pc++;
			continue;
		}
		rule = judge(s, saved);
		if (rule != XB_SITE_UNKNOWN)
			return rule;
	}
	return XB_SITE_UNKNOWN;
}

enum xb_site_rule xb_sites_rule(struct xb_sites *s, xb_addr ra, int *ret_saved)
{
	uint64_t *known = xb_map_get(&s->rules, ra);
	enum xb_site_rule rule;
	int saved = 0;

	if (known != NULL) {
		*ret_saved = (int)(*known >> 8);
		return (enum xb_site_rule)(*known & 0xff);
	}
	rule = decode(s, ra, &saved);
	/* When there is no memory to remember it, it is decoded again next time. */
	(void)!xb_map_put(&s->rules, ra, (uint64_t)rule | (uint64_t)saved << 8);
	*ret_saved = saved;
	return rule;
}

/* Whether the instruction in s->insn writes @reg, or the word it points to. */
static bool writes(const struct xb_sites *s, x86_reg reg)
{
	const cs_x86 *x = &s->insn->detail->x86;
	cs_regs in, out;
	uint8_t n_in, n_out;

	if (cs_regs_access(s->handle, s->insn, in, &n_in, out, &n_out) != CS_ERR_OK)
		return true;
	for (uint8_t i = 0; i < n_out; i++) {
		if (out[i] == reg)
			return true;
	}
	for (uint8_t i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		if (op->type == X86_OP_MEM && (op->access & CS_AC_WRITE) != 0 && op->mem.base == reg &&
		    op->mem.disp == 0)
			return true;
	}
	return false;
}

bool xb_sites_keeps(struct xb_sites *s, xb_addr from, xb_addr to, int reg)
{
	uint8_t bytes[2 * REACH];
	const uint8_t *at = bytes;
	uint64_t pc = from;
	size_t left;

	if (to < from || to - from > sizeof(bytes))
		return false;
	left = xb_mem_try(s->vm->mem, from, bytes, (size_t)(to - from));
	while (pc < to) {
		if (!cs_disasm_iter(s->handle, &at, &left, &pc, s->insn) ||
		    s->insn->id == X86_INS_JMP || s->insn->id == X86_INS_RET ||
		    writes(s, register_of(reg)))
			return false;
	}
	return pc == to;
}

bool xb_sites_settled(struct xb_sites *s, xb_addr from, int reg, int other)
{
	uint8_t bytes[REACH];
	const uint8_t *at = bytes;
	uint64_t pc = from;
	size_t left = xb_mem_try(s->vm->mem, from, bytes, sizeof(bytes));

	while (cs_disasm_iter(s->handle, &at, &left, &pc, s->insn)) {
		const cs_x86 *x = &s->insn->detail->x86;

		if (s->insn->id == X86_INS_JMP)
			return x->op_count == 1 && x->operands[0].type != X86_OP_IMM;
		if (s->insn->id == X86_INS_RET || s->insn->id == X86_INS_CALL ||
		    writes(s, register_of(reg)) || writes(s, register_of(other)))
			return false;
	}
	return false;
}
