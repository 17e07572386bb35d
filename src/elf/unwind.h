/*
 * One step from a frame to its caller.
 *
 *	bool exact = true;                         // the first pc is where the thread is
 *	for (depth = 0; depth < limit; depth++) {
 *		row = xb_cfi_find(cfi, xb_unwind_pc(&regs, exact) - bias);
 *		if (row == NULL || xb_unwind_step(row, &regs, &stack, mem) != XB_STEP_OK)
 *			break;
 *		exact = xb_unwind_next_exact(row);
 *	}
 *
 * Nothing here knows images or Erlang: who owns a pc, and what to do where JIT code begins, is the
 * caller's business.
 */
#ifndef XB_ELF_UNWIND_H
#define XB_ELF_UNWIND_H

#include "elf/cfi.h"
#include "elf/regs.h"
#include "mem/mem.h"

enum xb_step {
	XB_STEP_OK,
	XB_STEP_END,   /* no caller: the row says so, or the return address is 0 */
	XB_STEP_FAULT, /* stack bytes are needed that are neither in the slice nor readable */
	XB_STEP_BAD, /* the answer makes no sense: a damaged stack, the wrong row, a register not known
		      */
};

/** Whether a pc is the instruction itself (the first frame, under a signal) or follows a call. */
static inline bool xb_unwind_next_exact(const struct xb_cfi_row *row)
{
	return (row->flags & XB_CFI_SIGNAL) != 0;
}

/** The address to ask rows and symbols for: a return address may already belong to the next function.
 */
static inline xb_addr xb_unwind_pc(const struct xb_regs *regs, bool exact)
{
	return regs->r[XB_REG_RIP] - !exact;
}

/**
 * The caller's registers from @regs and the row of its pc.
 *
 * Callee-saved registers keep their value where the row says nothing; all others become not known
 * unless the row restores them (signal frames restore all).  Returned registers are as they will be
 * after the return, with rsp = CFA and rip = the return address.
 *
 * @param stack  Read first; NULL: nothing frozen.
 * @param mem    NULL, or where to read what @stack does not hold; such words are of now, not of the
 * sample.
 * @return OK with @regs advanced; otherwise @regs is untouched.  BAD covers: a CFA that is not above
 * rsp (except out of a signal frame, which may have had its own stack) or not a multiple of 8, so a
 *         chain of OK never visits a frame twice.
 * Cost: 10 to 40 ns for compact rows in the slice (by the number of registers saved), 0.1-0.5 us for
 * expressions, a remote read for @mem.
 */
enum xb_step xb_unwind_step(const struct xb_cfi_row *row, struct xb_regs *regs,
			    const struct xb_stack_slice *stack, struct xb_mem *mem);

/** The CFA of a frame alone.  OK, FAULT or BAD as above; never END. */
enum xb_step xb_unwind_cfa(const struct xb_cfi_row *row, const struct xb_regs *regs,
			   const struct xb_stack_slice *stack, struct xb_mem *mem, xb_addr *ret);

#endif
