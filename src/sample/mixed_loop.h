/* Between mixed_loop.c (what is known of the interpreter loop) and mixed_vars.c (judging one sample in it). */
#ifndef XB_SAMPLE_MIXED_LOOP_H
#define XB_SAMPLE_MIXED_LOOP_H

#include "elf/dwloc.h"
#include "sample/mixed_impl.h"

enum { MIXED_LOOP_PIECES = 2 }; /* of a function: itself, and what the compiler found unlikely */

/* What a candidate for c_p turned out to be, in this batch. */
struct loop_proc {
	xb_addr heap, htop, hend; /* 0: no process */
};

XB_VEC(loop_procs, struct loop_proc);

struct loop_piece {
	xb_addr start, end;
};

struct mixed_loop {
	struct loop_piece piece[MIXED_LOOP_PIECES];    /* of process_main() */
	struct loop_piece schedule[MIXED_LOOP_PIECES]; /* of erts_schedule() */
	xb_addr bias;
	Dwarf *dw;              /* NULL: no debug information */
	struct xb_dwloc *dwloc; /* NULL: it does not know process_main() */
	struct loop_procs procs;
	struct xb_map proc_index; /* address -> index in procs, plus one; of the batch */
	struct xb_map
		words; /* address in loaded code -> handler of the instruction, or that it is none */
	struct xb_map kept; /* rip -> a handler it is reached from, and whether E is as it was there */
	struct xb_map settled; /* rip -> whether E and I stay as they are until the next instruction */
};

/** Whether @pc is in one of the pieces of a function; unused ones are empty. */
bool xb_loop_in(const struct loop_piece pieces[MIXED_LOOP_PIECES], xb_addr pc);

/** The heap of the process at @addr; zeros when there is none.  Five reads the first time in a batch. */
struct loop_proc xb_loop_proc(struct xb_mixer *m, xb_addr addr);

/** The code in the loop that runs the instruction at @addr, 0 when there is none.  Cost: as the next. */
xb_addr xb_loop_handler(struct xb_mixer *m, xb_addr addr);

/** Whether an instruction of the interpreter is at @addr.  One read the first time. */
bool xb_loop_is_instruction(struct xb_mixer *m, xb_addr addr);

#endif
