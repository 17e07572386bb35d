#include "tools/layout_rows.h"

#include "layout/entry.h"

#include <string.h>

static const struct xb_column list_columns[] = {
	{ .name = "table", .title = "TABLE", .kind = XB_KIND_TEXT, .role = XB_ROLE_HEAD },
	{ .name = "otp_release", .title = "OTP", .kind = XB_KIND_UINT },
	{ .name = "flavor", .title = "FLAVOR", .kind = XB_KIND_TEXT },
	{ .name = "process_size", .title = "PROCESS SIZE", .kind = XB_KIND_UINT },
	{ .name = "provenance", .title = "PROVENANCE", .kind = XB_KIND_TEXT },
	{ .name = "entries", .title = "ENTRIES", .kind = XB_KIND_UINT },
	{ .name = "contract_entries", .title = "OF", .kind = XB_KIND_UINT },
};

#define ENTRY_COLUMNS                                                                                  \
	{ .name = "kind", .title = "KIND", .kind = XB_KIND_TEXT },                                     \
		{ .name = "name", .title = "ENTRY", .kind = XB_KIND_TEXT, .role = XB_ROLE_HEAD },      \
		{ .name = "value", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },               \
		{ .name = "register", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },            \
		{ .name = "shown",                                                                     \
		  .title = "VALUE",                                                                    \
		  .kind = XB_KIND_TEXT,                                                                \
		  .flags = XB_COLUMN_TEXT_ONLY | XB_COLUMN_RIGHT },                                    \
		{ .name = "width", .title = "WIDTH", .kind = XB_KIND_UINT },                           \
		{ .name = "need", .title = "NEED", .kind = XB_KIND_TEXT },                             \
	{                                                                                              \
		.name = "source", .title = "SOURCE", .kind = XB_KIND_TEXT                              \
	}

enum { ENTRY_CELLS = 8 };

static const struct xb_column entry_columns[] = { ENTRY_COLUMNS };

static const struct xb_column check_columns[] = {
	ENTRY_COLUMNS,
	{ .name = "check", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "tested", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "failed", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "result", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "said", .title = "RESULT", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_TEXT_ONLY },
};

static void entry_cells(const struct xb_entry *e, struct xb_cell cells[ENTRY_CELLS],
			char shown[static 24])
{
	bool known = e->from != XB_FROM_NOWHERE, is_reg = e->id.kind == XB_ENTRY_REG;

	(void)snprintf(shown, 24, "%llu", (unsigned long long)e->value);
	cells[0] = xb_cell_text(xb_entry_kind_name(e->id.kind));
	cells[1] = xb_cell_text(e->name);
	cells[2] = known && !is_reg ? xb_cell_uint(e->value) : xb_cell_none();
	cells[3] = known && is_reg ? xb_cell_text(xb_layout_reg_text((int)e->value)) : xb_cell_none();
	cells[4] = !known ? xb_cell_none() : is_reg ? cells[3] : xb_cell_text(shown);
	cells[5] = known && e->id.kind == XB_ENTRY_FIELD ? xb_cell_uint(e->width) : xb_cell_none();
	cells[6] = xb_cell_text(e->must ? "must" : "may");
	cells[7] = known ? xb_cell_text(xb_provenance_name(e->from)) : xb_cell_none();
}

static size_t count_known(const struct xb_layout *l)
{
	size_t n = 0;

	for (size_t i = 0; i < xb_entry_count(); i++)
		n += xb_entry_get(l, i).from != XB_FROM_NOWHERE;
	return n;
}

static struct xb_error *finish(struct xb_tool_run *run, const char *output,
			       const struct xb_report *report, const struct xb_table *rows)
{
	XB_TRY(xb_tool_output(run, output));
	if (run->common.json)
		return xb_report_json(report, rows, &run->out);
	return xb_report_print(report, rows, &run->out, &run->tty);
}

struct xb_error *layout_list(struct xb_tool_run *run, const char *output)
{
	struct xb_report report;
	struct xb_table rows;

	xb_table_init(&rows, list_columns, XB_ARRAY_LEN(list_columns), &run->arena);
	for (size_t i = 0; i < xb_layout_n_builtin(); i++) {
		struct xb_layout l;

		xb_layout_builtin(i, &l);
		const struct xb_cell cells[] = {
			xb_cell_text(l.name),
			xb_cell_uint(l.release),
			xb_cell_text(xb_flavor_name(l.flavor)),
			xb_cell_uint(l.size[XB_S_Process]),
			xb_cell_text(l.source_only ? "source" : "run"),
			xb_cell_uint(count_known(&l)),
			xb_cell_uint(xb_entry_count()),
		};

		if (!xb_table_add(&rows, cells))
			return xb_error_nomem();
	}
	xb_report_init(&report, "extrospect.layout.list", 1, &run->arena);
	xb_report_health(&report, "tables", "% tables", XB_KIND_UINT,
			 xb_cell_uint(xb_layout_n_builtin()));
	return finish(run, output, &report, &rows);
}

static void say_layout(struct xb_report *r, const struct xb_layout *l)
{
	struct xb_str source = XB_STR_INIT;

	xb_layout_write_source(l, &source);
	xb_report_target(r, "layout", "layout %", XB_KIND_TEXT, xb_cell_text(l->name));
	xb_report_target(r, "otp_release", "OTP %", XB_KIND_UINT, xb_cell_uint(l->release));
	xb_report_target(r, "flavor", "%", XB_KIND_TEXT, xb_cell_text(xb_flavor_name(l->flavor)));
	xb_report_target(r, "layout_source", "from %", XB_KIND_TEXT,
			 xb_cell_textn(xb_str_get(&source), source.len));
	r->oom = r->oom || source.oom;
	xb_str_deinit(&source);
}

struct xb_error *layout_print(struct xb_tool_run *run, const char *output, const char *schema,
			      const struct xb_layout *l, const char *text)
{
	struct xb_report report;
	struct xb_table rows;

	if (!run->common.json) {
		XB_TRY(xb_tool_output(run, output));
		xb_sink_puts(&run->out, text);
		return NULL;
	}
	xb_table_init(&rows, entry_columns, XB_ARRAY_LEN(entry_columns), &run->arena);
	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry e = xb_entry_get(l, i);
		struct xb_cell cells[ENTRY_CELLS];
		char shown[24];

		entry_cells(&e, cells, shown);
		if (!xb_table_add(&rows, cells))
			return xb_error_nomem();
	}
	xb_report_init(&report, schema, 1, &run->arena);
	say_layout(&report, l);
	xb_report_health(&report, "entries", NULL, XB_KIND_UINT, xb_cell_uint(count_known(l)));
	xb_report_health(&report, "contract_entries", NULL, XB_KIND_UINT,
			 xb_cell_uint(xb_entry_count()));
	return finish(run, output, &report, &rows);
}

void layout_check_init(struct xb_table *rows, struct xb_arena *arena)
{
	xb_table_init(rows, check_columns, XB_ARRAY_LEN(check_columns), arena);
}

static const struct xb_check_result *find(const struct xb_check_results *checks, const char *name)
{
	for (size_t i = 0; i < checks->len; i++) {
		if (strcmp(checks->data[i].name, name) == 0)
			return &checks->data[i];
	}
	return NULL;
}

static enum layout_result judge(const struct xb_entry *e, const struct xb_check_result *r)
{
	if (e->from == XB_FROM_NOWHERE)
		return LAYOUT_ABSENT;
	if (!xb_check_exists(e->check))
		return LAYOUT_UNCHECKED;
	if (r == NULL)
		return LAYOUT_NOT_RUN;
	if (r->failed > 0)
		return LAYOUT_VIOLATED;
	return r->tested > 0 ? LAYOUT_PROVED : LAYOUT_UNTESTED;
}

static const char *say(struct xb_arena *arena, enum layout_result result, const struct xb_entry *e,
		       const struct xb_check_result *r)
{
	switch (result) {
	case LAYOUT_PROVED:
		return xb_arena_printf(arena, "proved by %s on %u", e->check, r->tested);
	case LAYOUT_UNTESTED:
		return xb_arena_printf(arena, "not provable: %s found nothing to test", e->check);
	case LAYOUT_UNCHECKED:
		return "not provable: no check";
	case LAYOUT_VIOLATED:
		return xb_arena_printf(arena, "VIOLATED: %s, by %u of %u", e->check, r->failed,
				       r->tested);
	case LAYOUT_NOT_RUN:
		return xb_arena_printf(arena, "%s was not made, an earlier check failed", e->check);
	case LAYOUT_ABSENT:
	case LAYOUT_RESULTS:
		break;
	}
	return "not known";
}

bool layout_check_rows(const struct xb_vm_trial *trial, struct xb_table *rows,
		       size_t counts[LAYOUT_RESULTS])
{
	static const char *const names[] = {
		[LAYOUT_PROVED] = "proved",      [LAYOUT_UNTESTED] = "untested",
		[LAYOUT_UNCHECKED] = "no_check", [LAYOUT_VIOLATED] = "violated",
		[LAYOUT_NOT_RUN] = "not_run",    [LAYOUT_ABSENT] = "not_known",
	};

	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry e = xb_entry_get(&trial->layout, i);
		const struct xb_check_result *r = find(&trial->checks, e.check);
		enum layout_result result = judge(&e, r);
		bool made = r != NULL && e.from != XB_FROM_NOWHERE;
		struct xb_cell cells[ENTRY_CELLS + 5];
		char shown[24];

		entry_cells(&e, cells, shown);
		cells[ENTRY_CELLS] = xb_check_exists(e.check) ? xb_cell_text(e.check) : xb_cell_none();
		cells[ENTRY_CELLS + 1] = made ? xb_cell_uint(r->tested) : xb_cell_none();
		cells[ENTRY_CELLS + 2] = made ? xb_cell_uint(r->failed) : xb_cell_none();
		cells[ENTRY_CELLS + 3] = xb_cell_text(names[result]);
		cells[ENTRY_CELLS + 4] = xb_cell_text(say(rows->arena, result, &e, r));
		counts[result]++;
		if (!xb_table_add(rows, cells))
			return false;
	}
	return true;
}
