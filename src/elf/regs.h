/* User registers of one thread at one instant, in the numbering DWARF uses on x86-64. */
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
	XB_REG_RIP,
	XB_REG_COUNT,
};

struct xb_regs {
	uint64_t r[XB_REG_COUNT];
	uint32_t valid; /* bit n: r[n] is known */
};

static inline bool xb_regs_has(const struct xb_regs *regs, enum xb_reg n)
{
	return (regs->valid >> n & 1U) != 0;
}

#endif
