#include "api/impl.h"

#include "vm/atom.h"
#include "vm/process.h"

struct pass {
	struct extrospect_vm *vm;
	extrospect_process_fn fn;
	void *arg;
	struct xb_frames frames;
	struct xb_str pid, name, initial, current;
	bool nomem;
};

static enum extrospect_certainty certainty_of(enum xb_grade grade)
{
	switch (grade) {
	case XB_GRADE_PARKED:
		return EXTROSPECT_PARKED;
	case XB_GRADE_CHANGED:
		return EXTROSPECT_CHANGED;
	case XB_GRADE_RUNNING:
		return EXTROSPECT_RUNNING;
	}
	return EXTROSPECT_CHANGED;
}

static const char *mfa_text(struct xb_vm *vm, bool has, struct xb_mfa mfa, struct xb_str *s)
{
	xb_str_clear(s);
	if (!has)
		return NULL;
	xb_mfa_write(vm, mfa, s);
	return xb_str_get(s);
}

static struct extrospect_process row_of(struct pass *k, const struct xb_proc *p)
{
	struct xb_vm *vm = k->vm->session->vm;
	struct extrospect_process row = {
		.size = sizeof(row),
		.initial_call = mfa_text(vm, p->has_initial, p->initial, &k->initial),
		.current_function = mfa_text(vm, p->has_current, p->current, &k->current),
		.status = xb_proc_state_name(p->status),
		.certainty = certainty_of(p->grade),
		.reductions = p->reductions,
		.messages = p->messages,
		.heap_bytes = p->heap_words * 8,
		.total_heap_bytes = (p->heap_words + p->old_heap_words) * 8,
		.stack_bytes = p->stack_words * 8,
	};

	xb_str_clear(&k->pid);
	xb_proc_write_id(vm, p->id, &k->pid);
	row.pid = xb_str_get(&k->pid);
	if (p->has_name) {
		xb_str_clear(&k->name);
		xb_atom_write(vm, p->name, &k->name);
		row.registered_name = xb_str_get(&k->name);
	}
	return row;
}

static bool each(void *arg, const struct xb_proc *p, const struct xb_stack *words)
{
	struct pass *k = arg;
	struct extrospect_process row = row_of(k, p);
	struct extrospect_stack stack = { .vm = k->vm, .frames = &k->frames };
	struct xb_stack_scan scan = { 0 };

	k->frames.len = 0;
	if (!xb_stack_frames(k->vm->session->vm, words, &k->frames, &scan) || k->pid.oom ||
	    k->name.oom || k->initial.oom || k->current.oom) {
		k->nomem = true;
		return false;
	}
	stack.rooted = scan.rooted;
	return k->fn(k->arg, &row, &stack);
}

static struct xb_error *run(struct pass *k, unsigned flags, struct extrospect_pass *ret)
{
	struct xb_proc_stats st = { 0 };
	struct extrospect_pass out = { 0 };

	if ((flags & ~(unsigned)EXTROSPECT_NO_STACKS) != 0)
		return xb_errorf(XB_ERR_USAGE, "libextrospect " XB_VERSION " does not know flag 0x%x",
				 flags & ~(unsigned)EXTROSPECT_NO_STACKS);
	XB_TRY(xb_api_refresh(k->vm));
	XB_TRY(xb_session_explain(k->vm->session,
				  xb_proc_each(k->vm->session->vm,
					       (flags & EXTROSPECT_NO_STACKS) != 0 ? 0 : XB_PROC_STACKS,
					       each, k, &st)));
	if (k->nomem)
		return xb_error_nomem();
	if (ret == NULL)
		return NULL;
	out.seen = st.seen;
	out.running = st.running;
	out.changed = st.changed;
	out.torn = st.torn;
	return xb_api_give(&out, sizeof(out), ret);
}

struct extrospect_error *extrospect_processes(struct extrospect_vm *vm, unsigned flags,
					      extrospect_process_fn fn, void *arg,
					      struct extrospect_pass *ret)
{
	struct pass k = { .vm = vm, .fn = fn, .arg = arg };
	struct xb_error *err = xb_api_enter(vm);

	if (err != NULL)
		return xb_api_error(err);
	err = run(&k, flags, ret);
	xb_api_leave(vm);
	xb_frames_deinit(&k.frames);
	xb_str_deinit(&k.pid);
	xb_str_deinit(&k.name);
	xb_str_deinit(&k.initial);
	xb_str_deinit(&k.current);
	return xb_api_error(err);
}
