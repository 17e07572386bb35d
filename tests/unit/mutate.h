/* The mutation test of a layout: every "must" field moved by one word must be refused by the checks, by name. */
#ifndef XB_TESTS_MUTATE_H
#define XB_TESTS_MUTATE_H

#include "vm/vm.h"

struct mutation {
	enum xb_layout_field field;
	int shift;            /* bytes */
	bool detected, named; /* refused; and the sentence holds the name of the field */
	char why[512];        /* the sentence, "" when nothing was refused */
};

/**
 * Attach to @good's memory once more with @shift added to the offset of @field, and run every check.
 * Fails the program when that cannot be tried.
 */
void mutate_field(const struct xb_vm *good, enum xb_layout_field field, int shift,
		  struct mutation *ret);

#endif
