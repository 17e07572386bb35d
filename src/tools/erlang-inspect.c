/* erlang-inspect: what a running Erlang VM is, as far as the other tools need to know it. */
#include "base/clock.h"
#include "cli/tool.h"
#include "out/report.h"
#include "tools/attach.h"
#include "tools/inspect_list.h"
#include "tools/inspect_opts.h"
#include "tools/inspect_system.h"

static void say_target(struct xb_report *r, const struct xb_session *s, const struct inspect_opts *o)
{
	const struct xb_identity *id = &s->vm->id;

	if (o->target.kind == XB_TARGET_PID)
		xb_report_target(r, "pid", "PID %", XB_KIND_UINT, xb_cell_uint((uint64_t)s->proc.pid));
	else
		xb_report_target(r, "pid", NULL, XB_KIND_UINT, xb_cell_uint((uint64_t)s->proc.pid));
	xb_report_target(r, "chosen", o->target.kind == XB_TARGET_PID ? NULL : "%", XB_KIND_TEXT,
			 xb_cell_text(s->how));
	xb_report_target(r, "otp_release", "OTP %", XB_KIND_UINT, xb_cell_uint(id->otp));
	xb_report_target(r, "erts_version", "erts %", XB_KIND_TEXT, xb_cell_text(id->erts));
	xb_report_target(r, "flavor", "%", XB_KIND_TEXT, xb_cell_text(xb_flavor_name(id->flavor)));
}

static void say_health(struct xb_report *r, const struct xb_session *s, uint64_t attach_ns,
		       uint64_t total_ns)
{
	const struct xb_mem_stats *m = xb_mem_stats(s->mem);
	const struct xb_vm *vm = s->vm;
	struct xb_str source = XB_STR_INIT;
	uint64_t passed = 0, tested = 0, twice = 0, once = 0, contradicted = 0;

	xb_layout_write_source(&vm->layout, &source);
	for (size_t i = 0; i < vm->checks.len; i++) {
		passed += vm->checks.data[i].failed == 0;
		tested += vm->checks.data[i].tested;
	}
	for (int id = 0; id < XB_ROOT__COUNT; id++) {
		twice += xb_root_methods(vm->roots.at[id].sources) >= 2;
		once += xb_root_methods(vm->roots.at[id].sources) == 1;
		contradicted += vm->roots.at[id].against != 0;
	}
	xb_report_health(r, "layout", "layout %", XB_KIND_TEXT, xb_cell_text(vm->layout.name));
	xb_report_health(r, "layout_source", "from %", XB_KIND_TEXT,
			 xb_cell_text(xb_arena_printf(r->arena, "%s", xb_str_get(&source))));
	xb_str_deinit(&source);
	xb_report_health(r, "checks", NULL, XB_KIND_UINT, xb_cell_uint(vm->checks.len));
	xb_report_health(r, "checks_passed", "% checks passed", XB_KIND_UINT, xb_cell_uint(passed));
	xb_report_health(r, "objects_checked", "on % objects", XB_KIND_UINT, xb_cell_uint(tested));
	xb_report_health(r, "roots_by_two_methods", "% roots by two methods", XB_KIND_UINT,
			 xb_cell_uint(twice));
	xb_report_health(r, "roots_by_one_method", once == 0 ? NULL : "% by one method", XB_KIND_UINT,
			 xb_cell_uint(once));
	xb_report_health(r, "roots_contradicted", contradicted == 0 ? NULL : "% CONTRADICTED",
			 XB_KIND_UINT, xb_cell_uint(contradicted));
	xb_report_health(r, "stale_cache_entries",
			 vm->roots.stale_hints == 0 ? NULL : "% cache entries were wrong", XB_KIND_UINT,
			 xb_cell_uint(vm->roots.stale_hints));
	xb_report_health(r, "read_calls", "% reads", XB_KIND_UINT, xb_cell_uint(m->calls));
	xb_report_health(r, "read_ranges", NULL, XB_KIND_UINT, xb_cell_uint(m->ranges));
	xb_report_health(r, "read_bytes", "%", XB_KIND_BYTES, xb_cell_uint(m->bytes));
	xb_report_health(r, "read_faults", "% faults", XB_KIND_UINT, xb_cell_uint(m->faults));
	xb_report_health(r, "attach_ns", "attached in %", XB_KIND_DURATION_NS, xb_cell_uint(attach_ns));
	xb_report_health(r, "total_ns", "total %", XB_KIND_DURATION_NS, xb_cell_uint(total_ns));
}

static struct xb_error *run_inspect(struct xb_tool_run *run)
{
	const struct inspect_opts *o = run->opts;
	xb_cleanup(xb_session_cleanup) struct xb_session *s = NULL;
	uint64_t start = xb_now_ns(), attached;
	struct xb_report report;
	struct xb_system system;
	struct xb_table rows;

	if (o->list)
		return inspect_list(run, o->output);
	XB_TRY(tool_attach(run, &o->target_opts, &o->target, true, NULL, NULL, &s));
	attached = xb_now_ns();
	XB_TRY(xb_session_explain(s, xb_system_gather(s, &run->arena, &system)));
	inspect_system_init(&rows, &run->arena);
	if (!inspect_system_rows(s, &system, &rows))
		return xb_error_nomem();
	xb_report_init(&report, "extrospect.inspect.system", 1, &run->arena);
	say_target(&report, s, o);
	say_health(&report, s, attached - start, xb_now_ns() - start);
	XB_TRY(xb_tool_output(run, o->output));
	if (run->common.json)
		return xb_report_json(&report, &rows, &run->out);
	return xb_report_print(&report, &rows, &run->out, &run->tty);
}

static const struct xb_tool tool = {
	.name = "erlang-inspect",
	.summary =
		"Tell what a running Erlang VM is: release, flavor, build, layout, schedulers, start arguments.",
	.usage = "[OPTIONS] [PID|NODE] [system]",
	.groups = inspect_groups,
	.opts_size = sizeof(struct inspect_opts),
	.max_args = 2,
	.examples = inspect_examples,
	.check = inspect_check,
	.run = run_inspect,
};

int main(int argc, char **argv)
{
	return xb_tool_main(&tool, argc, argv);
}
