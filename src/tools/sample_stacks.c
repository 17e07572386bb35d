/*
 * --process and --all: the stack of any process, waiting ones included.
 *
 * A VM may have a million of them, so they are written as they are read.
 */
#include "tools/sample_stacks.h"

#include "base/clock.h"
#include "vm/atom.h"

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

static bool each(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	struct stacks *k = arg;
	struct xb_stack_scan scan;

	if (!selected(k, p))
		return !xb_tool_interrupted();
	k->frames.len = 0;
	if (!xb_stack_frames(k->session->vm, stack, &k->frames, &scan)) {
		k->err = xb_error_nomem();
		return false;
	}
	k->shown++;
	k->not_rooted += !scan.rooted && stack->n > 0;
	return stacks_write(k, p, &scan) && !xb_tool_interrupted();
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

/* Of two errors the first; the second is a consequence. */
static struct xb_error *first(struct xb_error *a, struct xb_error *b)
{
	if (a == NULL)
		return b;
	xb_error_destroy(b);
	return a;
}

static struct xb_error *print_all(struct stacks *k)
{
	struct xb_proc_stats st = { 0 };
	uint64_t start = xb_now_ns();
	struct xb_error *err;

	xb_report_init(&k->report, "extrospect.sample.stacks", 1, &k->run->arena);
	sample_target_facts(&k->report, k->session);
	if (k->run->common.json) {
		XB_TRY(xb_report_json_begin(&k->report, &k->json, &k->page));
		xb_json_array_begin(&k->json);
	} else {
		XB_TRY(xb_report_print_target(&k->report, &k->page, &k->run->tty));
		xb_sink_putc(&k->page, '\n');
	}
	err = xb_proc_each(k->session->vm, XB_PROC_STACKS, each, k, &st);
	err = first(err, xb_take(k->err));
	/* A target that exits half way leaves a result that is incomplete but well formed. */
	health(k, &st, xb_now_ns() - start);
	if (k->run->common.json) {
		xb_json_array_end(&k->json);
		err = first(err, xb_report_json_end(&k->report, &k->json));
	} else if (err == NULL && k->shown == 0) {
		err = xb_error_advise(
			xb_errorf(XB_ERR_USAGE, "no process matches"),
			"--all lists every process; registered names are matched exactly");
	} else if (err == NULL) {
		err = xb_report_print_health(&k->report, &k->page, &k->run->tty);
	}
	(void)stacks_flush(k);
	return first(err, xb_take(k->err));
}

struct xb_error *sample_run_stacks(struct xb_tool_run *run)
{
	struct stacks k = { .run = run, .opts = run->opts };
	struct xb_error *err;

	xb_sink_to_memory(&k.page);
	xb_sink_to_memory(&k.frame);
	err = sample_open(run, &k.session);
	if (err == NULL)
		err = xb_namer_create(k.session, NULL, &k.namer);
	if (err == NULL)
		err = xb_session_explain(k.session, print_all(&k));
	xb_namer_destroy(k.namer);
	xb_frames_deinit(&k.frames);
	xb_map_deinit(&k.frame_texts);
	xb_map_deinit(&k.mfas);
	xb_sink_deinit(&k.page);
	xb_sink_deinit(&k.frame);
	xb_str_deinit(&k.text);
	xb_session_close(k.session);
	return err;
}
