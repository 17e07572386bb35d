/*
 * Where the VM keeps its global state.
 *
 * Each root is looked for by independent methods, in this order: a symbol (.symtab, debug file,
 * .gnu_debugdata, .dynsym); the operands of exported functions that use it, for static objects of
 * stripped binaries; a scan of the writable data for something that only the root looks like.  What one
 * method found, the others must not contradict.
 */
#ifndef XB_VM_ROOTS_H
#define XB_VM_ROOTS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct xb_vm;
struct xb_vm_source;

enum xb_root_id {
	XB_ROOT_PROC_TABLE,    /* erts_proc */
	XB_ROOT_ATOM_TABLE,    /* erts_atom_table */
	XB_ROOT_RANGES,        /* r, static in beam_ranges.c */
	XB_ROOT_MODULE_TABLES, /* module_tables, static in module.c */
	XB_ROOT_CODE_INDEX,    /* the_active_code_index */
	XB_ROOT_SCHEDULERS,    /* erts_aligned_scheduler_data … */
	XB_ROOT_DIRTY_CPU_SCHEDULERS,
	XB_ROOT_DIRTY_IO_SCHEDULERS,
	XB_ROOT_N_SCHEDULERS,
	XB_ROOT_N_DIRTY_CPU_SCHEDULERS,
	XB_ROOT_N_DIRTY_IO_SCHEDULERS,
	XB_ROOT_JIT_DESCRIPTOR, /* __jit_debug_descriptor */
	XB_ROOT_FRAME_LAYOUT,   /* erts_frame_layout */
	XB_ROOT_NORMAL_EXIT, /* beam_normal_exit: the return address of every process's first frame */
	XB_ROOT_RETURN_TRACE,
	XB_ROOT_EXCEPTION_TRACE,
	XB_ROOT_TIME_TRACE,
	XB_ROOT_RETURN_TO_TRACE,
	XB_ROOT__COUNT,
};

/* Bits: which methods gave the address. */
enum xb_root_source {
	XB_ROOT_BY_SYMTAB = 1 << 0,
	XB_ROOT_BY_DEBUG_FILE = 1 << 1,
	XB_ROOT_BY_EMBEDDED = 1 << 2,
	XB_ROOT_BY_DYNSYM = 1 << 3,
	XB_ROOT_BY_OPERANDS = 1 << 4,
	XB_ROOT_BY_SCAN = 1 << 5,
	XB_ROOT_BY_LINKS = 1 << 6,      /* structures lead to what it points to */
	XB_ROOT_BY_NEIGHBOURS = 1 << 7, /* its place beside another root */
	XB_ROOT_BY_JITLIST = 1 << 8,    /* the VM tells debuggers */
};

struct xb_root {
	xb_addr addr; /* live address; 0: not found, allowed for those a flavor does not have */
	unsigned sources;
	bool is_value;   /* the address is what the variable would hold */
	const char *via; /* the function whose operands gave it, or NULL; static */
};

struct xb_roots {
	struct xb_root at[XB_ROOT__COUNT];
	uint64_t value[XB_ROOT__COUNT]; /* what pointer and count variables held at attach; 0 for tables
					 */
	/* Read once from the process table: none of it changes while the VM runs. */
	xb_addr proc_tab, proc_invalid;
	uint32_t proc_max;
	uint64_t proc_pix_mask, proc_cl_mask, proc_cli_mask;
	unsigned proc_cl_shift, proc_cli_shift;
};

/**
 * Find every root of @vm; needs vm->layout for the shapes.
 * @return NULL, NO_SYMBOL when a needed one has no source (the sentence lists them), MISMATCH when two
 * methods contradict each other. Cost: 1-4 ms: one read of the writable data, some disassembly.
 */
XB_NODISCARD struct xb_error *xb_roots_find(struct xb_vm *vm, const struct xb_vm_source *source);

/** The address of the process table alone, before a layout is chosen, by its symbol.  Errors: NO_SYMBOL. */
XB_NODISCARD struct xb_error *xb_roots_proc_table(const struct xb_vm_source *source, xb_addr *ret);

/**
 * The same without symbols: what looks like the table by vm->layout, whose process structure it must be for; 0 when
 * nothing or more than one thing does.  Errors: NOMEM.  Cost: one read and one pass over the writable data.
 */
XB_NODISCARD struct xb_error *xb_roots_scan_proc_table(struct xb_vm *vm,
						       const struct xb_vm_source *source, xb_addr *ret);

/** Read the parts of the process table that never change; its address must be known. */
XB_NODISCARD struct xb_error *xb_roots_read(struct xb_vm *vm);

/** What people call it: "process table"; static. */
const char *xb_root_name(enum xb_root_id id);

/** Append "dynsym+scan" and the like. */
void xb_root_write_sources(unsigned sources, struct xb_str *out);

#endif
