/* The checks behind vm/check.c; each fills tested and failed.  An error is only what keeps a check from
 * running; FAULT and MISMATCH count as a violation. */
#ifndef XB_VM_CHECK_IMPL_H
#define XB_VM_CHECK_IMPL_H

#include "layout/layout.h"
#include "vm/check.h"
#include "vm/mfa.h"
#include "vm/process_batch.h"

enum {
	XB_CHECK_FIRST = 128,  /* the first processes of the table: the system's own are among them */
	XB_CHECK_SPREAD = 128, /* and as many of the others, evenly */
	XB_CHECK_SAMPLE = XB_CHECK_FIRST + XB_CHECK_SPREAD,
	XB_CHECK_REG_BYTES = 64,
};

/* One process of the sample with what it points to, copied together. */
struct xb_check_subject {
	struct xb_vm *vm;
	xb_addr addr;
	uint32_t slot;
	struct xb_rec rec; /* the structure; of length 0 when it could not be read */
	struct xb_rec reg; /* its registry entry; likewise, also without one */
	size_t mfa_len;    /* bytes had of the MFA its current function points to */
	unsigned char mfa[XB_MFA_BYTES];
	unsigned char reg_bytes[XB_CHECK_REG_BYTES];
	unsigned char bytes[XB_PROC_MAX_BYTES];
};

struct xb_check_ctx {
	struct xb_vm *vm;
	size_t occupied; /* slots in use when the sample was taken */
	size_t n;
	struct xb_check_subject *subject; /* n of them */
};

/* A rule holds for a process, or does not; what it cannot judge (running, exiting) it lets pass. */
typedef bool (*xb_check_rule)(const struct xb_check_subject *s);

/* --- check_sample.c */

/** Choose the sample and copy it, replacing an earlier one; needs a process table whose shape was checked.
 * Cost: one read of the table, then three batched reads. */
XB_NODISCARD struct xb_error *xb_check_sample(struct xb_check_ctx *c);
void xb_check_release(struct xb_check_ctx *c);

/** Try @rule on the sample; a process that breaks it is read again up to three times before it counts. */
void xb_check_each(struct xb_check_ctx *c, struct xb_check_result *r, xb_check_rule rule);

/** How many processes of the sample, as copied, are so. */
size_t xb_check_count(const struct xb_check_ctx *c, xb_check_rule is);

#define XB_CHECK(name)                                                                                 \
	XB_NODISCARD struct xb_error *xb_check_##name(struct xb_check_ctx *c, struct xb_check_result *r)

/* check_table.c */
XB_CHECK(ptab_shape);
XB_CHECK(ptab_count);
XB_CHECK(invalid_element);
XB_CHECK(atom_text);
XB_CHECK(disjoint_fields);

/* check_process.c */
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
XB_CHECK(first_frame);

/* check_code.c */
XB_CHECK(code_ranges);
XB_CHECK(code_header);
XB_CHECK(line_rows);
XB_CHECK(module_table);

/* check_sched.c */
XB_CHECK(sched_ring);
XB_CHECK(sched_thread);
XB_CHECK(sched_links);
XB_CHECK(sched_current);

#endif
