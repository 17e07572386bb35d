/*
 * The code that copies stacks (see freeze.h).
 *
 * The verifier wants every length and every offset bounded right before its use, and goes through every way a value may
 * have come about: few branches, and constants where there are many.  Reading a user range fails as a whole when one of
 * its pages is not there; then a C stack is read page by page.
 */
#include "sample/freeze_priv.h"

enum { PAGE = 4096, SCAN_WORDS = 16, GC_BYTES = 4096 };

/* Copy [L_AT, L_END), at most @max bytes, to the end of the record in one piece; when it is not all there, go to
 * @failed.  L_STEP is how much it was. */
static void copy_whole(struct freeze_gen *g, int32_t max, int failed)
{
	struct xb_bpf_asm *a = g->a;
	int nothing = xb_bpf_label(a);

	xb_bpf_st_imm(a, 8, FP, L_STEP, 0);
	xb_bpf_ldx(a, 8, BPF_REG_3, FP, L_AT);
	xb_bpf_ldx(a, 8, BPF_REG_2, FP, L_END);
	xb_bpf_jmp(a, BPF_JGE, BPF_REG_3, BPF_REG_2, nothing);
	xb_bpf_alu(a, BPF_SUB, BPF_REG_2, BPF_REG_3);
	xb_bpf_jmp_imm(a, BPF_JGT, BPF_REG_2, max, failed);
	xb_bpf_stx(a, 8, FP, L_STEP, BPF_REG_2);
	xb_bpf_mov(a, BPF_REG_1, RS);
	xb_bpf_alu(a, BPF_ADD, BPF_REG_1, RN);
	xb_bpf_call(a, BPF_FUNC_probe_read_user);
	xb_bpf_jmp_imm(a, BPF_JNE, BPF_REG_0, 0, failed);
	xb_bpf_ldx(a, 8, BPF_REG_2, FP, L_STEP);
	xb_bpf_jmp_imm(a, BPF_JGT, BPF_REG_2, max, failed);
	xb_bpf_alu(a, BPF_ADD, RN, BPF_REG_2);
	xb_bpf_here(a, nothing);
}

/*
 * The C stack page by page, from the page that rsp is in: pages that were never touched are zeros, and counted.  All
 * lengths are constants here, or the verifier would try them all.
 */
static void copy_pages(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;
	int done[XB_FREEZE_C_MAX / PAGE + 2], end = xb_bpf_label(a);

	xb_bpf_ldx(a, 8, BPF_REG_1, RS, HEAD(c_addr));
	xb_bpf_alu_imm(a, BPF_AND, BPF_REG_1, -PAGE);
	xb_bpf_stx(a, 8, RS, HEAD(c_addr), BPF_REG_1);
	for (size_t k = 0; k < XB_ARRAY_LEN(done); k++)
		done[k] = xb_bpf_label(a);
	for (int32_t k = 0; k <= XB_FREEZE_C_MAX / PAGE; k++) {
		int there = xb_bpf_label(a);

		xb_bpf_ldx(a, 8, BPF_REG_3, RS, HEAD(c_addr));
		xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_3, k * PAGE);
		xb_bpf_ldx(a, 8, BPF_REG_2, FP, L_END);
		xb_bpf_jmp(a, BPF_JGE, BPF_REG_3, BPF_REG_2, done[k]);
		xb_bpf_mov(a, BPF_REG_1, RS);
		xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, g->var_at + k * PAGE);
		xb_bpf_mov_imm(a, BPF_REG_2, PAGE);
		xb_bpf_call(a, BPF_FUNC_probe_read_user);
		xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_0, 0, there);
		xb_bpf_ldx(a, 8, BPF_REG_1, RS, HEAD(c_holes));
		xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, 1);
		xb_bpf_stx(a, 8, RS, HEAD(c_holes), BPF_REG_1);
		xb_bpf_here(a, there);
	}
	for (int32_t k = XB_FREEZE_C_MAX / PAGE + 1; k >= 0; k--) {
		xb_bpf_here(a, done[k]);
		xb_bpf_mov_imm(a, RN, g->var_at + k * PAGE);
		xb_bpf_goto(a, end);
	}
	xb_bpf_here(a, end);
}

/* @dst = the smaller of @dst and @src */
static void at_most(struct freeze_gen *g, int dst, int src)
{
	int is = xb_bpf_label(g->a);

	xb_bpf_jmp(g->a, BPF_JLE, dst, src, is);
	xb_bpf_mov(g->a, dst, src);
	xb_bpf_here(g->a, is);
}

void xb_freeze_c_stack(struct freeze_gen *g, int after)
{
	struct xb_bpf_asm *a = g->a;
	int whole = xb_bpf_label(a), bounded = xb_bpf_label(a), pages = xb_bpf_label(a),
	    copied = xb_bpf_label(a);

	xb_bpf_ldx(a, 8, BPF_REG_1, RS, HEAD(flags));
	xb_bpf_alu_imm(a, BPF_AND, BPF_REG_1, XB_FREEZE_ON_ERLANG);
	xb_bpf_jmp_imm(a, BPF_JNE, BPF_REG_1, 0, after);
	xb_bpf_ldx(a, 8, BPF_REG_3, RS, xb_freeze_reg_at(XB_REG_RSP));
	xb_bpf_stx(a, 8, RS, HEAD(c_addr), BPF_REG_3);
	xb_bpf_stx(a, 8, FP, L_AT, BPF_REG_3);
	xb_bpf_mov(a, BPF_REG_4, BPF_REG_3);
	xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_4, XB_FREEZE_C_MAX);
	xb_bpf_jmp_imm(a, BPF_JEQ, RT, 0, bounded);
	xb_bpf_ldx(a, 8, BPF_REG_2, RT, THREAD(top));
	xb_bpf_ldx(a, 8, BPF_REG_1, RS, HEAD(proc));
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_1, 0, whole);
	xb_bpf_ldx(a, 8, BPF_REG_2, RT, THREAD(c_end));
	xb_bpf_here(a, whole);
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_2, 0, bounded);
	at_most(g, BPF_REG_4, BPF_REG_2);
	xb_bpf_here(a, bounded);
	xb_bpf_stx(a, 8, FP, L_END, BPF_REG_4);
	copy_whole(g, XB_FREEZE_C_MAX, pages);
	xb_bpf_goto(a, copied);
	xb_bpf_here(a, pages);
	copy_pages(g);
	xb_bpf_here(a, copied);
	xb_bpf_mov(a, BPF_REG_1, RN);
	xb_bpf_alu_imm(a, BPF_SUB, BPF_REG_1, g->var_at);
	xb_bpf_stx(a, 8, RS, HEAD(c_len), BPF_REG_1);
	xb_bpf_alu_imm(a, BPF_ADD, RN, 7);
	xb_bpf_alu_imm(a, BPF_AND, RN, -8);
}

/* L_LOW = r1 when that can be E: aligned, above the heap's top, below what is there now. */
static void candidate(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;
	int no = xb_bpf_label(a);

	xb_bpf_ldx(a, 8, BPF_REG_2, FP, L_LOW);
	xb_bpf_jmp(a, BPF_JGE, BPF_REG_1, BPF_REG_2, no);
	xb_bpf_ldx(a, 8, BPF_REG_2, RS, xb_freeze_field_at(g, XB_F_Process_htop));
	xb_bpf_jmp(a, BPF_JLE, BPF_REG_1, BPF_REG_2, no);
	xb_bpf_mov(a, BPF_REG_2, BPF_REG_1);
	xb_bpf_alu_imm(a, BPF_AND, BPF_REG_2, 7);
	xb_bpf_jmp_imm(a, BPF_JNE, BPF_REG_2, 0, no);
	xb_bpf_stx(a, 8, FP, L_LOW, BPF_REG_1);
	xb_bpf_here(a, no);
}

/* Registers that C code has to save may lie on its stack: look at the outermost words of it, which are copied already. */
static void scan_c_stack(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;
	int done = xb_bpf_label(a);

	xb_bpf_jmp_imm(a, BPF_JEQ, RT, 0, done);
	xb_bpf_ldx(a, 8, BPF_REG_1, RT, THREAD(scan_end));
	xb_bpf_ldx(a, 8, BPF_REG_2, RS, HEAD(c_addr));
	xb_bpf_jmp(a, BPF_JLE, BPF_REG_1, BPF_REG_2, done);
	xb_bpf_alu(a, BPF_SUB, BPF_REG_1, BPF_REG_2);
	/* r1: how far into the copy the words end.  Not copied that far: nothing to look at. */
	xb_bpf_ldx(a, 8, BPF_REG_2, RS, HEAD(c_len));
	xb_bpf_jmp(a, BPF_JGT, BPF_REG_1, BPF_REG_2, done);
	xb_bpf_jmp_imm(a, BPF_JGT, BPF_REG_1, XB_FREEZE_C_MAX + PAGE, done);
	xb_bpf_stx(a, 8, FP, L_SCAN, BPF_REG_1);
	for (int i = 1; i <= SCAN_WORDS; i++) {
		xb_bpf_ldx(a, 8, BPF_REG_1, FP, L_SCAN);
		xb_bpf_jmp_imm(a, BPF_JLT, BPF_REG_1, 8 * i, done);
		xb_bpf_jmp_imm(a, BPF_JGT, BPF_REG_1, XB_FREEZE_C_MAX + PAGE, done);
		xb_bpf_mov(a, BPF_REG_2, RS);
		xb_bpf_alu(a, BPF_ADD, BPF_REG_2, BPF_REG_1);
		xb_bpf_ldx(a, 8, BPF_REG_1, BPF_REG_2, (int16_t)(g->var_at - 8 * i));
		candidate(g);
	}
	xb_bpf_here(a, done);
}

/* L_AT = where the Erlang stack may begin, L_END = where it ends */
static void locate_erlang(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;
	int saved = xb_freeze_role(g, XB_R_E_saved), E = xb_freeze_role(g, XB_R_E);
	int in_c = xb_bpf_label(a), moving = xb_bpf_label(a), end_known = xb_bpf_label(a),
	    near = xb_bpf_label(a);

	xb_bpf_ldx(a, 8, BPF_REG_1, RS, HEAD(proc));
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_1, 0, g->out);
	xb_bpf_ldx(a, 8, BPF_REG_3, RS, xb_freeze_field_at(g, XB_F_Process_heap));
	xb_bpf_ldx(a, 8, BPF_REG_4, RS, xb_freeze_field_at(g, XB_F_Process_hend));
	xb_bpf_stx(a, 8, FP, L_END, BPF_REG_4);
	xb_bpf_ldx(a, 8, BPF_REG_1, RS, HEAD(flags));
	xb_bpf_alu_imm(a, BPF_AND, BPF_REG_1, XB_FREEZE_ON_ERLANG);
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_1, 0, in_c);
	xb_bpf_ldx(a, 8, BPF_REG_1, RS, xb_freeze_reg_at(XB_REG_RSP));
	xb_bpf_jmp(a, BPF_JLT, BPF_REG_1, BPF_REG_3, g->out);
	xb_bpf_jmp(a, BPF_JGT, BPF_REG_1, BPF_REG_4, g->out);
	xb_bpf_stx(a, 8, FP, L_AT, BPF_REG_1);
	xb_bpf_goto(a, end_known);

	xb_bpf_here(a, in_c);
	xb_bpf_ldx(a, 8, BPF_REG_1, RS, xb_freeze_field_at(g, XB_F_Process_stop));
	xb_bpf_stx(a, 8, FP, L_LOW, BPF_REG_1);
	xb_bpf_jmp(a, BPF_JLT, BPF_REG_1, BPF_REG_3, moving);
	xb_bpf_jmp(a, BPF_JGT, BPF_REG_1, BPF_REG_4, moving);
	if (!g->c->frame_pointers) {
		/* The register itself while no C function has saved it, else one of the saved words. */
		int reg = saved >= 0 ? saved : E;

		for (int r = 0; r < XB_REG_RIP; r++) {
			bool kept = r == XB_REG_RBX || r == XB_REG_RBP || r >= XB_REG_R12;

			if (reg >= 0 ? r != reg || r == XB_REG_RSP : !kept)
				continue;
			xb_bpf_ldx(a, 8, BPF_REG_1, RS, xb_freeze_reg_at(r));
			candidate(g);
		}
		scan_c_stack(g);
	}
	/* Too far down it was something else: the stack is at the end. */
	xb_bpf_ldx(a, 8, BPF_REG_1, FP, L_LOW);
	xb_bpf_ldx(a, 8, BPF_REG_2, FP, L_END);
	xb_bpf_alu_imm(a, BPF_SUB, BPF_REG_2, XB_FREEZE_E_MAX);
	xb_bpf_jmp(a, BPF_JGE, BPF_REG_1, BPF_REG_2, near);
	xb_bpf_mov(a, BPF_REG_1, BPF_REG_2);
	xb_bpf_here(a, near);
	xb_bpf_stx(a, 8, FP, L_AT, BPF_REG_1);
	xb_bpf_goto(a, end_known);

	xb_bpf_here(a, moving);
	xb_freeze_set_flag(g, XB_FREEZE_MOVING);
	xb_bpf_ldx(a, 8, BPF_REG_1, FP, L_LOW);
	xb_bpf_stx(a, 8, FP, L_AT, BPF_REG_1);
	xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, GC_BYTES);
	xb_bpf_stx(a, 8, FP, L_END, BPF_REG_1);

	xb_bpf_here(a, end_known);
}

void xb_freeze_erlang_stack(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;
	int hole = xb_bpf_label(a), set = xb_bpf_label(a);

	locate_erlang(g);
	xb_bpf_ldx(a, 8, BPF_REG_1, FP, L_AT);
	xb_bpf_stx(a, 8, RS, HEAD(e_addr), BPF_REG_1);
	xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, XB_FREEZE_E_MAX);
	xb_bpf_ldx(a, 8, BPF_REG_2, FP, L_END);
	at_most(g, BPF_REG_2, BPF_REG_1);
	xb_bpf_stx(a, 8, FP, L_END, BPF_REG_2);
	copy_whole(g, XB_FREEZE_E_MAX, hole);
	xb_bpf_ldx(a, 8, BPF_REG_1, FP, L_STEP);
	xb_bpf_stx(a, 8, RS, HEAD(e_len), BPF_REG_1);
	xb_bpf_goto(a, set);
	xb_bpf_here(a, hole);
	xb_freeze_set_flag(g, XB_FREEZE_E_HOLE);
	xb_bpf_here(a, set);
}

void xb_freeze_kernel_chain(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;
	int none = xb_bpf_label(a);

	xb_bpf_jmp_imm(a, BPF_JGT, RN, XB_FREEZE_SCRATCH - PAGE, none);
	xb_bpf_mov(a, BPF_REG_1, RC);
	xb_bpf_mov(a, BPF_REG_2, RS);
	xb_bpf_alu(a, BPF_ADD, BPF_REG_2, RN);
	xb_bpf_mov_imm(a, BPF_REG_3, XB_FREEZE_KERNEL_MAX);
	xb_bpf_mov_imm(a, BPF_REG_4, 0);
	xb_bpf_call(a, BPF_FUNC_get_stack);
	xb_bpf_jmp_imm(a, BPF_JSLE, BPF_REG_0, 0, none);
	xb_bpf_jmp_imm(a, BPF_JSGT, BPF_REG_0, XB_FREEZE_KERNEL_MAX, none);
	xb_bpf_stx(a, 8, RS, HEAD(k_len), BPF_REG_0);
	xb_bpf_alu(a, BPF_ADD, RN, BPF_REG_0);
	xb_bpf_here(a, none);
}
