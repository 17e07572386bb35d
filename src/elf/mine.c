#include "elf/mine.h"

#include "base/vec.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INSTRUCTIONS = 65536 };

XB_VEC(operand_list, struct xb_operand);

struct xb_miner {
	csh handle;
	cs_insn *insn;
	struct operand_list found; /* of the current function; kept to save allocations */
	bool open;
};

struct xb_error *xb_miner_create(struct xb_miner **ret)
{
	xb_cleanup(xb_miner_cleanup) struct xb_miner *m = calloc(1, sizeof(*m));
	cs_err rc;

	if (m == NULL)
		return xb_error_nomem();
	rc = cs_open(CS_ARCH_X86, CS_MODE_64, &m->handle);
	if (rc == CS_ERR_MEM)
		return xb_error_nomem();
	if (rc != CS_ERR_OK)
		return xb_errorf(XB_ERR_UNSUPPORTED, "cannot start the disassembler: %s",
				 cs_strerror(rc));
	m->open = true;
	if (cs_option(m->handle, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK)
		return xb_errorf(XB_ERR_UNSUPPORTED, "the disassembler was built without details");
	m->insn = cs_malloc(m->handle);
	if (m->insn == NULL)
		return xb_error_nomem();
	*ret = xb_take(m);
	return NULL;
}

void xb_miner_destroy(struct xb_miner *m)
{
	if (m == NULL)
		return;
	if (m->insn != NULL)
		cs_free(m->insn, 1);
	if (m->open)
		(void)cs_close(&m->handle);
	operand_list_deinit(&m->found);
	free(m);
}

/* Capstone orders registers by name; the hardware numbers are what everybody else uses. */
static uint8_t reg_number(unsigned reg)
{
	static const struct {
		uint16_t name[5];
		uint8_t number;
	} table[] = {
		{ { X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH }, 0 },
		{ { X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH }, 1 },
		{ { X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH }, 2 },
		{ { X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH }, 3 },
		{ { X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, 0 }, 4 },
		{ { X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, 0 }, 5 },
		{ { X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, 0 }, 6 },
		{ { X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, 0 }, 7 },
	};
	static const uint16_t families[4] = { X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B };

	if (reg == X86_REG_INVALID)
		return XB_MINE_NO_REG;
	for (size_t i = 0; i < XB_ARRAY_LEN(families); i++) {
		if (reg >= families[i] && reg < families[i] + 8U)
			return (uint8_t)(8U + reg - families[i]);
	}
	for (size_t i = 0; i < XB_ARRAY_LEN(table); i++) {
		for (size_t j = 0; j < XB_ARRAY_LEN(table[i].name); j++) {
			if (table[i].name[j] == reg)
				return table[i].number;
		}
	}
	return XB_MINE_NO_REG;
}

static bool is_call(const cs_insn *in)
{
	return in->id == X86_INS_CALL;
}

/* Direct jumps: the conditional ones, loops, jmp itself. */
static bool is_jump(const cs_insn *in)
{
	for (unsigned i = 0; i < in->detail->groups_count; i++) {
		if (in->detail->groups[i] == CS_GRP_JUMP ||
		    in->detail->groups[i] == X86_GRP_BRANCH_RELATIVE)
			return !is_call(in);
	}
	return false;
}

static uint8_t first_reg(const cs_x86 *x)
{
	for (unsigned i = 0; i < x->op_count; i++) {
		if (x->operands[i].type == X86_OP_REG)
			return reg_number(x->operands[i].reg);
	}
	return XB_MINE_NO_REG;
}

static void describe_memory(const cs_insn *in, const cs_x86_op *op, struct xb_operand *o)
{
	bool lea = in->id == X86_INS_LEA;
	bool rip = op->mem.base == X86_REG_RIP;
	bool absolute = op->mem.base == X86_REG_INVALID && op->mem.segment != X86_REG_FS &&
			op->mem.segment != X86_REG_GS;

	o->index = reg_number(op->mem.index);
	o->scale = o->index == XB_MINE_NO_REG ? 0 : (uint8_t)op->mem.scale;
	if (rip || (absolute && !lea)) {
		o->kind = lea ? XB_MINE_LEA : XB_MINE_DATA;
		o->target = (uint64_t)op->mem.disp + (rip ? in->address + in->size : 0);
	} else {
		o->kind = XB_MINE_FIELD;
		o->base = reg_number(op->mem.base);
		o->value = op->mem.disp;
	}
	o->read = !lea && (op->access & CS_AC_READ) != 0;
	o->write = !lea && (op->access & CS_AC_WRITE) != 0;
	o->width = lea ? 0 : op->size;
}

static bool collect(struct xb_miner *m, unsigned kinds)
{
	const cs_insn *in = m->insn;
	const cs_x86 *x = &in->detail->x86;
	bool call = is_call(in), jump = !call && is_jump(in);

	/* Padding, and endbr64, have operands that nobody executes. */
	if (in->id == X86_INS_NOP)
		return true;
	for (unsigned i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];
		struct xb_operand o = {
			.insn = in->address,
			.len = (uint8_t)in->size,
			.base = XB_MINE_NO_REG,
			.index = XB_MINE_NO_REG,
			.reg = first_reg(x),
			.insn_id = (uint16_t)in->id,
		};

		if (op->type == X86_OP_MEM) {
			describe_memory(in, op, &o);
		} else if (op->type == X86_OP_IMM && (call || jump)) {
			o.kind = call ? XB_MINE_CALL : XB_MINE_JUMP;
			o.target = (uint64_t)op->imm;
		} else if (op->type == X86_OP_IMM) {
			o.kind = XB_MINE_IMM;
			o.value = op->imm;
			o.width = op->size;
		}
		if ((o.kind & kinds) != 0 && !operand_list_push(&m->found, o))
			return false;
	}
	return true;
}

struct xb_error *xb_mine_function(struct xb_miner *m, struct xb_image *img, xb_addr start, xb_addr end,
				  unsigned kinds, struct xb_arena *arena, struct xb_operands *ret)
{
	struct xb_operands got = { 0 };
	size_t left = end > start ? (size_t)(end - start) : 0;
	const uint8_t *code = left == 0 ? NULL : xb_image_bytes(img, start, left);
	uint64_t at = start;

	if (code == NULL)
		return xb_errorf(XB_ERR_FAULT, "%s has no code at 0x%llx to 0x%llx", xb_image_path(img),
				 (unsigned long long)start, (unsigned long long)end);
	m->found.len = 0;
	while (left > 0) {
		if (got.instructions + got.undecoded == MAX_INSTRUCTIONS) {
			got.truncated = true;
			break;
		}
		if (!cs_disasm_iter(m->handle, &code, &left, &at, m->insn)) {
			got.undecoded++;
			code++;
			at++;
			left--;
			continue;
		}
		got.instructions++;
		if (!collect(m, kinds))
			return xb_error_nomem();
	}
	got.list = xb_arena_array(arena, m->found.len, sizeof(*got.list));
	if (got.list == NULL)
		return xb_error_nomem();
	if (m->found.len > 0)
		memcpy(got.list, m->found.data, m->found.len * sizeof(*got.list));
	got.len = m->found.len;
	*ret = got;
	return NULL;
}
