/* The rules on made-up facts, then on real processes with real loss of privilege (as root only). */
#include "xbtest.h"

#include "os/access.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, SOMEBODY = 65533 };

/* Two processes of one ordinary user on a machine without special rules: nothing refuses. */
static struct xb_access_facts plain(void)
{
	struct xb_access_ids joe = { 1000, 1000, 1000, 1000, 1000, 1000, 0, 0 };

	return (struct xb_access_facts){ .pid = 7,
					 .we = joe,
					 .target = joe,
					 .target_dumpable = true,
					 .user_ns_known = true,
					 .same_user_ns = true,
					 .initial_user_ns = true,
					 .yama = -1,
					 .paranoid = 2,
					 .we_name = "joe (uid 1000)",
					 .target_name = "ann (uid 1001)",
					 .our_exe = "/usr/bin/tool" };
}

static void expect(const struct xb_access_facts *f, enum xb_access_what what, int err,
		   const char *sentence, const char *advice)
{
	struct xb_error *e = xb_access_judge(f, what, err);

	assert_non_null(e);
	assert_int_equal(xb_error_code(e), XB_ERR_PERM);
	if (strstr(xb_error_message(e), sentence) == NULL)
		fail_msg("'%s' does not hold '%s'", xb_error_message(e), sentence);
	assert_non_null(xb_error_advice(e));
	if (strstr(xb_error_advice(e), advice) == NULL)
		fail_msg("'%s' does not hold '%s'", xb_error_advice(e), advice);
	xb_error_destroy(e);
}

static void test_memory_rules(void **state)
{
	struct xb_access_facts f = plain();

	(void)state;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "though user, capabilities and sysctls allow", "SELinux");
	f.target.uid = f.target.euid = f.target.suid = 1001;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "runs as ann (uid 1001) and we run as joe (uid 1000)",
	       "setcap cap_sys_ptrace=ep /usr/bin/tool");
	expect(&f, XB_ACCESS_MAPS, EACCES, "memory map", "ann (uid 1001) or as root");
	f.we_are_in_container = true;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "runs as ann", "--cap-add=SYS_PTRACE");

	f = plain();
	f.target.egid = 5;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "other user or group ids", "setcap");
	f = plain();
	f.target.caps_permitted = 1 << 10;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "holds capabilities (0x400)", "setcap");
	f = plain();
	f.target_dumpable = false;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "not dumpable", "run this as root");

	f = plain();
	f.yama = 1;
	expect(&f, XB_ACCESS_MEMORY, EPERM,
	       "ptrace_scope is 1, which allows it only for our own children",
	       "sysctl kernel.yama.ptrace_scope=0");
	expect(&f, XB_ACCESS_MAPS, EACCES, "though user", "SELinux"); /* Yama does not guard reading */
	f.yama = 2;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "only with CAP_SYS_PTRACE", "cap_sys_ptrace");
	f.we.caps_effective = 1ULL << XB_CAP_SYS_PTRACE;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "though user", "SELinux");
	f.yama = 3;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "refuses everyone", "reboot");

	f = plain();
	f.we.caps_effective = 1ULL << XB_CAP_SYS_PTRACE;
	f.same_user_ns = false;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "another user namespace", "user namespace");
	f = plain();
	f.we_have_seccomp = true;
	expect(&f, XB_ACCESS_MEMORY, EPERM, "seccomp", "outside");
}

static void test_perf_rules(void **state)
{
	struct xb_access_facts f = plain();

	(void)state;
	f.paranoid = 3;
	expect(&f, XB_ACCESS_PERF, EACCES, "perf_event_paranoid is 3",
	       "sysctl kernel.perf_event_paranoid=2; or setcap cap_perfmon=ep /usr/bin/tool");
	f.we_are_in_container = true;
	expect(&f, XB_ACCESS_PERF, EACCES, "perf_event_paranoid is 3", "--cap-add=PERFMON");
	f.we_have_seccomp = true;
	expect(&f, XB_ACCESS_PERF, EPERM, "seccomp", "--cap-add=PERFMON");
	expect(&f, XB_ACCESS_PERF, ENOSYS, "seccomp", "--cap-add=PERFMON");
	expect(&f, XB_ACCESS_PERF, EACCES, "perf_event_paranoid", "--cap-add=PERFMON");

	f = plain();
	expect(&f, XB_ACCESS_CPUS, EACCES, "by CPU: kernel.perf_event_paranoid is 2", "cap_perfmon=ep");
	f.target.uid = 1001;
	expect(&f, XB_ACCESS_PERF, EACCES, "runs as ann", "setcap cap_perfmon=ep");
	f.we.uid = f.we.euid = 0; /* root is not sent to root */
	expect(&f, XB_ACCESS_PERF, EACCES, "runs as ann", "root lacks CAP_PERFMON");

	f = plain();
	f.we.caps_effective = 1ULL << XB_CAP_PERFMON;
	f.initial_user_ns = false;
	expect(&f, XB_ACCESS_PERF, EACCES, "user namespace", "rootless");
	f.initial_user_ns = true;
	expect(&f, XB_ACCESS_PERF, EACCES, "though user", "lockdown");
}

static void test_other_errnos(void **state)
{
	struct xb_access_facts f = plain();

	(void)state;
	assert_err(xb_access_judge(&f, XB_ACCESS_PERF, ENOSYS), XB_ERR_UNSUPPORTED, "kernel cannot");
	assert_err(xb_access_judge(&f, XB_ACCESS_PERF, EINVAL), XB_ERR_UNSUPPORTED, "kernel cannot");
	assert_err(xb_access_judge(&f, XB_ACCESS_PERF, EMFILE), XB_ERR_LIMIT, "open files");
	assert_err(xb_access_judge(&f, XB_ACCESS_MEMORY, ESRCH), XB_ERR_GONE, "exited");
	assert_err(xb_access_judge(&f, XB_ACCESS_MEMORY, EIO), XB_ERR_SYS, "Input/output");
}

/* A child that has become @uid and waits; @undumpable as a program that changed its user is. */
static pid_t spawn_target(uid_t uid, bool undumpable)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (uid != 0 && (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0))
			_exit(1);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cleared by the change of user */
		(void)prctl(PR_SET_DUMPABLE, undumpable ? 0 : 1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static bool drop_cap(unsigned cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) != 0)
		return false;
	d[cap / 32].effective &= ~(1U << cap % 32);
	d[cap / 32].permitted &= ~(1U << cap % 32);
	return syscall(SYS_capset, &h, d) == 0;
}

/* In a child that became @uid (and lost @cap when >= 0): the check of @target must say @sentence; NULL:
 * it must allow. */
static void check_as(uid_t uid, int cap, pid_t target, const char *sentence, const char *not_advice)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct xb_error *err;
		int code = 0;

		if (uid != 0 && (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0))
			_exit(1);
		if (cap >= 0 && !drop_cap((unsigned)cap))
			_exit(2);
		err = xb_access_check_memory(target);
		if (sentence == NULL)
			code = err == NULL ? 0 : 3;
		else if (err == NULL || xb_error_code(err) != XB_ERR_PERM ||
			 strstr(xb_error_message(err), sentence) == NULL)
			code = 4;
		else if (xb_error_advice(err) == NULL ||
			 (not_advice != NULL && strstr(xb_error_advice(err), not_advice) != NULL))
			code = 5;
		if (code != 0)
			(void)fprintf(stderr, "# %d: %s (%s)\n", code,
				      err == NULL ? "allowed" : xb_error_message(err),
				      err == NULL ? "" : xb_error_advice(err));
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_real_privileges(void **state)
{
	pid_t root, nobody, guarded;

	(void)state;
	if (geteuid() != 0 || !xb_access_have_cap(XB_CAP_SYS_PTRACE)) {
		print_message("skipped: needs root with CAP_SYS_PTRACE to lose it\n");
		skip();
	}
	root = spawn_target(0, false);
	nobody = spawn_target(NOBODY, false);
	guarded = spawn_target(NOBODY, true);
	assert_ok(xb_access_check_memory(getpid()));
	assert_ok(xb_access_check_memory(nobody));
	check_as(0, -1, guarded, NULL, NULL);
	check_as(NOBODY, -1, root, "it runs as root (uid 0) and we run as", NULL);
	check_as(SOMEBODY, -1, nobody, "we run as uid 65533", NULL);
	check_as(NOBODY, -1, guarded, "not dumpable", NULL);
	check_as(0, CAP_SYS_PTRACE, nobody, "and we run as root (uid 0)", "as root");
	check_as(0, CAP_SYS_PTRACE, root, "holds capabilities (0x80000)", "as root");
	(void)kill(root, SIGKILL);
	(void)kill(nobody, SIGKILL);
	(void)kill(guarded, SIGKILL);
	while (wait(NULL) > 0)
		continue;
	assert_err(xb_access_check_memory(nobody), XB_ERR_GONE, "exited");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_rules),
		cmocka_unit_test(test_perf_rules),
		cmocka_unit_test(test_other_errnos),
		cmocka_unit_test(test_real_privileges),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
