/* What is told of a process: no secret of its command line, and roles of threads whatever the release calls them. */
#include "xbtest.h"

#include "layout/threads.h"
#include "os/about.h"

#include <unistd.h>

static void redact(const char *const *in, size_t n, const char *const *want, size_t want_n)
{
	const char *argv[16];
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		argv[i] = in[i];
	assert_int_equal(xb_argv_redact(argv, n), want_n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(argv[i], want[i]);
		count += strcmp(argv[i], XB_REDACTED) == 0;
	}
	assert_int_equal(count, want_n);
}

#define REDACT(n, ...)                                                                                 \
	redact((const char *const[]){ __VA_ARGS__ },                                                   \
	       XB_ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })), want, n)

static void test_secrets_of_the_command_line_go(void **state)
{
	(void)state;
	{
		const char *const want[] = { "-setcookie", XB_REDACTED, "-noshell", "-eval", "ok" };
		REDACT(1, "-setcookie", "abc", "-noshell", "-eval", "ok");
	}
	{
		const char *const want[] = { "-setcookie", XB_REDACTED, XB_REDACTED, "-noshell" };
		REDACT(2, "-setcookie", "node@host", "abc", "-noshell");
	}
	{
		/* A cookie may begin like a flag; an emulator that was given none has nothing to hide. */
		const char *const want[] = { "-setcookie", XB_REDACTED, "-sname", "x" };
		REDACT(1, "-setcookie", "-abc", "-sname", "x");
	}
	{
		const char *const want[] = { "-eval", XB_REDACTED, "-ssl_dist_opt", "server_password",
					     XB_REDACTED };
		REDACT(2, "-eval", "erlang:set_cookie(node(), abc)", "-ssl_dist_opt", "server_password",
		       "hunter2");
	}
	{
		const char *const want[] = { "-kernel", "x", "-name", "a@b", "-setcookie" };
		REDACT(0, "-kernel", "x", "-name", "a@b", "-setcookie");
	}
}

static void test_threads_have_roles_in_every_release(void **state)
{
	static const struct {
		const char *comm;
		enum xb_thread_role role;
		int no;
	} cases[] = {
		{ "1_scheduler", XB_THREAD_SCHEDULER, 1 },
		{ "128_scheduler", XB_THREAD_SCHEDULER, 128 },
		{ "1_dirty_cpu_sch", XB_THREAD_DIRTY_CPU, 1 },
		{ "1_dirty_io_sche", XB_THREAD_DIRTY_IO, 1 },
		{ "10_dirty_io_sch", XB_THREAD_DIRTY_IO, 10 },
		{ "100_dirty_cpu_s", XB_THREAD_DIRTY_CPU, 100 },
		{ "0_poller", XB_THREAD_POLL, 0 },
		{ "1_aux", XB_THREAD_AUX, 1 },
		{ "async_1", XB_THREAD_ASYNC, 1 },
		{ "sys_sig_dispatc", XB_THREAD_SIGNALS, -1 },
		{ "sys_msg_dispatc", XB_THREAD_MESSAGES, -1 },
		{ "erts_sched_12", XB_THREAD_SCHEDULER, 12 },
		{ "erts_dcpus_1", XB_THREAD_DIRTY_CPU, 1 },
		{ "erts_dios_10", XB_THREAD_DIRTY_IO, 10 },
		{ "erts_poll_0", XB_THREAD_POLL, 0 },
		{ "erts_aux_1", XB_THREAD_AUX, 1 },
		{ "erts_async_3", XB_THREAD_ASYNC, 3 },
		{ "beam.smp", XB_THREAD_OTHER, -1 },
		{ "scheduler", XB_THREAD_OTHER, -1 },
		{ "1_scheduler_x", XB_THREAD_OTHER, -1 },
		{ "1_dirty_cpu", XB_THREAD_OTHER, -1 },
		{ "", XB_THREAD_OTHER, -1 },
	};

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		int no = 7;

		assert_int_equal(xb_thread_role_of(cases[i].comm, &no), cases[i].role);
		assert_int_equal(no, cases[i].no);
	}
}

static void test_a_process_is_described(void **state)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_proc_about a;

	(void)state;
	assert_ok(xb_proc_about(getpid(), &arena, &a));
	assert_non_null(strstr(a.exe, "test_about"));
	assert_false(a.exe_deleted);
	assert_true(a.argc >= 1);
	assert_int_equal(a.euid, geteuid());
	assert_true(a.rss_bytes > 0);
	assert_true(a.uptime_ns < UINT64_C(600) * 1000000000);
	assert_int_equal(a.n_ns, XB_PROC_NAMESPACES);
	for (size_t i = 0; i < a.n_ns; i++)
		assert_true(!a.ns[i].known || a.ns[i].same);
	xb_arena_reset(&arena);
	assert_err(xb_proc_about(4194303, &arena, &a), XB_ERR_GONE, "4194303");
	xb_arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets_of_the_command_line_go),
		cmocka_unit_test(test_threads_have_roles_in_every_release),
		cmocka_unit_test(test_a_process_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
