/* The methods behind vm/roots.c; nobody else includes this. */
#ifndef XB_VM_ROOTS_FIND_H
#define XB_VM_ROOTS_FIND_H

#include "vm/roots.h"

/* The writable data of the emulator, copied, and what is needed to disassemble it. */
struct xb_finder;

struct root_spec {
	const char *name; /* for people */
	const char *symbol;
	const char *file;    /* source file of a static, NULL for a global */
	const char *mine[4]; /* exported functions that refer to it */
	bool (*looks)(struct xb_finder *f, xb_addr addr); /* NULL: has no shape of its own */
	unsigned align;
	unsigned width;
	bool is_live; /* its value changes: do not keep it */
	bool jit_only;
	bool need;
};

/** Copy the writable data of the emulator.  Errors: NOMEM, and what reading says. */
XB_NODISCARD struct xb_error *xb_finder_create(struct xb_vm *vm, const struct xb_vm_source *source,
					       struct xb_finder **ret);
void xb_finder_destroy(struct xb_finder *f);

/**
 * Everything in the writable data that looks like the root: *@hits of them.  Returns @expected when it
 * is among them, else the first, else 0.
 */
xb_addr xb_finder_scan(struct xb_finder *f, const struct root_spec *spec, xb_addr expected,
		       size_t *hits);

/** The one operand of the spec's functions that looks like the root, 0 when none or several do. */
xb_addr xb_finder_mine(struct xb_finder *f, const struct root_spec *spec, const char **via);

/** The word at live address @addr, from the copy or from the target; 0 when unreadable. */
uint64_t xb_finder_word(struct xb_finder *f, xb_addr addr);

/** The @len bytes at live address @addr as the executable has them when they are NUL-terminated text,
 * else NULL. */
const char *xb_finder_literal(struct xb_finder *f, xb_addr addr, size_t len);

/** The VM given at creation. */
struct xb_vm *xb_finder_vm(struct xb_finder *f);

/** Whether what is at @addr has the shape of the root: strict enough to find it by a scan. */
bool xb_looks_like_proc_table(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_atom_table(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_ranges(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_module_tables(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_jit_descriptor(struct xb_finder *f, xb_addr addr);

#endif
