/*
 * DWARF expressions: what call-frame rules and variable locations compute with.
 *
 * An expression is a short program over a stack of words that may read registers and memory and may
 * jump backwards.  It comes from a file we do not trust, so operations, stack and steps are bounded.
 * Only words (the untyped DWARF stack) are computed; an operation on typed values answers UNSUPPORTED
 * instead of an approximation.
 */
#ifndef XB_ELF_DWEXPR_H
#define XB_ELF_DWEXPR_H

#include "elf/regs.h"
#include "mem/mem.h"

#include <elfutils/libdw.h>

enum {
	XB_DWEXPR_MAX_OPS = 128,   /* operations of one expression */
	XB_DWEXPR_MAX_DEPTH = 64,  /* words on its stack */
	XB_DWEXPR_MAX_STEPS = 512, /* operations executed, loops included */
};

enum xb_dwexpr_status {
	XB_DWEXPR_OK,
	XB_DWEXPR_NO_REG,      /* a register is needed that is not known in this frame */
	XB_DWEXPR_FAULT,       /* memory is needed that cannot be read */
	XB_DWEXPR_UNKNOWN,     /* an entry value or a frame base nobody can tell */
	XB_DWEXPR_UNSUPPORTED, /* an operation we do not compute */
	XB_DWEXPR_MALFORMED,   /* not a valid expression, or a bound was reached */
};

/* What an expression describes when it stops. */
enum xb_dwexpr_kind {
	XB_DWEXPR_ADDR,  /* the thing is in memory at .value */
	XB_DWEXPR_REG,   /* the thing is in register .reg; .value is what it holds */
	XB_DWEXPR_VALUE, /* the thing is nowhere, but its value is .value */
	XB_DWEXPR_EMPTY, /* no operation: optimised out */
};

struct xb_dwexpr_result {
	enum xb_dwexpr_kind kind;
	unsigned reg;
	uint64_t value;
	size_t next; /* index of the first operation not executed: a piece operator, or the length */
};

/* Where an expression takes its inputs from.  Everything may be absent; what is needed and absent is a
 * status. */
struct xb_dwexpr_ctx {
	const struct xb_regs *regs;
	const struct xb_stack_slice *stack; /* read first */
	struct xb_mem *mem;                 /* read where @stack does not reach; NULL: not at all */
	uint64_t bias; /* what turns an address of the file into one of the target */
	bool has_cfa;
	xb_addr cfa; /* DW_OP_call_frame_cfa */
	const Dwarf_Op *frame_base;
	size_t frame_base_len;
	Dwarf_Attribute
		*attr; /* where the expression is from: resolves operands that point elsewhere */
	/* DW_OP_entry_value of @ops (one register, or a memory read through it): true and the value, or
	 * false. */
	bool (*entry_value)(void *arg, const Dwarf_Op *ops, size_t n, uint64_t *ret);
	void *entry_arg;
};

/**
 * Decode @len bytes into at most XB_DWEXPR_MAX_OPS operations, in the form of libdw but for the blocks
 * of DW_OP_entry_value, DW_OP_implicit_value and DW_OP_const_type: number2 is their host address,
 * number their length, and @bytes must live as long as they are used.
 * @offset_size  4 or 8, what references to other DIEs take; 0: there can be none (call-frame
 * expressions).
 * @return false when an operation is cut, unknown, or there are too many.
 */
XB_NODISCARD bool xb_dwexpr_decode(const unsigned char *bytes, size_t len, unsigned offset_size,
				   Dwarf_Op ops[XB_DWEXPR_MAX_OPS], size_t *ret_n);

/**
 * Run ops[from..n) until the end or a piece operator.  @push (may be NULL) is put on the stack first,
 * as call-frame register rules want the CFA.  @ret is untouched unless OK is returned. Cost: a few ns
 * an operation, at most XB_DWEXPR_MAX_STEPS of them; no allocation.
 */
enum xb_dwexpr_status xb_dwexpr_run(const struct xb_dwexpr_ctx *ctx, const Dwarf_Op *ops, size_t n,
				    size_t from, const uint64_t *first, struct xb_dwexpr_result *ret);

/** @size bytes (1..8) at @addr as a little-endian word: from the slice, else from @mem.  False:
 * unreadable. */
XB_NODISCARD bool xb_stack_load(const struct xb_stack_slice *stack, struct xb_mem *mem, xb_addr addr,
				size_t size, uint64_t *ret);

#endif
