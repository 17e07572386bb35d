#include "tools/inspect_system.h"

#include "elf/image.h"

#include <time.h>

static const struct xb_column section_columns[] = {
	{ .name = "section", .kind = XB_KIND_TEXT, .role = XB_ROLE_HEAD },
	{ .name = "items", .kind = XB_KIND_TABLE },
};

/* A fact is shown in the unit that reads best and given to programs in the plain one. */
static const struct xb_column fact_columns[] = {
	{ .name = "name", .kind = XB_KIND_TEXT },
	{ .name = "value", .kind = XB_KIND_ANY, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "text", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_TEXT_ONLY },
	{ .name = "unit", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
};

static const struct xb_column argument_columns[] = {
	{ .name = "index", .kind = XB_KIND_UINT },
	{ .name = "argument", .kind = XB_KIND_TEXT },
};

static const struct xb_column namespace_columns[] = {
	{ .name = "kind", .kind = XB_KIND_TEXT },
	{ .name = "inode", .kind = XB_KIND_UINT },
	{ .name = "same_as_ours", .kind = XB_KIND_BOOL },
};

static const struct xb_column scheduler_columns[] = {
	{ .name = "kind", .kind = XB_KIND_TEXT },
	{ .name = "number", .kind = XB_KIND_UINT },
	{ .name = "tid", .kind = XB_KIND_UINT },
	{ .name = "thread", .kind = XB_KIND_TEXT },
	{ .name = "state", .kind = XB_KIND_TEXT },
	{ .name = "pid", .kind = XB_KIND_TEXT, .role = XB_ROLE_PROCESS },
	{ .name = "process", .kind = XB_KIND_TEXT, .role = XB_ROLE_ERLANG },
	{ .name = "address", .kind = XB_KIND_ADDR, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "registers", .kind = XB_KIND_ADDR, .flags = XB_COLUMN_JSON_ONLY },
};

static const struct xb_column thread_columns[] = {
	{ .name = "role", .kind = XB_KIND_TEXT },  { .name = "number", .kind = XB_KIND_INT },
	{ .name = "tid", .kind = XB_KIND_UINT },   { .name = "thread", .kind = XB_KIND_TEXT },
	{ .name = "state", .kind = XB_KIND_TEXT },
};

static const struct xb_column root_columns[] = {
	{ .name = "root", .kind = XB_KIND_TEXT },
	{ .name = "address", .kind = XB_KIND_ADDR },
	{ .name = "value", .kind = XB_KIND_ADDR, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "sources", .kind = XB_KIND_TEXT },
	{ .name = "methods", .kind = XB_KIND_UINT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "agreement", .kind = XB_KIND_TEXT },
	{ .name = "contradicted_by", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "contradicting_value", .kind = XB_KIND_ADDR, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "via", .kind = XB_KIND_TEXT, .role = XB_ROLE_NATIVE },
};

static const struct xb_column check_columns[] = {
	{ .name = "check", .kind = XB_KIND_TEXT },
	{ .name = "tested", .kind = XB_KIND_UINT },
	{ .name = "failed", .kind = XB_KIND_UINT },
	{ .name = "promise", .kind = XB_KIND_TEXT },
};

struct section {
	struct xb_table *table;
	bool ok;
};

/* A nested table must outlive its row. */
static struct section begin(struct xb_arena *arena, const struct xb_column *columns, size_t n)
{
	struct section s = { xb_arena_alloc(arena, sizeof(*s.table)), true };

	if (s.table == NULL)
		return (struct section){ NULL, false };
	xb_table_init(s.table, columns, n, arena);
	return s;
}

#define BEGIN(rows, columns) begin((rows)->arena, columns, XB_ARRAY_LEN(columns))

static void add(struct section *s, const struct xb_cell *cells)
{
	s->ok = s->ok && xb_table_add(s->table, cells);
}

static bool end(struct xb_table *rows, const char *name, const struct section *s)
{
	const struct xb_cell cells[] = { xb_cell_text(name), xb_cell_table(s->table) };

	return s->ok && xb_table_add(rows, cells);
}

static void fact_as(struct section *s, const char *name, enum xb_kind kind, const char *unit,
		    struct xb_cell value)
{
	struct xb_str text = XB_STR_INIT;
	struct xb_cell cells[4];

	xb_cell_print(&text, kind, &value);
	cells[0] = xb_cell_text(name);
	cells[1] = value;
	cells[2] = xb_cell_textn(xb_str_get(&text), text.len);
	cells[3] = xb_cell_text(unit);
	s->ok = s->ok && !text.oom;
	add(s, cells);
	xb_str_deinit(&text);
}

static void fact(struct section *s, const char *name, struct xb_cell value)
{
	fact_as(s, name, XB_KIND_ANY, NULL, value);
}

static bool vm_section(const struct xb_session *s, const struct xb_system *y, struct xb_table *rows)
{
	const struct xb_identity *id = &s->vm->id;
	bool jit = id->flavor == XB_FLAVOR_JIT;
	struct section t = BEGIN(rows, fact_columns);

	if (t.ok)
		t.table->headless = true;
	fact(&t, "otp_release", xb_cell_uint(id->otp));
	fact(&t, "erts_version", xb_cell_text(id->erts));
	fact(&t, "flavor", xb_cell_text(xb_flavor_name(id->flavor)));
	fact(&t, "banner", xb_cell_text(id->banner));
	fact(&t, "native_stack", xb_cell_bool(id->native_stack));
	fact(&t, "frame_pointers", jit ? xb_cell_bool(id->frame_pointers) : xb_cell_none());
	fact(&t, "node", xb_cell_text_or_none(y->os.node));
	fact(&t, "schedulers", xb_cell_uint(s->scheds.n_normal));
	fact(&t, "dirty_cpu_schedulers", xb_cell_uint(s->scheds.n_dirty_cpu));
	fact(&t, "dirty_io_schedulers", xb_cell_uint(s->scheds.n_dirty_io));
	fact(&t, "schedulers_matched", xb_cell_uint(s->scheds_matched));
	fact(&t, "processes", xb_cell_uint(y->processes));
	fact(&t, "process_limit", xb_cell_uint(y->process_limit));
	fact(&t, "atoms", xb_cell_uint(y->atoms));
	fact(&t, "module_instances", xb_cell_uint(y->modules));
	fact_as(&t, "code", XB_KIND_BYTES, "bytes", xb_cell_uint(y->code_bytes));
	return end(rows, "vm", &t);
}

/* ISO 8601, UTC: the same for everybody who reads a report. */
static const char *date(uint64_t unix_ns, char *buf, size_t size)
{
	time_t at = (time_t)(unix_ns / 1000000000);
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL || strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return buf;
}

static bool process_section(const struct xb_session *s, const struct xb_system *y,
			    struct xb_table *rows)
{
	const struct xb_proc_about *os = &y->os;
	const struct xb_identity *id = &s->vm->id;
	const char state[] = { os->state, '\0' };
	struct section t = BEGIN(rows, fact_columns);
	char buf[32];

	if (t.ok)
		t.table->headless = true;
	fact(&t, "pid", xb_cell_uint((uint64_t)s->proc.pid));
	fact(&t, "executable", xb_cell_text_or_none(os->exe));
	fact(&t, "executable_deleted", xb_cell_bool(os->exe_deleted));
	fact(&t, "build_id", xb_cell_text_or_none(id->build_id));
	fact(&t, "stripped", xb_cell_bool(id->stripped));
	fact(&t, "debug_file",
	     y->debug_image == NULL ? xb_cell_none() : xb_cell_text(xb_image_path(y->debug_image)));
	fact(&t, "dwarf", xb_cell_bool(y->has_dwarf));
	fact(&t, "started", xb_cell_text_or_none(date(os->start_unix_ns, buf, sizeof(buf))));
	fact_as(&t, "uptime", XB_KIND_DURATION_NS, "ns", xb_cell_uint(os->uptime_ns));
	fact(&t, "state", xb_cell_text(state));
	fact(&t, "uid", xb_cell_uint(os->euid));
	fact(&t, "user", xb_cell_text_or_none(os->user));
	fact_as(&t, "resident", XB_KIND_BYTES, "bytes", xb_cell_uint(os->rss_bytes));
	fact(&t, "threads", xb_cell_uint(y->n_threads));
	fact(&t, "container", xb_cell_text_or_none(os->container));
	fact(&t, "root", xb_cell_text_or_none(os->root));
	fact(&t, "pid_in_namespace", xb_cell_uint((uint64_t)os->ns_pid));
	fact(&t, "redacted_arguments", xb_cell_uint(os->n_redacted));
	return end(rows, "process", &t);
}

static bool layout_section(const struct xb_session *s, struct xb_table *rows)
{
	const struct xb_layout *l = &s->vm->layout;
	size_t known[XB_FROM_USER + 1] = { 0 };
	struct section t = BEGIN(rows, fact_columns);

	for (size_t f = 0; f < XB_F__COUNT; f++) {
		if (l->field[f].from < XB_ARRAY_LEN(known))
			known[l->field[f].from]++;
	}
	if (t.ok)
		t.table->headless = true;
	fact(&t, "layout", xb_cell_text(l->name));
	fact(&t, "fields_from_table", xb_cell_uint(known[XB_FROM_TABLE]));
	fact(&t, "fields_from_dwarf", xb_cell_uint(known[XB_FROM_DWARF]));
	fact(&t, "fields_from_file", xb_cell_uint(known[XB_FROM_FILE]));
	fact(&t, "fields_from_user", xb_cell_uint(known[XB_FROM_USER]));
	fact(&t, "fields_unknown", xb_cell_uint(known[XB_FROM_NOWHERE]));
	fact(&t, "dwarf_contradicts_table", xb_cell_uint(l->dwarf_differs));
	fact_as(&t, "process_structure", XB_KIND_BYTES, "bytes", xb_cell_uint(l->size[XB_S_Process]));
	return end(rows, "layout", &t);
}

static bool argument_section(const struct xb_system *y, struct xb_table *rows)
{
	struct section t = BEGIN(rows, argument_columns);

	for (size_t i = 0; i < y->os.argc; i++) {
		const struct xb_cell cells[] = { xb_cell_uint(i), xb_cell_text(y->os.argv[i]) };

		add(&t, cells);
	}
	return end(rows, "arguments", &t);
}

static bool namespace_section(const struct xb_system *y, struct xb_table *rows)
{
	struct section t = BEGIN(rows, namespace_columns);

	for (size_t i = 0; i < y->os.n_ns; i++) {
		const struct xb_proc_namespace *ns = &y->os.ns[i];
		const struct xb_cell cells[] = {
			xb_cell_text(ns->kind),
			ns->inode == 0 ? xb_cell_none() : xb_cell_uint(ns->inode),
			ns->known ? xb_cell_bool(ns->same) : xb_cell_none(),
		};

		add(&t, cells);
	}
	return end(rows, "namespaces", &t);
}

static const struct xb_system_thread *thread_of(const struct xb_system *y, const struct xb_sched *sched)
{
	for (size_t i = 0; i < y->n_threads; i++) {
		if (y->threads[i].sched == sched)
			return &y->threads[i];
	}
	return NULL;
}

static bool scheduler_section(const struct xb_session *s, const struct xb_system *y,
			      struct xb_table *rows)
{
	struct section t = BEGIN(rows, scheduler_columns);

	for (size_t i = 0; i < s->scheds.n; i++) {
		const struct xb_sched *d = &s->scheds.list[i];
		const struct xb_system_thread *th = thread_of(y, d);
		const struct xb_cell cells[] = {
			xb_cell_text(xb_sched_kind_name(d->kind)),
			xb_cell_uint(d->no),
			th == NULL ? xb_cell_none() : xb_cell_uint((uint64_t)th->task.tid),
			xb_cell_text(th == NULL ? NULL : th->task.comm),
			th == NULL ? xb_cell_none() : xb_cell_textn(&th->task.state, 1),
			xb_cell_text(th == NULL ? NULL : th->pid),
			xb_cell_text(th == NULL ? NULL : th->process),
			xb_cell_uint(d->addr),
			d->registers == 0 ? xb_cell_none() : xb_cell_uint(d->registers),
		};

		add(&t, cells);
	}
	return end(rows, "schedulers", &t);
}

static bool thread_section(const struct xb_system *y, struct xb_table *rows)
{
	struct section t = BEGIN(rows, thread_columns);

	for (size_t i = 0; i < y->n_threads; i++) {
		const struct xb_system_thread *th = &y->threads[i];
		const struct xb_cell cells[] = {
			xb_cell_text(xb_thread_role_name(th->role)),
			th->no < 0 ? xb_cell_none() : xb_cell_int(th->no),
			xb_cell_uint((uint64_t)th->task.tid),
			xb_cell_text(th->task.comm),
			xb_cell_textn(&th->task.state, 1),
		};

		if (th->sched == NULL)
			add(&t, cells);
	}
	return end(rows, "threads", &t);
}

/* What the methods think of each other, in words; NULL where there is no such root. */
static const char *agreement(struct xb_arena *arena, const struct xb_root *r)
{
	xb_cleanup(xb_str_deinit) struct xb_str against = XB_STR_INIT;
	unsigned n = xb_root_methods(r->sources);

	if (r->against != 0) {
		xb_root_write_sources(r->against, &against);
		return xb_arena_printf(arena, "CONTRADICTED: 0x%llx by %s",
				       (unsigned long long)r->against_value, xb_str_get(&against));
	}
	return n == 0 ? NULL : n == 1 ? "one method" : xb_arena_printf(arena, "%u methods agree", n);
}

static bool root_row(const struct xb_session *s, enum xb_root_id id, struct xb_arena *arena,
		     struct section *t)
{
	const struct xb_root *r = &s->vm->roots.at[id];
	xb_cleanup(xb_str_deinit) struct xb_str sources = XB_STR_INIT;
	xb_cleanup(xb_str_deinit) struct xb_str against = XB_STR_INIT;

	xb_root_write_sources(r->sources, &sources);
	xb_root_write_sources(r->against, &against);
	const struct xb_cell cells[] = {
		xb_cell_text(xb_root_name(id)),
		/* A number that was counted has no address. */
		r->addr == 0 || (r->is_value && !xb_root_is_code(id)) ? xb_cell_none()
								      : xb_cell_uint(r->addr),
		r->sources == 0 ? xb_cell_none() : xb_cell_uint(s->vm->roots.value[id]),
		xb_cell_textn(xb_str_get(&sources), sources.len),
		xb_cell_uint(xb_root_methods(r->sources)),
		xb_cell_text(agreement(arena, r)),
		r->against == 0 ? xb_cell_none() : xb_cell_textn(xb_str_get(&against), against.len),
		r->against == 0 ? xb_cell_none() : xb_cell_uint(r->against_value),
		xb_cell_text(r->via),
	};

	add(t, cells);
	return !sources.oom && !against.oom;
}

static bool root_section(const struct xb_session *s, struct xb_table *rows)
{
	struct section t = BEGIN(rows, root_columns);

	for (int id = 0; id < XB_ROOT__COUNT; id++)
		t.ok = root_row(s, (enum xb_root_id)id, rows->arena, &t) && t.ok;
	return end(rows, "roots", &t);
}

static bool check_section(const struct xb_session *s, struct xb_table *rows)
{
	struct section t = BEGIN(rows, check_columns);

	for (size_t i = 0; i < s->vm->checks.len; i++) {
		const struct xb_check_result *r = &s->vm->checks.data[i];
		const struct xb_cell cells[] = { xb_cell_text(r->name), xb_cell_uint(r->tested),
						 xb_cell_uint(r->failed), xb_cell_text(r->promise) };

		add(&t, cells);
	}
	return end(rows, "checks", &t);
}

void inspect_system_init(struct xb_table *rows, struct xb_arena *arena)
{
	xb_table_init(rows, section_columns, XB_ARRAY_LEN(section_columns), arena);
	rows->headless = true;
}

bool inspect_system_rows(const struct xb_session *s, const struct xb_system *y, struct xb_table *rows)
{
	return vm_section(s, y, rows) && process_section(s, y, rows) && argument_section(y, rows) &&
	       namespace_section(y, rows) && scheduler_section(s, y, rows) && thread_section(y, rows) &&
	       layout_section(s, rows) && root_section(s, rows) && check_section(s, rows);
}
