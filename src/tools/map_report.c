#include "out/report.h"
#include "out/text.h"
#include "tools/map_job.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct xb_column columns[] = {
	{ .name = "path", .kind = XB_KIND_TEXT },
	{ .name = "written", .kind = XB_KIND_BOOL },
	{ .name = "kept_by_vm", .kind = XB_KIND_BOOL },
	{ .name = "lines", .kind = XB_KIND_UINT },
	{ .name = "functions", .kind = XB_KIND_UINT },
	{ .name = "fragments", .kind = XB_KIND_UINT },
	{ .name = "bytes", .kind = XB_KIND_BYTES },
	{ .name = "replaced", .kind = XB_KIND_UINT },
	{ .name = "escaped_names", .kind = XB_KIND_UINT },
	{ .name = "writes", .kind = XB_KIND_UINT },
};

void map_job_say(const struct map_job *job, const char *fmt, ...)
{
	struct xb_str line = XB_STR_INIT, safe = XB_STR_INIT;
	char buf[1024];
	va_list ap;

	if (job->run->common.quiet || job->run->common.json)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	xb_str_add(&line, buf);
	xb_text_safe(&safe, xb_str_get(&line), line.len);
	(void)fprintf(stderr, "%s: %s\n", job->run->tool->name, xb_str_get(&safe));
	xb_str_deinit(&line);
	xb_str_deinit(&safe);
}

static void say_target(struct xb_report *r, const struct map_job *job)
{
	const struct xb_identity *id = &job->session->vm->id;

	xb_report_target(r, "pid", "PID %", XB_KIND_UINT,
			 xb_cell_uint((uint64_t)job->session->proc.pid));
	xb_report_target(r, "chosen", NULL, XB_KIND_TEXT, xb_cell_text(job->session->how));
	xb_report_target(r, "otp_release", "OTP %", XB_KIND_UINT, xb_cell_uint(id->otp));
	xb_report_target(r, "erts_version", "erts %", XB_KIND_TEXT, xb_cell_text(id->erts));
	xb_report_target(r, "flavor", "%", XB_KIND_TEXT, xb_cell_text(xb_flavor_name(id->flavor)));
}

static void say_health(struct xb_report *r, const struct map_job *job)
{
	const struct xb_codecheck *c = &job->check;
	const struct xb_jitlist *l = &job->list;

	xb_report_health(r, "source", "names from the %", XB_KIND_TEXT, xb_cell_text("gdb JIT list"));
	xb_report_health(r, "functions_compared", "% functions compared with the module tables",
			 XB_KIND_UINT, xb_cell_uint(c->functions_compared));
	xb_report_health(r, "differing", "% differ", XB_KIND_UINT, xb_cell_uint(c->differing));
	xb_report_health(r, "modules", NULL, XB_KIND_UINT, xb_cell_uint(c->modules));
	xb_report_health(r, "modules_unreadable", c->unreadable > 0 ? "% modules unreadable" : NULL,
			 XB_KIND_UINT, xb_cell_uint(c->unreadable));
	xb_report_health(r, "entries", NULL, XB_KIND_UINT, xb_cell_uint(l->len));
	xb_report_health(r, "entries_purged", c->purged > 0 ? "% modules purged" : NULL, XB_KIND_UINT,
			 xb_cell_uint(c->purged));
	xb_report_health(r, "entries_broken", l->broken > 0 ? "% entries broken" : NULL, XB_KIND_UINT,
			 xb_cell_uint(l->broken));
	xb_report_health(r, "cut", l->cut ? "the oldest entries are missing" : NULL, XB_KIND_BOOL,
			 xb_cell_bool(l->cut));
	xb_report_health(r, "moving", l->moving || c->moving ? "code was being loaded meanwhile" : NULL,
			 XB_KIND_BOOL, xb_cell_bool(l->moving || c->moving));
	xb_report_health(
		r, "hidden_by_inner_map", NULL, XB_KIND_BOOL,
		xb_cell_bool(job->inner.exists && !job->inner.kept && job->opts->output == NULL));
	xb_report_health(r, "attach_ns", "attached in %", XB_KIND_DURATION_NS,
			 xb_cell_uint(job->attach_ns));
	xb_report_health(r, "list_ns", NULL, XB_KIND_DURATION_NS, xb_cell_uint(job->list_ns));
	xb_report_health(r, "check_ns", NULL, XB_KIND_DURATION_NS, xb_cell_uint(job->check_ns));
	xb_report_health(r, "duration_ns", "total %", XB_KIND_DURATION_NS, xb_cell_uint(job->took_ns));
}

struct xb_error *map_job_report(struct map_job *job)
{
	const struct xb_cell cells[] = {
		xb_cell_text(job->path),          xb_cell_bool(job->writes > 0),
		xb_cell_bool(job->kept_by_vm),    xb_cell_uint(job->stats.lines),
		xb_cell_uint(job->functions),     xb_cell_uint(job->fragments),
		xb_cell_uint(job->text.len),      xb_cell_uint(job->stats.replaced),
		xb_cell_uint(job->stats.escaped), xb_cell_uint(job->writes),
	};
	struct xb_report report;
	struct xb_table rows;
	struct xb_sink talk;

	xb_report_init(&report, "extrospect.perf-map", 1, &job->run->arena);
	xb_table_init(&rows, columns, XB_ARRAY_LEN(columns), &job->run->arena);
	say_target(&report, job);
	if (job->writes > 0)
		say_health(&report, job);
	if (!xb_table_add(&rows, cells))
		return xb_error_nomem();
	if (job->run->common.json)
		return xb_report_json(&report, &rows, &job->run->out);
	if (job->writes == 0 || job->run->common.quiet)
		return NULL;
	map_job_say(job, "%s: %zu lines, %zu functions and %zu fragments, %zu bytes", job->path,
		    job->stats.lines, job->functions, job->fragments, job->text.len);
	xb_sink_to_file(&talk, stderr, "standard error");
	XB_TRY(xb_report_print_target(&report, &talk, NULL));
	XB_TRY(xb_report_print_health(&report, &talk, NULL));
	return xb_sink_finish(&talk);
}

struct xb_error *map_job_verdict(struct map_job *job)
{
	const struct xb_codecheck *c = &job->check;
	const struct xb_jitlist *l = &job->list;

	for (size_t i = 0; i < c->n_texts; i++)
		xb_logf(&job->run->log, XB_LOG_WARN, "%s", c->text[i]);
	if (c->differing > 0 && !c->moving)
		return xb_errorf(
			XB_ERR_INCOMPLETE,
			"the map is written, but %zu of its names differ from the module tables",
			c->differing);
	if (l->broken > 0 || l->cut)
		return xb_errorf(XB_ERR_INCOMPLETE,
				 "the map is written, but parts of the VM's list could not be read");
	return NULL;
}
