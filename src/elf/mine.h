/*
 * What a machine function refers to: operand mining.
 *
 * Accessor functions that the linker exports give away where the static data they use is
 * (erts_get_module() loads the address of module_tables) and at which offset of a structure a field is.
 * This file only lists what the code says, in order; to conclude from it is the business of layout/.
 *
 * Function bounds come from elf/funcs.h or from a symbol with a size.
 */
#ifndef XB_ELF_MINE_H
#define XB_ELF_MINE_H

#include "base/arena.h"
#include "elf/funcs.h"

enum xb_mine_kind {
	XB_MINE_DATA = 1 << 0,  /* memory at a fixed address: RIP-relative, or absolute in a non-PIE */
	XB_MINE_LEA = 1 << 1,   /* the address itself: lea of the same */
	XB_MINE_FIELD = 1 << 2, /* memory at register + displacement */
	XB_MINE_IMM = 1 << 3,   /* immediate operand of an instruction that is no branch */
	XB_MINE_CALL = 1 << 4,  /* direct call */
	XB_MINE_JUMP = 1 << 5,  /* direct jump, conditional or not */
	XB_MINE_ALL = (1 << 6) - 1,
};

/* Hardware numbers: 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 … 15. */
#define XB_MINE_NO_REG 0xff

struct xb_operand {
	xb_addr insn;  /* vaddr of the instruction */
	uint8_t len;   /* its bytes */
	uint8_t kind;  /* one of enum xb_mine_kind */
	uint8_t width; /* bytes accessed or, for IMM, of the operation; 0 for LEA, CALL, JUMP */
	bool read, write;
	uint8_t base;  /* FIELD: the base register, or none */
	uint8_t index; /* DATA and FIELD: index register, or none */
	uint8_t scale; /* 1, 2, 4, 8 with an index */
	uint8_t reg;   /* the first general register operand outside memory (mov %rax,x or x,%rax), or
			  none */
	uint16_t insn_id; /* X86_INS_… of <capstone/x86.h> */
	xb_addr target;   /* DATA, LEA, CALL, JUMP: vaddr */
	int64_t value;    /* FIELD: displacement; IMM: the value */
};

struct xb_operands {
	struct xb_operand *list; /* in address order, in the arena given */
	size_t len;
	size_t instructions;
	size_t undecoded; /* bytes that are no instruction; when > 0 what follows them is not to be
			     trusted */
	bool truncated;   /* a bound of ours was reached */
};

struct xb_miner;

/** A disassembler; keep one for many functions.  Cost: about 20 us.  Errors: NOMEM, UNSUPPORTED. */
XB_NODISCARD struct xb_error *xb_miner_create(struct xb_miner **ret);

/** Accepts NULL. */
void xb_miner_destroy(struct xb_miner *m);

static inline void xb_miner_cleanup(struct xb_miner **m)
{
	xb_miner_destroy(*m);
}

/**
 * List the operands of [@start, @end).
 * @param kinds  Bit set of enum xb_mine_kind.
 * @return NULL, NOMEM, or FAULT when the file has no bytes there.
 * Cost: about 1 us an instruction; at most 65,536 instructions are looked at.
 */
XB_NODISCARD struct xb_error *xb_mine_function(struct xb_miner *m, struct xb_image *img, xb_addr start,
					       xb_addr end, unsigned kinds, struct xb_arena *arena,
					       struct xb_operands *ret);

/* One function that refers to an address. */
struct xb_ref {
	xb_addr start, end; /* of the function */
	xb_addr insn;       /* the first instruction that does */
	uint32_t count;     /* instructions in all */
};

struct xb_refs {
	struct xb_ref *list; /* ascending */
	size_t len;
	size_t outside; /* places that look like references but lie in no known function */
	bool truncated; /* more than 1,024 functions, or 4 million instructions looked at */
};

/**
 * Every function with a DATA or LEA operand, or in a non-PIE an immediate, that is @data exactly.
 * Candidates come from a scan of all executable segments for the 32-bit displacement; each is confirmed
 * by disassembling the function around it. Cost: about 1 ms for each MiB of code, plus the functions.
 */
XB_NODISCARD struct xb_error *xb_mine_find_refs(struct xb_miner *m, struct xb_image *img,
						struct xb_funcs *funcs, xb_addr data,
						struct xb_arena *arena, struct xb_refs *ret);

#endif
