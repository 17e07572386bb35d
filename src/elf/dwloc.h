/*
 * Where a variable of a function is, at a pc.
 *
 *	function ─┬─ range(s) of code (.cold parts, inlined copies)
 *	          └─ variable, per lexical block ─┬─ one location for the whole block, or
 *	                                          └─ a list: [start, end) ─▶ expression
 *
 * An optimising compiler leaves holes: a pc where a variable has no location is an answer
 *(OPTIMISED_OUT), and xb_dwloc_coverage() tells how much of the function is holes before anybody relies
 *on it.  What the debug information claims is not always true (gcc gives whole-scope registers for
 *variables it failed to track); whole_scope says so, and the caller must corroborate.
 */
#ifndef XB_ELF_DWLOC_H
#define XB_ELF_DWLOC_H

#include "base/error.h"
#include "elf/dwexpr.h"

enum xb_dwloc_kind {
	XB_DWLOC_ABSENT,           /* no variable of that name is in scope here */
	XB_DWLOC_OPTIMISED_OUT,    /* it is in scope and has no location here */
	XB_DWLOC_REGISTER,         /* in .reg; may be one we do not sample (XMM) */
	XB_DWLOC_MEMORY,           /* in memory; simple ones at .reg + .off */
	XB_DWLOC_VALUE,            /* nowhere, but its value can be computed */
	XB_DWLOC_PIECES,           /* in several places */
	XB_DWLOC_ENTRY_VALUE,      /* from what a register held when the function was entered: needs the
				      caller */
	XB_DWLOC_IMPLICIT_POINTER, /* a pointer to something that has no address */
	XB_DWLOC_OPAQUE,           /* it has a location in words we do not know */
};

enum {
	XB_DWLOC_NO_REG = 0x100, /* .reg of a memory location that is more than register + offset */
	XB_DWLOC_CFA = 0x101,    /* .reg of one that is CFA + offset */
};

struct xb_dwloc;

struct xb_dwloc_loc {
	enum xb_dwloc_kind kind;
	unsigned reg; /* DWARF number, or the above */
	int64_t off;
	uint32_t width;     /* bytes of the variable, 0: not known */
	xb_addr start, end; /* the location holds for [start, end) */
	bool whole_scope;   /* not from a list */
	bool uninit; /* the compiler was not sure that the variable is set here (DW_OP_GNU_uninit) */
	unsigned others; /* further list entries that also claim this pc */
	/* For xb_dwloc_eval(). */
	xb_addr pc;
	const void *entry;
	const Dwarf_Op *ops;
	size_t n_ops;
};

/* The frame a location is evaluated in.  Addresses are the target's. */
struct xb_dwloc_frame {
	const struct xb_regs *regs;
	const struct xb_stack_slice *stack; /* NULL: none */
	struct xb_mem *mem;                 /* NULL: only @stack is read */
	uint64_t bias;                      /* target address - address of the file */
	bool has_cfa;
	xb_addr cfa;                  /* xb_unwind_cfa() */
	const struct xb_regs *caller; /* after xb_unwind_step(), or NULL: entry values stay unknown */
};

/* Bytes of the function's code. */
struct xb_dwloc_coverage {
	uint64_t code;
	uint64_t located; /* the variable has any location */
	uint64_t usable; /* …that needs only general registers and memory: no caller, no vector register
			  */
	unsigned declared; /* how often the variable is declared: copies and inner blocks */
	unsigned entries;  /* location list entries; 0 with @located > 0: whole-scope locations only */
	bool whole_scope;  /* some declaration has one location for all of its scope */
	unsigned damaged;  /* location lists of the function that could not be read to their end */
};

/**
 * Collect the variables of a function.
 *
 * @param dw        Borrowed; must outlive the object.
 * @param function  Name in the source, not the linker's.  Its inlined copies count too.
 * @param names     @n_names names of variables or parameters; xb_dwloc_find() takes their position.
 * @return NULL; NO_SYMBOL when no unit has code for @function, or several unrelated functions bear the
 * name; LIMIT when it has an absurd number of locations; NOMEM.  A variable the function does not have
 * is no error: it is ABSENT everywhere. Cost: one pass over the top level of the units, and over the
 * function: some 10 ms for beam.smp.
 */
XB_NODISCARD struct xb_error *xb_dwloc_create(Dwarf *dw, const char *function, const char *const *names,
					      size_t n_names, struct xb_dwloc **ret);
void xb_dwloc_destroy(struct xb_dwloc *obj);

/** Whether @pc (an address of the file) is in the function or a copy of it.  Cost: ns. */
bool xb_dwloc_covers(const struct xb_dwloc *obj, xb_addr pc);

/**
 * Where variable @var is at @pc, an address of the file.  For a frame that is a caller, the byte before
 * its return address (xb_unwind_pc()).  The innermost declaration in scope wins.
 * @ret is always filled.  Cost: under 1 us; a binary search in the location list.
 */
void xb_dwloc_find(const struct xb_dwloc *obj, size_t var, xb_addr pc, struct xb_dwloc_loc *ret);

/**
 * The value of a variable of 1 to 8 bytes, zero-extended.
 *
 * @return OK, and @ret; NO_REG, FAULT, UNKNOWN (optimised out; uninit; an entry value the caller's call
 * site does not tell), UNSUPPORTED (wider than a word, vector registers, implicit pointers), MALFORMED.
 * Never a guess. Cost: tens of ns; entry values: some ms at the first frame returning to an address,
 * then cached.
 */
enum xb_dwexpr_status xb_dwloc_eval(struct xb_dwloc *obj, const struct xb_dwloc_loc *loc,
				    const struct xb_dwloc_frame *frame, uint64_t *ret);

/** How much of the code variable @var has locations for. */
struct xb_dwloc_coverage xb_dwloc_coverage(const struct xb_dwloc *obj, size_t var);

static inline void xb_dwloc_cleanup(struct xb_dwloc **obj)
{
	xb_dwloc_destroy(*obj);
}

#endif
