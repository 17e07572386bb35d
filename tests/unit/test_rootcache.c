/* The files of the cache: written whole, and believed only when nobody else can have written them. */
#include "base/map.h"
#include "base/str.h"
#include "cli/rootcache.h"
#include "xbtest.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_ID "00112233445566778899aabbccddeeff00112233"

struct heard {
	int lines;
	char last[512];
};

static void hear(void *arg, enum xb_log_level level, const char *line)
{
	struct heard *h = arg;

	assert_int_equal(level, XB_LOG_INFO); /* never a warning: nothing is lost */
	h->lines++;
	(void)snprintf(h->last, sizeof(h->last), "%s", line);
}

struct state {
	char base[64], file[PATH_MAX], dir[PATH_MAX];
	struct heard heard;
	struct xb_log log;
	struct xb_rootcache cache;
	struct xb_root_hints hints;
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	(void)snprintf(s->base, sizeof(s->base), "/tmp/xb-rootcache.XXXXXX");
	assert_non_null(mkdtemp(s->base));
	(void)snprintf(s->dir, sizeof(s->dir), "%s/extrospect/roots-of", s->base);
	(void)snprintf(s->file, sizeof(s->file), "%s/extrospect/roots-of/" BUILD_ID, s->base);
	s->log = (struct xb_log){ .sink = hear, .arg = &s->heard, .max = XB_LOG_DEBUG };
	xb_rootcache_init(&s->cache, s->base, &s->log);
	for (int i = 0; i < XB_ROOT__COUNT; i++) {
		s->hints.has[i] = i % 3 != 2;
		s->hints.vaddr[i] = s->hints.has[i] ? 0xc17ec0 + 8 * (xb_addr)i : 0;
	}
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", s->base);
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
	free(s);
	return 0;
}

static void save(struct state *s)
{
	s->cache.ops.save(s->cache.ops.arg, BUILD_ID, &s->hints);
}

static bool load(struct state *s, struct xb_root_hints *ret)
{
	return s->cache.ops.load(s->cache.ops.arg, BUILD_ID, ret);
}

/* It is refused, that is said, what was there before is untouched, and it can be mended unless @stays. */
static void refused(struct state *s)
{
	struct xb_root_hints got = { .vaddr = { 42 } };
	int before = s->heard.lines;

	assert_false(load(s, &got));
	assert_int_equal(got.vaddr[0], 42);
	assert_true(s->heard.lines > before);
}

static void write_file(const struct state *s, const void *bytes, size_t len)
{
	int fd = open(s->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static size_t read_file(const struct state *s, char *buf, size_t size)
{
	int fd = open(s->file, O_RDONLY);
	ssize_t len;

	assert_true(fd >= 0);
	len = read(fd, buf, size);
	close(fd);
	assert_true(len > 0);
	return (size_t)len;
}

static void test_round_trip(void **state)
{
	struct state *s = *state;
	struct xb_root_hints got;
	struct stat st;
	DIR *dir;
	int names = 0;

	refused(s); /* nothing yet */
	save(s);
	assert_true(load(s, &got));
	for (int i = 0; i < XB_ROOT__COUNT; i++) {
		assert_int_equal(got.has[i], s->hints.has[i]);
		assert_int_equal(got.vaddr[i], s->hints.vaddr[i]);
	}
	assert_int_equal(stat(s->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(s->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	dir = opendir(s->dir);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		names++;
	closedir(dir);
	assert_int_equal(names, 3); /* itself, its parent, the file: nothing unfinished */
	/* Another build has another file. */
	assert_false(s->cache.ops.load(s->cache.ops.arg, "0123", &got));
}

static void test_names(void **state)
{
	struct state *s = *state;
	static const char *const bad[] = { "", "..", "../x", "a/b", "AB", "g0" };
	struct xb_root_hints got;

	save(s);
	for (size_t i = 0; i < XB_ARRAY_LEN(bad); i++) {
		s->cache.ops.save(s->cache.ops.arg, bad[i], &s->hints);
		assert_false(s->cache.ops.load(s->cache.ops.arg, bad[i], &got));
	}
	assert_int_not_equal(access("/tmp/x", F_OK), 0);
}

/* Every prefix, and every byte changed. */
static void test_damage(void **state)
{
	struct state *s = *state;
	char good[4096], bad[4096];
	struct xb_root_hints got;
	size_t len;

	save(s);
	len = read_file(s, good, sizeof(good));
	for (size_t n = 0; n < len; n++) {
		write_file(s, good, n);
		refused(s);
	}
	for (size_t n = 0; n < len; n++) {
		memcpy(bad, good, len);
		bad[n] ^= 1;
		write_file(s, bad, len);
		refused(s);
		bad[n] = '\0';
		write_file(s, bad, len);
		refused(s);
	}
	memcpy(bad, good, len);
	memcpy(bad + len, "more\n", 5);
	write_file(s, bad, len + 5);
	refused(s);
	memset(bad, 'a', sizeof(bad));
	write_file(s, bad, sizeof(bad));
	refused(s);
	write_file(s, good, len);
	assert_true(load(s, &got));
}

/* With a sum that is right. */
static void test_lines(void **state)
{
	struct state *s = *state;
	static const char head[] = "extrospect roots 1\nbuild " BUILD_ID "\n";
	static const struct {
		const char *lines;
		bool good;
	} cases[] = {
		{ "", true },
		{ "1f process table\n", true },
		{ "1f process table\n2f atom table\n", true },
		{ "ffffffffffffffff process table\n", true },
		{ "1f process table\n1f process table\n", false },
		{ "1f process tables\n", false },
		{ "1f process tabl\n", false },
		{ "1f\n", false },
		{ " process table\n", false },
		{ "g process table\n", false },
		{ "10000000000000000 process table\n", false },
		{ "1f process table", false },
		{ "\n", false },
	};
	struct xb_root_hints got;

	save(s);
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		xb_cleanup(xb_str_deinit) struct xb_str text = XB_STR_INIT;

		xb_str_addf(&text, "%s%s", head, cases[i].lines);
		xb_str_addf(&text, "sum %016llx\n",
			    (unsigned long long)xb_hash_bytes(xb_str_get(&text), text.len));
		write_file(s, xb_str_get(&text), text.len);
		if (cases[i].good)
			assert_true(load(s, &got));
		else
			refused(s);
	}
}

static void test_strangers(void **state)
{
	struct state *s = *state;
	char aside[PATH_MAX], other[PATH_MAX];
	struct xb_root_hints got;

	save(s);
	assert_int_equal(chmod(s->file, 0620), 0);
	refused(s);
	assert_int_equal(chmod(s->file, 0602), 0);
	refused(s);
	save(s); /* replaced, as it is ours */
	assert_true(load(s, &got));
	assert_int_equal(chmod(s->dir, 0770), 0);
	refused(s);
	assert_int_equal(chmod(s->dir, 0700), 0);
	(void)snprintf(other, sizeof(other), "%s/hard", s->base);
	assert_int_equal(link(s->file, other), 0);
	refused(s);
	assert_int_equal(unlink(other), 0);
	assert_true(load(s, &got));
	(void)snprintf(aside, sizeof(aside), "%s/aside", s->base);
	assert_int_equal(rename(s->file, aside), 0);
	assert_int_equal(symlink(aside, s->file), 0);
	refused(s);
	save(s); /* not through the link, and not in its place */
	refused(s);
	assert_int_equal(unlink(s->file), 0);
	assert_int_equal(mkfifo(s->file, 0600), 0);
	refused(s);
	assert_int_equal(unlink(s->file), 0);
	assert_int_equal(mkdir(s->file, 0700), 0);
	refused(s);
	save(s);
	assert_int_equal(rmdir(s->file), 0);
	assert_int_equal(rmdir(s->dir), 0);
	assert_int_equal(symlink(s->base, s->dir), 0);
	refused(s);
	save(s);
	assert_int_equal(unlink(s->dir), 0);
	if (geteuid() == 0) {
		save(s);
		assert_int_equal(chown(s->file, 12345, 12345), 0);
		refused(s);
		assert_int_equal(unlink(s->file), 0);
		assert_int_equal(chown(s->base, 12345, 12345), 0);
		save(s);
		assert_int_not_equal(access(s->file, F_OK), 0);
		assert_int_equal(chown(s->base, 0, 0), 0);
	}
}

static void test_base(void **state)
{
	char buf[PATH_MAX], small[8];
	struct xb_rootcache none;
	struct xb_root_hints got = { 0 };

	(void)state;
	assert_int_equal(setenv("XDG_CACHE_HOME", "/x/y", 1), 0);
	assert_int_equal(setenv("HOME", "/h", 1), 0);
	assert_string_equal(xb_rootcache_base(buf, sizeof(buf)), "/x/y");
	assert_string_equal(xb_rootcache_base(small, 4), "");
	assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
	assert_string_equal(xb_rootcache_base(buf, sizeof(buf)), "/h/.cache");
	assert_int_equal(setenv("XDG_CACHE_HOME", "", 1), 0);
	assert_string_equal(xb_rootcache_base(buf, sizeof(buf)), "/h/.cache");
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
	assert_int_equal(setenv("HOME", "", 1), 0);
	assert_string_equal(xb_rootcache_base(buf, sizeof(buf)), "");
	assert_int_equal(unsetenv("HOME"), 0);
	assert_string_equal(xb_rootcache_base(buf, sizeof(buf)), "");
	/* Without one nothing is written anywhere. */
	xb_rootcache_init(&none, buf, NULL);
	none.ops.save(none.ops.arg, BUILD_ID, &got);
	assert_false(none.ops.load(none.ops.arg, BUILD_ID, &got));
	assert_int_not_equal(access("extrospect", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
		cmocka_unit_test(test_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
