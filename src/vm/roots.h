/*
 * Where the VM keeps its global state.
 *
 * Each root is looked for by independent methods (enum xb_root_source), and what is found has to look like the root
 * before it is believed.  Attaching stops when two of them agree, or one that is a symbol; asked to be thorough, it
 * asks every method of every root.  What one says and another contradicts is never resolved silently: among guesses
 * nothing is chosen and attaching fails; against the word of a symbol, or of what only lies beside something against two
 * others, it is a warning, and kept in the root.
 */
#ifndef XB_VM_ROOTS_H
#define XB_VM_ROOTS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct xb_vm;
struct xb_vm_source;
struct xb_finder;

enum xb_root_id {
	XB_ROOT_PROC_TABLE,     /* erts_proc */
	XB_ROOT_ATOM_TABLE,     /* erts_atom_table */
	XB_ROOT_JIT_DESCRIPTOR, /* __jit_debug_descriptor */
	XB_ROOT_RANGES,         /* r, static in beam_ranges.c */
	XB_ROOT_MODULE_TABLES,  /* module_tables, static in module.c */
	XB_ROOT_CODE_INDEX,     /* the_active_code_index */
	XB_ROOT_SCHEDULERS,     /* erts_aligned_scheduler_data … */
	XB_ROOT_DIRTY_CPU_SCHEDULERS,
	XB_ROOT_DIRTY_IO_SCHEDULERS,
	XB_ROOT_N_SCHEDULERS,
	XB_ROOT_N_DIRTY_CPU_SCHEDULERS,
	XB_ROOT_N_DIRTY_IO_SCHEDULERS,
	XB_ROOT_FRAME_LAYOUT, /* erts_frame_layout */
	XB_ROOT_NORMAL_EXIT,  /* beam_normal_exit: the return address of every process's first frame */
	XB_ROOT_RETURN_TRACE,
	XB_ROOT_EXCEPTION_TRACE,
	XB_ROOT_TIME_TRACE,
	XB_ROOT_RETURN_TO_TRACE,
	/* Looked for only when asked to be thorough: nothing reads them yet. */
	XB_ROOT_PORT_TABLE, /* erts_port */
	XB_ROOT_RUN_QUEUES, /* erts_aligned_run_queues */
	XB_ROOT_REGISTRY,   /* process_reg, static in register.c */
	XB_ROOT__COUNT,
};

/* Bits: which methods gave the address. */
enum xb_root_source {
	XB_ROOT_BY_SYMTAB = 1 << 0,
	XB_ROOT_BY_DEBUG_FILE = 1 << 1,
	XB_ROOT_BY_EMBEDDED = 1 << 2,
	XB_ROOT_BY_DYNSYM = 1 << 3,
	XB_ROOT_BY_OPERANDS = 1 << 4,   /* what the emulator's code refers to */
	XB_ROOT_BY_SCAN = 1 << 5,       /* the only thing in the writable data that looks like it */
	XB_ROOT_BY_LINKS = 1 << 6,      /* structures lead to what it points to */
	XB_ROOT_BY_NEIGHBOURS = 1 << 7, /* its place beside another root */
	XB_ROOT_BY_JITLIST = 1 << 8,    /* the VM tells debuggers */
	XB_ROOT_BY_COUNT = 1 << 9,      /* how many structures there are in a row */
	XB_ROOT_BY_JIT_CODE = 1 << 10,  /* what code refers to that the JIT wrote */
	XB_ROOT_BY_PROCESSES = 1 << 11, /* what is at the bottom of the stacks of processes */
	XB_ROOT_BY_CACHE = 1 << 12,     /* where it was in another VM of this very build */

	/* All of these come from the linker and are one method. */
	XB_ROOT_BY_SYMBOL =
		XB_ROOT_BY_SYMTAB | XB_ROOT_BY_DEBUG_FILE | XB_ROOT_BY_EMBEDDED | XB_ROOT_BY_DYNSYM,
	XB_ROOT_BY_ALL = (1 << 13) - 1,
};

struct xb_root {
	xb_addr addr; /* live address; 0: not found, allowed for those a flavor does not have */
	unsigned sources;
	unsigned against; /* methods that said something else */
	uint64_t
		against_value; /* what one of them said: the address of a table, what a variable holds */
	bool is_value;         /* the address is what the variable would hold */
	const char *via;       /* the function whose operands gave it, or NULL; static */
};

struct xb_roots {
	struct xb_root at[XB_ROOT__COUNT];
	uint64_t value[XB_ROOT__COUNT]; /* what pointer and count variables held at attach; 0 for tables
					 */
	enum xb_root_id failed;         /* the one that ended the search, XB_ROOT__COUNT: none did */
	bool thorough;                  /* every method was asked */
	unsigned stale_hints;           /* roots that were not where the cache says */
	/* Read once from the process table: none of it changes while the VM runs. */
	xb_addr proc_tab, proc_invalid;
	uint32_t proc_max;
	uint64_t proc_pix_mask, proc_cl_mask, proc_cli_mask;
	unsigned proc_cl_shift, proc_cli_shift;
};

/* Where roots lie in the image, as another VM of the same build had them; not trusted. */
struct xb_root_hints {
	bool has[XB_ROOT__COUNT];
	xb_addr vaddr[XB_ROOT__COUNT];
};

/**
 * Find every root of @vm; needs vm->layout for the shapes.
 * @param finder  Of the same VM and source.
 * @return NULL, NO_SYMBOL when a needed one has no source (the sentence lists them), MISMATCH when two
 * methods contradict each other. Cost: 1-5 ms: one read of the writable data, some disassembly; thorough: some ms more.
 */
XB_NODISCARD struct xb_error *xb_roots_find(struct xb_vm *vm, const struct xb_vm_source *source,
					    struct xb_finder *finder);

/**
 * What xb_vm_source.hints may be for the next VM of this build: the places of all roots that lie in the image, also of
 * variables that were found by what they hold.
 * @return how many. */
size_t xb_roots_to_hints(const struct xb_vm *vm, const struct xb_vm_source *source,
			 struct xb_finder *finder, struct xb_root_hints *ret);

/** The address of the process table alone, before a layout is chosen, by its symbol.  Errors: NO_SYMBOL. */
XB_NODISCARD struct xb_error *xb_roots_proc_table(const struct xb_vm_source *source, xb_addr *ret);

/**
 * The same without that symbol, by the layout of @finder, whose process structure the table must be for; 0 when
 * nothing or more than one thing looks like it.  Cost: one read and one pass over the writable data.
 */
xb_addr xb_roots_guess_proc_table(struct xb_finder *finder, const struct xb_vm_source *source);

/** Read the parts of the process table that never change; its address must be known. */
XB_NODISCARD struct xb_error *xb_roots_read(struct xb_vm *vm);

/** What people call it: "process table"; static. */
const char *xb_root_name(enum xb_root_id id);

/** Whether it is code, so that its value is an address of its own: normal exit and the like. */
bool xb_root_is_code(enum xb_root_id id);

/** How many independent methods these are: symbols count once, and the cache not at all. */
unsigned xb_root_methods(unsigned sources);

/** Append "dynsym+scan" and the like. */
void xb_root_write_sources(unsigned sources, struct xb_str *out);

#endif
