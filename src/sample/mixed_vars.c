/*
 * Samples in the interpreter loop.
 *
 *   process_main()   c_p, E, I in registers or in its frame, where only the compiler knows
 *   ──────────────
 *   a claim          is tested by
 *   c_p              the process table; then its heap holds some claimed E, or the scheduler says that it runs it
 *   E                it points into the heap of c_p, above the heap's top, and is not HTOP
 *   I                it points at an instruction: a word of loaded code that holds an address inside the loop
 *                    (threaded code, erts/emulator/beam/emu/beam_emu.c:Goto()), or into a function that some other
 *                    register points at an instruction of
 *
 * I may have been advanced to the next instruction already when the sample was taken; it is looked up as it is.  In C
 * below the loop E may be dead: what was called may move the stack, so the loop saved E in c_p->stop and reads it again
 * afterwards (SWAPOUT, SWAPIN).
 */
#include "base/rd.h"
#include "sample/mixed_loop.h"

enum { MAX_FRAME = 4096 }; /* bytes of the loop's frame */

/* A register that points into loaded code. */
struct code_pointer {
	xb_addr at;
	const struct xb_function *f;
	bool instruction;
};

/* One sample being judged. */
struct judged {
	struct xb_mixer *m;
	struct mixed_item *it;
	const struct xb_regs *regs;
	struct xb_var_claim claims[XB_VAR_COUNT][XB_VAR_MAX_CLAIMS];
	size_t n[XB_VAR_COUNT];
	xb_addr htop; /* the HTOP register, 0: not known */
	bool below;   /* in C called from the loop */
	struct code_pointer code[XB_REG_COUNT];
	size_t n_code;
	struct mixed_heap of_c_p; /* once c_p is chosen */
	bool has_current;
	xb_addr current;
};

static void add_claim(struct judged *j, enum xb_var var, enum xb_var_source source, uint64_t value)
{
	if (j->n[var] < XB_VAR_MAX_CLAIMS)
		j->claims[var][j->n[var]++] = (struct xb_var_claim){ source, value };
}

static void add_register(struct judged *j, enum xb_var var, enum xb_var_source source, int reg)
{
	if (reg >= 0 && xb_regs_has(j->regs, (unsigned)reg))
		add_claim(j, var, source, j->regs->r[reg]);
}

/* The frame of process_main(); false when no row tells. */
static bool loop_cfa(struct judged *j, xb_addr pc, const struct xb_stack_slice *slice, xb_addr *ret)
{
	const struct xb_cfi_row *row = xb_mixer_row(j->m, pc);

	return row != NULL && xb_unwind_cfa(row, j->regs, slice, NULL, ret) == XB_STEP_OK;
}

static void add_dwarf(struct judged *j, xb_addr pc, const struct xb_stack_slice *slice, bool has_cfa,
		      xb_addr cfa)
{
	struct mixed_loop *l = j->m->loop;
	struct xb_dwloc_frame frame = {
		.regs = j->regs, .stack = slice, .bias = l->bias, .has_cfa = has_cfa, .cfa = cfa
	};

	for (int r = 0; l->dwloc != NULL && r < XB_VAR_COUNT; r++) {
		struct xb_dwloc_loc loc;
		uint64_t value;

		xb_dwloc_find(l->dwloc, (size_t)r, pc - l->bias, &loc);
		if (xb_dwloc_eval(l->dwloc, &loc, &frame, &value) == XB_DWEXPR_OK)
			add_claim(j, (enum xb_var)r, XB_VAR_DWARF, value);
	}
}

/* process_main() keeps a pointer to its scheduler in its frame. */
static void find_scheduler(struct judged *j, const struct xb_stack_slice *slice, xb_addr cfa)
{
	const struct xb_scheds *scheds = &j->m->s->scheds;
	xb_addr from = j->regs->r[XB_REG_RSP];
	const struct xb_sched *found = NULL;

	if (from < slice->addr || cfa < from || cfa - from > MAX_FRAME || (from & 7) != 0)
		return;
	for (xb_addr at = from; at < cfa && at - slice->addr + 8 <= slice->len; at += 8) {
		uint64_t word = xb_load64(slice->bytes, (size_t)(at - slice->addr));

		for (size_t i = 0; i < scheds->n; i++) {
			if (scheds->list[i].addr != word)
				continue;
			if (found != NULL && found != &scheds->list[i])
				return;
			found = &scheds->list[i];
		}
	}
	j->it->out.sched = found;
}

/* Only what the table does not say already. */
static void add_vote(struct judged *j, enum xb_var var, enum xb_layout_reg role)
{
	const struct mixed_votes *v = j->m->votes;
	int table = xb_mixer_table_reg(j->m, role);

	if (v->voted[role] != table)
		add_register(j, var, XB_VAR_VOTE, v->voted[role]);
	if (v->by_turns[role] != table)
		add_register(j, var, XB_VAR_VOTE, v->by_turns[role]);
}

static void collect(struct judged *j, xb_addr pc)
{
	const struct xb_raw_sample *raw = j->it->raw;
	const struct xb_mixed_force *f = &j->m->opts.force;
	const int forced[XB_VAR_COUNT] = { f->c_p, f->E, f->I };
	const enum xb_layout_reg reg[XB_VAR_COUNT] = { XB_R_c_p, XB_R_E, XB_R_I };
	struct xb_stack_slice slice = { raw->stack_addr, raw->stack, raw->stack_len };
	xb_addr cfa = 0;
	bool has_cfa = loop_cfa(j, pc, &slice, &cfa);

	for (int r = 0; r < XB_VAR_COUNT; r++)
		add_register(j, (enum xb_var)r, XB_VAR_FORCED, forced[r]);
	add_dwarf(j, pc, &slice, has_cfa, cfa);
	for (int r = 0; r < XB_VAR_COUNT; r++)
		add_register(j, (enum xb_var)r, XB_VAR_TABLE, j->m->vm->layout.reg[reg[r]]);
	for (int r = 0; r < XB_VAR_COUNT; r++)
		add_vote(j, (enum xb_var)r, reg[r]);
	(void)xb_mixer_role(j->m, XB_R_HTOP, -1, j->regs, &j->htop);
	if (j->it->out.sched == NULL && has_cfa)
		find_scheduler(j, &slice, cfa);
}

/* Every general register but the stack pointer; those of the search must be proved. */
static void add_search(struct judged *j, enum xb_var var)
{
	for (int r = 0; r < XB_REG_RIP; r++) {
		if (r != XB_REG_RSP)
			add_register(j, var, XB_VAR_SEARCH, r);
	}
}

static xb_addr current_of(struct judged *j)
{
	if (!j->has_current && j->it->raw->frozen != NULL)
		j->current = j->it->raw->frozen->proc;
	else if (!j->has_current && j->it->out.sched != NULL)
		j->current = xb_sched_current(j->m->vm, j->it->out.sched);
	j->has_current = true;
	return j->current;
}

/* The heap of a process: as it was at the sample, else as it is now. */
static struct mixed_heap heap_of(const struct judged *j, xb_addr c_p)
{
	const struct xb_frozen *f = j->it->raw->frozen;
	struct xb_rec rec;

	if (f == NULL || f->proc == 0 || f->proc != c_p)
		return xb_mixer_heap(j->m, c_p);
	rec = (struct xb_rec){ &j->m->vm->layout, f->proc_bytes, f->proc_len };
	return (struct mixed_heap){ .heap = xb_rec_get(&rec, XB_F_Process_heap),
				    .htop = xb_rec_get(&rec, XB_F_Process_htop),
				    .stop = xb_rec_get(&rec, XB_F_Process_stop),
				    .hend = xb_rec_get(&rec, XB_F_Process_hend) };
}

/* Heap and stack grow towards each other, so a noted top of the heap is below the stack at any other time. */
static bool on_stack(struct mixed_heap p, xb_addr E)
{
	return p.heap != 0 && (E & 7) == 0 && E >= p.heap && E < p.hend && E >= p.htop;
}

static enum xb_var_verdict test_c_p(void *arg, const struct xb_var_claim *claim)
{
	struct judged *j = arg;
	struct mixed_heap p = heap_of(j, claim->value);

	if (p.heap == 0)
		return XB_VAR_REFUTED;
	for (size_t i = 0; i < j->n[XB_VAR_E]; i++) {
		if (on_stack(p, j->claims[XB_VAR_E][i].value))
			return XB_VAR_PROVED;
	}
	if (current_of(j) == claim->value)
		return XB_VAR_PROVED;
	return claim->source == XB_VAR_SEARCH ? XB_VAR_REFUTED : XB_VAR_POSSIBLE;
}

static enum xb_var_verdict test_E(void *arg, const struct xb_var_claim *claim)
{
	struct judged *j = arg;

	if (claim->value < 4096 || (claim->value & 7) != 0 || claim->value >> 47 != 0)
		return XB_VAR_REFUTED;
	if (on_stack(j->of_c_p, claim->value) && claim->value != j->htop)
		return XB_VAR_PROVED;
	/* The heap may have moved since, so that nothing can be told. */
	return XB_VAR_POSSIBLE;
}

/* Every register that points into code, and at what. */
static void find_code(struct judged *j)
{
	/* Where compilers like to keep I; that decides only between equals. */
	static const uint8_t order[] = { XB_REG_RBX, XB_REG_RBP, XB_REG_R8,  XB_REG_R12, XB_REG_R15,
					 XB_REG_R14, XB_REG_R13, XB_REG_RAX, XB_REG_RDX, XB_REG_RCX,
					 XB_REG_RSI, XB_REG_RDI, XB_REG_R9,  XB_REG_R10, XB_REG_R11 };

	for (size_t i = 0; i < XB_ARRAY_LEN(order); i++) {
		xb_addr at = j->regs->r[order[i]];

		if (!xb_regs_has(j->regs, order[i]) || !xb_code_holds(j->m->vm, at))
			continue;
		j->code[j->n_code++] = (struct code_pointer){ at, xb_code_find(j->m->vm, at, NULL),
							      xb_loop_is_instruction(j->m, at) };
	}
}

static enum xb_var_verdict test_I(void *arg, const struct xb_var_claim *claim)
{
	struct judged *j = arg;
	const struct xb_function *f;

	if (!xb_code_holds(j->m->vm, claim->value))
		return XB_VAR_REFUTED;
	if (xb_loop_is_instruction(j->m, claim->value))
		return XB_VAR_PROVED;
	f = xb_code_find(j->m->vm, claim->value, NULL);
	for (size_t i = 0; f != NULL && i < j->n_code; i++) {
		if (j->code[i].f == f && j->code[i].instruction)
			return XB_VAR_PROVED;
	}
	return XB_VAR_POSSIBLE;
}

/* The function most registers point into; proved when none points into another one. */
static enum xb_var_verdict search_I(const struct judged *j, xb_addr *ret)
{
	size_t best = 0, best_votes = 0, agree = 0, named = 0;

	for (size_t i = 0; i < j->n_code; i++) {
		size_t votes = 2 * (size_t)j->code[i].instruction, same = 0;

		named += j->code[i].f != NULL;
		for (size_t k = 0; j->code[i].f != NULL && k < j->n_code; k++)
			same += j->code[k].f == j->code[i].f;
		votes += same;
		if (same == 0 || votes <= best_votes)
			continue;
		best = i;
		best_votes = votes;
		agree = same;
	}
	if (best_votes == 0)
		return XB_VAR_REFUTED;
	*ret = j->code[best].at;
	return agree == named && j->code[best].instruction ? XB_VAR_PROVED : XB_VAR_POSSIBLE;
}

static xb_addr choose_c_p(struct judged *j)
{
	struct xb_var_stats *stats = &j->m->vars[XB_VAR_C_P];
	struct xb_var_claim won = { XB_VAR_LATER, 0 };
	enum xb_var_verdict v =
		xb_var_choose(stats, j->claims[XB_VAR_C_P], j->n[XB_VAR_C_P], test_c_p, j, &won);

	if (v == XB_VAR_REFUTED) {
		j->n[XB_VAR_C_P] = 0;
		add_search(j, XB_VAR_C_P);
		if (current_of(j) != 0)
			add_claim(j, XB_VAR_C_P, XB_VAR_LATER, j->current);
		v = xb_var_choose(stats, j->claims[XB_VAR_C_P], j->n[XB_VAR_C_P], test_c_p, j, &won);
	}
	xb_var_settle(stats, won.source, v);
	if (v == XB_VAR_REFUTED)
		return 0;
	j->it->out.proc_later = won.source == XB_VAR_LATER;
	j->of_c_p = heap_of(j, won.value);
	return won.value;
}

static bool choose_I(struct judged *j, xb_addr *ret)
{
	struct xb_var_stats *stats = &j->m->vars[XB_VAR_I];
	struct xb_var_claim won = { XB_VAR_SEARCH, 0 };
	enum xb_var_verdict v;

	find_code(j);
	v = xb_var_choose(stats, j->claims[XB_VAR_I], j->n[XB_VAR_I], test_I, j, &won);
	if (v == XB_VAR_REFUTED)
		v = search_I(j, &won.value);
	xb_var_settle(stats, won.source, v);
	*ret = won.value;
	return v != XB_VAR_REFUTED;
}

/* False: c_p->stop, when it is read. */
static bool choose_E(struct judged *j, xb_addr *ret)
{
	struct xb_var_stats *stats = &j->m->vars[XB_VAR_E];
	struct xb_var_claim won = { XB_VAR_LATER, 0 };
	enum xb_var_verdict v =
		xb_var_choose(stats, j->claims[XB_VAR_E], j->n[XB_VAR_E], test_E, j, &won);

	if (v == XB_VAR_REFUTED || (v == XB_VAR_POSSIBLE && j->below)) {
		xb_var_settle(stats, XB_VAR_LATER, XB_VAR_POSSIBLE);
		return false;
	}
	xb_var_settle(stats, won.source, v);
	*ret = won.value;
	return true;
}

/* process_main() called the scheduler: its c_p is the process that was switched out. */
static bool is_scheduling(const struct xb_mixer *m, const struct mixed_item *it)
{
	uint64_t caller = it->n == 0 ? 0 : m->frames.data[it->first + it->n - 1];

	return caller != 0 && xb_mixed_frame_kind(caller) == XB_MIXED_NATIVE &&
	       xb_loop_in(m->loop->schedule, xb_mixed_frame_addr(caller));
}

bool xb_mixer_in_loop(struct xb_mixer *m, struct mixed_item *it, const struct xb_regs *regs, bool exact)
{
	xb_addr pc = xb_unwind_pc(regs, exact), I = 0;
	bool scheduling = is_scheduling(m, it), have_I;
	struct judged j = { .m = m, .it = it, .regs = regs, .below = !exact };

	m->stats.emu++;
	if (!xb_mixer_push(m, it, XB_MIXED_NATIVE, pc, false))
		return false;
	if (scheduling) {
		m->stats.scheduling++;
		it->out.mode = XB_MIXED_SCHEDULING;
		it->out.rooted = true;
		return true;
	}
	it->out.mode = exact ? XB_MIXED_IN_ERLANG : XB_MIXED_IN_C;
	collect(&j, pc);
	xb_mixer_set_proc(m, it, choose_c_p(&j));
	have_I = choose_I(&j, &I);
	it->pc = have_I ? I : 0;
	if (it->proc == UINT32_MAX) {
		it->out.rooted = !have_I;
		it->out.mode = have_I ? it->out.mode : XB_MIXED_SCHEDULING;
		return !have_I || xb_mixer_push(m, it, XB_MIXED_ERLANG, I, false);
	}
	m->stats.proc_later += it->out.proc_later;
	/* Rather no name than the caller's; and nothing that is exact. */
	if (!have_I && !xb_mixer_push(m, it, XB_MIXED_ERLANG, 0, true))
		return false;
	it->between = exact && have_I && it->raw->frozen != NULL && xb_mixer_between(m, pc, I);
	m->stats.between += it->between;
	it->want = choose_E(&j, &it->E) ? MIXED_E : MIXED_STOP;
	return true;
}
