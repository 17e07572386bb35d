#include "xbtest.h"

#include "out/newfile.h"
#include "out/perfmap_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT "0x10 8 $a:b/1\n"

struct env {
	char dir[64], map[96], other[96];
};

/* A directory that stands in for the system's temporary one; the target is process 4711. */
static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	(void)snprintf(e->dir, sizeof(e->dir), "/tmp/xb-perfmap-XXXXXX");
	if (mkdtemp(e->dir) == NULL)
		return -1;
	(void)snprintf(e->map, sizeof(e->map), "%s/perf-4711.map", e->dir);
	(void)snprintf(e->other, sizeof(e->other), "%s/other", e->dir);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;
	int left;

	(void)unlink(e->map);
	(void)unlink(e->other);
	left = rmdir(e->dir); /* fails when something unfinished was left behind */
	free(e);
	return left;
}

static size_t files_in(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return n;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *path, const char *text)
{
	char got[256] = { 0 };
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	(void)fread(got, 1, sizeof(got) - 1, f);
	(void)fclose(f);
	assert_string_equal(got, text);
}

static struct xb_error *write_map(const struct env *e, const char *text)
{
	return xb_perfmap_write(e->dir, 4711, geteuid(), text, strlen(text));
}

static void test_path_is_the_one_perf_looks_at(void **state)
{
	struct xb_arena arena = XB_ARENA_INIT;
	const char *path;

	(void)state;
	assert_ok(xb_perfmap_path(NULL, 4711, &arena, &path));
	assert_string_equal(path, "/tmp/perf-4711.map");
	assert_ok(xb_perfmap_path("/x", 1, &arena, &path));
	assert_string_equal(path, "/x/perf-1.map");
	xb_arena_deinit(&arena);
}

static void test_map_is_readable_by_all_whatever_the_umask(void **state)
{
	const struct env *e = *state;
	mode_t mask = umask(0077);
	struct xb_error *err = write_map(e, TEXT);
	struct stat st;

	(void)umask(mask);
	assert_ok(err);
	assert_int_equal(lstat(e->map, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_uid, geteuid());
	assert_holds(e->map, TEXT);
	assert_int_equal(files_in(e->dir), 1);
}

static void test_old_map_is_replaced_not_changed(void **state)
{
	const struct env *e = *state;
	char got[64] = { 0 };
	int fd;

	put(e->map, "old\n");
	fd = open(e->map, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(write_map(e, TEXT));
	assert_holds(e->map, TEXT);
	/* Whoever had the old one open goes on reading the old one. */
	assert_int_equal(read(fd, got, sizeof(got)), 4);
	assert_string_equal(got, "old\n");
	close(fd);
}

static void test_taken_places_are_refused_by_name(void **state)
{
	const struct env *e = *state;

	put(e->other, "precious\n");
	assert_int_equal(symlink(e->other, e->map), 0);
	assert_err(write_map(e, TEXT), XB_ERR_USAGE, "perf-4711.map is taken by a symbolic link");
	assert_holds(e->other, "precious\n");
	assert_int_equal(unlink(e->map), 0);
	assert_int_equal(symlink("/nonexistent/x", e->map), 0);
	assert_err(write_map(e, TEXT), XB_ERR_USAGE, "symbolic link");
	assert_int_equal(unlink(e->map), 0);
	assert_int_equal(mkdir(e->map, 0700), 0);
	assert_err(write_map(e, TEXT), XB_ERR_USAGE, "taken by a directory");
	assert_int_equal(rmdir(e->map), 0);
	assert_int_equal(mkfifo(e->map, 0600), 0);
	assert_err(write_map(e, TEXT), XB_ERR_USAGE, "taken by a special file");
	assert_int_equal(files_in(e->dir), 2);
}

static void test_files_of_strangers(void **state)
{
	const struct env *e = *state;

	if (geteuid() != 0) {
		print_message("# skipped: only root can make a file of another user\n");
		skip();
	}
	put(e->map, "theirs\n");
	assert_int_equal(chown(e->map, 12345, 12345), 0);
	assert_err(write_map(e, TEXT), XB_ERR_USAGE, "another user (uid 12345)");
	assert_holds(e->map, "theirs\n");
	assert_ok(xb_perfmap_write(e->dir, 4711, 12345, TEXT, strlen(TEXT)));
	assert_holds(e->map, TEXT);
}

/* In a sticky directory nobody but its owner replaces root's file; tried as uid 12345 in a child. */
static void test_sticky_directories(void **state)
{
	const struct env *e = *state;
	int status;
	pid_t child;

	if (geteuid() != 0) {
		print_message("# skipped: only root can become another user\n");
		skip();
	}
	put(e->map, "root's\n");
	assert_int_equal(chmod(e->dir, 01777), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct xb_error *err;

		if (setuid(12345) != 0)
			_exit(1);
		err = xb_perfmap_write(e->dir, 4711, 12345, TEXT, strlen(TEXT));
		if (err == NULL || xb_error_code(err) != XB_ERR_PERM || xb_error_advice(err) == NULL)
			_exit(2);
		xb_error_destroy(err);
		err = xb_perfmap_write(e->dir, 4712, 12345, TEXT, strlen(TEXT));
		_exit(err == NULL ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_holds(e->map, "root's\n");
	assert_int_equal(files_in(e->dir), 2);
	(void)snprintf(((struct env *)*state)->other, sizeof(e->other), "%s/perf-4712.map", e->dir);
	assert_holds(e->other, TEXT);
}

static void test_unwritable_directories(void **state)
{
	struct xb_error *err = xb_perfmap_write("/proc", 4711, 0, TEXT, strlen(TEXT));

	(void)state;
	assert_non_null(err);
	assert_non_null(strstr(xb_error_message(err), "/proc/perf-4711.map"));
	xb_error_destroy(err);
	assert_err(xb_perfmap_write("/nonexistent", 1, 0, TEXT, 1), XB_ERR_SYS, "/nonexistent");
}

/* Runs in a child: its own mount namespace with a file system of 64 KiB over the directory.  Returns 77
 * when that is not allowed. */
static int fill_the_disk(const struct env *e)
{
	static char big[1 << 20];
	struct xb_error *err;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", e->dir, "tmpfs", 0, "size=64k") != 0)
		return 77;
	put(e->map, "old\n");
	memset(big, 'x', sizeof(big));
	err = xb_perfmap_write(e->dir, 4711, geteuid(), big, sizeof(big));
	if (err == NULL ||
	    strstr(xb_error_message(err), "perf-4711.map: No space left on device") == NULL)
		return 1;
	xb_error_destroy(err);
	if (files_in(e->dir) != 1)
		return 2;
	assert_holds(e->map, "old\n");
	/* The space came back with the unfinished file. */
	err = write_map(e, TEXT);
	if (err != NULL)
		return 3;
	assert_holds(e->map, TEXT);
	return 0;
}

static void test_a_full_disk_keeps_the_old_map(void **state)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(fill_the_disk(*state));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# skipped: no permission to mount a small file system\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_output_of_the_users_choice(void **state)
{
	const struct env *e = *state;

	assert_ok(xb_perfmap_write_to(e->other, TEXT, strlen(TEXT)));
	assert_holds(e->other, TEXT);
	assert_ok(xb_perfmap_write_to(e->other, "new\n", 4));
	assert_holds(e->other, "new\n");
	assert_ok(xb_perfmap_write_to("/dev/null", TEXT, strlen(TEXT)));
	assert_err(xb_perfmap_write_to("/dev/full", TEXT, strlen(TEXT)), XB_ERR_SYS,
		   "cannot write /dev/full: No space left on device");
	assert_err(xb_perfmap_write_to(e->dir, TEXT, 1), XB_ERR_USAGE, "taken by a directory");
	assert_err(xb_perfmap_write_to("/tmp/", TEXT, 1), XB_ERR_USAGE, "no file name");
	assert_int_equal(symlink(e->other, e->map), 0);
	assert_err(xb_perfmap_write_to(e->map, TEXT, 1), XB_ERR_USAGE, "symbolic link");
	assert_holds(e->other, "new\n");
}

static void test_who_keeps_the_map(void **state)
{
	const struct env *e = *state;
	char own[128];
	bool kept = true;
	int fd;

	(void)snprintf(own, sizeof(own), "%s/perf-%d.map", e->dir, getpid());
	assert_ok(xb_perfmap_kept_by_target(e->dir, getpid(), getpid(), &kept));
	assert_false(kept);
	put(own, "mine\n");
	fd = open(own, O_RDONLY | O_CLOEXEC);
	kept = true;
	assert_ok(xb_perfmap_kept_by_target(e->dir, getpid(), getpid(), &kept));
	assert_false(kept);
	close(fd);
	fd = open(own, O_WRONLY | O_CLOEXEC);
	assert_ok(xb_perfmap_kept_by_target(e->dir, getpid(), getpid(), &kept));
	assert_true(kept);
	assert_int_equal(unlink(own), 0);
	assert_ok(xb_perfmap_kept_by_target(e->dir, getpid(), getpid(), &kept));
	assert_false(kept);
	close(fd);
}

/* A child whose root is the directory, where /tmp is a link that points out of it. */
static void test_links_in_the_targets_root_lead_nowhere_else(void **state)
{
	const struct env *e = *state;
	struct xb_perfmap_target target = { .ns_pid = 7 };
	char tmp[128], inside[192], outside[192];
	int ready[2], status;
	char c;
	pid_t child;

	if (geteuid() != 0) {
		print_message("# skipped: only root can chroot\n");
		skip();
	}
	(void)snprintf(tmp, sizeof(tmp), "%s/tmp", e->dir);
	(void)snprintf(inside, sizeof(inside), "%s/x", e->dir);
	(void)snprintf(outside, sizeof(outside), "/x/perf-7.map");
	assert_int_equal(symlink("../../../x", tmp), 0);
	assert_int_equal(mkdir(inside, 0700), 0);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (chroot(e->dir) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	target.pid = child;
	assert_ok(xb_perfmap_write_in_root(&target, TEXT, strlen(TEXT)));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(access(outside, F_OK), -1);
	(void)snprintf(tmp, sizeof(tmp), "%s/x/perf-7.map", e->dir);
	assert_holds(tmp, TEXT);
	assert_int_equal(unlink(tmp), 0);
	assert_int_equal(rmdir(inside), 0);
	(void)snprintf(tmp, sizeof(tmp), "%s/tmp", e->dir);
	assert_int_equal(unlink(tmp), 0);
	assert_err(xb_perfmap_write_in_root(&target, TEXT, 1), XB_ERR_GONE, "gone");
}

static void test_new_files_do_not_race(void **state)
{
	const struct env *e = *state;
	struct xb_newfile a, b;

	assert_ok(xb_newfile_open(e->map, 0600, XB_NEWFILE_NEVER, 0, &a));
	assert_ok(xb_newfile_open(e->map, 0600, XB_NEWFILE_NEVER, 0, &b));
	assert_ok(xb_newfile_write(&a, "a", 1));
	assert_ok(xb_newfile_write(&b, "b", 1));
	assert_ok(xb_newfile_commit(&a));
	assert_err(xb_newfile_commit(&b), XB_ERR_USAGE, "exists already");
	assert_holds(e->map, "a");
	assert_int_equal(files_in(e->dir), 1);
	xb_newfile_discard(&a);
	xb_newfile_discard(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_is_the_one_perf_looks_at),
		cmocka_unit_test_setup_teardown(test_map_is_readable_by_all_whatever_the_umask, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_old_map_is_replaced_not_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_places_are_refused_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_of_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sticky_directories, setup, teardown),
		cmocka_unit_test(test_unwritable_directories),
		cmocka_unit_test_setup_teardown(test_a_full_disk_keeps_the_old_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_of_the_users_choice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_keeps_the_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_in_the_targets_root_lead_nowhere_else, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_new_files_do_not_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
