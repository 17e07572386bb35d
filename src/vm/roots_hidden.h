/* Roots that no symbol, operand or shape gives: OTP 29 exports none of the VM's symbols. */
#ifndef XB_VM_ROOTS_HIDDEN_H
#define XB_VM_ROOTS_HIDDEN_H

#include "vm/roots_find.h"

/* What was found so far: one search finds several.  Zeroed before the first call. */
struct xb_hidden_roots {
	struct xb_root at[XB_ROOT__COUNT];
	bool schedulers, stubs; /* looked for */
};

/**
 * Find one root by what leads to it or lies beside it.  Needs the roots in front of it in enum xb_root_id.
 * @ret: address 0 when there is no way to it.
 * @return NULL, MISMATCH when two ways lead to different places, or what reading says.
 * Cost: five batched reads for all roots of schedulers together, one read of the JIT list for those of a JIT's
 * own code (1-3 ms).
 */
XB_NODISCARD struct xb_error *xb_roots_hidden(struct xb_vm *vm, struct xb_finder *f,
					      struct xb_hidden_roots *known, enum xb_root_id id,
					      struct xb_root *ret);

#endif
