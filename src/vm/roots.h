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
};

struct xb_root {
	xb_addr addr; /* live address; 0: not found, allowed for those a flavor does not have */
	unsigned sources;
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

/** The address of the process table alone, before a layout is chosen. */
XB_NODISCARD struct xb_error *xb_roots_proc_table(const struct xb_vm_source *source, xb_addr *ret);

/** What a root is called, for people; static. */
const char *xb_root_name(enum xb_root_id id);

/** Append "dynsym+scan" and the like. */
void xb_root_write_sources(unsigned sources, struct xb_str *out);

#endif
