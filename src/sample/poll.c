/*
 * A thread's state is the field behind its name in /proc/PID/task/TID/stat; pread() at 0 makes the
 * kernel write it anew, so one file per thread stays open.  Making the line costs the kernel most of a
 * microsecond (it adds up times), which bounds the rate: threads × rate reads a second.
 *
 * Pace: ticks have absolute times, so the cost of one does not shift the next.  A tick we come too late
 * for is left out and counted, never made up for: two samples in a row would count one moment twice.
 * Each sample then stands for the time since the last tick that was taken.
 */
#include "sample/poll.h"

#include "base/clock.h"
#include "base/vec.h"
#include "os/procfs.h"
#include "os/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RELIST_NS = 500000000, BATCH = 64, NS_PER_MS = 1000000 };

struct poll_thread {
	pid_t tid;
	int stat_fd;
	int sched_fd;    /* -1 when the kernel does not have it */
	uint64_t slices; /* times it was given a CPU, at the last tick; 0: not known */
	bool ran;        /* its state was R then */
	bool kept;       /* seen by the last listing */
};

XB_VEC(poll_threads, struct poll_thread);

struct poll_source {
	struct xb_proc_handle target;
	struct xb_arena arena; /* of a listing */
	struct poll_threads threads;
	uint64_t period_ns, next_ns, last_ns, listed_ns, random;
	bool running;
	struct xb_source_stats stats;
	struct xb_raw_sample batch[BATCH];
};

/* 3/4 … 5/4 of the period, its mean exact.  xorshift: good enough to stay out of step. */
static uint64_t jittered(struct poll_source *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->period_ns - p->period_ns / 4 + p->random % (p->period_ns / 2 + 1);
}

static void close_thread(struct poll_thread *t)
{
	xb_closep(&t->stat_fd);
	xb_closep(&t->sched_fd);
}

static struct poll_thread *thread_of(struct poll_source *p, pid_t tid)
{
	for (size_t i = 0; i < p->threads.len; i++) {
		if (p->threads.data[i].tid == tid)
			return &p->threads.data[i];
	}
	return NULL;
}

static struct xb_error *add_thread(struct poll_source *p, pid_t tid)
{
	struct poll_thread t = { .tid = tid, .sched_fd = -1, .kept = true };
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)p->target.pid, (int)tid);
	t.stat_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (t.stat_fd < 0 && (errno == ENOENT || errno == ESRCH))
		return NULL;
	if (t.stat_fd < 0 && (errno == EMFILE || errno == ENFILE))
		return xb_error_advise(xb_errorf(XB_ERR_LIMIT,
						 "watching process %d needs an open file per thread",
						 (int)p->target.pid),
				       "raise the limit on open files (ulimit -n)");
	if (t.stat_fd < 0)
		return xb_error_sys(errno, "cannot open %s", path);
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)p->target.pid, (int)tid);
	t.sched_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!poll_threads_push(&p->threads, t)) {
		close_thread(&t);
		return xb_error_nomem();
	}
	return NULL;
}

/* Bring the open files in line with the threads there are. */
static struct xb_error *relist(struct poll_source *p)
{
	struct xb_tasks tasks;
	size_t kept = 0;

	xb_arena_reset(&p->arena);
	XB_TRY(xb_proc_tasks(p->target.pid, &p->arena, &tasks));
	p->listed_ns = xb_now_ns();
	for (size_t i = 0; i < p->threads.len; i++)
		p->threads.data[i].kept = false;
	for (size_t i = 0; i < tasks.len; i++) {
		struct poll_thread *t = thread_of(p, tasks.tasks[i].tid);

		if (t != NULL)
			t->kept = true;
		else
			XB_TRY(add_thread(p, tasks.tasks[i].tid));
	}
	for (size_t i = 0; i < p->threads.len; i++) {
		if (p->threads.data[i].kept)
			p->threads.data[kept++] = p->threads.data[i];
		else
			close_thread(&p->threads.data[i]);
	}
	p->threads.len = kept;
	p->stats.threads = kept;
	return NULL;
}

/* "run-time wait-time slices".  False only when the thread surely slept all the time since the last
 * look. */
static bool may_run(struct poll_thread *t)
{
	char text[96];
	ssize_t n = t->sched_fd < 0 ? -1 : pread(t->sched_fd, text, sizeof(text) - 1, 0);
	const char *last;
	uint64_t slices;

	if (n <= 0)
		return true;
	text[n] = '\0';
	last = strrchr(text, ' ');
	slices = last == NULL ? 0 : strtoull(last, NULL, 10);
	if (slices != 0 && slices == t->slices && !t->ran)
		return false;
	t->slices = slices;
	return true;
}

/* Whether the thread runs or could, and on which CPU; false also when it is gone.  The name may hold
 * anything, so the fields are counted from its last parenthesis: state is the 3rd, processor the 39th.
 */
static bool is_running(struct poll_thread *t, uint32_t *ret_cpu)
{
	enum { STATE = 3, PROCESSOR = 39 };
	char line[1024];
	const char *at;
	ssize_t n;

	/* In this order: what happens between the two reads shows in the count at the next tick. */
	if (!may_run(t))
		return false;
	t->ran = false;
	n = pread(t->stat_fd, line, sizeof(line) - 1, 0);
	if (n <= 0)
		return false;
	line[n] = '\0';
	at = strrchr(line, ')');
	if (at == NULL || at[1] != ' ' || at[2] != 'R')
		return false;
	t->ran = true;
	at += 2;
	for (int field = STATE; field < PROCESSOR && at != NULL; field++) {
		at = strchr(at, ' ');
		at = at == NULL ? NULL : at + 1;
	}
	*ret_cpu = at == NULL ? 0 : (uint32_t)strtoul(at, NULL, 10);
	return true;
}

static struct xb_error *flush(struct poll_source *p, const struct xb_taker *sink, size_t *n)
{
	size_t count = *n;

	*n = 0;
	p->stats.samples += count;
	return count == 0 ? NULL : sink->samples(sink->arg, p->batch, count);
}

static struct xb_error *tick(struct poll_source *p, const struct xb_taker *sink)
{
	uint64_t since = xb_now_ns() - p->last_ns;
	size_t n = 0;

	p->last_ns += since;
	for (size_t i = 0; i < p->threads.len; i++) {
		struct poll_thread *t = &p->threads.data[i];
		uint32_t cpu;

		if (!is_running(t, &cpu))
			continue;
		p->batch[n++] = (struct xb_raw_sample){
			.tid = t->tid, .cpu = cpu, .time_ns = xb_now_ns(), .period_ns = since
		};
		if (n == BATCH)
			XB_TRY(flush(p, sink, &n));
	}
	return flush(p, sink, &n);
}

/* Set the time of the next tick; those that are already past are overruns. */
static void plan(struct poll_source *p)
{
	uint64_t now = xb_now_ns(), missed;

	p->next_ns += jittered(p);
	if (p->next_ns > now)
		return;
	missed = (now - p->next_ns) / p->period_ns + 1;
	p->stats.overruns += missed;
	p->next_ns += missed * p->period_ns;
}

/* At most one tick, and only when it is due. */
static struct xb_error *poll_drain(void *self, const struct xb_taker *sink)
{
	struct poll_source *p = self;
	struct xb_error *err;

	if (!p->running || xb_now_ns() < p->next_ns)
		return NULL;
	if (xb_now_ns() - p->listed_ns > RELIST_NS) {
		err = relist(p);
		if (err != NULL && xb_error_code(err) != XB_ERR_GONE)
			return err;
		xb_error_destroy(err); /* the wait tells of the exit */
	}
	err = tick(p, sink);
	plan(p);
	return err;
}

static struct xb_error *poll_start(void *self)
{
	struct poll_source *p = self;

	p->last_ns = xb_now_ns();
	p->next_ns = p->last_ns + jittered(p);
	p->running = true;
	return NULL;
}

static struct xb_error *poll_stop(void *self)
{
	struct poll_source *p = self;

	p->running = false;
	return NULL;
}

/* Until the tick, not longer: what is read after it must be close to it.  poll() would round to whole
 * milliseconds, ppoll() does not, and both watch the files. */
static struct xb_error *poll_wait(void *self, int timeout_ms, int caller_fd, unsigned *ret_why)
{
	struct poll_source *p = self;
	struct pollfd fds[2] = { { .fd = p->target.pidfd, .events = POLLIN },
				 { .fd = caller_fd, .events = POLLIN } };
	uint64_t begin = xb_now_ns(), until = p->next_ns, now;
	uint64_t limit = timeout_ms < 0 ? UINT64_MAX : begin + (uint64_t)timeout_ms * NS_PER_MS;
	unsigned why = 0;
	int ready = 0;

	if (!p->running || until > limit)
		until = limit;
	/* The timer may fire a little early by its slack in the other direction only; loop for the
	 * rest. */
	while (ready == 0 && (now = xb_now_ns()) < until) {
		uint64_t left = XB_MIN(until - now, 3600ULL * 1000000000);
		struct timespec t = { .tv_sec = (time_t)(left / 1000000000),
				      .tv_nsec = (long)(left % 1000000000) };

		ready = ppoll(fds, XB_ARRAY_LEN(fds), &t, NULL);
	}
	if (ready < 0 && errno != EINTR)
		return xb_error_sys(errno, "cannot wait for the next tick");
	if (ready < 0)
		why = XB_WAKE_SIGNAL;
	else if (ready == 0)
		(void)ppoll(fds, XB_ARRAY_LEN(fds), &(struct timespec){ 0 }, NULL);
	if (ready >= 0 && fds[0].revents != 0)
		why |= XB_WAKE_EXIT;
	if (ready >= 0 && fds[1].revents != 0)
		why |= XB_WAKE_CALLER;
	if (p->target.pidfd < 0 && !xb_target_alive(&p->target))
		why |= XB_WAKE_EXIT;
	if (p->running && xb_now_ns() >= p->next_ns)
		why |= XB_WAKE_DATA;
	*ret_why = why;
	return NULL;
}

static void poll_stats(void *self, struct xb_source_stats *ret)
{
	struct poll_source *p = self;

	*ret = p->stats;
	ret->fds = 2 * p->threads.len;
	ret->mode = "thread states read at every tick, no registers";
}

static void poll_destroy(void *self)
{
	struct poll_source *p = self;

	for (size_t i = 0; i < p->threads.len; i++)
		close_thread(&p->threads.data[i]);
	poll_threads_deinit(&p->threads);
	xb_arena_deinit(&p->arena);
	xb_target_close(&p->target);
	free(p);
}

static const struct xb_source_ops poll_ops = {
	.name = "poll",
	.start = poll_start,
	.drain = poll_drain,
	.wait = poll_wait,
	.stop = poll_stop,
	.stats = poll_stats,
	.destroy = poll_destroy,
};

struct xb_error *xb_poll_open(pid_t pid, uint64_t period_ns, struct xb_source *ret)
{
	struct xb_error *err;
	struct poll_source *p;

	if (period_ns < XB_POLL_PERIOD_MIN_NS || period_ns > 1000ULL * 1000000000)
		return xb_errorf(XB_ERR_USAGE,
				 "without perf events the period must be between 100 us (10 kHz) and "
				 "1000 s");
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return xb_error_nomem();
	p->period_ns = period_ns;
	p->random = xb_now_ns() | 1;
	p->target = (struct xb_proc_handle)XB_PROC_HANDLE_NONE;
	err = xb_target_open(pid, &p->target);
	if (err == NULL)
		err = relist(p);
	if (err != NULL) {
		poll_destroy(p);
		return err;
	}
	*ret = (struct xb_source){ .ops = &poll_ops, .self = p };
	return NULL;
}
