/* Layout tables as text: what is written is what is read, and every way to be wrong has its sentence. */
#include "xbtest.h"

#include "layout/banner.h"
#include "layout/entry.h"
#include "layout/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct xb_error *parse(const char *text, struct xb_arena *arena, struct xb_layout *l)
{
	return xb_layout_parse(text, strlen(text), "my.tab", arena, l);
}

static void refused(const char *text, const char *sentence)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_layout l;

	assert_err(parse(text, &arena, &l), XB_ERR_BAD_FILE, sentence);
	xb_arena_deinit(&arena);
}

static void same_entries(const struct xb_layout *a, const struct xb_layout *b)
{
	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry x = xb_entry_get(a, i), y = xb_entry_get(b, i);

		assert_string_equal(x.name, y.name);
		assert_int_equal(x.from != XB_FROM_NOWHERE, y.from != XB_FROM_NOWHERE);
		assert_int_equal(x.value, y.value);
		assert_int_equal(x.width, y.width);
	}
}

static void test_every_table_reads_as_it_is_written(void **state)
{
	(void)state;
	assert_true(xb_layout_n_builtin() >= 5);
	for (size_t i = 0; i < xb_layout_n_builtin(); i++) {
		struct xb_arena arena = XB_ARENA_INIT;
		struct xb_str text = XB_STR_INIT, source = XB_STR_INIT;
		struct xb_layout want, got;
		size_t entries = 0;

		xb_layout_builtin(i, &want);
		xb_layout_print(&want, "some", &text);
		assert_ok(parse(xb_str_get(&text), &arena, &got));
		assert_string_equal(got.name, want.name);
		assert_string_equal(got.file, "my.tab");
		assert_null(got.base);
		assert_int_equal(got.release, want.release);
		assert_int_equal(got.flavor, want.flavor);
		same_entries(&want, &got);
		for (size_t k = 0; k < xb_entry_count(); k++) {
			enum xb_provenance from = xb_entry_get(&got, k).from;

			assert_true(from == XB_FROM_FILE || from == XB_FROM_NOWHERE);
			entries += from == XB_FROM_FILE;
		}
		assert_int_equal(got.from_file, entries);
		xb_layout_write_source(&got, &source);
		assert_string_equal(xb_str_get(&source), want.source_only
								 ? "file my.tab, from source, not run"
								 : "file my.tab");
		xb_str_deinit(&text);
		xb_str_deinit(&source);
		xb_arena_deinit(&arena);
	}
}

static void test_a_small_file_inherits(void **state)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_str source = XB_STR_INIT;
	struct xb_layout l, base;

	(void)state;
	assert_true(xb_layout_named("otp-25-jit", &base));
	assert_ok(parse("\n# mine\ntable my-25 # a name\n\tinherit otp-25-jit\nsize Process 0x400\n"
			"field Process.reds  0x2f0\t8 # moved\nreg E rbx\nconst TAG_NIL 62",
			&arena, &l));
	assert_string_equal(l.name, "my-25");
	assert_string_equal(l.base, "otp-25-jit");
	assert_int_equal(l.release, 25);
	assert_int_equal(l.flavor, XB_FLAVOR_JIT);
	assert_int_equal(l.from_file, 4);
	assert_int_equal(l.size[XB_S_Process], 1024);
	assert_int_equal(l.size_from[XB_S_Process], XB_FROM_FILE);
	assert_int_equal(l.field[XB_F_Process_reds].offset, 752);
	assert_int_equal(l.field[XB_F_Process_reds].from, XB_FROM_FILE);
	assert_int_equal(l.reg[XB_R_E], 3);
	assert_int_equal(l.reg_from[XB_R_E], XB_FROM_FILE);
	assert_int_equal(l.konst[XB_K_TAG_NIL], 62);
	assert_int_equal(l.konst_from[XB_K_TAG_NIL], XB_FROM_FILE);
	assert_int_equal(l.field[XB_F_Process_htop].offset, base.field[XB_F_Process_htop].offset);
	assert_int_equal(l.field[XB_F_Process_htop].from, XB_FROM_TABLE);
	xb_layout_write_source(&l, &source);
	assert_string_equal(xb_str_get(&source),
			    "file my.tab (4 entries, the rest from table otp-25-jit)");
	/* A release that has no table yet may begin with its neighbour's. */
	assert_ok(parse("table t\ninherit otp-27-jit\nrelease 28\nflavor jit\n", &arena, &l));
	assert_int_equal(l.release, 28);
	assert_null(l.banner);
	assert_false(l.source_only);
	assert_ok(parse("table t\nbanner jit:ns lock-counting\ninherit otp-27-jit\nprovenance source\n",
			&arena, &l));
	assert_string_equal(l.banner, "jit:ns lock-counting");
	assert_true(l.source_only);
	xb_str_deinit(&source);
	xb_arena_deinit(&arena);
}

static void test_banners_tell_builds_apart(void **state)
{
	static const char plain[] =
		"Erlang/OTP 25%s [erts-13.1.5] [source] [64-bit] [smp:%beu:%beu] [jit:ns%s]",
			  counting[] = "Erlang/OTP 25%s [erts-13.1.5] [lock-counting] [jit:ns]",
			  emu[] = "Erlang/OTP 25%s [erts-13.1.5] [source] [jitter]";
	struct xb_str words = XB_STR_INIT;

	(void)state;
	xb_banner_write(plain, &words);
	assert_string_equal(xb_str_get(&words), "jit:ns");
	xb_str_clear(&words);
	xb_banner_write(counting, &words);
	assert_string_equal(xb_str_get(&words), "jit:ns lock-counting");
	xb_str_clear(&words);
	xb_banner_write(emu, &words);
	assert_string_equal(xb_str_get(&words), "");
	assert_true(xb_banner_is(plain, "jit:ns"));
	assert_false(xb_banner_is(plain, "jit"));
	assert_false(xb_banner_is(plain, ""));
	assert_false(xb_banner_is(plain, "jit:ns lock-counting"));
	assert_true(xb_banner_is(counting, "lock-counting jit:ns"));
	assert_false(xb_banner_is(counting, "jit:ns"));
	assert_true(xb_banner_is(emu, ""));
	assert_true(xb_banner_knows("debug-compiled"));
	assert_false(xb_banner_knows("debug"));
	xb_str_deinit(&words);
}

#define HEAD "table t\ninherit otp-25-jit\n"

static void test_each_mistake_has_its_line_and_sentence(void **state)
{
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{ "", "my.tab:0: there is no table in this file" },
		{ "# nothing\n\n", "my.tab:2: there is no table in this file" },
		{ "release 25\n", "my.tab:1: the first line of a table names it: table NAME" },
		{ "table\n", "my.tab:1: table wants one word behind it" },
		{ "table a b\n", "my.tab:1: table wants one word behind it" },
		{ "table a/b\n", "my.tab:1: 'a/b' is no name for a table" },
		{ "table t\ntable u\n", "my.tab:2: a second table; the first is in line 1" },
		{ "table t\ninherit otp-99\n",
		  "my.tab:2: there is no built-in table otp-99 to inherit from (there are otp-25-jit" },
		{ HEAD "inherit otp-25-jit\n", "my.tab:3: a second inherit; the first is in line 2" },
		{ "table t\nrelease 25\ninherit otp-25-jit\n", "my.tab:3: inherit comes before" },
		{ "table t\nconst TAG_NIL 0x3b\ninherit otp-25-jit\n",
		  "my.tab:3: inherit comes before" },
		{ HEAD "release twenty\n", "my.tab:3: 'twenty' is no OTP release" },
		{ HEAD "release 0\n", "my.tab:3: '0' is no OTP release" },
		{ HEAD "release 25\nrelease 25\n",
		  "my.tab:4: the release is given twice, first in line 3" },
		{ HEAD "flavor fast\n", "my.tab:3: the flavor is jit or emu, not 'fast'" },
		{ HEAD "flavor jit\n\nflavor jit\n",
		  "my.tab:5: the flavor is given twice, first in line 3" },
		{ HEAD "banner jit\nbanner\n", "my.tab:4: the banner is given twice, first in line 3" },
		{ HEAD "banner jit:ns fast\n", "my.tab:3: banner: 'fast' says nothing of where" },
		{ HEAD "banner lock-counting\n",
		  "my.tab:3: table t: its flavor and its banner contradict each other" },
		{ HEAD "provenance rumour\n",
		  "my.tab:3: the provenance is run or source, not 'rumour'" },
		{ HEAD "provenance run\nprovenance run\n",
		  "my.tab:4: the provenance is given twice, first in line 3" },
		{ "table t\nprovenance run\ninherit otp-25-jit\n", "my.tab:3: inherit comes before" },
		{ HEAD "fields Process.id 0 8\n", "my.tab:3: unknown word 'fields'" },
		{ HEAD "field\n", "my.tab:3: field wants a name" },
		{ HEAD "field Process.nothing 0 8\n",
		  "my.tab:3: field Process.nothing is not in the contract" },
		{ HEAD "size Process.id 8\n", "my.tab:3: size Process.id is not in the contract" },
		{ HEAD "const tag_nil 1\n", "my.tab:3: const tag_nil is not in the contract" },
		{ HEAD "reg F rax\n", "my.tab:3: reg F is not in the contract" },
		{ HEAD "field Process.id 0\n", "my.tab:3: field wants: NAME OFFSET WIDTH" },
		{ HEAD "field Process.id 0 8 8\n", "my.tab:3: field wants: NAME OFFSET WIDTH" },
		{ HEAD "field Process.id 0 8 8 8\n", "my.tab:3: field wants: NAME OFFSET WIDTH" },
		{ HEAD "size Process\n", "my.tab:3: size wants: NAME BYTES" },
		{ HEAD "const TAG_NIL 1 2\n", "my.tab:3: const wants: NAME NUMBER" },
		{ HEAD "reg E\n", "my.tab:3: reg wants: NAME REGISTER" },
		{ HEAD "field Process.id -8 8\n", "my.tab:3: field Process.id: '-8' is no offset" },
		{ HEAD "field Process.id 0x 8\n", "my.tab:3: field Process.id: '0x' is no offset" },
		{ HEAD "field Process.id 4294967296 8\n",
		  "my.tab:3: field Process.id: '4294967296' is no offset in bytes, or beyond" },
		{ HEAD "field Process.id 0 4\n",
		  "my.tab:3: field Process.id: width '4', the contract says 8" },
		{ HEAD "field Process.fcalls 104 2\n",
		  "my.tab:3: field Process.fcalls: width '2', the contract says 4|8" },
		{ HEAD "field Process.fcalls 104 4|8\n",
		  "my.tab:3: field Process.fcalls: width '4|8', the contract says 4|8" },
		{ HEAD "field Process.initial 448 8\n",
		  "my.tab:3: field Process.initial: width '8', the contract says 0" },
		{ HEAD "field Process.id 0 8\n\nfield Process.id 0 8\n",
		  "my.tab:5: field Process.id is given twice, first in line 3" },
		{ HEAD "reg E rsp\nreg E rsp\n", "my.tab:4: reg E is given twice, first in line 3" },
		{ HEAD "size Process 0\n", "my.tab:3: size Process: '0' is no size" },
		{ HEAD "size Process 6148914691236517206\n",
		  "my.tab:3: size Process: '6148914691236517206' is no size" },
		{ HEAD "const TAG_NIL nil\n", "my.tab:3: const TAG_NIL: 'nil' is no number" },
		{ HEAD "const TAG_SMALL 64\n", "my.tab:3: const TAG_SMALL: 64, it can be 63 at most" },
		{ HEAD "const BIT_GC 32\n", "my.tab:3: const BIT_GC: 32, it can be 31 at most" },
		{ HEAD "const FILES_FROM 2\n", "my.tab:3: const FILES_FROM: 2, it can be 1 at most" },
		{ HEAD "const RETURN_TRACE_WORDS 4000000000\n",
		  "my.tab:3: const RETURN_TRACE_WORDS: 4000000000, it can be 64 at most" },
		{ HEAD "const PID_SCHEME 32\n", "my.tab:3: const PID_SCHEME: 32, it is 28 or 60" },
		{ HEAD "reg E ebx\n", "my.tab:3: reg E: there is no register 'ebx'" },
		{ HEAD "reg E rip\n", "my.tab:3: reg E: there is no register 'rip'" },
		{ HEAD "reg E rsp\r\n", "my.tab:3: a control character" },
		{ HEAD "\033[31m\n", "my.tab:3: a control character" },
		{ HEAD "field Process.i 776 8\n",
		  "my.tab:3: field Process.i at 776 with 8 bytes lies beyond size Process, 776" },
		{ HEAD "\nsize Module 40\n",
		  "my.tab:4: field Module.curr_length at 40 with 4 bytes lies beyond size Module, 40" },
		{ "table t\nflavor jit\n", "my.tab:2: table t ends and does not give its release" },
		{ "table t\nrelease 25\n", "my.tab:2: table t ends and does not give its flavor" },
		{ "table t\nrelease 25\nflavor jit\nconst TAG_NIL 0x3b\n",
		  "my.tab:4: table t ends and does not give field ErtsPTab.tab, and " },
	};

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(wrong); i++)
		refused(wrong[i].text, wrong[i].sentence);
}

/* Every single entry that the contract wants is missed by name when it alone is not there. */
static void test_each_missing_must_is_named(void **state)
{
	struct xb_layout whole;
	size_t musts = 0;

	(void)state;
	assert_true(xb_layout_named("otp-25-emu", &whole));
	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry e = xb_entry_get(&whole, i);
		struct xb_arena arena = XB_ARENA_INIT;
		struct xb_str text = XB_STR_INIT;
		struct xb_layout l = whole, got;
		char want[128];

		if (!e.must)
			continue;
		musts++;
		if (e.id.kind == XB_ENTRY_FIELD)
			l.field[e.id.index].from = XB_FROM_NOWHERE;
		else if (e.id.kind == XB_ENTRY_SIZE)
			l.size_from[e.id.index] = XB_FROM_NOWHERE;
		else if (e.id.kind == XB_ENTRY_CONST)
			l.konst_from[e.id.index] = XB_FROM_NOWHERE;
		else
			l.reg_from[e.id.index] = XB_FROM_NOWHERE;
		xb_layout_print(&l, NULL, &text);
		(void)snprintf(want, sizeof(want), "table otp-25-emu ends and does not give %s %s",
			       xb_entry_kind_name(e.id.kind), e.name);
		assert_err(parse(xb_str_get(&text), &arena, &got), XB_ERR_BAD_FILE, want);
		xb_str_deinit(&text);
		xb_arena_deinit(&arena);
	}
	assert_true(musts > 80);
}

static void test_long_and_binary_input_is_refused(void **state)
{
	enum { LONG = 2 << 20 };
	struct xb_arena arena = XB_ARENA_INIT;
	char *text = malloc(LONG);
	struct xb_layout l;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LONG);
	assert_err(xb_layout_parse(text, LONG, "big", &arena, &l), XB_ERR_BAD_FILE,
		   "big: a layout table is never larger than 1048576 bytes");
	/* The sentence repeats only so much of a wrong word. */
	assert_err(xb_layout_parse(text, 100000, "big", &arena, &l), XB_ERR_BAD_FILE,
		   "big:1: the first line of a table names it");
	memcpy(text, "table t\n", 8);
	text[100] = '\0';
	assert_err(xb_layout_parse(text, 200, "bin", &arena, &l), XB_ERR_BAD_FILE,
		   "bin: no layout table: it holds a byte 0");
	memset(text + 8, '\n', LONG - 8);
	assert_err(xb_layout_parse(text, 1 << 20, "lines", &arena, &l), XB_ERR_BAD_FILE,
		   "lines:1048569: table t ends and does not give its release");
	free(text);
	xb_arena_deinit(&arena);
}

static void test_files_are_read_and_bounded(void **state)
{
	char path[] = "/tmp/xb-layout-XXXXXX";
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_str text = XB_STR_INIT;
	struct xb_layout want, l;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && xb_layout_named("otp-29-jit", &want));
	xb_layout_print(&want, NULL, &text);
	assert_int_equal(write(fd, text.data, text.len), text.len);
	assert_ok(xb_layout_load(path, &arena, &l));
	assert_string_equal(l.file, path);
	same_entries(&want, &l);
	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	assert_err(xb_layout_load(path, &arena, &l), XB_ERR_BAD_FILE, "is never larger than");
	assert_err(xb_layout_load("/tmp", &arena, &l), XB_ERR_SYS, "cannot read the layout table /tmp");
	assert_err(xb_layout_load("/nowhere/x", &arena, &l), XB_ERR_SYS,
		   "cannot open the layout table /nowhere/x");
	assert_err(xb_layout_load("/dev/zero", &arena, &l), XB_ERR_BAD_FILE, "is never larger than");
	(void)close(fd);
	(void)unlink(path);
	xb_str_deinit(&text);
	xb_arena_deinit(&arena);
}

static unsigned apart(unsigned a, unsigned b)
{
	return a > b ? a - b : b - a;
}

/* Whatever tables there are: none of the flavor is nearer, and of two equally near ones the older is taken. */
static void test_the_nearest_table_is_taken(void **state)
{
	struct xb_layout l, other;
	bool fits;

	(void)state;
	for (unsigned release = 14; release < 60; release++) {
		for (unsigned flavor = XB_FLAVOR_EMU; flavor <= XB_FLAVOR_JIT; flavor++) {
			assert_ok(
				xb_layout_nearest(release, (enum xb_flavor)flavor, 1 << 20, &l, &fits));
			assert_false(fits);
			assert_int_equal(l.flavor, flavor);
			for (size_t i = 0; i < xb_layout_n_builtin(); i++) {
				xb_layout_builtin(i, &other);
				if (other.flavor != l.flavor)
					continue;
				assert_true(apart(release, other.release) >= apart(release, l.release));
				if (apart(release, other.release) == apart(release, l.release))
					assert_true(other.release >= l.release);
			}
		}
	}
	for (size_t i = 0; i < xb_layout_n_builtin(); i++) {
		xb_layout_builtin(i, &other);
		assert_ok(xb_layout_nearest(other.release, other.flavor, other.size[XB_S_Process], &l,
					    &fits));
		assert_true(fits);
		assert_int_equal(l.release, other.release);
		assert_int_equal(l.size[XB_S_Process], other.size[XB_S_Process]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_table_reads_as_it_is_written),
		cmocka_unit_test(test_a_small_file_inherits),
		cmocka_unit_test(test_banners_tell_builds_apart),
		cmocka_unit_test(test_each_mistake_has_its_line_and_sentence),
		cmocka_unit_test(test_each_missing_must_is_named),
		cmocka_unit_test(test_long_and_binary_input_is_refused),
		cmocka_unit_test(test_files_are_read_and_bounded),
		cmocka_unit_test(test_the_nearest_table_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
