#include "xbtest.h"

#include "os/find.h"
#include "os/target.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_names_of_emulators(void **state)
{
	static const char *const yes[] = { "beam",           "beam.smp",       "beam.emu.smp",
					   "beam.debug.smp", "beam.emu",       "beam.debug.emu.smp",
					   "beam.lcnt.smp",  "beam.valgrind.s" };
	static const char *const no[] = { "",          "bea",       "beamer",    "beam.",
					  "beam.py",   "beam.smp2", "xbeam.smp", "beam.smp.x",
					  "beam..smp", "beam.s" };

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(yes); i++) {
		if (!xb_find_is_beam_name(yes[i]))
			fail_msg("%s is an emulator", yes[i]);
	}
	for (size_t i = 0; i < XB_ARRAY_LEN(no); i++) {
		if (xb_find_is_beam_name(no[i]))
			fail_msg("%s is no emulator", no[i]);
	}
}

static const char *node_of(const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = { "beam.smp", "--", a, b, c, d };

	return xb_find_node(argv, XB_ARRAY_LEN(argv));
}

static void test_node_names_in_arguments(void **state)
{
	(void)state;
	assert_string_equal(node_of("-noshell", "-sname", "rabbit", "-x"), "rabbit");
	assert_string_equal(node_of("-name", "a@b.c", "-setcookie", "x"), "a@b.c");
	assert_null(node_of("-noshell", "-x", "y", "-sname")); /* no value */
	assert_null(node_of("-noshell", "-x", "-sname", "-y"));
	assert_null(node_of("-sname", "undefined", "-x", "-y"));
	assert_null(node_of("-extra", "-sname", "x", "y")); /* the program's own */
	assert_null(node_of("-sname", "a\033[2J", "x", "y"));
}

static void test_choosing(void **state)
{
	struct xb_beam b[] = { { .pid = 10, .node = "rabbit@one" },
			       { .pid = 20, .node = "rabbit@two" },
			       { .pid = 30, .node = "short" },
			       { .pid = 40 } };
	struct xb_beams all = { .beams = b, .len = 4 }, one = { .beams = b + 3, .len = 1 },
			none = { 0 };
	const struct xb_beam *got = NULL;
	struct xb_error *err;

	(void)state;
	assert_ok(xb_find_choose(&all, "rabbit@two", &got));
	assert_int_equal(got->pid, 20);
	assert_ok(xb_find_choose(&all, "short", &got));
	assert_int_equal(got->pid, 30);
	assert_ok(xb_find_choose(&all, "short@anyhost", &got));
	assert_int_equal(got->pid, 30);
	assert_ok(xb_find_choose(&one, NULL, &got));
	assert_int_equal(got->pid, 40);
	assert_err(xb_find_choose(&all, "rabbit@three", &got), XB_ERR_USAGE, "no visible Erlang VM");
	assert_err(xb_find_choose(&all, "rabbi", &got), XB_ERR_USAGE, "named rabbi");
	assert_err(xb_find_choose(&none, NULL, &got), XB_ERR_USAGE, "no Erlang VM is visible");

	err = xb_find_choose(&all, "rabbit", &got);
	assert_non_null(err);
	assert_string_equal(xb_error_message(err), "2 nodes match rabbit");
	assert_string_equal(xb_error_advice(err),
			    "name one of these by pid or node name:\n  10  rabbit@one\n"
			    "  20  rabbit@two");
	xb_error_destroy(err);
	err = xb_find_choose(&all, NULL, &got);
	assert_non_null(err);
	assert_non_null(strstr(xb_error_advice(err), "\n  40"));
	xb_error_destroy(err);
}

static void test_at_most_ten_candidates(void **state)
{
	struct xb_beam b[13] = { 0 };
	struct xb_beams all = { .beams = b, .len = XB_ARRAY_LEN(b) };
	const struct xb_beam *got;
	struct xb_error *err;

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(b); i++)
		b[i].pid = (pid_t)(100 + i);
	err = xb_find_choose(&all, NULL, &got);
	assert_non_null(err);
	assert_non_null(strstr(xb_error_advice(err), "\n  109\n  and 3 more"));
	assert_null(strstr(xb_error_advice(err), "110"));
	xb_error_destroy(err);
}

/* A process of ours that only has the name; everything else about it is known. */
static void test_finds_by_comm(void **state)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	const struct xb_beam *found = NULL;
	struct xb_beams beams;
	int ready[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, "beam.smp");
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_ok(xb_find_beams(&arena, &beams));
	for (size_t i = 0; i < beams.len; i++) {
		if (beams.beams[i].pid == pid)
			found = &beams.beams[i];
		if (i > 0)
			assert_true(beams.beams[i - 1].pid < beams.beams[i].pid);
	}
	if (found == NULL) {
		fail_msg("process %d was not found", (int)pid);
		return;
	}
	assert_int_equal(found->uid, getuid());
	assert_non_null(found->exe);
	assert_true(found->ns_known && found->same_mnt_ns && found->same_pid_ns);
	assert_null(found->node);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void test_pids_are_taken_as_they_are(void **state)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	const char *how = NULL;
	char text[32];
	pid_t pid = 0;

	(void)state;
	(void)snprintf(text, sizeof(text), "%d", (int)getpid());
	assert_ok(xb_find_target(&arena, text, &pid, &how));
	assert_int_equal(pid, getpid());
	(void)snprintf(text, sizeof(text), "0x%x", (unsigned)getpid());
	pid = 0;
	assert_ok(xb_find_target(&arena, text, &pid, &how));
	assert_int_equal(pid, getpid());
	assert_err(xb_find_target(&arena, "67108863", &pid, &how), XB_ERR_GONE,
		   "no such process 67108863");
	assert_err(xb_find_target(&arena, "99999999999", &pid, &how), XB_ERR_GONE, "99999999999");
	assert_err(xb_find_target(&arena, "0", &pid, &how), XB_ERR_USAGE, "no process id");
	assert_err(xb_find_target(&arena, "", &pid, &how), XB_ERR_USAGE, "empty");
	assert_err(xb_find_target(&arena, "no-such-node@nowhere", &pid, &how), XB_ERR_USAGE,
		   "no-such-node@nowhere");
}

static void *tell_tid(void *arg)
{
	int *fds = arg;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char c;

	(void)!write(fds[1], &tid, sizeof(tid));
	(void)!read(fds[2], &c, 1);
	return NULL;
}

static void test_a_thread_is_no_process(void **state)
{
	struct xb_proc_handle h;
	int up[2], down[2], fds[3];
	pthread_t thread;
	pid_t tid;

	(void)state;
	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	fds[1] = up[1];
	fds[2] = down[0];
	assert_int_equal(pthread_create(&thread, NULL, tell_tid, fds), 0);
	assert_int_equal(read(up[0], &tid, sizeof(tid)), sizeof(tid));
	assert_err(xb_target_open(tid, &h), XB_ERR_USAGE, "is a thread of process");
	assert_int_equal(write(down[1], "x", 1), 1);
	(void)pthread_join(thread, NULL);
	for (int i = 0; i < 2; i++) {
		(void)close(up[i]);
		(void)close(down[i]);
	}
}

static void test_a_handle_notices_the_end(void **state)
{
	struct xb_proc_handle h = XB_PROC_HANDLE_NONE, no_fd;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_ok(xb_target_open(pid, &h));
	no_fd = h;
	no_fd.pidfd = -1;
	assert_true(xb_target_alive(&h));
	assert_true(xb_target_alive(&no_fd));
	no_fd.start_time++; /* the pid of somebody else */
	assert_false(xb_target_alive(&no_fd));
	no_fd.start_time--;
	(void)kill(pid, SIGKILL);
	(void)waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT);
	assert_false(xb_target_alive(&h)); /* a zombie now */
	assert_false(xb_target_alive(&no_fd));
	assert_err(xb_target_open(pid, &no_fd), XB_ERR_GONE, "has exited");
	(void)waitpid(pid, NULL, 0);
	assert_false(xb_target_alive(&h));
	assert_err(xb_target_open(pid, &no_fd), XB_ERR_GONE, "no such process");
	xb_target_close(&h);
	xb_target_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_emulators),
		cmocka_unit_test(test_node_names_in_arguments),
		cmocka_unit_test(test_choosing),
		cmocka_unit_test(test_at_most_ten_candidates),
		cmocka_unit_test(test_finds_by_comm),
		cmocka_unit_test(test_pids_are_taken_as_they_are),
		cmocka_unit_test(test_a_thread_is_no_process),
		cmocka_unit_test(test_a_handle_notices_the_end),
	};

	return cmocka_run_group_tests_name("find", tests, NULL, NULL);
}
