/* The checks behind vm/check.c; each fills tested and failed.  An error is only what keeps a check from
 * running. */
#ifndef XB_VM_CHECK_IMPL_H
#define XB_VM_CHECK_IMPL_H

#include "vm/check.h"

enum { XB_CHECK_SAMPLE = 256 };

/* What the checks share: the processes looked at, spread evenly over the table. */
struct xb_check_ctx {
	struct xb_vm *vm;
	size_t occupied; /* slots in use when the sample was taken */
	size_t n;
	struct {
		xb_addr addr;
		uint32_t slot;
	} sample[XB_CHECK_SAMPLE];
};

/** Choose the sample; needs a process table whose shape was checked. */
XB_NODISCARD struct xb_error *xb_check_sample(struct xb_check_ctx *c);

#define XB_CHECK(name)                                                                                 \
	XB_NODISCARD struct xb_error *xb_check_##name(struct xb_check_ctx *c, struct xb_check_result *r)

/* check_process.c */
XB_CHECK(ptab_shape);
XB_CHECK(ptab_count);
XB_CHECK(id_slot);
XB_CHECK(heap_order);
XB_CHECK(old_heap);
XB_CHECK(state_flags);
XB_CHECK(initial_mfa);
XB_CHECK(reg_round_trip);
XB_CHECK(current_mfa);
XB_CHECK(reductions);
XB_CHECK(queue_len);
XB_CHECK(i_in_code);

/* check_code.c */
XB_CHECK(atom_text);
XB_CHECK(code_ranges);
XB_CHECK(code_header);
XB_CHECK(line_rows);
XB_CHECK(module_table);

/* check_sched.c */
XB_CHECK(sched_ring);
XB_CHECK(sched_current);

#endif
