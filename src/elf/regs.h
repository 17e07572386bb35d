/*
 * What is known of one thread at one instant: registers and a piece of its stack.
 *
 * Registers are numbered as DWARF numbers them (System V ABI, x86-64, "DWARF Register Number Mapping"),
 * because that is what call-frame rows and location expressions speak.  perf and the user speak
 * differently; the two translations are here and nowhere else.
 */
#ifndef XB_ELF_REGS_H
#define XB_ELF_REGS_H

#include "base/base.h"

enum xb_reg {
	XB_REG_RAX,
	XB_REG_RDX,
	XB_REG_RCX,
	XB_REG_RBX,
	XB_REG_RSI,
	XB_REG_RDI,
	XB_REG_RBP,
	XB_REG_RSP,
	XB_REG_R8,
	XB_REG_R9,
	XB_REG_R10,
	XB_REG_R11,
	XB_REG_R12,
	XB_REG_R13,
	XB_REG_R14,
	XB_REG_R15,
	XB_REG_RIP, /* DWARF's return address column; the pc of the frame */
	XB_REG_COUNT,
};

/* The registers of one frame.  A register whose bit is clear is not known, whatever @r holds. */
struct xb_regs {
	uint64_t r[XB_REG_COUNT];
	uint32_t valid; /* bit n: r[n] is known */
};

/* Bytes of a stack as they were at the instant of the registers. */
struct xb_stack_slice {
	xb_addr addr;
	const unsigned char *bytes; /* borrowed */
	size_t len;
};

static inline bool xb_regs_has(const struct xb_regs *regs, unsigned reg)
{
	return reg < XB_REG_COUNT && (regs->valid >> reg & 1) != 0;
}

static inline void xb_regs_set(struct xb_regs *regs, enum xb_reg reg, uint64_t value)
{
	regs->r[reg] = value;
	regs->valid |= 1U << reg;
}

/* What the System V ABI lets a function rely on after a call, rsp aside: one bit for each register. */
#define XB_REGS_CALLEE_SAVED                                                                           \
	(1U << XB_REG_RBX | 1U << XB_REG_RBP | 1U << XB_REG_R12 | 1U << XB_REG_R13 |                   \
	 1U << XB_REG_R14 | 1U << XB_REG_R15)

/** Whether C functions leave register @reg as it was; false for -1. */
static inline bool xb_reg_is_preserved(int reg)
{
	return reg >= 0 && reg < XB_REG_COUNT && (XB_REGS_CALLEE_SAVED >> reg & 1) != 0;
}

/** "rax" … "r15", "rip"; NULL for a number that is no register of ours. */
const char *xb_reg_name(unsigned reg);

/** The register a user names: "r13", "%r13", "RBX", "rip".  False (and @ret untouched) for other text.
 */
XB_NODISCARD bool xb_reg_from_name(const char *name, enum xb_reg *ret);

/** PERF_REG_X86_* (linux asm/perf_regs.h) to ours; -1 for flags, segments and vectors. */
int xb_reg_from_perf(unsigned perf_reg);

/** Our number to PERF_REG_X86_*. */
unsigned xb_reg_to_perf(enum xb_reg reg);

/** The bits of perf_event_attr.sample_regs_user that ask for every register here. */
uint64_t xb_regs_perf_mask(void);

/**
 * Registers of a sample: @values holds one word per set bit of @mask, lowest bit first, as perf packs
 * them.
 * @return false (and @ret untouched) when @n is not the number of bits in @mask.
 */
XB_NODISCARD bool xb_regs_from_perf(uint64_t mask, const uint64_t *values, size_t n,
				    struct xb_regs *ret);

#endif
