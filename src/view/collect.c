#include "view/collect.h"

#include "base/clock.h"
#include "os/target.h"
#include "vm/code.h"

struct run {
	struct xb_profile *p;
	const struct xb_collect_opts *opts;
	struct xb_collect_result *out;
	bool maps_stale;
	uint64_t code_changes, changed_ns; /* as last seen, and when that was */
};

static struct xb_error *take_one(void *arg, const struct xb_mixed *m)
{
	struct run *r = arg;

	if (r->opts->look != NULL && !r->out->satisfied)
		r->out->satisfied = r->opts->look(r->opts->arg, m);
	return xb_profile_add(r->p, m);
}

static struct xb_error *take(void *arg, const struct xb_raw_sample *samples, size_t n)
{
	struct run *r = arg;

	if (r->maps_stale) {
		r->maps_stale = false;
		XB_TRY(xb_session_refresh_maps(r->p->s));
	}
	/* After the samples were taken and before they are named: the code seen here is theirs or newer. */
	XB_TRY(xb_profile_before(r->p));
	return xb_mixer_run(r->p->mixer, samples, n, take_one, r);
}

static struct xb_error *event(void *arg, const struct xb_source_event *e)
{
	struct run *r = arg;

	r->maps_stale |= e->kind == XB_EVENT_MAP;
	r->out->threads_started += e->kind == XB_EVENT_THREAD_START;
	r->out->threads_ended += e->kind == XB_EVENT_THREAD_EXIT;
	r->out->target_gone |= e->kind == XB_EVENT_EXEC;
	return NULL;
}

static struct xb_error *drain(struct run *r, struct xb_source *source)
{
	const struct xb_taker taker = { .arg = r, .samples = take, .event = event };
	struct xb_error *err = xb_source_drain(source, &taker);

	if (err == NULL)
		err = xb_profile_after(r->p);
	if (err == NULL)
		return NULL;
	/* Reading a process that is no more: an end, not a failure. */
	if (xb_error_code(err) == XB_ERR_GONE || !xb_target_alive(&r->p->s->proc)) {
		xb_error_destroy(err);
		r->out->target_gone = true;
		return NULL;
	}
	return err;
}

/*
 * A look at the rings costs as much as some ten samples, because all it touches has left the caches: with fewer than FEW
 * in the usual time, wait longer.  Where something is read after the samples, it is as old as the wait; frozen ones can
 * wait much longer.  While code is being loaded, do not: samples of the time between two looks may be from before or after
 * a change, and what differs in them has no name.
 */
static int pace(struct run *r, const struct xb_source *source, uint64_t now, uint64_t got,
		uint64_t waited_ns)
{
	enum {
		FEW = 40,
		SETTLED_NS = 1000000000,
		READ_MS = 10,
		FEW_READ_MS = 30,
		FROZEN_MS = 100,
		FEW_FROZEN_MS = 200
	};
	uint64_t usual = source->ops->freezes ? FROZEN_MS : READ_MS;

	if (r->opts->drain_ms != 0)
		return r->opts->drain_ms;
	if (r->code_changes != r->p->code_changes) {
		r->code_changes = r->p->code_changes;
		r->changed_ns = now;
	}
	if (r->changed_ns != 0 && now - r->changed_ns < SETTLED_NS)
		return READ_MS;
	if (got * usual * 1000000 >= FEW * waited_ns)
		return (int)usual;
	return source->ops->freezes ? FEW_FROZEN_MS : FEW_READ_MS;
}

/* Wait for samples; a change of code ends it, for what waits in the ring has names only as long as they are known. */
static struct xb_error *await(struct run *r, struct xb_source *source, int ms, unsigned *why)
{
	enum { SLICE_MS = 20 };
	bool stale = false;

	if (!source->ops->freezes)
		return xb_source_wait(source, ms, -1, why);
	for (*why = 0; ms > 0 && *why == 0 && !stale; ms -= SLICE_MS) {
		XB_TRY(xb_source_wait(source, XB_MIN(ms, SLICE_MS), -1, why));
		/* A target that cannot be read any more shows in what follows. */
		xb_error_destroy(xb_code_is_stale(r->p->s->vm, &stale));
	}
	return NULL;
}

static struct xb_error *loop(struct run *r, struct xb_source *source, uint64_t start)
{
	uint64_t shown = 0, last = start, counted = 0;

	while (!r->out->target_gone && !r->out->interrupted && !r->out->satisfied) {
		uint64_t now = xb_now_ns(), elapsed = now - start, left;
		int wait_ms = pace(r, source, now, r->p->samples - counted, now - last);
		unsigned why = 0;

		if (elapsed >= r->opts->duration_ns)
			return NULL;
		last = now;
		counted = r->p->samples;
		left = (r->opts->duration_ns - elapsed) / 1000000 + 1;
		XB_TRY(await(r, source, (int)XB_MIN((uint64_t)wait_ms, left), &why));
		XB_TRY(drain(r, source));
		r->out->target_gone |= (why & XB_WAKE_EXIT) != 0;
		r->out->interrupted =
			r->opts->interrupted != NULL && r->opts->interrupted(r->opts->arg);
		if (r->opts->progress != NULL && elapsed - shown >= 100000000) {
			shown = elapsed;
			r->opts->progress(r->opts->arg, elapsed, r->p->samples);
		}
	}
	return NULL;
}

struct xb_error *xb_collect(struct xb_profile *p, struct xb_source *source,
			    const struct xb_collect_opts *opts, struct xb_collect_result *ret)
{
	struct xb_collect_result out = { 0 };
	struct run r = { .p = p, .opts = opts, .out = &out };
	uint64_t start = xb_now_ns(), cpu = xb_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct xb_error *err;

	XB_TRY(xb_source_start(source));
	err = loop(&r, source, start);
	if (err == NULL)
		err = xb_source_stop(source);
	if (err == NULL)
		err = drain(&r, source);
	xb_source_stats(source, &out.source);
	if (err == NULL)
		err = xb_profile_finish(p);
	out.elapsed_ns = xb_now_ns() - start;
	out.own_cpu_ns = xb_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	*ret = out;
	return err;
}
