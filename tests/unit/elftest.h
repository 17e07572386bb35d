/* What the ELF tests share: the sample files, a scratch directory, files and commands. */
#ifndef XB_TESTS_ELFTEST_H
#define XB_TESTS_ELFTEST_H

#include "xbtest.h"

#include "base/arena.h"
#include "os/procfs.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Set by meson: where the samples were built. */
XB_UNUSED static const char *sample_path(struct xb_arena *a, const char *name)
{
	const char *dir = getenv("XB_TEST_BUILD");

	assert_non_null(dir);
	return xb_arena_printf(a, "%s/%s", dir, name);
}

XB_UNUSED static char *scratch_create(struct xb_arena *a)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xb_arena_printf(a, "%s/xb-elf-XXXXXX", tmp == NULL ? "/tmp" : tmp);

	assert_non_null(mkdtemp(dir));
	return dir;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

XB_UNUSED static void scratch_destroy(const char *dir)
{
	assert_int_equal(nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A shell command that must succeed. */
XB_UNUSED XB_PRINTF(1, 2) static void shell(const char *fmt, ...)
{
	char *command;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("'%s' failed", command);
	free(command);
}

XB_UNUSED static char *slurp(struct xb_arena *a, const char *path, size_t *len)
{
	char *text;

	assert_ok(xb_read_file(path, a, &text, len));
	return text;
}

XB_UNUSED static void spill(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

#endif
