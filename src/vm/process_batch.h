/* Between process.c (one structure) and process_each.c (the batched pass); nobody else includes this.
 */
#ifndef XB_VM_PROCESS_BATCH_H
#define XB_VM_PROCESS_BATCH_H

#include "layout/layout.h"
#include "vm/process.h"

/* Bound on a Process structure; the largest build known (debug, OTP 25) has 840 bytes. */
enum { XB_PROC_MAX_BYTES = 1024 };

/** Decode a copied structure; false when its id does not belong to @slot (exited, re-used, torn). */
bool xb_proc_decode(struct xb_vm *vm, xb_addr addr, uint32_t slot, const unsigned char *bytes,
		    size_t len, struct xb_proc *ret);

/** Whether two copies of one structure show that the process did not run in between. */
bool xb_proc_same(const struct xb_layout *l, const unsigned char *a, const unsigned char *b,
		  size_t len);

#endif
