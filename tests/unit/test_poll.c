/* Polling a child with one thread that spins and one that sleeps. */
#include "xbtest.h"

#include "sample/poll.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared {
	volatile pid_t spinner;
	volatile int stop; /* the spinner goes to sleep */
};

static struct shared *shared;

static void *spin(void *arg)
{
	/* A name that looks like the fields behind it. */
	(void)prctl(PR_SET_NAME, "x) S 1 (R) R 1");
	shared->spinner = (pid_t)syscall(SYS_gettid);
	while (!shared->stop)
		continue;
	for (;;)
		(void)pause();
	return arg;
}

static pid_t spawn(void)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&t, NULL, spin, NULL) != 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	while (shared->spinner == 0)
		(void)usleep(100);
	return pid;
}

struct seen {
	size_t spinner, others, with_regs;
	uint64_t weight_ns, last_ns, back;
};

static struct xb_error *on_samples(void *arg, const struct xb_raw_sample *samples, size_t n)
{
	struct seen *s = arg;

	for (size_t i = 0; i < n; i++) {
		if (samples[i].tid == shared->spinner)
			s->spinner++;
		else
			s->others++;
		s->with_regs += samples[i].regs.valid != 0 || samples[i].stack_len != 0;
		s->weight_ns += samples[i].period_ns;
		s->back += samples[i].time_ns <= s->last_ns;
		s->last_ns = samples[i].time_ns;
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void run_for(struct xb_source *src, struct seen *s, uint64_t ns)
{
	struct xb_taker sink = { .arg = s, .samples = on_samples };
	uint64_t end = now_ns() + ns;

	while (now_ns() < end) {
		unsigned why = 0;

		assert_ok(xb_source_wait(src, 100, -1, &why));
		assert_ok(xb_source_drain(src, &sink));
	}
}

static void test_only_running_threads_are_sampled(void **state)
{
	pid_t pid = spawn();
	struct seen busy = { 0 }, idle = { 0 };
	struct xb_source_stats st;
	struct xb_source src = { 0 };
	uint64_t begin, wall;

	(void)state;
	assert_ok(xb_poll_open(pid, 2000000, &src));
	assert_ok(xb_source_start(&src));
	begin = now_ns();
	run_for(&src, &busy, 300000000);
	wall = now_ns() - begin;
	assert_true(busy.spinner >= 20);
	assert_int_equal(busy.others, 0);
	assert_int_equal(busy.with_regs, 0);
	assert_int_equal(busy.back, 0);
	/* Weights add up to the time the thread was wanted on a CPU: all of it. */
	assert_true(busy.weight_ns <= wall && busy.weight_ns * 10 >= wall * 8);
	xb_source_stats(&src, &st);
	assert_int_equal(st.samples, busy.spinner);
	assert_int_equal(st.threads, 2);
	/* Ticks taken and left out are together what the clock says, jitter aside. */
	assert_true(st.samples + st.overruns >= 100 && st.samples + st.overruns <= 300);

	shared->stop = 1;
	(void)usleep(20000);
	run_for(&src, &idle, 50000000);
	(void)memset(&idle, 0, sizeof(idle));
	run_for(&src, &idle, 100000000);
	assert_int_equal(idle.spinner + idle.others, 0);
	assert_ok(xb_source_stop(&src));
	xb_source_destroy(&src);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void test_exit_and_caller_wake(void **state)
{
	pid_t pid = spawn();
	struct xb_source src = { 0 };
	struct seen s = { 0 };
	unsigned why = 0;
	int fds[2];

	(void)state;
	assert_ok(xb_poll_open(pid, 10000000000, &src));
	assert_ok(xb_source_start(&src));
	assert_int_equal(pipe(fds), 0);
	assert_ok(xb_source_wait(&src, 20, fds[0], &why));
	assert_int_equal(why, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_ok(xb_source_wait(&src, 60000, fds[0], &why));
	assert_int_equal(why, XB_WAKE_CALLER);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_ok(xb_source_wait(&src, 60000, -1, &why));
	assert_int_equal(why, XB_WAKE_EXIT);
	assert_ok(xb_source_drain(&src, &(struct xb_taker){ .arg = &s, .samples = on_samples }));
	assert_int_equal(s.spinner, 0);
	xb_source_destroy(&src);
	assert_err(xb_poll_open(pid, 1000000, &src), XB_ERR_GONE, "no such process");
	assert_err(xb_poll_open(getpid(), 1, &src), XB_ERR_USAGE, "period");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_running_threads_are_sampled),
		cmocka_unit_test(test_exit_and_caller_wake),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 99;
	return cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
