/* perf events on a child of ours whose registers and stack are known. */
#include "xbtest.h"

#include "sample/perf.h"
#include "sample/perf_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MARK = 0x5ca1ab1e };

/* Shared with the child: asks for a second thread, names it. */
struct shared {
	volatile int start_thread;
	volatile pid_t second;
	volatile uint64_t main_mark_at;
};

static struct shared *shared;

/* Spins with a mark on its stack and the mark's complement in r12. */
__attribute__((noinline)) static void spin(volatile uint64_t *mark_at)
{
	volatile uint64_t mark = MARK;

	if (mark_at != NULL)
		*mark_at = (uint64_t)(uintptr_t)&mark;
	for (;;) {
		if (shared->start_thread == 1)
			return;
		__asm__ volatile("mov %0, %%r12\n\t"
				 "mov $2000, %%ecx\n"
				 "1: dec %%ecx\n\t"
				 "jnz 1b"
				 :
				 : "r"((uint64_t)~MARK)
				 : "r12", "rcx", "cc");
	}
}

static void *second_main(void *arg)
{
	(void)arg;
	shared->second = (pid_t)syscall(SYS_gettid);
	shared->start_thread = 2;
	spin(NULL);
	return NULL;
}

static pid_t spawn(void)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		spin(&shared->main_mark_at);
		if (pthread_create(&t, NULL, second_main, NULL) != 0)
			_exit(1);
		while (shared->start_thread == 1)
			(void)usleep(100);
		spin(&shared->main_mark_at);
	}
	assert_true(pid > 0);
	while (shared->main_mark_at == 0)
		(void)usleep(100);
	return pid;
}

static void reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

struct seen {
	pid_t pid;
	size_t n, user, marked, r12, second, bad_time, started, exited;
	uint64_t begin_ns;
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

	for (size_t i = 0; i < n; i++) {
		const struct xb_raw_sample *r = &samples[i];
		uint64_t off = shared->main_mark_at - r->stack_addr;

		s->n++;
		s->second += r->tid != 0 && r->tid == shared->second;
		s->bad_time += r->time_ns < s->begin_ns || r->time_ns > now_ns();
		if (r->kernel_mode)
			continue;
		s->user++;
		s->r12 += r->regs.r[XB_REG_R12] == (uint64_t)~MARK;
		if (r->tid == s->pid && off + 8 <= r->stack_len) {
			uint64_t v;

			memcpy(&v, r->stack + off, sizeof(v));
			s->marked += v == MARK;
		}
		assert_int_equal(r->ip, r->regs.r[XB_REG_RIP]);
		if (r->stack_len > 0)
			assert_int_equal(r->stack_addr, r->regs.r[XB_REG_RSP]);
	}
	return NULL;
}

static struct xb_error *on_event(void *arg, const struct xb_source_event *e)
{
	struct seen *s = arg;

	s->started += e->kind == XB_EVENT_THREAD_START;
	s->exited += e->kind == XB_EVENT_THREAD_EXIT;
	return NULL;
}

static void collect(struct xb_source *src, struct seen *s, size_t want)
{
	struct xb_taker sink = { .arg = s, .samples = on_samples, .event = on_event };

	for (int i = 0; i < 500 && s->n < want; i++) {
		unsigned why = 0;

		assert_ok(xb_source_wait(src, 10, -1, &why));
		assert_ok(xb_source_drain(src, &sink));
	}
}

/* False, with the reason on the test's output, where this machine forbids perf events. */
static bool open_or_skip(pid_t pid, const struct xb_perf_options *o, struct xb_source *ret)
{
	struct xb_error *err = xb_perf_open(pid, o, ret);

	if (err == NULL)
		return true;
	print_message("skipped: %s\n", xb_error_message(err));
	xb_error_destroy(err);
	reap(pid);
	skip();
	return false;
}

static void sample_in(enum xb_perf_mode mode)
{
	struct xb_perf_options o = { .period_ns = 500000, .stack_bytes = 4096, .mode = mode };
	pid_t pid = spawn();
	struct seen s = { .pid = pid, .begin_ns = now_ns() };
	struct xb_source_stats st;
	struct xb_source src = { 0 };

	if (!open_or_skip(pid, &o, &src))
		return;
	assert_ok(xb_source_start(&src));
	collect(&src, &s, 40);
	assert_true(s.n >= 40);
	assert_int_equal(s.bad_time, 0);
	/* A few samples hit the instructions around the loop. */
	assert_true(s.marked * 10 >= s.user * 9);
	assert_true(s.r12 * 10 >= s.user * 9);
	if (mode != XB_PERF_THREAD) {
		shared->start_thread = 1;
		for (int i = 0; i < 20 && s.second == 0; i++)
			collect(&src, &s, s.n + 20);
		assert_true(s.second > 0); /* a thread that began after opening */
		assert_int_equal(s.started, 1);
	}
	assert_ok(xb_source_stop(&src));
	xb_source_stats(&src, &st);
	assert_int_equal(st.bad_records, 0);
	assert_int_equal(st.lost, 0);
	assert_true(st.samples >= 40);
	/* No time is counted twice: all samples together stand for at most what the kernel counted. */
	if (mode != XB_PERF_CPU)
		assert_true(st.samples * o.period_ns <= st.cpu_ns + 2 * o.period_ns);
	xb_source_destroy(&src);
	reap(pid);
}

static void test_inherit_mode(void **state)
{
	(void)state;
	sample_in(XB_PERF_INHERIT);
}

static void test_thread_mode(void **state)
{
	(void)state;
	sample_in(XB_PERF_THREAD);
}

static void test_cpu_mode(void **state)
{
	(void)state;
	sample_in(XB_PERF_CPU);
}

/* A ring nobody drains overflows: the count must say so, and the ring must work on. */
static void test_overflow_is_counted(void **state)
{
	struct xb_perf_options o = { .period_ns = 200000, .stack_bytes = 8192, .ring_bytes = 65536 };
	pid_t pid = spawn();
	struct seen s = { .pid = pid };
	struct xb_source_stats st;
	struct xb_source src = { 0 };

	(void)state;
	if (!open_or_skip(pid, &o, &src))
		return;
	assert_ok(xb_source_start(&src));
	(void)usleep(200000);
	collect(&src, &s, 60);
	assert_ok(xb_source_stop(&src));
	xb_source_stats(&src, &st);
	assert_true(st.lost > 0);
	assert_true(s.n >= 60);
	assert_int_equal(st.bad_records, 0);
	xb_source_destroy(&src);
	reap(pid);
}

static void test_exit_of_the_target_wakes(void **state)
{
	struct xb_perf_options o = { .period_ns = 1000000 };
	pid_t pid = spawn();
	struct xb_source src = { 0 };
	struct seen s = { .pid = pid };
	struct xb_taker sink = { .arg = &s, .samples = on_samples, .event = on_event };
	unsigned why = 0;
	uint64_t begin;
	int fds[2];

	(void)state;
	if (!open_or_skip(pid, &o, &src))
		return;
	assert_ok(xb_source_start(&src));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_ok(xb_source_wait(&src, 5000, fds[0], &why));
	assert_true((why & XB_WAKE_CALLER) != 0);
	reap(pid);
	begin = now_ns();
	assert_ok(xb_source_wait(&src, 5000, -1, &why));
	assert_true((why & XB_WAKE_EXIT) != 0);
	assert_true(now_ns() - begin < 1000000000);
	assert_ok(xb_source_drain(&src, &sink));
	assert_int_equal(s.exited, 1);
	assert_ok(xb_source_stop(&src));
	xb_source_destroy(&src);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* With room for fewer files than threads × CPUs another way is found, or the limit is named. */
static void test_few_files_allowed(void **state)
{
	struct xb_perf_options o = { .period_ns = 1000000, .mode = XB_PERF_INHERIT };
	pid_t pid = spawn(), tester;
	int status;

	(void)state;
	tester = fork();
	if (tester == 0) {
		struct rlimit few = { .rlim_cur = 10, .rlim_max = 10 };
		struct xb_source src = { 0 };
		struct xb_error *err;

		if (setrlimit(RLIMIT_NOFILE, &few) != 0)
			_exit(1);
		/* Without CAP_SYS_RESOURCE the hard limit cannot be raised. */
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(2);
		err = xb_perf_open(pid, &o, &src);
		_exit(err != NULL && xb_error_code(err) == XB_ERR_LIMIT ? 0 : 3);
	}
	assert_int_equal(waitpid(tester, &status, 0), tester);
	assert_int_equal(status, 0);
	reap(pid);
}

static void test_options_are_checked(void **state)
{
	struct xb_source src = { 0 };

	(void)state;
	assert_err(xb_perf_open(getpid(), &(struct xb_perf_options){ .period_ns = 1 }, &src),
		   XB_ERR_USAGE, "period");
	assert_err(xb_perf_open(getpid(),
				&(struct xb_perf_options){ .period_ns = 1000000, .stack_bytes = 12 },
				&src),
		   XB_ERR_USAGE, "multiple of 8");
	assert_err(xb_perf_open(getpid(),
				&(struct xb_perf_options){ .period_ns = 1000000, .stack_bytes = 65536 },
				&src),
		   XB_ERR_USAGE, "65528");
	assert_err(xb_perf_open(getpid(),
				&(struct xb_perf_options){ .period_ns = 1000000, .ring_bytes = 5000 },
				&src),
		   XB_ERR_USAGE, "power of two");
	assert_err(xb_perf_open(0x3ffffff, &(struct xb_perf_options){ .period_ns = 1000000 }, &src),
		   XB_ERR_GONE, "no such process");
	assert_null(src.ops);
}

/* A thread seen late has an inherited event and one of its own: only its own may count. */
static void test_late_threads_count_once(void **state)
{
	struct xb_perf_options o = { .period_ns = 1000000 };
	pid_t pid = spawn();
	struct seen all = { .pid = pid }, other = { .pid = pid };
	struct xb_source src = { 0 };
	struct xb_perf *p;

	(void)state;
	if (!open_or_skip(pid, &o, &src))
		return;
	p = src.self;
	assert_ok(xb_source_start(&src));
	collect(&src, &all, 10);
	/* As if the thread had been found in the second round, its events having other ids. */
	assert_true(xb_map_put(&p->late, (uint64_t)pid, 1));
	assert_true(xb_map_put(&p->late_ids, UINT64_MAX, (uint64_t)pid));
	for (int i = 0; i < 10; i++)
		collect(&src, &other, 0);
	for (int i = 0; i < 5; i++) {
		unsigned why = 0;
		struct xb_taker sink = { .arg = &other, .samples = on_samples };

		assert_ok(xb_source_wait(&src, 10, -1, &why));
		assert_ok(xb_source_drain(&src, &sink));
	}
	assert_true(all.n >= 10);
	assert_int_equal(other.n, 0);
	xb_source_destroy(&src);
	reap(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inherit_mode),
		cmocka_unit_test(test_thread_mode),
		cmocka_unit_test(test_cpu_mode),
		cmocka_unit_test(test_overflow_is_counted),
		cmocka_unit_test(test_exit_of_the_target_wakes),
		cmocka_unit_test(test_few_files_allowed),
		cmocka_unit_test(test_options_are_checked),
		cmocka_unit_test(test_late_threads_count_once),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 99;
	return cmocka_run_group_tests_name("perf", tests, NULL, NULL);
}
