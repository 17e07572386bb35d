/* Between freeze.c (the program, and whose sample it is) and freeze_copy.c (the stacks). */
#ifndef XB_SAMPLE_FREEZE_PRIV_H
#define XB_SAMPLE_FREEZE_PRIV_H

#include "sample/freeze.h"

#include <stddef.h>

/* Locals, from the frame pointer r10. */
enum {
	L_KEY = -4,
	L_WORD = -16,
	L_AT = -24,  /* where a copy goes on, … */
	L_END = -32, /* … and ends */
	L_STEP = -40,
	L_LOW = -48, /* lowest address that may be E */
	L_SCAN = -56,
};

enum { RC = BPF_REG_6, RS = BPF_REG_7, RN = BPF_REG_8, RT = BPF_REG_9, FP = BPF_REG_10 };

#define HEAD(member)   ((int16_t)offsetof(struct xb_freeze_head, member))
#define THREAD(member) ((int16_t)offsetof(struct xb_freeze_thread, member))

struct freeze_gen {
	struct xb_bpf_asm *a;
	const struct xb_freeze_config *c;
	int16_t proc_at; /* of the Process structure in the record */
	int32_t var_at;  /* of what has no fixed place */
	int out;         /* label: hand the record over */
	int quit;        /* label: nothing to hand over */
};

/* The register that the layout gives a role, -1: none. */
static inline int xb_freeze_role(const struct freeze_gen *g, enum xb_layout_reg r)
{
	int n = (uint8_t)g->c->layout->reg[r];

	return n < XB_REG_COUNT ? n : -1;
}

/* Where in a record a user register and a field of the process are. */
int16_t xb_freeze_reg_at(int reg);
int16_t xb_freeze_field_at(const struct freeze_gen *g, enum xb_layout_field f);

/* Code that sets a flag of the record. */
void xb_freeze_set_flag(struct freeze_gen *g, int flag);

/* Code that copies the C stack, unless rsp is on the Erlang stack: then it goes on at the label @after. */
void xb_freeze_c_stack(struct freeze_gen *g, int after);

/* Code that copies the Erlang stack, or goes on at g->out when there is none. */
void xb_freeze_erlang_stack(struct freeze_gen *g);

/* Code that appends the kernel call chain. */
void xb_freeze_kernel_chain(struct freeze_gen *g);

#endif
