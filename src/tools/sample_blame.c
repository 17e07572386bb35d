/* --blame: which Erlang functions cause a native one. */
#include "tools/sample_run.h"

#include "out/units.h"
#include "view/blame.h"

#include <string.h>

enum { MAX_SHARES = 5 }; /* callers and processes shown below a row */

static const struct xb_column share_columns[] = {
	{ .name = "samples", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "percent", .kind = XB_KIND_PERCENT },
	{ .name = "relation",
	  .kind = XB_KIND_TEXT,
	  .flags = XB_COLUMN_TEXT_ONLY,
	  .role = XB_ROLE_PATH },
	{ .name = "name", .kind = XB_KIND_TEXT },
	{ .name = "pid", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_OPTIONAL },
	{ .name = "inexact", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
};

static const struct xb_column columns[] = {
	{ .name = "samples", .title = "SAMPLES", .kind = XB_KIND_UINT },
	{ .name = "percent", .title = "SHARE%", .kind = XB_KIND_PERCENT },
	{ .name = "inexact_percent", .title = "~%", .kind = XB_KIND_PERCENT },
	{ .name = "function", .title = "FUNCTION", .kind = XB_KIND_TEXT, .role = XB_ROLE_ERLANG },
	{ .name = "file", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "line", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "location",
	  .title = "LINE",
	  .kind = XB_KIND_TEXT,
	  .flags = XB_COLUMN_TEXT_ONLY | XB_COLUMN_OPTIONAL,
	  .role = XB_ROLE_PATH },
	{ .name = "callers", .title = "", .kind = XB_KIND_TABLE },
	{ .name = "processes", .title = "", .kind = XB_KIND_TABLE },
};

static const struct xb_table *share_table(struct xb_tool_run *run, const struct xb_blame_share *list,
					  size_t n, uint64_t whole, const char *relation)
{
	struct xb_table *t = xb_arena_alloc(&run->arena, sizeof(*t));

	if (t == NULL)
		return NULL;
	xb_table_init(t, share_columns, XB_ARRAY_LEN(share_columns), &run->arena);
	t->headless = true;
	for (size_t i = 0; i < n && (i < MAX_SHARES || run->common.json); i++) {
		const char *name = list[i].later && !run->common.json
					   ? xb_arena_printf(&run->arena, "~%s", list[i].name)
					   : list[i].name;
		const struct xb_cell cells[] = {
			xb_cell_uint(list[i].count),
			xb_cell_real(xb_percent(list[i].count, whole)),
			xb_cell_text(relation),
			xb_cell_text(name),
			xb_cell_text(*list[i].pid == '\0' || strcmp(list[i].pid, list[i].name) == 0
					     ? NULL
					     : list[i].pid),
			xb_cell_bool(list[i].later),
		};

		if (!xb_table_add(t, cells))
			return NULL;
	}
	return t;
}

static struct xb_error *add_row(struct xb_tool_run *run, struct xb_table *t, const struct xb_blame *b,
				const struct xb_blame_row *r)
{
	const struct xb_table *callers =
		share_table(run, r->callers, r->n_callers, r->count, "called from");
	const struct xb_table *processes =
		share_table(run, r->processes, r->n_processes, r->count, "in process");
	const char *location =
		*r->file == '\0' ? NULL : xb_arena_printf(&run->arena, "%s:%u", r->file, r->line);

	if (callers == NULL || processes == NULL)
		return xb_error_nomem();
	{
		const struct xb_cell cells[] = {
			xb_cell_uint(r->count),
			xb_cell_real(xb_percent(r->count, b->matched)),
			xb_cell_real(xb_percent(r->later, r->count)),
			xb_cell_text(r->function),
			xb_cell_text(*r->file == '\0' ? NULL : r->file),
			r->line == 0 ? xb_cell_none() : xb_cell_uint(r->line),
			xb_cell_text(location),
			xb_cell_table(callers),
			xb_cell_table(processes),
		};

		return xb_table_add(t, cells) ? NULL : xb_error_nomem();
	}
}

/* "copy_struct: copy_struct_x (87), size_object_x (12)": what the name stood for in this run. */
static void state_matches(struct xb_report *report, struct xb_tool_run *run, const struct xb_blame *b,
			  const char *what)
{
	struct xb_str s = XB_STR_INIT;

	for (size_t i = 0; i < b->n_names; i++)
		xb_str_addf(&s, "%s%s (%llu)", i == 0 ? "" : ", ", b->names[i],
			    (unsigned long long)b->name_counts[i]);
	xb_report_target(report, "blame", "blaming %", XB_KIND_TEXT, xb_cell_text(what));
	xb_report_target(report, "matched_functions", "met as %", XB_KIND_TEXT,
			 xb_cell_text(b->n_names == 0 ? NULL : xb_str_get(&s)));
	xb_report_health(report, "matched", "% samples in it", XB_KIND_UINT, xb_cell_uint(b->matched));
	xb_report_health(report, "without_erlang",
			 b->no_erlang > 0 ? "% of these below no Erlang function" : NULL, XB_KIND_UINT,
			 xb_cell_uint(b->no_erlang));
	xb_str_deinit(&s);
	(void)run;
}

/* The text of a native selector: what follows --blame, canonical. */
static const char *blamed(const struct sample_ctx *c)
{
	return c->opts->blame;
}

static struct xb_error *print(struct sample_ctx *c)
{
	struct xb_tool_run *run = c->run;
	struct xb_report report;
	struct xb_table table;
	struct xb_blame b;

	XB_TRY(xb_blame_make(c->profile, blamed(c), &run->arena, &b));
	/* "In none of the samples" would be a lie where it could not have been recognised. */
	if (b.matched == 0 && !xb_blame_has_name(c->session, blamed(c)))
		return xb_error_advise(
			xb_errorf(
				XB_ERR_NO_SYMBOL,
				"no function of this VM has a name that %s means: it is stripped, and exports none of them, or there is none",
				blamed(c)),
			"install the debug symbols of this build; --blame list shows what can be told without");
	xb_report_init(&report, "extrospect.sample.blame", 1, &run->arena);
	sample_target_facts(&report, c->session);
	state_matches(&report, run, &b, blamed(c));
	sample_health_facts(&report, c);
	xb_table_init(&table, columns, XB_ARRAY_LEN(columns), &run->arena);
	for (size_t i = 0; i < b.n && i < c->opts->top; i++)
		XB_TRY(add_row(run, &table, &b, &b.rows[i]));
	if (run->common.json)
		return xb_report_json(&report, &table, &run->out);
	if (b.matched == 0)
		xb_logf(&run->log, XB_LOG_WARN,
			"%s was in none of %llu samples; --blame list shows what was met, a longer -d or higher -F sees more",
			blamed(c), (unsigned long long)b.samples);
	XB_TRY(xb_report_print(&report, &table, &run->out, &run->tty));
	if (c->opts->skid_summary)
		sample_print_skid(c, &run->out);
	return NULL;
}

static const struct xb_column list_columns[] = {
	{ .name = "samples", .title = "SAMPLES", .kind = XB_KIND_UINT },
	{ .name = "percent", .title = "SHARE%", .kind = XB_KIND_PERCENT },
	{ .name = "name", .title = "FUNCTION", .kind = XB_KIND_TEXT, .role = XB_ROLE_NATIVE },
	{ .name = "family", .title = "FAMILY", .kind = XB_KIND_TEXT },
	{ .name = "about", .title = "", .kind = XB_KIND_TEXT, .role = XB_ROLE_PATH },
};

static const struct xb_blame_family *family_of(const char *name)
{
	for (const struct xb_blame_family *f = xb_blame_families(); f->name != NULL; f++) {
		if (xb_blame_matches(f->name, name))
			return f;
	}
	return NULL;
}

/* Families first (they can always be blamed), then what was met in this run. */
static struct xb_error *print_list(struct sample_ctx *c)
{
	struct xb_tool_run *run = c->run;
	struct xb_report report;
	struct xb_table table;
	struct xb_blame b;
	static const char hidden[] = "cannot be told: no function of it has a name in this VM";
	bool ok = true;

	XB_TRY(xb_blame_list(c->profile, &run->arena, &b));
	xb_report_init(&report, "extrospect.sample.blame_list", 1, &run->arena);
	sample_target_facts(&report, c->session);
	sample_health_facts(&report, c);
	xb_table_init(&table, list_columns, XB_ARRAY_LEN(list_columns), &run->arena);
	for (const struct xb_blame_family *f = xb_blame_families(); ok && f->name != NULL; f++) {
		struct xb_blame one;
		bool known;

		XB_TRY(xb_blame_make(c->profile, f->name, &run->arena, &one));
		known = one.matched > 0 || xb_blame_has_name(c->session, f->name);
		ok = xb_table_add(&table, (const struct xb_cell[]){
						  xb_cell_uint(one.matched),
						  xb_cell_real(xb_percent(one.matched, one.samples)),
						  xb_cell_text(f->name), xb_cell_text("(family)"),
						  xb_cell_text(known ? f->about : hidden) });
	}
	for (size_t i = 0; ok && i < b.n_names && i < c->opts->top; i++) {
		const struct xb_blame_family *f = family_of(b.names[i]);

		ok = xb_table_add(&table,
				  (const struct xb_cell[]){
					  xb_cell_uint(b.name_counts[i]),
					  xb_cell_real(xb_percent(b.name_counts[i], b.samples)),
					  xb_cell_text(b.names[i]),
					  xb_cell_text(f == NULL ? NULL : f->name), xb_cell_none() });
	}
	if (!ok)
		return xb_error_nomem();
	return run->common.json ? xb_report_json(&report, &table, &run->out)
				: xb_report_print(&report, &table, &run->out, &run->tty);
}

struct xb_error *sample_run_blame(struct xb_tool_run *run)
{
	return sample_run_with(run, print);
}

struct xb_error *sample_run_blame_list(struct xb_tool_run *run)
{
	return sample_run_with(run, print_list);
}
