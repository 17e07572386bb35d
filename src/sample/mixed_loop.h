/* Between mixed_loop.c (what is known of the interpreter loop) and mixed_vars.c (judging one sample in it). */
#ifndef XB_SAMPLE_MIXED_LOOP_H
#define XB_SAMPLE_MIXED_LOOP_H

#include "elf/dwloc.h"
#include "sample/mixed_impl.h"

enum { MIXED_LOOP_VARS = 6 };   /* of process_main(), that debug information is asked for */
enum { MIXED_LOOP_PIECES = 2 }; /* of a function: itself, and what the compiler found unlikely */

/* The first XB_VAR_COUNT of them in the order of enum xb_var. */
struct loop_var {
	const char *name; /* in the source */
	enum xb_layout_reg role;
};

extern const struct loop_var xb_loop_vars[MIXED_LOOP_VARS];

struct loop_piece {
	xb_addr start, end;
};

struct mixed_loop {
	struct loop_piece piece[MIXED_LOOP_PIECES];    /* of process_main() */
	struct loop_piece schedule[MIXED_LOOP_PIECES]; /* of erts_schedule() */
	xb_addr bias;
	Dwarf *dw;              /* NULL: no debug information */
	struct xb_dwloc *dwloc; /* NULL: it does not know process_main() */
	struct xb_map words;    /* address in loaded code -> handler of the instruction there */
	struct xb_map kept; /* rip -> a handler it is reached from, and whether E is as it was there */
	struct xb_map settled; /* rip -> whether E and I stay as they are until the next instruction */
};

/** Whether @pc is in one of the pieces of a function; unused ones are empty. */
bool xb_loop_in(const struct loop_piece pieces[MIXED_LOOP_PIECES], xb_addr pc);

/** Where the loop handles the instruction at @addr; 0 when none is there.  One read the first time. */
xb_addr xb_loop_handler(struct xb_mixer *m, xb_addr addr);

/** Whether an instruction of the interpreter is at @addr. */
static inline bool xb_loop_is_instruction(struct xb_mixer *m, xb_addr addr)
{
	return xb_loop_handler(m, addr) != 0;
}

#endif
