/* --pstack: what every scheduler is doing now. */
#include "tools/sample_run.h"

#include "view/pstack.h"
#include "vm/atom.h"

#include <string.h>

enum {
	PERIOD_NS = 500000, /* a busy scheduler is seen within half a millisecond of its CPU time */
	PATIENCE_NS =
		60 * 1000000, /* on a loaded machine a thread may not get a CPU for some time slices */
};

static const struct xb_column frame_columns[] = {
	{ .name = "mark", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_TEXT_ONLY },
	{ .name = "function", .kind = XB_KIND_TEXT },
	{ .name = "module", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "kind", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "file", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "line", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "where", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_TEXT_ONLY, .role = XB_ROLE_PATH },
	{ .name = "address", .kind = XB_KIND_ADDR, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "exact", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
};

static const struct xb_column columns[] = {
	{ .name = "scheduler", .title = "SCHEDULER", .kind = XB_KIND_TEXT },
	{ .name = "tid", .title = "TID", .kind = XB_KIND_UINT },
	{ .name = "cpu", .title = "CPU", .kind = XB_KIND_UINT },
	{ .name = "state", .title = "STATE", .kind = XB_KIND_TEXT },
	{ .name = "pid", .title = "PID", .kind = XB_KIND_TEXT, .role = XB_ROLE_PROCESS },
	{ .name = "name", .title = "PROCESS", .kind = XB_KIND_TEXT },
	{ .name = "note",
	  .title = "NOTE",
	  .kind = XB_KIND_TEXT,
	  .flags = XB_COLUMN_TEXT_ONLY | XB_COLUMN_OPTIONAL,
	  .role = XB_ROLE_WARN },
	{ .name = "exact", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "rooted", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "frames", .title = "", .kind = XB_KIND_TABLE },
};

static bool add_frame(struct xb_table *t, struct xb_namer *namer, uint64_t word)
{
	static const enum xb_role roles[] = { XB_ROLE_NATIVE, XB_ROLE_ERLANG, XB_ROLE_NATIVE,
					      XB_ROLE_KERNEL };
	enum xb_mixed_kind kind = xb_mixed_frame_kind(word);
	bool later = (word & XB_MIXED_LATER) != 0;
	struct xb_frame_name name;
	const char *where;

	xb_namer_frame(namer, word, &name);
	where = kind == XB_MIXED_ERLANG
			? (*name.file == '\0'
				   ? NULL
				   : xb_arena_printf(t->arena, "(%s:%u)", name.file, name.line))
			: xb_arena_printf(t->arena, "(%s)", name.module);
	{
		const struct xb_cell cells[] = {
			xb_cell_text(later ? "~" : " "),
			xb_cell_role(xb_cell_text(name.name), roles[kind]),
			xb_cell_text(name.module),
			xb_cell_text(xb_mixed_kind_name(kind)),
			xb_cell_text(*name.file == '\0' ? NULL : name.file),
			name.line == 0 ? xb_cell_none() : xb_cell_uint(name.line),
			xb_cell_text(where == NULL ? "" : where),
			xb_cell_uint(xb_mixed_frame_addr(word)),
			xb_cell_bool(!later),
		};

		return xb_table_add(t, cells);
	}
}

static const char *state_of(const struct xb_pstack_entry *e)
{
	if (e->seen)
		return e->m.mode == XB_MIXED_IN_ERLANG ? "running"
		       : e->m.mode == XB_MIXED_BLIND   ? "running (saved stack)"
						       : "in C";
	return e->asleep ? "sleeping" : e->wanted ? "not caught" : "idle";
}

static const char *note_of(const struct xb_pstack_entry *e)
{
	if (e->m.n == 0 || xb_mixed_is_exact(&e->m))
		return e->m.n == 0 || e->m.rooted ? NULL : "stack not whole";
	if (!e->m.rooted)
		return "~ stack not whole";
	return e->m.n_exact == e->m.n ? "~ callers were gone when they were read" : "~ read later";
}

static struct xb_error *add_entry(struct sample_ctx *c, struct xb_table *t,
				  const struct xb_pstack_entry *e)
{
	struct xb_table *frames = xb_arena_alloc(t->arena, sizeof(*frames));
	struct xb_vm *vm = c->session->vm;
	struct xb_str pid = XB_STR_INIT, label = XB_STR_INIT;
	const char *sched =
		xb_arena_printf(t->arena, "%s %u", xb_sched_kind_name(e->sched->kind), e->sched->no);
	bool ok = frames != NULL && sched != NULL;

	if (ok) {
		xb_table_init(frames, frame_columns, XB_ARRAY_LEN(frame_columns), t->arena);
		frames->headless = true;
	}
	for (size_t i = 0; ok && i < e->m.n; i++) {
		enum xb_mixed_kind kind = xb_mixed_frame_kind(e->m.frames[i]);

		if (c->opts->only_erlang && kind != XB_MIXED_ERLANG)
			continue;
		ok = add_frame(frames, c->profile->namer, e->m.frames[i]);
	}
	if (e->has_process) {
		xb_proc_write_id(vm, e->process.id, &pid);
		xb_proc_write_label(vm, &e->process, &label);
	}
	if (ok) {
		const struct xb_cell cells[] = {
			xb_cell_text(sched),
			e->sched->tid == 0 ? xb_cell_none() : xb_cell_uint((uint64_t)e->sched->tid),
			e->seen ? xb_cell_uint(e->m.cpu) : xb_cell_none(),
			xb_cell_text(state_of(e)),
			xb_cell_text(e->has_process ? xb_str_get(&pid) : NULL),
			xb_cell_text(e->has_process ? xb_str_get(&label) : NULL),
			xb_cell_text(note_of(e)),
			xb_cell_bool(xb_mixed_is_exact(&e->m)),
			xb_cell_bool(e->m.rooted),
			xb_cell_table(frames),
		};

		ok = xb_table_add(t, cells);
	}
	xb_str_deinit(&pid);
	xb_str_deinit(&label);
	return ok ? NULL : xb_error_nomem();
}

static struct xb_error *print(struct sample_ctx *c, const struct xb_pstack_set *set)
{
	struct xb_tool_run *run = c->run;
	struct xb_report report;
	struct xb_table table;
	size_t missed = 0;

	xb_table_init(&table, columns, XB_ARRAY_LEN(columns), &run->arena);
	for (size_t i = 0; i < set->n; i++) {
		const struct xb_pstack_entry *e = &set->entries[i];

		missed += e->wanted && !e->seen;
		if (e->seen || e->wanted || c->opts->idle)
			XB_TRY(add_entry(c, &table, e));
	}
	xb_report_init(&report, "extrospect.sample.pstack", 1, &run->arena);
	sample_target_facts(&report, c->session);
	sample_health_facts(&report, c);
	xb_report_health(&report, "not_caught", missed > 0 ? "% schedulers not caught running" : NULL,
			 XB_KIND_UINT, xb_cell_uint(missed));
	if (run->common.json)
		return xb_report_json(&report, &table, &run->out);
	if (table.n_rows == 0)
		xb_logf(&run->log, XB_LOG_WARN,
			"no scheduler is running a process; --idle shows the sleeping ones");
	XB_TRY(xb_report_print(&report, &table, &run->out, &run->tty));
	if (c->opts->skid_summary)
		sample_print_skid(c, &run->out);
	return NULL;
}

struct waiting {
	struct sample_ctx *c;
	struct xb_pstack_set *set;
};

static bool look(void *arg, const struct xb_mixed *m)
{
	return xb_pstack_look(((struct waiting *)arg)->set, m);
}

static void progress(void *arg, uint64_t elapsed_ns, uint64_t samples)
{
	const struct waiting *w = arg;
	size_t left = 0;

	for (size_t i = 0; i < w->set->n; i++)
		left += w->set->entries[i].wanted && !w->set->entries[i].seen;
	xb_status_set(&w->c->run->status, "waiting for %zu schedulers, %.1f s, %llu samples", left,
		      (double)elapsed_ns / 1e9, (unsigned long long)samples);
}

struct xb_error *sample_run_pstack(struct xb_tool_run *run)
{
	struct sample_ctx c = { .run = run, .opts = run->opts };
	struct xb_pstack_set *set = NULL;
	struct waiting w = { .c = &c };
	struct xb_collect_opts co = { .duration_ns = c.opts->wait ? c.opts->duration_ns : PATIENCE_NS,
				      .drain_ms = 1,
				      .interrupted = sample_interrupted,
				      .progress = progress,
				      .arg = &w,
				      .look = look };
	struct xb_error *err = sample_open(run, &c.session);

	if (err == NULL)
		err = xb_session_explain(c.session, sample_prepare(&c, PERIOD_NS));
	if (err == NULL)
		err = xb_pstack_create(c.session, c.opts->wait, &set);
	w.set = set;
	if (err == NULL)
		err = xb_session_explain(c.session, xb_collect(c.profile, &c.source, &co, &c.result));
	xb_status_clear(&run->status);
	if (err == NULL && c.opts->idle)
		err = xb_pstack_sleeping(set, c.mixer);
	if (err == NULL)
		sample_log_vars(&c);
	if (err == NULL)
		err = print(&c, set);
	if (err == NULL && c.result.target_gone)
		err = xb_errorf(XB_ERR_INCOMPLETE, "process %d exited meanwhile",
				(int)c.session->proc.pid);
	xb_pstack_destroy(set);
	sample_close(&c);
	return err;
}
