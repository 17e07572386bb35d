/*
 * The proof of a layout.
 *
 * Named invariants are run against the live VM before anything is believed.  Each feeds on certain
 * fields; when one is violated the error names the check, the fields behind it and where their offsets
 * came from.  A running VM moves under us, so what a check looks at is re-read before a violation
 * counts.
 */
#ifndef XB_VM_CHECK_H
#define XB_VM_CHECK_H

#include "base/error.h"
#include "base/vec.h"

struct xb_vm;

/* What one check did. */
struct xb_check_result {
	const char *name;    /* "heap_order"; static */
	const char *promise; /* what it holds the VM to; static */
	uint32_t tested;     /* objects looked at */
	uint32_t failed;     /* objects that broke it and still did when read again */
};

XB_VEC(xb_check_results, struct xb_check_result);

/** Whether there is a check called @name; the contract may name one of another place, or "-". */
bool xb_check_exists(const char *name);

/**
 * Run every check.
 * @param results  May be NULL; receives one entry per check run, also on error.
 * @return NULL, or MISMATCH for the first violated check; the sentence names fields and sources.
 * Cost: about 1 ms: at most 256 processes, 64 atoms, 8 modules and every scheduler are looked at.
 */
XB_NODISCARD struct xb_error *xb_check_all(struct xb_vm *vm, struct xb_check_results *results);

#endif
