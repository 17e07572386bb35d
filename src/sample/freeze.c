/*
 * Generates the program described in freeze.h.
 *
 *	r6  context        r7  scratch value, where the record grows      r8  length of the record so far
 *	r9  struct xb_freeze_thread of this thread, or 0                   locals below r10
 */
#include "sample/freeze_priv.h"

#include <linux/bpf_perf_event.h>

/* The words of struct pt_regs, as arch/x86/include/asm/ptrace.h has them. */
static const int8_t word_of_reg[XB_REG_COUNT] = {
	[XB_REG_R15] = 0,  [XB_REG_R14] = 1,  [XB_REG_R13] = 2,  [XB_REG_R12] = 3,  [XB_REG_RBP] = 4,
	[XB_REG_RBX] = 5,  [XB_REG_R11] = 6,  [XB_REG_R10] = 7,  [XB_REG_R9] = 8,   [XB_REG_R8] = 9,
	[XB_REG_RAX] = 10, [XB_REG_RCX] = 11, [XB_REG_RDX] = 12, [XB_REG_RSI] = 13, [XB_REG_RDI] = 14,
	[XB_REG_RIP] = 16, [XB_REG_RSP] = 19,
};

int16_t xb_freeze_reg_at(int reg)
{
	return (int16_t)(HEAD(regs) + 8 * word_of_reg[reg]);
}

void xb_freeze_regs(const struct xb_freeze_head *h, struct xb_regs *ret)
{
	for (int r = 0; r < XB_REG_COUNT; r++)
		ret->r[r] = h->regs[word_of_reg[r]];
	ret->valid = (1U << XB_REG_COUNT) - 1;
}

size_t xb_freeze_proc_bytes(const struct xb_layout *l)
{
	return (size_t)(l->size[XB_S_Process] + 7) & ~(size_t)7;
}

int16_t xb_freeze_field_at(const struct freeze_gen *g, enum xb_layout_field f)
{
	return (int16_t)(g->proc_at + (int)xb_layout_at(g->c->layout, f));
}

void xb_freeze_set_flag(struct freeze_gen *g, int flag)
{
	xb_bpf_ldx(g->a, 8, BPF_REG_1, RS, HEAD(flags));
	xb_bpf_alu_imm(g->a, BPF_OR, BPF_REG_1, flag);
	xb_bpf_stx(g->a, 8, RS, HEAD(flags), BPF_REG_1);
}

/* r0 = value of the map @fd at the 32-bit key in L_KEY */
static void lookup(struct freeze_gen *g, int fd)
{
	xb_bpf_mov_map(g->a, BPF_REG_1, fd);
	xb_bpf_mov(g->a, BPF_REG_2, FP);
	xb_bpf_alu_imm(g->a, BPF_ADD, BPF_REG_2, L_KEY);
	xb_bpf_call(g->a, BPF_FUNC_map_lookup_elem);
}

/* Only the target; then the scratch value of this CPU. */
static void begin(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;

	xb_bpf_mov(a, RC, BPF_REG_1);
	xb_bpf_call(a, BPF_FUNC_get_current_pid_tgid);
	xb_bpf_mov(a, RT, BPF_REG_0);
	xb_bpf_mov(a, BPF_REG_1, BPF_REG_0);
	xb_bpf_alu_imm(a, BPF_RSH, BPF_REG_1, 32);
	xb_bpf_jmp_imm(a, BPF_JNE, BPF_REG_1, g->c->tgid, g->quit);
	xb_bpf_call(a, BPF_FUNC_get_smp_processor_id);
	xb_bpf_stx(a, 4, FP, L_KEY, BPF_REG_0);
	lookup(g, g->c->scratch_fd);
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_0, 0, g->quit);
	xb_bpf_mov(a, RS, BPF_REG_0);
	xb_bpf_ldx(a, 4, BPF_REG_1, FP, L_KEY);
	xb_bpf_stx(a, 8, RS, HEAD(cpu), BPF_REG_1);
	xb_bpf_stx(a, 8, RS, HEAD(pid_tgid), RT);
}

static void fill_head(struct freeze_gen *g)
{
	static const int16_t zero[] = { HEAD(flags),  HEAD(proc),  HEAD(c_addr), HEAD(c_len),
					HEAD(e_addr), HEAD(e_len), HEAD(k_len),  HEAD(c_holes) };
	struct xb_bpf_asm *a = g->a;

	for (size_t i = 0; i < XB_ARRAY_LEN(zero); i++)
		xb_bpf_st_imm(a, 8, RS, zero[i], 0);
	xb_bpf_call(a, BPF_FUNC_ktime_get_ns);
	xb_bpf_stx(a, 8, RS, HEAD(time_ns), BPF_REG_0);
	xb_bpf_ldx(a, 8, BPF_REG_1, RC, (int16_t)offsetof(struct bpf_perf_event_data, sample_period));
	xb_bpf_stx(a, 8, RS, HEAD(period_ns), BPF_REG_1);
	xb_bpf_ldx(a, 8, BPF_REG_1, RC, (int16_t)offsetof(struct bpf_perf_event_data, regs.rip));
	xb_bpf_stx(a, 8, RS, HEAD(ip), BPF_REG_1);
	xb_bpf_ldx(a, 8, BPF_REG_1, RC, (int16_t)offsetof(struct bpf_perf_event_data, regs.cs));
	xb_bpf_stx(a, 8, RS, HEAD(cs), BPF_REG_1);
	/* The user's registers lie at the top of the kernel stack, whatever was interrupted. */
	xb_bpf_call(a, BPF_FUNC_get_current_task_btf);
	xb_bpf_mov(a, BPF_REG_1, BPF_REG_0);
	xb_bpf_call(a, BPF_FUNC_task_pt_regs);
	xb_bpf_mov(a, BPF_REG_3, BPF_REG_0);
	xb_bpf_mov(a, BPF_REG_1, RS);
	xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, HEAD(regs));
	xb_bpf_mov_imm(a, BPF_REG_2, 8 * XB_FREEZE_REGS);
	xb_bpf_call(a, BPF_FUNC_probe_read_kernel);
}

/* r0 = 0 when @bytes of the user address in r3 were copied to r1 */
static void read_user(struct freeze_gen *g, int32_t bytes)
{
	xb_bpf_mov_imm(g->a, BPF_REG_2, bytes);
	xb_bpf_call(g->a, BPF_FUNC_probe_read_user);
}

/*
 * Which process, and its structure: what the scheduler says, since that holds on whatever stack the thread is, and whether
 * or not the registers are where the layout says.  Falls through when there is none.
 */
static void find_process(struct freeze_gen *g, int c_stack)
{
	int ask = xb_bpf_label(g->a), off_c_stack = xb_bpf_label(g->a), none = xb_bpf_label(g->a);
	struct xb_bpf_asm *a = g->a;

	xb_bpf_jmp_imm(a, BPF_JEQ, RT, 0, none);
	if (g->c->layout->has_konst[XB_K_NATIVE_STACK] && g->c->layout->konst[XB_K_NATIVE_STACK] != 0) {
		/* Off its C stack a thread is on the Erlang stack. */
		xb_bpf_ldx(a, 8, BPF_REG_1, RS, xb_freeze_reg_at(XB_REG_RSP));
		xb_bpf_ldx(a, 8, BPF_REG_2, RT, THREAD(low));
		xb_bpf_ldx(a, 8, BPF_REG_3, RT, THREAD(top));
		xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_2, 0, ask);
		xb_bpf_jmp(a, BPF_JLT, BPF_REG_1, BPF_REG_2, off_c_stack);
		xb_bpf_jmp(a, BPF_JLT, BPF_REG_1, BPF_REG_3, ask);
		xb_bpf_here(a, off_c_stack);
		xb_freeze_set_flag(g, XB_FREEZE_ON_ERLANG);
	}
	xb_bpf_here(a, ask);
	xb_bpf_ldx(a, 8, BPF_REG_3, RT, THREAD(current_at));
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_3, 0, none);
	xb_bpf_mov(a, BPF_REG_1, FP);
	xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, L_WORD);
	read_user(g, 8);
	xb_bpf_jmp_imm(a, BPF_JNE, BPF_REG_0, 0, none);
	xb_bpf_ldx(a, 8, BPF_REG_3, FP, L_WORD);
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_3, 0, none);
	xb_bpf_stx(a, 8, RS, HEAD(proc), BPF_REG_3);
	xb_bpf_mov(a, BPF_REG_1, RS);
	xb_bpf_alu_imm(a, BPF_ADD, BPF_REG_1, g->proc_at);
	read_user(g, (int32_t)xb_freeze_proc_bytes(g->c->layout));
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_0, 0, c_stack);
	xb_bpf_st_imm(a, 8, RS, HEAD(proc), 0);
	xb_freeze_set_flag(g, XB_FREEZE_BAD_PROC);
	xb_bpf_goto(a, c_stack);
	xb_bpf_here(a, none);
	xb_freeze_set_flag(g, XB_FREEZE_NO_PROC);
}

static void hand_over(struct freeze_gen *g)
{
	struct xb_bpf_asm *a = g->a;

	xb_bpf_jmp_imm(a, BPF_JGT, RN, XB_FREEZE_SCRATCH, g->quit);
	xb_bpf_mov_map(a, BPF_REG_1, g->c->ring_fd);
	xb_bpf_mov(a, BPF_REG_2, RS);
	xb_bpf_mov(a, BPF_REG_3, RN);
	xb_bpf_mov_imm(a, BPF_REG_4, BPF_RB_NO_WAKEUP);
	xb_bpf_call(a, BPF_FUNC_ringbuf_output);
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_0, 0, g->quit);
	xb_bpf_st_imm(a, 4, FP, L_KEY, XB_FREEZE_N_LOST);
	lookup(g, g->c->counts_fd);
	xb_bpf_jmp_imm(a, BPF_JEQ, BPF_REG_0, 0, g->quit);
	xb_bpf_mov_imm(a, BPF_REG_1, 1);
	xb_bpf_add_atomic(a, BPF_REG_0, 0, BPF_REG_1);
	xb_bpf_here(a, g->quit);
	xb_bpf_mov_imm(a, BPF_REG_0, 0); /* perf itself writes no record */
	xb_bpf_exit(a);
}

struct xb_error *xb_freeze_program(const struct xb_freeze_config *c, struct xb_bpf_asm *ret)
{
	struct freeze_gen g = { .a = ret, .c = c, .proc_at = sizeof(struct xb_freeze_head) };
	size_t proc = xb_freeze_proc_bytes(c->layout);
	int c_stack, erlang, stranger;

	if (proc == 0 || proc > XB_FREEZE_PROC_MAX)
		return xb_errorf(XB_ERR_UNSUPPORTED,
				 "a process structure of %zu bytes does not fit a sample", proc);
	g.var_at = (int32_t)(sizeof(struct xb_freeze_head) + proc);
	xb_bpf_asm_init(ret);
	g.out = xb_bpf_label(ret);
	g.quit = xb_bpf_label(ret);
	c_stack = xb_bpf_label(ret);
	erlang = xb_bpf_label(ret);
	stranger = xb_bpf_label(ret);

	begin(&g);
	fill_head(&g);
	xb_bpf_mov_imm(ret, RN, g.var_at);
	xb_bpf_ldx(ret, 8, BPF_REG_1, RS, HEAD(pid_tgid));
	xb_bpf_stx(ret, 4, FP, L_KEY, BPF_REG_1);
	lookup(&g, c->threads_fd);
	xb_bpf_mov(ret, RT, BPF_REG_0);
	xb_bpf_jmp_imm(ret, BPF_JNE, RT, 0, stranger);
	xb_freeze_set_flag(&g, XB_FREEZE_STRANGER);
	xb_bpf_here(ret, stranger);
	find_process(&g, c_stack);
	xb_bpf_here(ret, c_stack);
	xb_freeze_c_stack(&g, erlang);
	xb_bpf_here(ret, erlang);
	xb_freeze_erlang_stack(&g);
	xb_bpf_here(ret, g.out);
	if (c->kernel_chain)
		xb_freeze_kernel_chain(&g);
	hand_over(&g);
	return xb_bpf_finish(ret);
}
