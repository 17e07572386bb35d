/* erlang-layout: where the structures of Erlang VMs have their fields: tables, debug information, and the proof. */
#include "layout/text.h"
#include "tools/attach.h"
#include "tools/layout_dump.h"
#include "tools/layout_rows.h"

static struct xb_error *show(struct xb_tool_run *run)
{
	const struct layout_opts *o = run->opts;
	struct xb_str text = XB_STR_INIT;
	struct xb_error *err;
	struct xb_layout l;

	if (!xb_layout_named(o->name, &l))
		return xb_error_advise(xb_errorf(XB_ERR_USAGE, "there is no table '%s'", o->name),
				       "'erlang-layout list' has their names");
	xb_layout_print(&l, NULL, &text);
	err = text.oom ? xb_error_nomem()
		       : layout_print(run, o->output, "extrospect.layout.show", &l, xb_str_get(&text));
	xb_str_deinit(&text);
	return err;
}

static void say_vm(struct xb_report *r, const struct xb_session *s)
{
	if (s == NULL)
		return;
	xb_report_target(r, "pid", "PID %", XB_KIND_UINT, xb_cell_uint((uint64_t)s->proc.pid));
	xb_report_target(r, "erts_version", "erts %", XB_KIND_TEXT, xb_cell_text(s->vm->id.erts));
}

static struct xb_error *report(struct xb_tool_run *run, const struct xb_session *s,
			       const struct xb_vm_trial *trial)
{
	const struct layout_opts *o = run->opts;
	const struct xb_layout *l = &trial->layout;
	size_t counts[LAYOUT_RESULTS] = { 0 };
	struct xb_str source = XB_STR_INIT;
	struct xb_report report;
	struct xb_table rows;

	layout_check_init(&rows, &run->arena);
	if (!layout_check_rows(trial, &rows, counts))
		return xb_error_nomem();
	xb_layout_write_source(l, &source);
	xb_report_init(&report, "extrospect.layout.check", 1, &run->arena);
	say_vm(&report, s);
	xb_report_target(&report, "otp_release", "OTP %", XB_KIND_UINT, xb_cell_uint(l->release));
	xb_report_target(&report, "flavor", "%", XB_KIND_TEXT, xb_cell_text(xb_flavor_name(l->flavor)));
	xb_report_health(&report, "layout", "layout %", XB_KIND_TEXT, xb_cell_text(l->name));
	xb_report_health(&report, "layout_source", "from %", XB_KIND_TEXT,
			 xb_cell_textn(xb_str_get(&source), source.len));
	xb_str_deinit(&source);
	xb_report_health(&report, "checks", "% checks made", XB_KIND_UINT,
			 xb_cell_uint(trial->checks.len));
	xb_report_health(&report, "proved", "% entries proved", XB_KIND_UINT,
			 xb_cell_uint(counts[LAYOUT_PROVED]));
	xb_report_health(&report, "violated", counts[LAYOUT_VIOLATED] > 0 ? "% VIOLATED" : NULL,
			 XB_KIND_UINT, xb_cell_uint(counts[LAYOUT_VIOLATED]));
	xb_report_health(&report, "not_run", counts[LAYOUT_NOT_RUN] > 0 ? "% not tried" : NULL,
			 XB_KIND_UINT, xb_cell_uint(counts[LAYOUT_NOT_RUN]));
	xb_report_health(&report, "untested",
			 counts[LAYOUT_UNTESTED] > 0 ? "% with nothing to test" : NULL, XB_KIND_UINT,
			 xb_cell_uint(counts[LAYOUT_UNTESTED]));
	xb_report_health(&report, "no_check", "% without a check", XB_KIND_UINT,
			 xb_cell_uint(counts[LAYOUT_UNCHECKED]));
	xb_report_health(&report, "not_known", "% not known", XB_KIND_UINT,
			 xb_cell_uint(counts[LAYOUT_ABSENT]));
	XB_TRY(xb_tool_output(run, o->output));
	if (run->common.json)
		return xb_report_json(&report, &rows, &run->out);
	return xb_report_print(&report, &rows, &run->out, &run->tty);
}

/* The report is printed for a layout that fails as well: it says how far it holds. */
static struct xb_error *check(struct xb_tool_run *run)
{
	const struct layout_opts *o = run->opts;
	xb_cleanup(xb_session_cleanup) struct xb_session *s = NULL;
	struct xb_vm_trial trial = { 0 };
	struct xb_error *err, *said = NULL;

	err = tool_attach(run, &o->target_opts, &o->target, false, &trial, NULL, &s);
	if (trial.chosen && (err == NULL || xb_error_code(err) == XB_ERR_MISMATCH))
		said = report(run, s, &trial);
	xb_check_results_deinit(&trial.checks);
	if (err == NULL)
		return said;
	xb_error_destroy(said);
	return err;
}

static struct xb_error *run_layout(struct xb_tool_run *run)
{
	const struct layout_opts *o = run->opts;

	switch (o->verb) {
	case LAYOUT_LIST:
		return layout_list(run, o->output);
	case LAYOUT_SHOW:
		return show(run);
	case LAYOUT_DUMP:
		return layout_dump(run);
	case LAYOUT_CHECK:
		return check(run);
	}
	return NULL;
}

static const struct xb_tool tool = {
	.name = "erlang-layout",
	.summary =
		"Show, write and prove layout tables: where the structures of Erlang VMs have their fields.",
	.usage = "[OPTIONS] list | show NAME | dump --from-dwarf FILE | check [PID|NODE]",
	.groups = layout_groups,
	.opts_size = sizeof(struct layout_opts),
	.max_args = 2,
	.examples = layout_examples,
	.check = layout_check,
	.run = run_layout,
};

int main(int argc, char **argv)
{
	return xb_tool_main(&tool, argc, argv);
}
