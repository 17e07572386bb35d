/*
 * --process and --all: the stack of any process, waiting ones included.
 *
 * A VM may have a million of them, so they are written as they are read.  Many share their frames: each program
 * counter is rendered once and then copied.
 */
#include "tools/sample_run.h"

#include "base/map.h"
#include "out/json.h"
#include "out/text.h"
#include "vm/atom.h"

#include <string.h>
#include <time.h>

struct rendered {
	size_t len;
	char bytes[];
};

struct stacks {
	struct xb_tool_run *run;
	const struct sample_opts *opts;
	struct xb_session *session;
	struct xb_namer *namer;
	struct xb_frames frames;
	struct xb_map cache; /* pc -> struct rendered * in the arena */
	struct xb_str text;
	struct xb_report report;
	struct xb_json json;
	uint64_t shown, n_frames, unresolved, not_rooted;
	struct xb_error *err;
};

/* --- which processes --- */

static bool atom_is(struct xb_vm *vm, const struct xb_selector_atom *want, uint32_t index)
{
	struct xb_atom_text have;

	return xb_atom_get(vm, index, &have) && xb_selector_atom_matches(want, have.name, have.len);
}

static bool matches_one(struct xb_vm *vm, const struct xb_selector *s, const struct xb_proc *p)
{
	uint32_t num, serial;

	switch (s->kind) {
	case XB_SELECTOR_PID:
		return xb_proc_pid_parts(vm, p->id, &num, &serial) && s->pid[0] == 0 &&
		       s->pid[1] == num && s->pid[2] == serial;
	case XB_SELECTOR_NAME:
		return p->has_name && atom_is(vm, &s->name, p->name);
	case XB_SELECTOR_MFA:
		return p->has_initial && atom_is(vm, &s->module, p->initial.module) &&
		       atom_is(vm, &s->function, p->initial.function) &&
		       (s->arity == XB_SELECTOR_ANY_ARITY || s->arity == p->initial.arity);
	case XB_SELECTOR_NATIVE:
		return false;
	}
	return false;
}

static bool selected(const struct stacks *k, const struct xb_proc *p)
{
	if (k->opts->mode == SAMPLE_ALL)
		return true;
	for (size_t i = 0; i < k->opts->process.n; i++) {
		for (const struct xb_selector *s = k->opts->selectors[i]; s != NULL; s = s->next) {
			if (matches_one(k->session->vm, s, p))
				return true;
		}
	}
	return false;
}

/* --- one frame --- */

static void render_text(struct stacks *k, const struct xb_frame_name *name, struct xb_sink *to)
{
	const struct xb_tty *tty = &k->run->tty;
	struct xb_str *s = &k->text;

	xb_sink_puts(to, "    ");
	xb_str_clear(s);
	xb_text_safe(s, name->name, strlen(name->name));
	xb_tty_write(tty, to, XB_ROLE_ERLANG, xb_str_get(s), s->len);
	if (*name->file != '\0') {
		xb_str_clear(s);
		xb_str_add(s, " (");
		xb_text_safe(s, name->file, strlen(name->file));
		xb_str_addf(s, ":%u)", name->line);
		xb_tty_write(tty, to, XB_ROLE_PATH, xb_str_get(s), s->len);
	}
	xb_sink_putc(to, '\n');
}

static void render_json(const struct xb_frame_name *name, xb_addr pc, struct xb_sink *to)
{
	struct xb_json j;
	char addr[24];

	(void)snprintf(addr, sizeof(addr), "0x%llx", (unsigned long long)pc);
	xb_json_init_inner(&j, to);
	xb_json_object_begin(&j);
	xb_json_key(&j, "function");
	xb_json_text(&j, name->name);
	xb_json_key(&j, "file");
	if (*name->file == '\0')
		xb_json_null(&j);
	else
		xb_json_text(&j, name->file);
	xb_json_key(&j, "line");
	if (name->line == 0)
		xb_json_null(&j);
	else
		xb_json_u64(&j, name->line);
	xb_json_key(&j, "address");
	xb_json_text(&j, addr);
	xb_json_object_end(&j);
}

static const struct rendered *frame_text(struct stacks *k, xb_addr pc)
{
	uint64_t *at = xb_map_at(&k->cache, pc);
	struct xb_frame_name name;
	struct xb_sink to;
	struct rendered *r;

	if (at == NULL)
		return NULL;
	if (*at != 0)
		return (const struct rendered *)(uintptr_t)*at; // NOLINT(performance-no-int-to-ptr)
	xb_namer_erlang(k->namer, pc, &name);
	xb_sink_to_memory(&to);
	if (k->run->common.json)
		render_json(&name, pc, &to);
	else
		render_text(k, &name, &to);
	r = to.err != 0 ? NULL : xb_arena_alloc(&k->run->arena, sizeof(*r) + to.text.len);
	if (r != NULL) {
		r->len = to.text.len;
		memcpy(r->bytes, xb_sink_text(&to), to.text.len);
		*at = (uintptr_t)r;
	}
	xb_sink_deinit(&to);
	return r;
}

/* --- one process --- */

static void head_text(struct stacks *k, const struct xb_proc *p, const struct xb_stack_scan *scan)
{
	struct xb_vm *vm = k->session->vm;
	struct xb_sink *to = &k->run->out;
	struct xb_str *s = &k->text;

	xb_str_clear(s);
	xb_proc_write_id(vm, p->id, s);
	xb_tty_write(&k->run->tty, to, XB_ROLE_PROCESS, xb_str_get(s), s->len);
	xb_str_clear(s);
	xb_str_addc(s, ' ');
	if (p->has_name || p->has_initial)
		xb_proc_write_label(vm, p, s);
	xb_sink_write(to, xb_str_get(s), s->len);
	xb_sink_printf(to, " (%s, %llu reductions, %llu messages, heap %llu bytes%s%s)\n",
		       xb_proc_state_name(p->status), (unsigned long long)p->reductions,
		       (unsigned long long)p->messages,
		       (unsigned long long)(p->heap_words + p->old_heap_words) * 8,
		       p->grade == XB_GRADE_RUNNING   ? ", ~ running while it was read"
		       : p->grade == XB_GRADE_CHANGED ? ", ~ changed while it was read"
						      : "",
		       scan->rooted || p->stack_words == 0 ? "" : ", ~ stack not whole");
	if (p->has_current) {
		xb_str_clear(s);
		xb_str_add(s, "    in ");
		xb_mfa_write(vm, p->current, s);
		xb_str_addc(s, '\n');
		xb_sink_write(to, xb_str_get(s), s->len);
	}
}

static void json_mfa(struct stacks *k, const char *key, bool has, struct xb_mfa mfa)
{
	xb_json_key(&k->json, key);
	if (!has) {
		xb_json_null(&k->json);
		return;
	}
	xb_str_clear(&k->text);
	xb_mfa_write(k->session->vm, mfa, &k->text);
	xb_json_string(&k->json, xb_str_get(&k->text), k->text.len);
}

static void json_number(struct stacks *k, const char *key, uint64_t v)
{
	xb_json_key(&k->json, key);
	xb_json_u64(&k->json, v);
}

static void head_json(struct stacks *k, const struct xb_proc *p, const struct xb_stack_scan *scan)
{
	static const char *const grades[] = { "A", "B", "C" };
	struct xb_json *j = &k->json;

	xb_json_object_begin(j);
	xb_str_clear(&k->text);
	xb_proc_write_id(k->session->vm, p->id, &k->text);
	xb_json_key(j, "pid");
	xb_json_string(j, xb_str_get(&k->text), k->text.len);
	xb_json_key(j, "registered_name");
	xb_str_clear(&k->text);
	if (p->has_name)
		xb_atom_write(k->session->vm, p->name, &k->text);
	if (p->has_name)
		xb_json_string(j, xb_str_get(&k->text), k->text.len);
	else
		xb_json_null(j);
	json_mfa(k, "initial_call", p->has_initial, p->initial);
	json_mfa(k, "current_function", p->has_current, p->current);
	xb_json_key(j, "status");
	xb_json_text(j, xb_proc_state_name(p->status));
	xb_json_key(j, "grade");
	xb_json_text(j, grades[p->grade]);
	json_number(k, "message_queue_len", p->messages);
	json_number(k, "reductions", p->reductions);
	json_number(k, "heap_size_bytes", p->heap_words * 8);
	json_number(k, "total_heap_size_bytes", (p->heap_words + p->old_heap_words) * 8);
	json_number(k, "stack_size_bytes", p->stack_words * 8);
	xb_json_key(j, "rooted");
	xb_json_bool(j, scan->rooted);
}

static bool write_frames(struct stacks *k, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct rendered *r = frame_text(k, k->frames.data[i].pc);

		if (r == NULL) {
			k->err = xb_error_nomem();
			return false;
		}
		if (k->run->common.json)
			xb_json_raw(&k->json, r->bytes, r->len);
		else
			xb_sink_write(&k->run->out, r->bytes, r->len);
	}
	return true;
}

static bool each(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	struct stacks *k = arg;
	struct xb_stack_scan scan;
	size_t n;
	bool ok;

	if (!selected(k, p))
		return !xb_tool_interrupted();
	k->frames.len = 0;
	if (!xb_stack_frames(k->session->vm, stack, &k->frames, &scan)) {
		k->err = xb_error_nomem();
		return false;
	}
	n = XB_MIN(k->frames.len, (size_t)k->opts->max_callchain_depth);
	k->shown++;
	k->n_frames += n;
	k->not_rooted += !scan.rooted && stack->n > 0;
	if (!k->run->common.json) {
		head_text(k, p, &scan);
		ok = write_frames(k, n);
		if (k->frames.len > n)
			xb_sink_printf(&k->run->out,
				       "    ... %zu more frames (--max-callchain-depth)\n",
				       k->frames.len - n);
		xb_sink_putc(&k->run->out, '\n');
	} else {
		head_json(k, p, &scan);
		xb_json_key(&k->json, "frames");
		xb_json_array_begin(&k->json);
		ok = write_frames(k, n);
		xb_json_array_end(&k->json);
		xb_json_object_end(&k->json);
	}
	return ok && !xb_tool_interrupted() && !xb_sink_failed(&k->run->out);
}

/* --- the whole --- */

static void health(struct stacks *k, const struct xb_proc_stats *st, uint64_t ns)
{
	struct xb_report *r = &k->report;

	xb_report_health(r, "processes", "% processes", XB_KIND_UINT, xb_cell_uint(k->shown));
	xb_report_health(r, "frames", "% frames", XB_KIND_UINT, xb_cell_uint(k->n_frames));
	xb_report_health(r, "duration_ns", "in %", XB_KIND_DURATION_NS, xb_cell_uint(ns));
	xb_report_health(r, "running", "% running (~)", XB_KIND_UINT, xb_cell_uint(st->running));
	xb_report_health(r, "changed", "% changed while read (~)", XB_KIND_UINT,
			 xb_cell_uint(st->changed));
	xb_report_health(r, "torn", "% torn", XB_KIND_UINT, xb_cell_uint(st->torn));
	xb_report_health(r, "retried", NULL, XB_KIND_UINT, xb_cell_uint(st->retried));
	xb_report_health(r, "not_rooted", "% not whole", XB_KIND_UINT, xb_cell_uint(k->not_rooted));
	sample_layout_health(r, &k->session->vm->layout);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct xb_error *print_all(struct stacks *k)
{
	struct xb_proc_stats st = { 0 };
	uint64_t start = now_ns();
	struct xb_error *err;

	xb_report_init(&k->report, "extrospect.sample.stacks", 1, &k->run->arena);
	sample_target_facts(&k->report, k->session);
	if (k->run->common.json) {
		XB_TRY(xb_report_json_begin(&k->report, &k->json, &k->run->out));
		xb_json_array_begin(&k->json);
	} else {
		XB_TRY(xb_report_print_target(&k->report, &k->run->out, &k->run->tty));
		xb_sink_putc(&k->run->out, '\n');
	}
	err = xb_proc_each(k->session->vm, XB_PROC_STACKS, each, k, &st);
	if (err == NULL)
		err = xb_take(k->err);
	/* A target that exits half way leaves a result that is incomplete but well formed. */
	health(k, &st, now_ns() - start);
	if (k->run->common.json) {
		struct xb_error *end;

		xb_json_array_end(&k->json);
		end = xb_report_json_end(&k->report, &k->json);
		return err != NULL ? err : end;
	}
	if (err == NULL && k->shown == 0)
		return xb_error_advise(
			xb_errorf(XB_ERR_USAGE, "no process matches"),
			"--all lists every process; registered names are matched exactly");
	if (err == NULL)
		err = xb_report_print_health(&k->report, &k->run->out, &k->run->tty);
	return err;
}

struct xb_error *sample_run_stacks(struct xb_tool_run *run)
{
	struct stacks k = { .run = run, .opts = run->opts };
	struct xb_error *err = sample_open(run, &k.session);

	if (err == NULL)
		err = xb_namer_create(k.session, NULL, &k.namer);
	if (err == NULL)
		err = xb_session_explain(k.session, print_all(&k));
	xb_namer_destroy(k.namer);
	xb_frames_deinit(&k.frames);
	xb_map_deinit(&k.cache);
	xb_str_deinit(&k.text);
	xb_session_close(k.session);
	return err;
}
