/*
 * What sampling takes from the target, in many short slots.
 *
 *	loss PID HZ PAIRS SLOT_MS [nothing|timer]
 *
 * Slots with and without sampling follow each other as off on on off, so that whatever drifts drifts through both.  Work
 * is measured from outside, by the reductions of the processes that run.  Prints, for every pair, the percentage lost;
 * "nothing" waits in the same places instead of sampling: the error of the method.  "timer" has the kernel take samples
 * without a stack and throws them away: the interrupts of this machine, which no sampler saves.
 */
#include "base/clock.h"
#include "session/session.h"
#include "sample/perf.h"
#include "view/collect.h"
#include "vm/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_PROCS = 1024, DEPTH = 512 };

struct bench {
	struct xb_session *s;
	struct xb_source source;
	struct xb_mixer *mixer;
	struct xb_profile *profile;
	xb_addr addr[MAX_PROCS];
	struct xb_proc procs[MAX_PROCS];
	bool ok[MAX_PROCS];
	size_t n;
	uint64_t slot_ns;
	bool nothing, timer;
};

static void die(struct xb_error *err)
{
	if (err == NULL)
		return;
	(void)fprintf(stderr, "loss: %s\n", xb_error_message(err));
	exit(1);
}

static bool keep(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	struct bench *b = arg;

	(void)stack;
	b->addr[b->n++] = p->addr;
	return b->n < MAX_PROCS;
}

static double reductions(struct bench *b)
{
	double sum = 0;

	die(xb_proc_read_at(b->s->vm, b->addr, b->n, NULL, b->procs, b->ok));
	for (size_t i = 0; i < b->n; i++)
		sum += b->ok[i] ? (double)b->procs[i].reductions : 0;
	return sum;
}

static struct xb_error *drop(void *arg, const struct xb_raw_sample *samples, size_t n)
{
	(void)arg, (void)samples, (void)n;
	return NULL;
}

static void drain_only(struct bench *b, uint64_t until)
{
	struct xb_taker sink = { .samples = drop };
	unsigned why;

	die(xb_source_start(&b->source));
	while (xb_now_ns() < until) {
		die(xb_source_wait(&b->source, 30, -1, &why));
		die(xb_source_drain(&b->source, &sink));
	}
	die(xb_source_stop(&b->source));
}

/* Reductions per second in one slot. */
static double slot(struct bench *b, bool on)
{
	double before = reductions(b);
	uint64_t start = xb_now_ns();

	if (on && b->timer) {
		drain_only(b, start + b->slot_ns);
	} else if (on && !b->nothing) {
		struct xb_collect_opts co = { .duration_ns = b->slot_ns };
		struct xb_collect_result result;

		die(xb_collect(b->profile, &b->source, &co, &result));
	} else {
		struct timespec t = { .tv_sec = (time_t)(b->slot_ns / 1000000000),
				      .tv_nsec = (long)(b->slot_ns % 1000000000) };

		(void)nanosleep(&t, NULL);
	}
	return (reductions(b) - before) / (double)(xb_now_ns() - start) * 1e9;
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct xb_mixer_opts mo = { .max_depth = DEPTH, .force = { -1, -1, -1 } };
	struct xb_perf_options po = { .stack_bytes = XB_PERF_STACK_DEFAULT };
	struct xb_session_opts so = { .target = argc > 1 ? argv[1] : NULL };
	struct xb_proc_stats stats;
	int pairs;

	if (argc < 5) {
		(void)fprintf(stderr, "usage: loss PID HZ PAIRS SLOT_MS [nothing|timer]\n");
		return 2;
	}
	po.period_ns = 1000000000 / strtoul(argv[2], NULL, 10);
	pairs = (int)strtol(argv[3], NULL, 10);
	b.slot_ns = strtoul(argv[4], NULL, 10) * 1000000;
	b.nothing = argc > 5 && strcmp(argv[5], "nothing") == 0;
	b.timer = argc > 5 && strcmp(argv[5], "timer") == 0;
	if (b.timer)
		po.stack_bytes = 0;
	die(xb_session_open(&so, &b.s));
	die(xb_proc_each(b.s->vm, 0, keep, &b, &stats));
	die(xb_perf_open(b.s->proc.pid, &po, &b.source));
	die(xb_mixer_create(b.s, &mo, &b.mixer));
	die(xb_profile_create(b.s, b.mixer, &b.profile));
	(void)slot(&b, true); /* symbols and rows of images are read once */
	for (int i = 0; i < pairs; i++) {
		double first = slot(&b, i % 2 != 0), second = slot(&b, i % 2 == 0);
		double on = i % 2 != 0 ? first : second, off = i % 2 != 0 ? second : first;

		(void)printf("%.4f\n", 100 * (1 - on / off));
	}
	xb_profile_destroy(b.profile);
	xb_mixer_destroy(b.mixer);
	xb_source_destroy(&b.source);
	xb_session_close(b.s);
	return 0;
}
