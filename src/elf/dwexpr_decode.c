/* Bytes of an expression to operations, in the form libdw gives those of locations. */
#include "elf/dwexpr.h"

#include "elf/leb.h"

#include <dwarf.h>

/* A signed value as the word libdw's Dwarf_Op.number holds. */
static uint64_t sext(uint64_t v, unsigned bits)
{
	return (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits));
}

/* Operands that are numbers. */
static bool decode_numbers(struct xb_rd *r, Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_addr:
	case DW_OP_const8u:
	case DW_OP_const8s:
		op->number = xb_rd_u64(r);
		return true;
	case DW_OP_const1u:
	case DW_OP_pick:
	case DW_OP_deref_size:
	case DW_OP_xderef_size:
		op->number = xb_rd_u8(r);
		return true;
	case DW_OP_const1s:
		op->number = sext(xb_rd_u8(r), 8);
		return true;
	case DW_OP_const2u:
	case DW_OP_call2:
		op->number = xb_rd_u16(r);
		return true;
	case DW_OP_const2s:
	case DW_OP_skip:
	case DW_OP_bra:
		op->number = sext(xb_rd_u16(r), 16);
		return true;
	case DW_OP_const4u:
	case DW_OP_call4:
	case DW_OP_GNU_parameter_ref:
		op->number = xb_rd_u32(r);
		return true;
	case DW_OP_const4s:
		op->number = sext(xb_rd_u32(r), 32);
		return true;
	case DW_OP_constu:
	case DW_OP_plus_uconst:
	case DW_OP_regx:
	case DW_OP_piece:
	case DW_OP_addrx:
	case DW_OP_constx:
	case DW_OP_GNU_addr_index:
	case DW_OP_GNU_const_index:
	case DW_OP_convert:
	case DW_OP_GNU_convert:
	case DW_OP_reinterpret:
	case DW_OP_GNU_reinterpret:
		op->number = xb_rd_uleb(r);
		return true;
	case DW_OP_consts:
	case DW_OP_fbreg:
		op->number = (uint64_t)xb_rd_sleb(r);
		return true;
	case DW_OP_bregx:
		op->number = xb_rd_uleb(r);
		op->number2 = (uint64_t)xb_rd_sleb(r);
		return true;
	case DW_OP_bit_piece:
	case DW_OP_regval_type:
	case DW_OP_GNU_regval_type:
		op->number = xb_rd_uleb(r);
		op->number2 = xb_rd_uleb(r);
		return true;
	case DW_OP_deref_type:
	case DW_OP_GNU_deref_type:
	case DW_OP_xderef_type:
		op->number = xb_rd_u8(r);
		op->number2 = xb_rd_uleb(r);
		return true;
	default:
		return false;
	}
}

/* Operands that are blocks, or references of a size the unit decides. */
static bool decode_blocks(struct xb_rd *r, unsigned offset_size, Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
	case DW_OP_implicit_value:
		op->number = xb_rd_uleb(r);
		op->number2 = (uintptr_t)xb_rd_bytes(r, op->number);
		return true;
	case DW_OP_const_type:
	case DW_OP_GNU_const_type:
		(void)xb_rd_uleb(r);
		op->number = xb_rd_u8(r);
		op->number2 = (uintptr_t)xb_rd_bytes(r, op->number);
		return true;
	case DW_OP_implicit_pointer:
	case DW_OP_GNU_implicit_pointer:
	case DW_OP_call_ref:
	case DW_OP_GNU_variable_value:
		if (offset_size != 4 && offset_size != 8)
			return false;
		op->number = offset_size == 4 ? xb_rd_u32(r) : xb_rd_u64(r);
		if (op->atom == DW_OP_implicit_pointer || op->atom == DW_OP_GNU_implicit_pointer)
			op->number2 = (uint64_t)xb_rd_sleb(r);
		return true;
	default:
		return false;
	}
}

static bool has_no_operand(uint8_t atom)
{
	switch (atom) {
	case DW_OP_deref:
	case DW_OP_dup:
	case DW_OP_drop:
	case DW_OP_over:
	case DW_OP_swap:
	case DW_OP_rot:
	case DW_OP_nop:
	case DW_OP_call_frame_cfa:
	case DW_OP_stack_value:
	case DW_OP_xderef:
	case DW_OP_push_object_address:
	case DW_OP_form_tls_address:
	case DW_OP_GNU_push_tls_address:
	case DW_OP_GNU_uninit:
		return true;
	default:
		return (atom >= DW_OP_abs && atom <= DW_OP_plus) ||
		       (atom >= DW_OP_shl && atom <= DW_OP_xor) ||
		       (atom >= DW_OP_eq && atom <= DW_OP_ne) ||
		       (atom >= DW_OP_lit0 && atom <= DW_OP_reg31);
	}
}

bool xb_dwexpr_decode(const unsigned char *bytes, size_t len, unsigned offset_size,
		      Dwarf_Op ops[XB_DWEXPR_MAX_OPS], size_t *ret_n)
{
	struct xb_rd r = xb_rd_of(bytes, len);
	size_t n = 0;

	while (r.at < r.len) {
		Dwarf_Op op = { .offset = r.at };

		if (n == XB_DWEXPR_MAX_OPS)
			return false;
		op.atom = xb_rd_u8(&r);
		if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31)
			op.number = (uint64_t)xb_rd_sleb(&r);
		else if (!has_no_operand(op.atom) && !decode_numbers(&r, &op) &&
			 !decode_blocks(&r, offset_size, &op))
			return false;
		if (r.bad)
			return false;
		ops[n++] = op;
	}
	*ret_n = n;
	return true;
}
