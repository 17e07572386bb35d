/*
 * Erlang stacks.
 *
 *   stop (E) ─► | y0 | y1 | CP | y0 | CP | … | CP = normal_exit |  ◄─ hend        grows down
 *
 * A word whose two lowest bits are 0 is a continuation pointer (CP): the return address, or with frame
 * pointers {previous frame, return address}.  Everything else is a term: a y register or a catch.
 * Tracing leaves CPs of its own with extra words above them.  Mirrors
 * erts/emulator/beam/beam_common.c:gather_stacktrace() and erl_bif_info.c:current_stacktrace():
 * consecutive equal return addresses count once, a return address is looked up just before it, the
 * program counter as it is.
 */
#ifndef XB_VM_STACK_H
#define XB_VM_STACK_H

#include "base/vec.h"
#include "vm/code.h"

struct xb_vm;

enum xb_frame_kind {
	XB_FRAME_PC,     /* where it is executing or will resume */
	XB_FRAME_RETURN, /* where a callee returns to */
};

struct xb_frame {
	xb_addr pc; /* to look up: a return address is already moved back into its call */
	enum xb_frame_kind kind;
	uint32_t word; /* index of its CP in the stack; 0 for the program counter */
};

XB_VEC(xb_frames, struct xb_frame);

struct xb_stack {
	const uint64_t *words; /* from the stack's top (lowest address) */
	size_t n;
	xb_addr pc; /* program counter, 0: none */
};

/* What the scan met besides frames. */
struct xb_stack_scan {
	bool rooted;      /* the CP of the process's first frame was reached: the stack is whole */
	uint32_t catches; /* catch tags */
	uint32_t tracing; /* return_trace, return_to, call_time frames skipped */
	uint32_t unknown; /* CP-tagged words that are no code address (uninitialised slots) */
};

/**
 * Append the frames of @stack to @out, innermost first; words that are no code are skipped and counted.
 * A program counter outside all modules is no frame either.
 * @return false when out of memory.  Cost: one pass, about 10 ns a CP and 1 ns a term.
 */
XB_NODISCARD bool xb_stack_frames(struct xb_vm *vm, const struct xb_stack *stack, struct xb_frames *out,
				  struct xb_stack_scan *ret);

/** Whether @addr can be a return address: inside a module, or one of the VM's special ones. */
bool xb_stack_is_return(const struct xb_vm *vm, xb_addr addr);

#endif
