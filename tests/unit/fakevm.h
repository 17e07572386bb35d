/*
 * A VM made of nothing but memory: process table, processes with stacks, atoms, modules with lines, schedulers, laid
 * out by the offsets of any layout.  What vm/ reads from it through struct xb_mem is known to the test exactly.
 */
#ifndef XB_TESTS_FAKEVM_H
#define XB_TESTS_FAKEVM_H

#include "vm/vm.h"

enum {
	FAKE_SLOTS = 1024,
	FAKE_PROCESSES = 40,
	FAKE_MODULES = 12,
	FAKE_FUNCTIONS = 4, /* of each module */
	FAKE_ROWS = 2,      /* line rows of each function */
	FAKE_FUNCTION_BYTES = 64,
	FAKE_SCHEDULERS = 2,
	FAKE_ATOMS = 700,
	FAKE_TID = 5000, /* of normal scheduler 1; dirty ones 100 and 200 higher */
	FAKE_LINE = 100, /* of the first row of a module; one more for each row */
};

struct fakevm {
	struct xb_vm *vm; /* attached by hand: no image, no symbols */
	xb_addr process[FAKE_PROCESSES];
	xb_addr module[FAKE_MODULES]; /* of the code header */
	xb_addr code[FAKE_MODULES];   /* of the first function */
	xb_addr normal_exit, return_trace;
	struct fakevm_memory *memory;
};

/** Build one for @release and @flavor; fails the test when there is no such layout. */
void fakevm_create(struct fakevm *f, unsigned release, enum xb_flavor flavor);
void fakevm_destroy(struct fakevm *f);

/** The 8 or 4 bytes at @addr of its memory. */
void fakevm_put64(struct fakevm *f, xb_addr addr, uint64_t v);
uint64_t fakevm_get64(struct fakevm *f, xb_addr addr);

/** Write the stack of process @i: @words from the top, so that the last one lies just below hend. */
void fakevm_stack(struct fakevm *f, size_t i, const uint64_t *words, size_t n);

/** An atom term; atom i is called as fakevm_atom_name(i) says. */
uint64_t fakevm_atom(const struct fakevm *f, uint32_t index);

/** Return address inside function @fn of module @m, @row rows into it. */
xb_addr fakevm_pc(const struct fakevm *f, size_t m, size_t fn, size_t row);

#endif
