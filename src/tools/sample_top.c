/* The default mode: the most frequent functions; and --folded. */
#include "tools/sample_run.h"

#include "out/folded.h"
#include "out/units.h"
#include "view/top.h"

#include <string.h>

enum { MODULE_COLUMN = 6 };

static const struct xb_column columns[] = {
	{ .name = "self", .title = "SELF", .kind = XB_KIND_UINT },
	{ .name = "self_percent", .title = "SELF%", .kind = XB_KIND_PERCENT },
	{ .name = "total", .title = "TOTAL", .kind = XB_KIND_UINT },
	{ .name = "total_percent", .title = "TOTAL%", .kind = XB_KIND_PERCENT },
	{ .name = "inexact_percent", .title = "~%", .kind = XB_KIND_PERCENT },
	{ .name = "name", .title = "NAME", .kind = XB_KIND_TEXT },
	{ .name = "module", .title = "MODULE", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_OPTIONAL },
	{ .name = "kind", .title = "KIND", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "file", .title = "FILE", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "line", .title = "LINE", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "location",
	  .title = "LINE",
	  .kind = XB_KIND_TEXT,
	  .flags = XB_COLUMN_TEXT_ONLY | XB_COLUMN_OPTIONAL,
	  .role = XB_ROLE_PATH },
	{ .name = "pid", .title = "PID", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_OPTIONAL },
};

static enum xb_role role_of(enum xb_top_kind kind)
{
	switch (kind) {
	case XB_TOP_ERLANG:
		return XB_ROLE_ERLANG;
	case XB_TOP_NATIVE:
	case XB_TOP_FRAGMENT:
		return XB_ROLE_NATIVE;
	case XB_TOP_KERNEL:
		return XB_ROLE_KERNEL;
	case XB_TOP_OTHER:
		return XB_ROLE_NONE;
	}
	return XB_ROLE_NONE;
}

static bool add_row(struct xb_table *t, const struct xb_top *top, const struct xb_top_row *r)
{
	const char *location =
		*r->file == '\0' ? NULL : xb_arena_printf(t->arena, "%s:%u", r->file, r->line);
	const struct xb_cell cells[] = {
		xb_cell_uint(r->self),
		xb_cell_real(xb_percent(r->self, top->samples)),
		xb_cell_uint(r->total),
		xb_cell_real(xb_percent(r->total, top->samples)),
		xb_cell_real(xb_percent(r->later, r->total)),
		xb_cell_role(xb_cell_text(r->name), role_of(r->kind)),
		xb_cell_text(r->module),
		xb_cell_text(xb_top_kind_name(r->kind)),
		xb_cell_text(*r->file == '\0' ? NULL : r->file),
		r->line == 0 ? xb_cell_none() : xb_cell_uint(r->line),
		xb_cell_text(location),
		xb_cell_text(*r->process == '\0' ? NULL : r->process),
	};

	return xb_table_add(t, cells);
}

/* The rows asked for, then one that sums up the rest, so that the shares add up to 100. */
static struct xb_error *fill(struct xb_table *t, const struct xb_top *top, uint64_t limit)
{
	struct xb_top_row rest = { .module = "", .file = "", .process = "", .kind = XB_TOP_OTHER };

	for (size_t i = 0; i < top->n; i++) {
		if (i < limit && !add_row(t, top, &top->rows[i]))
			return xb_error_nomem();
		if (i >= limit)
			rest.self += top->rows[i].self;
	}
	if (top->n <= limit)
		return NULL;
	rest.name = xb_arena_printf(t->arena, "[%zu others]", top->n - (size_t)limit);
	rest.total = rest.self;
	return rest.name == NULL || !add_row(t, top, &rest) ? xb_error_nomem() : NULL;
}

/* Root first: the thread or process, then its frames. */
static struct xb_error *print_folded(const struct sample_ctx *c)
{
	const struct xb_profile *p = c->profile;
	struct xb_u32s shown = { 0 };
	struct xb_folded f;

	xb_folded_init(&f, &c->run->out);
	for (size_t i = 0; i < p->counters.len; i++) {
		const struct xb_pcounter *n = &p->counters.data[i];
		const struct xb_pstack *s = &p->stacks.data[n->stack];
		const char *root = n->process < XB_PROFILE_GONE ? p->processes.data[n->process].label
								: p->threads.data[n->thread].label;
		size_t k;

		if (!xb_u32s_reserve(&shown, s->n + 1U))
			return xb_error_nomem();
		k = xb_top_shown(p, s, c->opts->only_erlang, shown.data);
		xb_folded_frame(&f, root, strlen(root));
		while (k-- > 0) {
			const char *name =
				xb_profile_function(p, xb_profile_frame(p, s, shown.data[k]))->name;

			xb_folded_frame(&f, name, strlen(name));
		}
		xb_folded_end(&f, n->count);
	}
	xb_u32s_deinit(&shown);
	return NULL;
}

static struct xb_error *print(struct sample_ctx *c)
{
	static const char *const schemas[] = { "extrospect.sample.top" };
	struct xb_tool_run *run = c->run;
	struct xb_top_opts to = { .by = (enum xb_top_by)c->opts->by,
				  .only_erlang = c->opts->only_erlang };
	struct xb_column shown[XB_ARRAY_LEN(columns)];
	struct xb_report report;
	struct xb_table table;
	struct xb_top top;

	xb_report_init(&report, schemas[0], 1, &run->arena);
	sample_target_facts(&report, c->session);
	sample_health_facts(&report, c);
	memcpy(shown, columns, sizeof(shown));
	if (c->opts->by == SAMPLE_BY_PROCESS)
		shown[MODULE_COLUMN].title = "INITIAL CALL";
	xb_table_init(&table, shown, XB_ARRAY_LEN(columns), &run->arena);
	XB_TRY(xb_top_make(c->profile, &to, &run->arena, &top));
	XB_TRY(fill(&table, &top, c->opts->top));
	if (run->common.json)
		return xb_report_json(&report, &table, &run->out);
	XB_TRY(xb_report_print(&report, &table, &run->out, &run->tty));
	if (c->opts->skid_summary)
		sample_print_skid(c, &run->out);
	return NULL;
}

struct xb_error *sample_show_top(struct sample_ctx *c)
{
	return c->opts->folded ? print_folded(c) : print(c);
}

struct xb_error *sample_run_top(struct xb_tool_run *run)
{
	return sample_run_with(run, sample_show_top);
}
