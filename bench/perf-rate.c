/*
 * What a sample costs us: samples a process for a while and prints how many came, how many were lost
 *and the CPU time of this program per sample.
 *
 *	perf-rate PID [-F hz] [-s stack bytes] [-d seconds] [-w drain period ms] [-m
 *auto|inherit|thread|cpu]
 *	          [-u (user mode only)] [-k (kernel call chains)] [-p (poll instead of perf events)]
 *
 * Every stack byte is added up, so that the cost of touching the copy is included.
 */
#include "sample/perf.h"
#include "sample/poll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct seen {
	uint64_t n, kernel, with_stack, stack_bytes, kernel_ips, no_regs, sum, weight_ns;
	uint64_t events[XB_EVENT_EXEC + 1];
	uint64_t late_ns_max; /* from the sample to its callback */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct xb_error *on_samples(void *arg, const struct xb_raw_sample *samples, size_t n)
{
	struct seen *s = arg;
	uint64_t now = now_ns();

	for (size_t i = 0; i < n; i++) {
		const struct xb_raw_sample *r = &samples[i];

		s->n++;
		s->kernel += r->kernel_mode;
		s->with_stack += r->stack_len > 0;
		s->stack_bytes += r->stack_len;
		s->kernel_ips += r->n_kernel_ips;
		s->no_regs += r->regs.valid != (1U << XB_REG_COUNT) - 1;
		s->weight_ns += r->period_ns;
		for (size_t b = 0; b + 8 <= r->stack_len; b += 8)
			s->sum += r->stack[b];
		if (now > r->time_ns)
			s->late_ns_max = XB_MAX(s->late_ns_max, now - r->time_ns);
	}
	return NULL;
}

static struct xb_error *on_event(void *arg, const struct xb_source_event *e)
{
	struct seen *s = arg;

	s->events[e->kind]++;
	if (e->kind == XB_EVENT_MAP)
		printf("map   %#llx+%#llx prot %u %s\n", (unsigned long long)e->map.addr,
		       (unsigned long long)e->map.len, e->map.prot, e->map.file);
	return NULL;
}

static uint64_t cpu_ns(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* The whole process by the kernel's own clock: what the sum of all periods should come to. */
static uint64_t target_cpu_ns(pid_t pid)
{
	struct timespec t = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0)
		(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void report(const struct seen *s, const struct xb_source_stats *st, double wall, uint64_t cpu,
		   uint64_t target_cpu)
{
	printf("target used %.3f s of CPU by its own clock\n", (double)target_cpu / 1e9);
	printf("mode: %s; %zu threads, %zu fds, %zu rings of %zu KiB%s\n", st->mode, st->threads,
	       st->fds, st->rings, st->ring_bytes >> 10,
	       st->kernel_excluded ? "; kernel mode excluded" : "");
	printf("samples %llu (%.0f/s) stand for %.3f s, target had %.3f s of CPU in %.2f s; kernel mode %llu, "
	       "incomplete registers %llu\n",
	       (unsigned long long)s->n, (double)s->n / wall, (double)s->weight_ns / 1e9,
	       (double)st->cpu_ns / 1e9, wall, (unsigned long long)s->kernel,
	       (unsigned long long)s->no_regs);
	printf("stack %llu with, %llu bytes; kernel ips %llu; ring bytes %llu; latest %.1f ms\n",
	       (unsigned long long)s->with_stack, (unsigned long long)s->stack_bytes,
	       (unsigned long long)s->kernel_ips, (unsigned long long)st->bytes,
	       (double)s->late_ns_max / 1e6);
	printf("lost %llu, throttled %llu, bad %llu, other %llu, foreign %llu, overruns %llu, not covered "
	       "%llu\n",
	       (unsigned long long)st->lost, (unsigned long long)st->throttled,
	       (unsigned long long)st->bad_records, (unsigned long long)st->other_records,
	       (unsigned long long)st->foreign, (unsigned long long)st->overruns,
	       (unsigned long long)st->not_covered);
	printf("events: maps %llu, thread start %llu exit %llu, comm %llu, exec %llu\n",
	       (unsigned long long)s->events[XB_EVENT_MAP],
	       (unsigned long long)s->events[XB_EVENT_THREAD_START],
	       (unsigned long long)s->events[XB_EVENT_THREAD_EXIT],
	       (unsigned long long)s->events[XB_EVENT_COMM],
	       (unsigned long long)s->events[XB_EVENT_EXEC]);
	printf("our CPU %.1f ms: %.3f us per sample (checksum %llx)\n", (double)cpu / 1e6,
	       s->n > 0 ? (double)cpu / 1e3 / (double)s->n : 0.0, (unsigned long long)s->sum);
}

static struct xb_error *run(struct xb_source *src, pid_t pid, double seconds, int period_ms)
{
	struct seen seen = { 0 };
	struct xb_taker sink = { .arg = &seen, .samples = on_samples, .event = on_event };
	struct xb_source_stats stats;
	uint64_t begin = now_ns(), target = target_cpu_ns(pid), cpu,
		 end = begin + (uint64_t)(seconds * 1e9);
	unsigned why = 0;

	XB_TRY(xb_source_start(src));
	cpu = cpu_ns();
	while (now_ns() < end && (why & XB_WAKE_EXIT) == 0) {
		XB_TRY(xb_source_wait(src, period_ms, -1, &why));
		XB_TRY(xb_source_drain(src, &sink));
	}
	XB_TRY(xb_source_stop(src));
	target = target_cpu_ns(pid) - target;
	XB_TRY(xb_source_drain(src, &sink));
	cpu = cpu_ns() - cpu;
	xb_source_stats(src, &stats);
	report(&seen, &stats, (double)(now_ns() - begin) / 1e9, cpu, target);
	return NULL;
}

static enum xb_perf_mode mode_of(const char *text)
{
	return strcmp(text, "inherit") == 0  ? XB_PERF_INHERIT
	       : strcmp(text, "thread") == 0 ? XB_PERF_THREAD
	       : strcmp(text, "cpu") == 0    ? XB_PERF_CPU
					     : XB_PERF_AUTO;
}

int main(int argc, char **argv)
{
	struct xb_perf_options o = { .period_ns = xb_perf_period_of_hz(999), .stack_bytes = 8192 };
	double seconds = 3;
	int period_ms = 10, opt;
	bool poll_only = false;
	struct xb_source src = { 0 };
	struct xb_error *err;
	pid_t pid;

	while ((opt = getopt(argc, argv, "F:s:d:w:m:r:ukp")) != -1) {
		switch (opt) {
		case 'F':
			o.period_ns = xb_perf_period_of_hz((uint32_t)atoi(optarg));
			break;
		case 's':
			o.stack_bytes = (size_t)atol(optarg);
			break;
		case 'd':
			seconds = atof(optarg);
			break;
		case 'w':
			period_ms = atoi(optarg);
			break;
		case 'm':
			o.mode = mode_of(optarg);
			break;
		case 'r':
			o.ring_bytes = (size_t)atol(optarg);
			break;
		case 'u':
			o.user_only = true;
			break;
		case 'k':
			o.kernel_stacks = true;
			break;
		case 'p':
			poll_only = true;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc)
		return 2;
	pid = (pid_t)atoi(argv[optind]);
	err = poll_only ? xb_poll_open(pid, o.period_ns, &src) : xb_perf_open(pid, &o, &src);
	if (err == NULL)
		err = run(&src, pid, seconds, period_ms);
	xb_source_destroy(&src);
	if (err == NULL)
		return 0;
	(void)fprintf(stderr, "perf-rate: %s\n", xb_error_message(err));
	if (xb_error_advice(err) != NULL)
		(void)fprintf(stderr, "  %s\n", xb_error_advice(err));
	xb_error_destroy(err);
	return 1;
}
