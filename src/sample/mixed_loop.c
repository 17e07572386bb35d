/* Samples in the interpreter loop. */
#include "elf/symbols.h"
#include "sample/mixed_impl.h"

bool xb_mixer_is_loop(const struct xb_mixer *m, xb_addr pc)
{
	for (size_t i = 0; i < m->n_loops; i++) {
		if (pc >= m->loop_start[i] && pc < m->loop_end[i])
			return true;
	}
	return false;
}

/* The pieces of the interpreter loop; its cold parts are symbols of their own. */
void xb_mixer_find_loops(struct xb_mixer *m)
{
	static const char *const names[] = { "process_main", "process_main.cold",
					     "erts_dirty_process_main" };
	struct xb_symbols *symbols;
	xb_addr bias;
	struct xb_error *err = xb_object_symbols(m->s->main, &symbols);

	if (err == NULL)
		err = xb_object_bias(m->s->main, &bias);
	if (err != NULL) {
		xb_error_destroy(err);
		return;
	}
	for (size_t i = 0; i < XB_ARRAY_LEN(names) - 1; i++) {
		const struct xb_symbol *sym = xb_symbols_find(symbols, names[i]);

		if (sym == NULL || sym->size == 0)
			continue;
		m->loop_start[m->n_loops] = bias + sym->vaddr;
		m->loop_end[m->n_loops++] = bias + sym->vaddr + sym->size;
	}
}

/* The interpreter: @regs is the state in process_main(). */
bool xb_mixer_in_loop(struct xb_mixer *m, struct mixed_item *it, const struct xb_regs *regs)
{
	static const enum xb_reg likely[] = { XB_REG_RBX, XB_REG_RBP, XB_REG_R8, XB_REG_R12,
					      XB_REG_R15 };
	xb_addr I = 0, E = 0;
	bool have_I;

	m->stats.emu++;
	it->out.mode = XB_MIXED_IN_ERLANG;
	if (!xb_mixer_push(m, it, XB_MIXED_NATIVE, regs->r[XB_REG_RIP], false))
		return false;
	if (it->out.sched != NULL)
		xb_mixer_set_proc(m, it, xb_sched_current(m->vm, it->out.sched));
	have_I = xb_mixer_role(m, XB_R_I, m->opts.force.I, regs, &I) && xb_code_holds(m->vm, I);
	for (size_t i = 0; m->opts.force.I < 0 && !have_I && i < XB_ARRAY_LEN(likely); i++) {
		I = regs->r[likely[i]];
		have_I = xb_regs_has(regs, likely[i]) && xb_code_holds(m->vm, I);
	}
	it->pc = have_I ? I : 0;
	if (it->proc == UINT32_MAX) {
		it->out.rooted = !have_I;
		it->out.mode = have_I ? XB_MIXED_IN_ERLANG : XB_MIXED_SCHEDULING;
		return !have_I || xb_mixer_push(m, it, XB_MIXED_ERLANG, I, false);
	}
	it->want = xb_mixer_role(m, XB_R_E, m->opts.force.E, regs, &E) ? MIXED_E : MIXED_STOP;
	it->E = E;
	return true;
}
