#include "out/perfdata.h"
#include "out/perfmap_file.h"
#include "out/report.h"
#include "tools/map_job.h"

#include <stdio.h>
#include <unistd.h>

static const struct xb_column columns[] = {
	{ .name = "pid", .kind = XB_KIND_UINT },
	{ .name = "map", .kind = XB_KIND_TEXT },
	{ .name = "map_exists", .kind = XB_KIND_BOOL },
};

/* Without its map, a process of the recording has no names. */
static struct xb_error *add_rows(struct xb_tool_run *run, const struct xb_perfdata_report *report,
				 struct xb_table *rows)
{
	for (size_t i = 0; i < report->pids.len; i++) {
		uint32_t pid = report->pids.data[i];
		const char *path;
		bool exists;

		XB_TRY(xb_perfmap_path(NULL, (pid_t)pid, &run->arena, &path));
		exists = access(path, F_OK) == 0;
		if (!exists)
			xb_logf(&run->log, XB_LOG_WARN,
				"process %u of the recording has no %s: write it while the process runs",
				pid, path);
		if (!xb_table_add(rows, (const struct xb_cell[]){ xb_cell_uint(pid), xb_cell_text(path),
								  xb_cell_bool(exists) }))
			return xb_error_nomem();
	}
	return NULL;
}

static void say_facts(struct xb_report *r, const struct map_opts *o,
		      const struct xb_perfdata_report *done)
{
	xb_report_target(r, "file", "%", XB_KIND_TEXT, xb_cell_text(o->fix_perf_data));
	xb_report_target(r, "output", o->output == NULL ? NULL : "to %", XB_KIND_TEXT,
			 xb_cell_text(o->output));
	xb_report_health(r, "records", "% records", XB_KIND_UINT, xb_cell_uint(done->records));
	xb_report_health(r, "mappings", "% mappings", XB_KIND_UINT, xb_cell_uint(done->mappings));
	xb_report_health(r, "renamed", "% renamed", XB_KIND_UINT, xb_cell_uint(done->renamed));
	xb_report_health(r, "already", done->already > 0 ? "% were already" : NULL, XB_KIND_UINT,
			 xb_cell_uint(done->already));
	xb_report_health(r, "other", done->other > 0 ? "% of other processes left alone" : NULL,
			 XB_KIND_UINT, xb_cell_uint(done->other));
}

static struct xb_error *tell(struct xb_tool_run *run, const struct xb_perfdata_report *done)
{
	const struct map_opts *o = run->opts;
	struct xb_report report;
	struct xb_table rows;
	struct xb_sink talk;

	xb_report_init(&report, "extrospect.perf-map.fix", 1, &run->arena);
	xb_table_init(&rows, columns, XB_ARRAY_LEN(columns), &run->arena);
	say_facts(&report, o, done);
	XB_TRY(add_rows(run, done, &rows));
	if (done->renamed + done->already == 0)
		xb_logf(&run->log, XB_LOG_WARN,
			"%s holds no mapping of JIT code that perf would miss names for",
			o->fix_perf_data);
	if (run->common.json)
		return xb_report_json(&report, &rows, &run->out);
	if (run->common.quiet)
		return NULL;
	xb_sink_to_file(&talk, stderr, "standard error");
	XB_TRY(xb_report_print(&report, &rows, &talk, NULL));
	return xb_sink_finish(&talk);
}

struct xb_error *map_fix_run(struct xb_tool_run *run)
{
	const struct map_opts *o = run->opts;
	struct xb_perfdata_options options = { .output = o->output };
	struct xb_perfdata_report done;
	struct xb_error *err;

	if (o->target.kind == XB_TARGET_PID)
		options.pid = (uint32_t)o->target.pid;
	XB_TRY(xb_perfdata_fix(o->fix_perf_data, &options, &done));
	err = tell(run, &done);
	xb_perfdata_report_deinit(&done);
	return err;
}
