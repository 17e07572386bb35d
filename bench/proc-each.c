/*
 * What one pass over all processes costs, without writing anything about them.
 *
 *	proc-each PID [N]
 *
 * N passes (default 5) of each kind.  Prints a line for each: its kind, processes, and the best and the median of wall and
 * CPU milliseconds.
 */
#include "base/clock.h"
#include "session/session.h"
#include "vm/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_RUNS = 100 };

struct count {
	uint64_t processes, words, named;
};

static bool count(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	struct count *c = arg;

	c->processes++;
	c->words += stack->n;
	c->named += p->has_name;
	return true;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static struct xb_error *measure(struct xb_vm *vm, const char *kind, unsigned flags, size_t n)
{
	double wall[MAX_RUNS], cpu[MAX_RUNS];
	struct xb_proc_stats stats;
	struct count c;

	for (size_t i = 0; i < n; i++) {
		uint64_t wall_ns = xb_now_ns(), cpu_ns = xb_clock_ns(CLOCK_PROCESS_CPUTIME_ID);

		c = (struct count){ 0 };
		XB_TRY(xb_proc_each(vm, flags, count, &c, &stats));
		wall[i] = (double)(xb_now_ns() - wall_ns) / 1e6;
		cpu[i] = (double)(xb_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) / 1e6;
	}
	qsort(wall, n, sizeof(*wall), ascending);
	qsort(cpu, n, sizeof(*cpu), ascending);
	(void)printf("%-16s %8llu processes %9llu words   wall %.0f %.0f   cpu %.0f %.0f ms\n", kind,
		     (unsigned long long)c.processes, (unsigned long long)c.words, wall[0], wall[n / 2],
		     cpu[0], cpu[n / 2]);
	return NULL;
}

int main(int argc, char **argv)
{
	struct xb_session_opts opts = { .target = argc > 1 ? argv[1] : NULL };
	size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;
	struct xb_session *s = NULL;
	struct xb_error *err;

	n = n == 0 ? 1 : XB_MIN(n, (size_t)MAX_RUNS);
	err = xb_session_open(&opts, &s);
	if (err == NULL)
		err = measure(s->vm, "without stacks", 0, n);
	if (err == NULL)
		err = measure(s->vm, "with stacks", XB_PROC_STACKS, n);
	if (err != NULL)
		(void)fprintf(stderr, "proc-each: %s\n", xb_error_message(err));
	xb_session_close(s);
	xb_error_destroy(err);
	return err == NULL ? 0 : 1;
}
