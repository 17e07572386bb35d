/* Taking samples out of perf rings; attaching is in perf_open.c. */
#include "sample/perf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Hand the batch over and give the kernel back what it lay in. */
static struct xb_error *flush(struct xb_perf *p, const struct xb_taker *sink)
{
	struct xb_error *err = NULL;
	size_t n = p->n_batch;

	p->n_batch = 0;
	p->stats.samples += n;
	if (n > 0)
		err = sink->samples(sink->arg, p->batch, n);
	for (size_t i = p->unreleased; i <= p->draining && i < p->rings.len; i++)
		xb_ring_release(&p->rings.data[i].ring);
	p->unreleased = p->draining;
	return err;
}

/* A thread that was opened late may carry an inherited event too: see struct xb_perf. */
static bool counted_twice(const struct xb_perf *p, const struct xb_record *rec)
{
	const uint64_t *owner;

	if (p->late.len == 0 || xb_map_get(&p->late, (uint64_t)rec->sample.tid) == NULL)
		return false;
	owner = xb_map_get(&p->late_ids, rec->id);
	return owner == NULL || *owner != (uint64_t)rec->sample.tid;
}

static void count_event(struct xb_perf *p, const struct xb_source_event *e)
{
	if (e->kind == XB_EVENT_LOST)
		p->lost_told += e->lost;
	else if (e->kind == XB_EVENT_THROTTLE)
		p->stats.throttled++;
	else if (e->kind == XB_EVENT_THREAD_START && p->mode == XB_PERF_THREAD)
		p->stats.not_covered++;
}

static struct xb_error *take(struct xb_perf *p, const struct xb_ring_record *raw,
			     const struct xb_taker *sink)
{
	bool every_process = p->mode == XB_PERF_CPU;
	struct xb_record rec;

	p->stats.bytes += raw->len;
	switch (xb_record_parse(&p->format, raw->bytes, raw->len, &rec)) {
	case XB_RECORD_SAMPLE:
		if (rec.pid != p->target.pid)
			p->stats.foreign++;
		else if (!counted_twice(p, &rec))
			p->batch[p->n_batch++] = rec.sample;
		return NULL;
	case XB_RECORD_EVENT:
		/* Losses and throttling have no process of their own. */
		if (rec.pid != p->target.pid && rec.event.kind != XB_EVENT_LOST &&
		    (every_process || rec.pid != 0) && rec.event.kind != XB_EVENT_THROTTLE &&
		    rec.event.kind != XB_EVENT_UNTHROTTLE)
			return NULL;
		count_event(p, &rec.event);
		if (sink->event == NULL)
			return NULL;
		XB_TRY(flush(p, &(struct xb_taker){ .arg = sink->arg, .samples = sink->samples }));
		return sink->event(sink->arg, &rec.event);
	case XB_RECORD_OTHER:
		p->stats.other_records++;
		return NULL;
	case XB_RECORD_DAMAGED:
		p->stats.bad_records++;
		return NULL;
	}
	return NULL;
}

/* The batch goes on from ring to ring: what a batch costs is then paid once for all CPUs. */
static struct xb_error *drain_ring(struct xb_perf *p, struct xb_ring *ring, const struct xb_taker *sink)
{
	struct xb_ring_record raw;
	uint64_t released = ring->at;

	for (;;) {
		enum xb_ring_got got = xb_ring_next(ring, &raw);

		if (got == XB_RING_EMPTY)
			return NULL;
		if (got == XB_RING_DAMAGED) {
			p->stats.bad_records++;
			return NULL;
		}
		XB_TRY(take(p, &raw, sink));
		/* Early enough that the kernel always has room. */
		if (p->n_batch == XB_PERF_BATCH || ring->at - released > ring->size / 4) {
			XB_TRY(flush(p, sink));
			released = ring->at;
		}
	}
}

static struct xb_error *perf_drain(void *self, const struct xb_taker *sink)
{
	struct xb_perf *p = self;
	struct xb_error *err = NULL;

	p->unreleased = p->draining = 0;
	for (size_t i = 0; i < p->rings.len; i++)
		p->stats.bad_records += !xb_ring_begin(&p->rings.data[i].ring);
	for (; err == NULL && p->draining < p->rings.len; p->draining++)
		err = drain_ring(p, &p->rings.data[p->draining].ring, sink);
	if (err != NULL) {
		xb_error_destroy(flush(p, sink));
		return err;
	}
	return flush(p, sink);
}

static struct xb_error *perf_start(void *self)
{
	struct xb_perf *p = self;

	for (size_t i = 0; i < p->fds.len; i++) {
		if (ioctl(p->fds.data[i], PERF_EVENT_IOC_ENABLE, 0) != 0)
			return xb_error_sys(errno, "cannot start sampling process %d",
					    (int)p->target.pid);
	}
	return NULL;
}

/* CPUs that came online since: threads that ran there were not seen. */
static size_t new_cpus(const struct xb_perf *p)
{
	struct xb_perf_cpus now = { 0 };
	struct xb_error *err = xb_perf_online(&now);
	size_t n = 0;

	for (size_t i = 0; err == NULL && i < now.len; i++) {
		bool known = false;

		for (size_t k = 0; k < p->cpus.len; k++)
			known |= p->cpus.data[k] == now.data[i];
		n += !known;
	}
	xb_error_destroy(err);
	xb_perf_cpus_deinit(&now);
	return n;
}

static struct xb_error *perf_stop(void *self)
{
	struct xb_perf *p = self;
	struct xb_error *err = NULL;

	p->lost_read = p->stats.cpu_ns = 0;
	for (size_t i = 0; i < p->fds.len; i++) {
		uint64_t counts[2] = { 0 }; /* value, lost */

		if (ioctl(p->fds.data[i], PERF_EVENT_IOC_DISABLE, 0) != 0 && err == NULL)
			err = xb_error_sys(errno, "cannot stop sampling process %d",
					   (int)p->target.pid);
		/* Children's time is in their parent's count, losses are counted at the parent anyway.
		 */
		if (read(p->fds.data[i], counts, sizeof(counts)) >= (ssize_t)sizeof(counts[0]) &&
		    p->mode != XB_PERF_CPU)
			p->stats.cpu_ns += counts[0];
		p->lost_read += counts[1];
	}
	if (p->mode != XB_PERF_THREAD)
		p->stats.not_covered = new_cpus(p);
	return err;
}

static struct xb_error *perf_wait(void *self, int timeout_ms, int caller_fd, unsigned *ret_why)
{
	struct xb_perf *p = self;
	size_t n = p->rings.len;
	unsigned why = 0;
	int ready;

	p->polls[n] = (struct pollfd){ .fd = p->target.pidfd, .events = POLLIN };
	p->polls[n + 1] = (struct pollfd){ .fd = caller_fd, .events = POLLIN };
	ready = poll(p->polls, n + 2, timeout_ms);
	if (ready < 0 && errno == EINTR) {
		*ret_why = XB_WAKE_SIGNAL;
		return NULL;
	}
	if (ready < 0)
		return xb_error_sys(errno, "cannot wait for samples");
	for (size_t i = 0; i < n && ready > 0; i++) {
		if ((p->polls[i].revents & POLLIN) != 0)
			why |= XB_WAKE_DATA;
		/* The thread the ring was opened for ended.  The ring goes on, but polling it would
		 * spin; the caller's timeout takes over. */
		if ((p->polls[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
			p->polls[i].fd = -1;
	}
	if (p->polls[n].revents != 0 || (p->target.pidfd < 0 && !xb_target_alive(&p->target)))
		why |= XB_WAKE_EXIT;
	if (p->polls[n + 1].revents != 0)
		why |= XB_WAKE_CALLER;
	*ret_why = why;
	return NULL;
}

static void perf_stats(void *self, struct xb_source_stats *ret)
{
	static const char *const modes[] = {
		[XB_PERF_AUTO] = "not attached",
		[XB_PERF_INHERIT] = "one event per thread and CPU",
		[XB_PERF_THREAD] = "one event per thread",
		[XB_PERF_CPU] = "one event per CPU",
	};
	struct xb_perf *p = self;

	*ret = p->stats;
	/* The records tell of a loss only when the next sample fits; the counters know at once. */
	ret->lost = XB_MAX(p->lost_told, p->lost_read);
	ret->fds = p->fds.len;
	ret->rings = p->rings.len;
	ret->ring_bytes = p->ring_bytes;
	ret->mode = modes[p->mode];
}

static void perf_destroy(void *self)
{
	struct xb_perf *p = self;

	xb_perf_detach(p);
	xb_perf_cpus_deinit(&p->cpus);
	xb_target_close(&p->target);
	free(p->polls);
	free(p->batch);
	free(p);
}

static const struct xb_source_ops perf_ops = {
	.name = "perf",
	.start = perf_start,
	.drain = perf_drain,
	.wait = perf_wait,
	.stop = perf_stop,
	.stats = perf_stats,
	.destroy = perf_destroy,
};

static struct xb_error *check_options(const struct xb_perf_options *o)
{
	if (o->period_ns < XB_PERF_PERIOD_MIN_NS || o->period_ns > 1000ULL * 1000000000)
		return xb_errorf(XB_ERR_USAGE,
				 "the sampling period must be between 10 us (100 kHz) and 1000 s");
	if (o->stack_bytes > XB_PERF_STACK_MAX || o->stack_bytes % 8 != 0)
		return xb_errorf(XB_ERR_USAGE,
				 "the stack bytes per sample must be a multiple of 8 up to %d",
				 XB_PERF_STACK_MAX);
	if ((o->ring_bytes & (o->ring_bytes - 1)) != 0 ||
	    (o->ring_bytes != 0 && (o->ring_bytes < 4096 || o->ring_bytes > (1U << 30))))
		return xb_errorf(XB_ERR_USAGE,
				 "the ring must be a power of two between 4 KiB and 1 GiB");
	return NULL;
}

static struct xb_error *attach(struct xb_perf *p)
{
	p->batch = calloc(XB_PERF_BATCH, sizeof(*p->batch));
	if (p->batch == NULL)
		return xb_error_nomem();
	XB_TRY(xb_perf_attach(p));
	p->polls = calloc(p->rings.len + 2, sizeof(*p->polls));
	if (p->polls == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < p->rings.len; i++)
		p->polls[i] = (struct pollfd){ .fd = p->rings.data[i].fd, .events = POLLIN };
	return NULL;
}

struct xb_error *xb_perf_open(pid_t pid, const struct xb_perf_options *options, struct xb_source *ret)
{
	struct xb_error *err;
	struct xb_perf *p;

	XB_TRY(check_options(options));
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return xb_error_nomem();
	p->options = *options;
	p->target = (struct xb_proc_handle)XB_PROC_HANDLE_NONE;
	err = xb_target_open(pid, &p->target);
	if (err == NULL)
		err = attach(p);
	if (err != NULL) {
		perf_destroy(p);
		return err;
	}
	*ret = (struct xb_source){ .ops = &perf_ops, .self = p };
	return NULL;
}
