/* What erlang-sample says of the variables of the interpreter loop, and of forced registers. */
#include "elf/regs.h"
#include "sample/vars.h"
#include "tools/sample_run.h"

static unsigned forced_choice(const struct sample_opts *o, int var)
{
	const unsigned choices[XB_VAR_COUNT] = { o->force_c_p, o->force_E, o->force_I };

	return choices[var];
}

/* "leave the option out", with the register that the vote says instead, when it says one. */
static struct xb_error *advise(const struct xb_mixer_role *role, struct xb_error *err)
{
	if (role->vote.outcome == XB_ROLES_ADOPTED && role->vote.reg != role->used)
		return xb_error_advise(err, "leave the option out; %u of %u samples say that it is %s",
				       role->vote.votes, role->vote.voters,
				       xb_reg_name((unsigned)role->vote.reg));
	return xb_error_advise(err,
			       "leave the option out; --show-registers tells which register who says");
}

struct xb_error *sample_forced_verdict(const struct sample_ctx *c)
{
	static const enum xb_layout_reg roles[XB_VAR_COUNT] = { XB_R_c_p, XB_R_E, XB_R_I };
	const struct xb_var_stats *vars = xb_mixer_vars(c->mixer);
	bool jit = c->session->vm->id.flavor == XB_FLAVOR_JIT;

	for (int v = 0; v < XB_VAR_COUNT; v++) {
		unsigned choice = forced_choice(c->opts, v);
		const struct xb_var_stats *s = &vars[v];
		const char *name = xb_var_name((enum xb_var)v);
		struct xb_mixer_role role;

		if (choice == SAMPLE_REGISTER_NONE)
			continue;
		xb_mixer_role_state(c->mixer, roles[v], &role);
		if (xb_var_force_is_wrong(s))
			return advise(
				&role,
				xb_errorf(
					XB_ERR_INCOMPLETE,
					"--force-%s-register=%s: the register agreed with the VM in %llu of %llu samples, so it does not hold %s",
					name, sample_register_names[choice],
					(unsigned long long)s->proved[XB_VAR_FORCED],
					(unsigned long long)s->proved[XB_VAR_FORCED] +
						s->refuted[XB_VAR_FORCED],
					name));
		/* What is forced for E on a JIT is where it is while C runs; the vote is about Erlang code. */
		if (role.forced_contradicted && !(jit && v == XB_VAR_E))
			return advise(
				&role,
				xb_errorf(
					XB_ERR_INCOMPLETE,
					"--force-%s-register=%s: the samples say that it does not hold %s",
					name, sample_register_names[choice], name));
	}
	return NULL;
}

/* "DWARF 2231, table 15" */
static struct xb_cell counts(struct xb_report *r, const uint64_t n[XB_VAR_SOURCES], const uint64_t *of)
{
	struct xb_str s = XB_STR_INIT;
	struct xb_cell cell;

	for (int i = 0; i < XB_VAR_SOURCES; i++) {
		if (n[i] == 0)
			continue;
		xb_str_addf(&s, "%s%s %llu", s.len == 0 ? "" : ", ",
			    xb_var_source_name((enum xb_var_source)i), (unsigned long long)n[i]);
		if (of != NULL)
			xb_str_addf(&s, " of %llu", (unsigned long long)of[i]);
	}
	cell = xb_cell_text(xb_arena_printf(r->arena, "%s", xb_str_get(&s)));
	xb_str_deinit(&s);
	return cell;
}

static void one_var(struct xb_report *r, const struct sample_ctx *c, enum xb_var var)
{
	static const char *const keys[XB_VAR_COUNT][5] = {
		{ "c_p_sources", "c_p_unproved", "c_p_refuted", "c_p_none", "c_p_dwarf_percent" },
		{ "e_sources", "e_unproved", "e_refuted", "e_none", "e_dwarf_percent" },
		{ "i_sources", "i_unproved", "i_refuted", "i_none", "i_dwarf_percent" },
	};
	const struct xb_var_stats *s = &xb_mixer_vars(c->mixer)[var];
	double coverage = xb_mixer_dwarf_coverage(c->mixer, var);

	xb_report_health(r, keys[var][0], NULL, XB_KIND_TEXT, counts(r, s->won, NULL));
	xb_report_health(r, keys[var][1], NULL, XB_KIND_TEXT, counts(r, s->unproved, NULL));
	xb_report_health(r, keys[var][2], NULL, XB_KIND_TEXT, counts(r, s->refuted, s->claimed));
	xb_report_health(r, keys[var][3], NULL, XB_KIND_UINT, xb_cell_uint(s->none));
	xb_report_health(r, keys[var][4], NULL, XB_KIND_PERCENT,
			 coverage < 0 ? xb_cell_none() : xb_cell_real(coverage));
}

void sample_vars_health(struct xb_report *r, const struct sample_ctx *c)
{
	struct xb_error *wrong = sample_forced_verdict(c);
	const struct xb_mixer_stats *m = xb_mixer_stats(c->mixer);

	xb_report_health(r, "process_asked_later",
			 m->proc_later > 0 ? "% of a process asked for later" : NULL, XB_KIND_UINT,
			 xb_cell_uint(m->proc_later));
	for (int v = 0; v < XB_VAR_COUNT && c->session->vm->id.flavor != XB_FLAVOR_JIT; v++)
		one_var(r, c, (enum xb_var)v);
	if (wrong != NULL)
		xb_report_health(
			r, "forced_register_wrong", "wrong forced register: %", XB_KIND_TEXT,
			xb_cell_text(xb_arena_printf(r->arena, "%s", xb_error_message(wrong))));
	xb_error_destroy(wrong);
}

void sample_log_vars(const struct sample_ctx *c)
{
	const struct xb_var_stats *vars = xb_mixer_vars(c->mixer);

	for (int v = 0; v < XB_VAR_COUNT && c->session->vm->id.flavor != XB_FLAVOR_JIT; v++) {
		struct xb_str line = XB_STR_INIT;
		double coverage = xb_mixer_dwarf_coverage(c->mixer, (enum xb_var)v);

		xb_var_write((enum xb_var)v, &vars[v], &line);
		if (coverage >= 0)
			xb_str_addf(&line, "; DWARF covers %.1f %% of process_main()", coverage);
		xb_logf(&c->run->log, XB_LOG_INFO, "%s", xb_str_get(&line));
		xb_str_deinit(&line);
	}
}
