/* Samples in JIT code, and in C called from it. */
#include "base/rd.h"
#include "sample/mixed_impl.h"

#include <string.h>

bool xb_mixer_in_erlang(struct xb_mixer *m, struct mixed_item *it)
{
	const struct xb_raw_sample *raw = it->raw;
	size_t n = raw->stack_len / 8;
	xb_addr c_p = 0;

	m->stats.jit++;
	it->out.mode = XB_MIXED_IN_ERLANG;
	if (xb_mixer_role(m, XB_R_c_p, m->opts.force.c_p, &raw->regs, &c_p))
		xb_mixer_set_proc(m, it, c_p);
	it->judge_c_p = m->opts.force.c_p >= 0;
	/* Not raw->ip, which is the kernel's when the thread was interrupted there. */
	if (!xb_mixer_erlang(m, it, raw->regs.r[XB_REG_RIP], (const uint64_t *)(const void *)raw->stack,
			     n, false))
		return false;
	if (!it->out.rooted && !it->out.cut && it->proc != UINT32_MAX) {
		it->want = MIXED_REST;
		it->E = raw->stack_addr + n * 8;
		it->pc = 0;
	}
	return true;
}

/*
 * A light BIF is called through a shared fragment, which keeps the address of the calling instruction in the scheduler's
 * register structure; that lies on the C stack, so the kernel's copy holds it as it was.  0 when it cannot be told.
 * Mirrors erts/emulator/beam/jit/x86/instr_bif.cpp:emit_call_light_bif_shared().
 */
static xb_addr light_bif_caller(const struct xb_mixer *m, const struct mixed_item *it,
				const struct xb_jitrange *fragment)
{
	const struct xb_raw_sample *raw = it->raw;
	xb_addr slot, pc;

	if (fragment == NULL || it->out.sched == NULL ||
	    strcmp(fragment->name, "global::call_light_bif_shared") != 0 ||
	    !xb_layout_has(&m->vm->layout, XB_F_SchedulerRegisters_tmp_mem))
		return 0;
	slot = it->out.sched->registers + xb_layout_at(&m->vm->layout, XB_F_SchedulerRegisters_tmp_mem);
	if (slot < raw->stack_addr || slot - raw->stack_addr + 8 > raw->stack_len)
		return 0;
	pc = xb_load64(raw->stack, (size_t)(slot - raw->stack_addr));
	return xb_code_holds(m->vm, pc) ? pc : 0;
}

/*
 * Without the native stack a shared fragment is called with the C stack, on which there is nothing else between rsp and
 * the scheduler's register structure but what aligned it: the innermost word there that is a return address into a module.
 */
static xb_addr fragment_caller(const struct xb_mixer *m, const struct mixed_item *it,
			       const struct xb_regs *regs, const struct xb_jitrange *fragment)
{
	enum { MAX_WORDS = 16 };
	const struct xb_raw_sample *raw = it->raw;
	xb_addr at = regs->r[XB_REG_RSP];

	if (!m->on_c_stack || fragment == NULL || it->out.sched == NULL ||
	    !xb_regs_has(regs, XB_REG_RSP) || at % 8 != 0)
		return 0;
	for (int i = 0; i < MAX_WORDS && at < it->out.sched->registers; i++, at += 8) {
		xb_addr ra;

		if (at < raw->stack_addr || raw->stack_len < 8 ||
		    at - raw->stack_addr > raw->stack_len - 8)
			return 0;
		ra = xb_load64(raw->stack, (size_t)(at - raw->stack_addr));
		if (xb_code_holds(m->vm, ra - 1))
			return ra - 1;
	}
	return 0;
}

/* Where the Erlang stack is while C code runs that returns to @ra, or while Erlang code is on the C stack. */
static void want_stack(struct xb_mixer *m, struct mixed_item *it, const struct xb_regs *regs,
		       xb_addr ra)
{
	enum xb_site_rule rule;
	int saved = -1;

	it->want = MIXED_STOP;
	if (m->opts.force.E >= 0) {
		it->want =
			xb_mixer_role(m, XB_R_E, m->opts.force.E, regs, &it->E) ? MIXED_E : MIXED_STOP;
		it->judge_E = it->want == MIXED_E;
	} else if (m->on_c_stack) {
		/* A register of its own that C code preserves; only a collection leaves it behind, and the reader sees that. */
		if (xb_mixer_role(m, XB_R_E, -1, regs, &it->E))
			it->want = MIXED_E;
		else
			m->stats.no_E++;
	} else if (!m->vm->id.frame_pointers) {
		rule = xb_sites_rule(m->sites, ra, &saved);
		m->stats.no_E += rule == XB_SITE_UNKNOWN;
		if (rule == XB_SITE_SAVED)
			xb_mixer_place_vote(m, saved);
		if (rule == XB_SITE_SAVED && xb_mixer_role(m, XB_R_E_saved, saved, regs, &it->E))
			it->want = MIXED_E;
	}
}

bool xb_mixer_below_jit(struct xb_mixer *m, struct mixed_item *it, const struct xb_regs *regs,
			bool exact)
{
	xb_addr ra = regs->r[XB_REG_RIP], pc = exact ? ra : ra - 1, c_p = 0, caller;
	const struct xb_jitrange *fragment = xb_jitlist_fragment(&m->jit, pc);

	/* process_main called the scheduler: the process it had is switched out. */
	if (fragment != NULL && strcmp(fragment->name, "global::process_main") == 0) {
		m->stats.scheduling++;
		it->out.mode = XB_MIXED_SCHEDULING;
		it->out.rooted = true;
		/* Below a C frame it says nothing, but in it every sample has to be somewhere. */
		return !exact || xb_mixer_push(m, it, XB_MIXED_FRAGMENT, pc, false);
	}
	m->stats.c += !exact || !m->on_c_stack;
	m->stats.jit += exact && m->on_c_stack;
	it->out.mode = exact && m->on_c_stack ? XB_MIXED_IN_ERLANG : XB_MIXED_IN_C;
	/* Without the register it is what the scheduler runs by now, which may be another one, and is counted so. */
	if (!xb_mixer_role(m, XB_R_c_p, m->opts.force.c_p, regs, &c_p) && it->out.sched != NULL) {
		c_p = xb_mixer_current(m, it);
		m->stats.proc_later += it->out.proc_later;
	}
	if (c_p != 0)
		xb_mixer_set_proc(m, it, c_p);
	/* How large the innermost frame is, its code tells by what it does to rsp; not where E is another register. */
	it->below = m->on_c_stack ? 0 : ra;
	it->below_rbp = xb_regs_has(regs, XB_REG_RBP) ? regs->r[XB_REG_RBP] : 0;
	it->between = m->on_c_stack;
	it->judge_c_p = m->opts.force.c_p >= 0 && xb_regs_has(regs, (unsigned)m->opts.force.c_p);
	if (!xb_mixer_push(m, it, fragment != NULL ? XB_MIXED_FRAGMENT : XB_MIXED_ERLANG, pc, it->late))
		return false;
	caller = fragment_caller(m, it, regs, fragment);
	if (caller != 0 && !xb_mixer_push(m, it, XB_MIXED_ERLANG, caller, false))
		return false;
	it->caller = m->on_c_stack ? 0 : light_bif_caller(m, it, fragment);
	if (it->caller != 0 && !xb_mixer_push(m, it, XB_MIXED_ERLANG, it->caller, false))
		return false;
	if (it->proc != UINT32_MAX)
		want_stack(m, it, regs, ra);
	return true;
}
