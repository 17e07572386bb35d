#include "api/impl.h"

#include "sample/backend.h"
#include "view/collect.h"

enum { ASK_MS = 10, DEFAULT_DEPTH = 1024, MAX_DEPTH = 1000000 };

#define SECOND            UINT64_C(1000000000)
#define DEFAULT_DURATION  (10 * SECOND)
#define DEFAULT_FREQUENCY 99

struct sampling {
	struct extrospect_vm *vm;
	struct extrospect_sample_options options;
	struct xb_source source;
	enum xb_backend backend;
	struct xb_mixer *mixer;
	struct xb_profile *profile;
	struct xb_collect_result result;
};

static struct xb_error *open_source(struct sampling *k)
{
	const struct extrospect_sample_options *o = &k->options;
	const struct xb_perf_options po = {
		.period_ns = o->period_ns,
		.stack_bytes = o->stack_bytes,
		.kernel_stacks = o->kernel,
		.log = &k->vm->log,
	};
	static const enum xb_backend which[] = {
		[EXTROSPECT_BACKEND_AUTO] = XB_BACKEND_AUTO,
		[EXTROSPECT_BACKEND_PERF] = XB_BACKEND_PERF,
		[EXTROSPECT_BACKEND_POLL] = XB_BACKEND_POLL,
		[EXTROSPECT_BACKEND_BPF] = XB_BACKEND_BPF,
	};

	return xb_backend_open(k->vm->session, which[o->backend], &po, &k->source, &k->backend, NULL);
}

static struct xb_error *check(struct extrospect_sample_options *o)
{
	if ((unsigned)o->backend > EXTROSPECT_BACKEND_BPF)
		return xb_errorf(XB_ERR_USAGE, "unknown backend %d", (int)o->backend);
	if (o->max_depth > MAX_DEPTH)
		return xb_errorf(XB_ERR_USAGE, "max_depth is above %d", MAX_DEPTH);
	if (o->duration_ns == 0)
		o->duration_ns = DEFAULT_DURATION;
	if (o->period_ns == 0)
		o->period_ns = SECOND / DEFAULT_FREQUENCY;
	if (o->stack_bytes == 0)
		o->stack_bytes = XB_PERF_STACK_DEFAULT;
	if (o->max_depth == 0)
		o->max_depth = DEFAULT_DEPTH;
	return NULL;
}

static struct xb_error *collect(struct sampling *k)
{
	const struct extrospect_sample_options *o = &k->options;
	const struct xb_mixer_opts mo = { .max_depth = o->max_depth,
					  .force = { -1, -1, -1 },
					  .kernel_frames = o->kernel };
	const struct xb_collect_opts co = {
		.duration_ns = o->duration_ns,
		.drain_ms = o->stop == NULL ? 0 : ASK_MS,
		.interrupted = o->stop,
		.arg = o->stop_arg,
	};

	XB_TRY(open_source(k));
	XB_TRY(xb_mixer_create(k->vm->session, &mo, &k->mixer));
	XB_TRY(xb_profile_create(k->vm->session, k->mixer, &k->profile));
	return xb_collect(k->profile, &k->source, &co, &k->result);
}

static void hand_out(const struct sampling *k, extrospect_sample_fn fn, void *arg)
{
	const struct xb_profile *p = k->profile;
	bool more = true;

	for (size_t i = 0; more && i < p->counters.len; i++) {
		const struct xb_pcounter *c = &p->counters.data[i];
		const struct xb_pthread *t = &p->threads.data[c->thread];
		const struct xb_pprocess *process =
			c->process < XB_PROFILE_GONE ? &p->processes.data[c->process] : NULL;
		const struct extrospect_stack stack = { .vm = k->vm,
							.profile = p,
							.counted = &p->stacks.data[c->stack],
							.rooted = p->stacks.data[c->stack].rooted };
		const struct extrospect_sample sample = {
			.size = sizeof(sample),
			.count = c->count,
			.thread = t->label,
			.tid = (int)t->tid,
			.cpu = c->cpu,
			.pid = process == NULL ? NULL : process->pid,
			.process = process == NULL ? NULL : process->label,
			.exact = c->exact,
			.cut = stack.counted->cut,
		};

		more = fn(arg, &sample, &stack);
	}
}

static struct xb_error *sum_up(const struct sampling *k, struct extrospect_sample_summary *ret)
{
	const struct xb_profile *p = k->profile;
	const struct xb_mixer_stats *m = xb_mixer_stats(k->mixer);
	const struct extrospect_sample_summary sum = {
		.samples = p->samples,
		.erlang = p->erlang,
		.exact = p->exact,
		.rooted = p->rooted,
		.lost = k->result.source.lost,
		.torn = m->unreadable + m->bad_c_p + m->bad_step,
		.elapsed_ns = k->result.elapsed_ns,
		.median_skid_ns = xb_skid_quantile(&p->skid, 0.5),
		.worst_skid_ns = p->skid.worst_ns,
		.target_gone = k->result.target_gone,
		.stopped = k->result.interrupted,
		.backend = xb_backend_name(k->backend),
	};

	return ret == NULL ? NULL : xb_api_give(&sum, sizeof(sum), ret);
}

static struct xb_error *run(struct sampling *k, const struct extrospect_sample_options *options,
			    extrospect_sample_fn fn, void *arg, struct extrospect_sample_summary *ret)
{
	XB_TRY(xb_api_take(options, &k->options, sizeof(k->options)));
	XB_TRY(check(&k->options));
	XB_TRY(xb_api_refresh(k->vm));
	XB_TRY(xb_session_explain(k->vm->session, collect(k)));
	hand_out(k, fn, arg);
	return sum_up(k, ret);
}

struct extrospect_error *extrospect_sample(struct extrospect_vm *vm,
					   const struct extrospect_sample_options *options,
					   extrospect_sample_fn fn, void *arg,
					   struct extrospect_sample_summary *ret)
{
	struct sampling k = { .vm = vm };
	struct xb_error *err = xb_api_enter(vm);

	if (err != NULL)
		return xb_api_error(err);
	err = run(&k, options, fn, arg, ret);
	xb_api_leave(vm);
	xb_profile_destroy(k.profile);
	xb_mixer_destroy(k.mixer);
	xb_source_destroy(&k.source);
	return xb_api_error(err);
}
