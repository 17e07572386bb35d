#include "tools/sample_run.h"

#include "elf/regs.h"
#include "tools/attach.h"

#include <string.h>

struct xb_error *sample_open(struct xb_tool_run *run, struct xb_session **ret)
{
	const struct sample_opts *o = run->opts;

	return tool_attach(run, &o->target_opts, &o->target, false, NULL, NULL, ret);
}

/* A forced register as DWARF numbers it; -1 for none. */
static int forced(unsigned choice)
{
	enum xb_reg reg;

	return choice != SAMPLE_REGISTER_NONE && xb_reg_from_name(sample_register_names[choice], &reg)
		       ? (int)reg
		       : -1;
}

/*
 * How long samples wait before they are looked at.  What is read after a sample is as old as this, so where few samples
 * are expected each of them wakes us, and nothing else does; a look costs as much as a hundred microseconds of a CPU,
 * so where there are many that would cost the target more than it brings.
 */
enum { WAKE_MS = 100, FEW_PER_SECOND = 50 };

static bool wakes_each(const struct sample_ctx *c, uint64_t period_ns)
{
	return UINT64_C(1000000000) * c->session->scheds.n_normal / period_ns <= FEW_PER_SECOND;
}

static int drain_ms(const struct sample_ctx *c)
{
	return c->backend == XB_BACKEND_PERF && wakes_each(c, c->opts->interval_ns) ? WAKE_MS : 0;
}

static struct xb_error *open_source(struct sample_ctx *c, uint64_t period_ns)
{
	const struct xb_perf_options po = {
		.period_ns = period_ns,
		.stack_bytes = (size_t)c->opts->user_stack_bytes,
		.wake_each = wakes_each(c, period_ns),
		.user_only = false,
		.kernel_stacks = c->opts->include_kernel,
		.log = &c->run->log,
	};
	struct xb_str why_not = XB_STR_INIT;
	struct xb_error *err = xb_backend_open(c->session, (enum xb_backend)c->opts->backend, &po,
					       &c->source, &c->backend, &why_not);

	if (*xb_str_get(&why_not) != '\0')
		c->backend_note = xb_arena_printf(&c->run->arena, "%s", xb_str_get(&why_not));
	xb_str_deinit(&why_not);
	return err;
}

struct xb_error *sample_prepare(struct sample_ctx *c, uint64_t period_ns)
{
	struct xb_mixer_opts mo = {
		.max_depth = c->opts->max_callchain_depth != 0 ? (size_t)c->opts->max_callchain_depth
							       : SAMPLE_DEPTH,
		.force = { .c_p = forced(c->opts->force_c_p),
			   .E = forced(c->opts->force_E),
			   .I = forced(c->opts->force_I) },
		.kernel_frames = c->opts->include_kernel,
		.all_vote = c->opts->mode == SAMPLE_REGISTERS,
	};

	if (mo.force.I >= 0 && c->session->vm->id.flavor == XB_FLAVOR_JIT)
		xb_logf(&c->run->log, XB_LOG_WARN,
			"--force-I-register: this VM has the JIT, which has no I; ignored");
	XB_TRY(open_source(c, period_ns));
	XB_TRY(xb_mixer_create(c->session, &mo, &c->mixer));
	return xb_profile_create(c->session, c->mixer, &c->profile);
}

static void progress(void *arg, uint64_t elapsed_ns, uint64_t samples)
{
	struct sample_ctx *c = arg;

	xb_status_set(&c->run->status,
		      "sampling %d: %.1f of %.1f s, %llu samples (Ctrl-C ends and prints)",
		      (int)c->session->proc.pid, (double)elapsed_ns / 1e9,
		      (double)c->opts->duration_ns / 1e9, (unsigned long long)samples);
}

bool sample_interrupted(void *arg)
{
	(void)arg;
	return xb_tool_interrupted();
}

struct xb_error *sample_collect(struct sample_ctx *c)
{
	struct xb_collect_opts co = {
		.duration_ns = c->opts->duration_ns,
		.drain_ms = drain_ms(c),
		.interrupted = sample_interrupted,
		.progress = progress,
		.arg = c,
	};
	struct xb_error *err = xb_collect(c->profile, &c->source, &co, &c->result);

	xb_status_clear(&c->run->status);
	return xb_session_explain(c->session, err);
}

void sample_close(struct sample_ctx *c)
{
	xb_profile_destroy(c->profile);
	xb_mixer_destroy(c->mixer);
	xb_source_destroy(&c->source);
	xb_session_close(c->session);
}

struct xb_error *sample_verdict(const struct sample_ctx *c)
{
	if (!c->result.target_gone)
		return sample_forced_verdict(c);
	return xb_errorf(
		XB_ERR_INCOMPLETE,
		"process %d exited after %.1f of %.1f s; what was gathered until then is above",
		(int)c->session->proc.pid, (double)c->result.elapsed_ns / 1e9,
		(double)c->opts->duration_ns / 1e9);
}

struct xb_error *sample_run_with(struct xb_tool_run *run,
				 struct xb_error *(*show)(struct sample_ctx *c))
{
	struct xb_session *s = NULL;

	XB_TRY(sample_open(run, &s));
	return sample_run_on(run, s, show);
}

struct xb_error *sample_run_on(struct xb_tool_run *run, struct xb_session *s,
			       struct xb_error *(*show)(struct sample_ctx *c))
{
	struct sample_ctx c = { .run = run, .opts = run->opts, .session = s };
	struct xb_error *err = xb_session_explain(c.session, sample_prepare(&c, c.opts->interval_ns));

	if (err == NULL)
		err = sample_collect(&c);
	if (err == NULL)
		sample_log_vars(&c);
	if (err == NULL)
		err = show(&c);
	if (err == NULL)
		err = sample_verdict(&c);
	sample_close(&c);
	return err;
}
