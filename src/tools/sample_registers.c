/* --show-registers: which register holds which role, and who says so; and what other modes say of that. */
#include "tools/sample_run.h"

#include "elf/regs.h"
#include "out/units.h"

#include <string.h>

/* In the order they are shown: what unwinding needs comes first. */
static const enum xb_layout_reg roles[] = { XB_R_c_p,    XB_R_E,         XB_R_I,      XB_R_HTOP,
					    XB_R_FCALLS, XB_R_registers, XB_R_E_saved };

static const struct xb_column columns[] = {
	{ .name = "role", .title = "ROLE", .kind = XB_KIND_TEXT },
	{ .name = "dwarf", .title = "DWARF", .kind = XB_KIND_TEXT },
	{ .name = "vote", .title = "VOTE", .kind = XB_KIND_TEXT },
	{ .name = "votes", .title = "VOTES", .kind = XB_KIND_UINT },
	{ .name = "voters", .title = "OF", .kind = XB_KIND_UINT },
	{ .name = "confidence_percent", .title = "CONF%", .kind = XB_KIND_PERCENT },
	{ .name = "second", .title = "NEXT", .kind = XB_KIND_TEXT },
	{ .name = "second_votes", .title = "VOTES", .kind = XB_KIND_UINT },
	{ .name = "table", .title = "TABLE", .kind = XB_KIND_TEXT },
	{ .name = "used", .title = "USED", .kind = XB_KIND_TEXT, .role = XB_ROLE_ERLANG },
	{ .name = "by", .title = "BY", .kind = XB_KIND_TEXT },
	{ .name = "outcome",
	  .title = "THE VOTE",
	  .kind = XB_KIND_TEXT,
	  .flags = XB_COLUMN_OPTIONAL,
	  .role = XB_ROLE_PATH },
};

static const char *outcome(const struct xb_mixer_role *role)
{
	static const char *const text[] = {
		[XB_ROLES_NOT_ASKED] = "no sample could tell",
		[XB_ROLES_TOO_FEW] = "too few samples could tell",
		[XB_ROLES_NO_WINNER] = "no register clearly leads",
		[XB_ROLES_ADOPTED] = "agrees",
	};

	if (role->contradicted)
		return "contradicts the table";
	if (role->forced_contradicted)
		return "contradicts the forced register";
	if (role->by_vote)
		return "is what tells";
	if (role->vote.by_turns && (role->vote.reg == role->used || role->vote.second == role->used))
		return "agrees: these two by turns";
	if (role->vote.outcome == XB_ROLES_ADOPTED && role->vote.reg != role->used)
		return "another one, not surely";
	return text[role->vote.outcome];
}

/* Every role where a register comes from DWARF in each sample anew has more than one "used". */
static const char *used_by(const struct sample_ctx *c, enum xb_layout_reg r,
			   const struct xb_mixer_role *role, struct xb_arena *arena)
{
	static const enum xb_layout_reg of_var[XB_VAR_COUNT] = { XB_R_c_p, XB_R_E, XB_R_I };
	struct xb_str s = XB_STR_INIT;
	const char *text;

	for (int v = 0; v < XB_VAR_COUNT && c->session->vm->id.flavor != XB_FLAVOR_JIT; v++) {
		if (of_var[v] == r)
			xb_var_write_sources(&xb_mixer_vars(c->mixer)[v], &s);
	}
	if (s.len == 0 && role->used >= 0)
		xb_str_add(&s, role->forced ? "forced" : role->by_vote ? "vote" : "table");
	text = s.len == 0 ? NULL : xb_arena_printf(arena, "%s", xb_str_get(&s));
	xb_str_deinit(&s);
	return text;
}

/* "r12", "rbx 60 %, memory 40 %", NULL where debug information has nothing to say. */
static const char *dwarf_text(const struct xb_mixer_dwarf_said *d, struct xb_arena *arena)
{
	struct xb_str s = XB_STR_INIT;
	const char *text;

	for (unsigned r = 0; r < XB_ROLES_REGS + 2; r++) {
		uint32_t n = r < XB_ROLES_REGS    ? d->reg[r]
			     : r == XB_ROLES_REGS ? d->memory
						  : d->elsewhere;
		const char *what = r < XB_ROLES_REGS    ? xb_reg_name(r)
				   : r == XB_ROLES_REGS ? "memory"
							: "elsewhere";

		if (n == 0)
			continue;
		xb_str_addf(&s, "%s%s", s.len == 0 ? "" : ", ", what);
		if (n != d->asked)
			xb_str_addf(&s, " %.0f %%", xb_percent(n, d->asked));
	}
	text = d->asked == 0 ? NULL
			     : xb_arena_printf(arena, "%s", s.len == 0 ? "none" : xb_str_get(&s));
	xb_str_deinit(&s);
	return text;
}

static struct xb_cell register_cell(int reg)
{
	return xb_cell_text(reg < 0 ? NULL : xb_reg_name((unsigned)reg));
}

static bool add_row(struct sample_ctx *c, struct xb_table *t, enum xb_layout_reg r)
{
	struct xb_mixer_role role;

	xb_mixer_role_state(c->mixer, r, &role);
	return xb_table_add(
		t, (const struct xb_cell[]){
			   xb_cell_text(xb_layout_reg_name(r)),
			   xb_cell_text(dwarf_text(&role.dwarf, t->arena)),
			   register_cell(role.vote.reg),
			   xb_cell_uint(role.vote.votes),
			   xb_cell_uint(role.vote.voters),
			   role.vote.reg < 0 ? xb_cell_none() : xb_cell_real(role.vote.confidence),
			   register_cell(role.vote.second),
			   role.vote.second < 0 ? xb_cell_none() : xb_cell_uint(role.vote.second_votes),
			   register_cell(role.table),
			   register_cell(role.used),
			   xb_cell_text(used_by(c, r, &role, t->arena)),
			   xb_cell_text(outcome(&role)),
		   });
}

/* "c_p r13 98.9 %, I rbx/rbp 97.7 %" of the roles that @want says. */
static const char *list_roles(struct xb_report *report, const struct sample_ctx *c,
			      bool (*want)(const struct xb_mixer_role *))
{
	struct xb_str s = XB_STR_INIT;
	const char *text;

	for (size_t i = 0; i < XB_ARRAY_LEN(roles); i++) {
		struct xb_mixer_role role;

		xb_mixer_role_state(c->mixer, roles[i], &role);
		if (role.vote.reg < 0 || !want(&role))
			continue;
		xb_str_addf(&s, "%s%s %s", s.len == 0 ? "" : ", ", xb_layout_reg_name(roles[i]),
			    xb_reg_name((unsigned)role.vote.reg));
		if (role.vote.by_turns)
			xb_str_addf(&s, "/%s", xb_reg_name((unsigned)role.vote.second));
		xb_str_addf(&s, " %.1f %%", role.vote.confidence);
	}
	text = s.len == 0 ? NULL : xb_arena_printf(report->arena, "%s", xb_str_get(&s));
	xb_str_deinit(&s);
	return text;
}

static bool is_adopted(const struct xb_mixer_role *role)
{
	return role->vote.outcome == XB_ROLES_ADOPTED;
}

static bool is_by_vote(const struct xb_mixer_role *role)
{
	return role->by_vote;
}

/* "the table says E r12, 96 of 96 samples say rsp", for each. */
static const char *contradictions(struct xb_arena *arena, const struct sample_ctx *c)
{
	struct xb_str s = XB_STR_INIT;
	const char *text;

	for (size_t i = 0; i < XB_ARRAY_LEN(roles); i++) {
		struct xb_mixer_role role;

		xb_mixer_role_state(c->mixer, roles[i], &role);
		if (role.contradicted)
			xb_str_addf(&s, "%sthe table says %s %s, %u of %u samples say %s",
				    s.len == 0 ? "" : "; ", xb_layout_reg_name(roles[i]),
				    xb_reg_name((unsigned)role.table), role.vote.votes,
				    role.vote.voters, xb_reg_name((unsigned)role.vote.reg));
	}
	text = s.len == 0 ? NULL : xb_arena_printf(arena, "%s", xb_str_get(&s));
	xb_str_deinit(&s);
	return text;
}

void sample_roles_health(struct xb_report *r, const struct sample_ctx *c)
{
	const char *by_vote = list_roles(r, c, is_by_vote);
	const char *wrong = contradictions(r->arena, c);

	xb_report_health(r, "registers_voted", NULL, XB_KIND_TEXT,
			 xb_cell_text(list_roles(r, c, is_adopted)));
	xb_report_health(r, "registers_by_vote",
			 by_vote == NULL ? NULL : "registers by vote of samples: %", XB_KIND_TEXT,
			 xb_cell_text(by_vote));
	xb_report_health(r, "registers_contradicted", wrong == NULL ? NULL : "WARNING: %", XB_KIND_TEXT,
			 xb_cell_text(wrong));
}

/* INCOMPLETE when the vote came to nothing, or to something else than what it was to confirm. */
static struct xb_error *registers_verdict(const struct sample_ctx *c)
{
	struct xb_mixer_role c_p, E;
	const char *wrong = contradictions(&c->run->arena, c);

	xb_mixer_role_state(c->mixer, XB_R_c_p, &c_p);
	xb_mixer_role_state(c->mixer, XB_R_E, &E);
	if (wrong != NULL)
		return xb_error_advise(
			xb_errorf(XB_ERR_INCOMPLETE, "%s", wrong),
			"the table is for another build; where DWARF does not tell either, what the samples say is used");
	if (c_p.vote.voters < XB_ROLES_MIN_VOTERS || E.vote.voters < XB_ROLES_MIN_VOTERS)
		return xb_error_advise(
			xb_errorf(XB_ERR_INCOMPLETE,
				  "only %u samples could tell about c_p and %u about E; it takes %d",
				  c_p.vote.voters, E.vote.voters, XB_ROLES_MIN_VOTERS),
			"sample while the VM is busy with Erlang code, longer (-d) or more often (-F)");
	return NULL;
}

struct xb_error *sample_show_registers(struct sample_ctx *c)
{
	struct xb_tool_run *run = c->run;
	struct xb_report report;
	struct xb_table table;

	xb_report_init(&report, "extrospect.sample.registers", 1, &run->arena);
	sample_target_facts(&report, c->session);
	sample_health_facts(&report, c);
	xb_table_init(&table, columns, XB_ARRAY_LEN(columns), &run->arena);
	for (size_t i = 0; i < XB_ARRAY_LEN(roles); i++) {
		if (!add_row(c, &table, roles[i]))
			return xb_error_nomem();
	}
	XB_TRY(run->common.json ? xb_report_json(&report, &table, &run->out)
				: xb_report_print(&report, &table, &run->out, &run->tty));
	return c->result.target_gone ? NULL : registers_verdict(c);
}

struct xb_error *sample_run_registers(struct xb_tool_run *run)
{
	return sample_run_with(run, sample_show_registers);
}
