/* libdwfl's walk over a frozen stack. */
#ifndef XB_BENCH_DWFL_H
#define XB_BENCH_DWFL_H

#include "elf/regs.h"

#include <elfutils/libdwfl.h>

enum { MAX_FRAMES = 256 };

struct stack {
	struct xb_regs regs;
	struct xb_stack_slice slice;
};

/* For the modules of @pid; exits on failure.  @elf is any of its images. */
void dwfl_open(pid_t pid, Elf *elf);
void dwfl_close(void);

/* Steps that libdwfl makes from the first frame of @s. */
size_t walk_dwfl(const struct stack *s);

#endif
