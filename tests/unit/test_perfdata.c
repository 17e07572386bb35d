#include "xbtest.h"

#include "out/perfdata.h"
#include "perfdata_check.h"
#include "perfdata_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct env {
	char dir[64], in[96], out[96];
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	(void)snprintf(e->dir, sizeof(e->dir), "/tmp/xb-perfdata-XXXXXX");
	if (mkdtemp(e->dir) == NULL)
		return -1;
	(void)snprintf(e->in, sizeof(e->in), "%s/perf.data", e->dir);
	(void)snprintf(e->out, sizeof(e->out), "%s/new.data", e->dir);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;
	int left;

	(void)unlink(e->in);
	(void)unlink(e->out);
	left = rmdir(e->dir); /* fails when a temporary file was left behind */
	free(e);
	return left;
}

static void save(const struct env *e, const void *bytes, size_t len)
{
	FILE *f = fopen(e->in, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void assert_content(const char *path, const void *bytes, size_t len)
{
	char *got = malloc(len + 2);
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	assert_int_equal(fread(got, 1, len + 1, f), len);
	assert_memory_equal(got, bytes, len);
	(void)fclose(f);
	free(got);
}

/* What the bytes at @at have to become. */
static void rename_in(struct image *im, size_t at)
{
	memset(im->bytes + at, 0, sizeof(IMAGE_JIT));
	memcpy(im->bytes + at, "//anon", 6);
}

static void check_both_ways(const struct env *e, const struct image *before, const struct image *after,
			    uint32_t pid, uint64_t renamed)
{
	struct xb_perfdata_options options = { .output = e->out, .pid = pid };
	struct xb_perfdata_report report;

	save(e, before->bytes, before->len);
	assert_ok(xb_perfdata_fix(e->in, &options, &report));
	assert_int_equal(report.renamed, renamed);
	xb_perfdata_report_deinit(&report);
	assert_content(e->in, before->bytes, before->len);
	assert_content(e->out, after->bytes, after->len);
	assert_int_equal(unlink(e->out), 0);
	options.output = NULL;
	assert_ok(xb_perfdata_fix(e->in, &options, &report));
	assert_int_equal(report.renamed, renamed);
	xb_perfdata_report_deinit(&report);
	assert_content(e->in, after->bytes, after->len);
	assert_ok(xb_perfdata_fix(e->in, &options, &report));
	assert_int_equal(report.renamed, 0);
	assert_int_equal(report.already, renamed);
	xb_perfdata_report_deinit(&report);
	assert_content(e->in, after->bytes, after->len);
}

/* Everything that must stay, mixed with two that must change; returns where those are. */
static void fill(struct image *im, size_t at[2])
{
	image_sample(im, 40);
	(void)image_mmap2(im, 7, 5, 0, "/usr/lib/erlang/erts/bin/beam.smp");
	(void)image_mmap2(im, 7, 3, 0, IMAGE_JIT); /* the writable alias */
	at[0] = image_mmap2(im, 7, 5, 1 << 14, IMAGE_JIT);
	image_auxtrace(im, 1000);
	(void)image_mmap2(im, 7, 5, 0, "//anon");
	(void)image_mmap2(im, 7, 5, 0, "/memfd:vmem2 (deleted)");
	(void)image_mmap2(im, 7, 5, 0, "/home/memfd:vmem (deleted)");
	(void)image_mmap2(im, 7, 5, 0, "");
	(void)image_mmap(im, 9, 1 << 13, IMAGE_JIT);
	image_tracing(im, 13);
	image_sample(im, 0);
	image_sample(im, 65000);
	at[1] = image_mmap(im, 9, 2, IMAGE_JIT);
}

static struct image before, after;

static void test_only_jit_code_is_renamed(void **state)
{
	for (int stream = 0; stream < 2; stream++) {
		size_t at[2];

		stream != 0 ? image_stream(&before) : image_file(&before);
		fill(&before, at);
		image_end(&before);
		after = before;
		rename_in(&after, at[0]);
		rename_in(&after, at[1]);
		check_both_ways(*state, &before, &after, 0, 2);
	}
}

static void test_one_process_only(void **state)
{
	const struct env *e = *state;
	const struct xb_perfdata_options options = { .output = e->out, .pid = 9 };
	struct xb_perfdata_report report;
	size_t at[2];

	image_file(&before);
	fill(&before, at);
	image_end(&before);
	after = before;
	rename_in(&after, at[1]);
	check_both_ways(e, &before, &after, 9, 1);
	save(e, before.bytes, before.len);
	assert_ok(xb_perfdata_fix(e->in, &options, &report));
	assert_int_equal(report.other, 1);
	assert_int_equal(report.records, 14);
	assert_int_equal(report.mappings, 9);
	assert_int_equal(report.pids.len, 1);
	assert_int_equal(report.pids.data[0], 9);
	xb_perfdata_report_deinit(&report);
}

/* Names lie across every kind of border of the reader's window. */
static void test_long_files(void **state)
{
	static size_t at[3000];
	size_t n = 0;

	image_file(&before);
	while (before.len < sizeof(before.bytes) - 70000) {
		at[n] = image_mmap2(&before, 1 + (uint32_t)n % 3, 5, 0,
				    n % 2 == 0 ? IMAGE_JIT : "/memfd:vmem");
		n++;
		image_sample(&before, 8 * (n % 211));
	}
	image_end(&before);
	after = before;
	for (size_t i = 0; i < n; i++) {
		memset(after.bytes + at[i], 0, 11);
		if (i % 2 == 0)
			memset(after.bytes + at[i], 0, sizeof(IMAGE_JIT));
		memcpy(after.bytes + at[i], "//anon", 6);
	}
	check_both_ways(*state, &before, &after, 0, n);
}

static void refuse(const struct env *e, const struct image *im, enum xb_err_code code, const char *part)
{
	struct xb_perfdata_options options = { 0 };
	struct xb_perfdata_report report;

	save(e, im->bytes, im->len);
	assert_err(xb_perfdata_fix(e->in, &options, &report), code, part);
	assert_content(e->in, im->bytes, im->len);
	options.output = e->out;
	assert_err(xb_perfdata_fix(e->in, &options, &report), code, part);
	assert_int_equal(access(e->out, F_OK), -1);
}

/* A file with one mapping to rename, then eight bytes given as the next record. */
static void with_record(uint32_t type, uint16_t size)
{
	image_file(&before);
	(void)image_mmap2(&before, 7, 5, 0, IMAGE_JIT);
	image_header(&before, type, 0, size);
	image_end(&before);
}

static void test_damaged_files_are_left_alone(void **state)
{
	const struct env *e = *state;
	static const uint64_t wild[] = { UINT64_MAX, UINT64_MAX - 7, 1ULL << 63, 1 << 20, 9 };

	with_record(9, 0);
	refuse(e, &before, XB_ERR_BAD_FILE, "smaller than its own header");
	with_record(9, 7);
	refuse(e, &before, XB_ERR_BAD_FILE, "smaller than its own header");
	with_record(9, 16);
	refuse(e, &before, XB_ERR_BAD_FILE, "reaches beyond the end");
	with_record(10, 8);
	refuse(e, &before, XB_ERR_BAD_FILE, "too short for a mapping");
	with_record(71, 8);
	refuse(e, &before, XB_ERR_BAD_FILE, "too short");
	with_record(81, 8);
	refuse(e, &before, XB_ERR_UNSUPPORTED, "compressed (perf record -z)");
	with_record(83, 8);
	refuse(e, &before, XB_ERR_UNSUPPORTED, "compressed (perf record -z)");
	with_record(9, 8);
	before.len -= sizeof(IMAGE_JIT) + 1;
	refuse(e, &before, XB_ERR_BAD_FILE, "truncated");
	for (size_t i = 0; i < XB_ARRAY_LEN(wild); i++) {
		static const size_t fields[] = { 8, 24, 32, 40, 48 };

		for (size_t f = 0; f < XB_ARRAY_LEN(fields); f++) {
			if (fields[f] == 24 && wild[i] == 9)
				continue; /* odd, but inside the file */
			with_record(9, 8);
			memcpy(before.bytes + fields[f], &wild[i], 8);
			refuse(e, &before, XB_ERR_BAD_FILE, "");
		}
		image_file(&before);
		image_auxtrace(&before, 64);
		memcpy(before.bytes + before.data_at + 8, &wild[i], 8);
		image_end(&before);
		refuse(e, &before, XB_ERR_BAD_FILE, "");
	}
	image_file(&before);
	refuse(e, &before, XB_ERR_BAD_FILE, "the data size is 0");
	image_file(&before);
	(void)image_mmap2(&before, 7, 5, 0, IMAGE_JIT);
	image_end(&before);
	memset(before.bytes + before.data_at + 72, 'x', before.len - before.data_at - 72);
	refuse(e, &before, XB_ERR_BAD_FILE, "has no end");
}

static void test_other_formats_are_named(void **state)
{
	const struct env *e = *state;

	with_record(9, 8);
	memcpy(before.bytes, "2ELIFREP", 8);
	refuse(e, &before, XB_ERR_UNSUPPORTED, "byte order");
	memcpy(before.bytes, "PERFFILE", 8);
	refuse(e, &before, XB_ERR_UNSUPPORTED, "first format");
	memcpy(before.bytes, "\177ELF\2\1\1", 8);
	refuse(e, &before, XB_ERR_BAD_FILE, "not a perf.data file");
	before.len = 0;
	refuse(e, &before, XB_ERR_BAD_FILE, "0 bytes are no perf.data");
	image_stream(&before);
	(void)image_mmap2(&before, 7, 5, 0, IMAGE_JIT);
	before.len -= 8;
	refuse(e, &before, XB_ERR_BAD_FILE, "truncated");
	before.len -= before.len - (16 + 80) - 4;
	refuse(e, &before, XB_ERR_BAD_FILE, "truncated inside the record");
}

static void test_where_it_writes(void **state)
{
	const struct env *e = *state;
	struct xb_perfdata_options in_place = { 0 }, copy = { .output = e->out };
	struct xb_perfdata_report report;
	struct stat st;

	image_file(&before);
	rename_in(&before, image_mmap2(&before, 7, 5, 0, IMAGE_JIT));
	image_end(&before);
	save(e, before.bytes, before.len);
	assert_int_equal(chmod(e->in, 0640), 0);
	assert_int_equal(symlink(e->in, e->out), 0);
	assert_err(xb_perfdata_fix(e->out, &in_place, &report), XB_ERR_USAGE, "symbolic link");
	assert_err(xb_perfdata_fix(e->in, &copy, &report), XB_ERR_USAGE, "is the input itself");
	assert_int_equal(unlink(e->out), 0);
	assert_int_equal(symlink("/nonexistent", e->out), 0);
	copy.force = true;
	assert_err(xb_perfdata_fix(e->in, &copy, &report), XB_ERR_USAGE, "taken by a symbolic link");
	copy.force = false;
	assert_err(xb_perfdata_fix(e->in, &copy, &report), XB_ERR_USAGE, "exists already");
	assert_int_equal(unlink(e->out), 0);
	for (int i = 0; i < 2; i++) {
		assert_ok(xb_perfdata_fix(e->in, &copy, &report));
		assert_int_equal(report.already, 1);
		xb_perfdata_report_deinit(&report);
		assert_int_equal(stat(e->out, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0640);
		copy.force = false;
		assert_err(xb_perfdata_fix(e->in, &copy, &report), XB_ERR_USAGE, "exists already");
		copy.force = true;
	}
	assert_err(xb_perfdata_fix(e->dir, &in_place, &report), XB_ERR_UNSUPPORTED, "is a directory");
	assert_err(xb_perfdata_fix("/dev/null", &in_place, &report), XB_ERR_USAGE, "no regular file");
	copy.output = "/proc/x";
	assert_err(xb_perfdata_fix(e->in, &copy, &report), XB_ERR_SYS, "/proc/x");
}

/* The guarantees hold for any bytes: see perfdata_check(). */
static void test_mutated_images(void **state)
{
	uint64_t seed = 1;
	size_t kept = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t at[2];

		round % 2 != 0 ? image_stream(&before) : image_file(&before);
		fill(&before, at);
		image_end(&before);
		for (int i = 0; i < 1 + round % 5; i++) {
			uint64_t where;

			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			/* mostly in the headers and the first records, where lengths are */
			where = (seed >> 40) % (round % 3 != 0 ? 600 : before.len);
			before.bytes[where] =
				(unsigned char)(seed >> 33 & (seed >> 63 != 0 ? 0xff : 0x0f));
		}
		kept += perfdata_check(before.bytes, before.len - (round % 7 == 0 ? seed >> 50 : 0));
	}
	assert_true(kept > 100); /* enough mutants still were files for this to mean something */
}

static void test_every_prefix(void **state)
{
	size_t at[2];

	(void)state;
	image_stream(&before);
	fill(&before, at);
	for (size_t len = 0; len < 2200; len++)
		(void)perfdata_check(before.bytes, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_jit_code_is_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_process_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_files_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_formats_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_where_it_writes, setup, teardown),
		cmocka_unit_test(test_mutated_images),
		cmocka_unit_test(test_every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
