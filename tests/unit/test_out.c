#include "xbtest.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "out/folded.h"
#include "out/json.h"
#include "out/report.h"
#include "out/sink.h"
#include "out/table.h"
#include "out/text.h"
#include "out/tty.h"
#include "out/units.h"

#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void test_utf8_is_strict_and_round_trips(void **state)
{
	static const char *const bad[] = {
		"\x80",     "\xc0\x80",         "\xc1\xbf",     "\xe0\x80\x80", "\xed\xa0\x80",
		"\xe2\x82", "\xf4\x90\x80\x80", "\xf8\x88\x80", "\xff"
	};
	uint32_t cp = 7;

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(bad); i++)
		assert_int_equal(xb_utf8_decode(bad[i], strlen(bad[i]), &cp), 0);
	assert_int_equal(xb_utf8_decode("", 0, &cp), 0);
	assert_int_equal(cp, 7);
	for (uint32_t c = 0; c <= 0x110000; c++) {
		char buf[XB_UTF8_MAX];
		size_t n = xb_utf8_encode(c, buf);

		if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_int_equal(xb_utf8_decode(buf, n, &cp), n);
		assert_int_equal(cp, c);
		assert_int_equal(n > 1 ? xb_utf8_decode(buf, n - 1, &cp) : 0, 0);
	}
}

static void test_json_escapes_what_it_must(void **state)
{
	struct xb_sink s;
	struct xb_json j;

	(void)state;
	xb_sink_to_memory(&s);
	xb_json_init(&j, &s);
	xb_json_array_begin(&j);
	xb_json_string(&j, "a\"\\\n\x01\xff\xc3\xa9\0z", 10);
	xb_json_u64(&j, UINT64_MAX);
	xb_json_i64(&j, INT64_MIN);
	xb_json_double(&j, NAN, 2);
	xb_json_double(&j, -1234.5678, 2);
	xb_json_array_begin(&j);
	xb_json_bool(&j, true);
	xb_json_null(&j);
	xb_json_object_begin(&j);
	xb_json_object_end(&j);
	xb_json_array_end(&j);
	xb_json_array_end(&j);
	xb_json_finish(&j);
	assert_string_equal(xb_sink_text(&s),
			    "[\n  \"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\\u0000z\",\n"
			    "  18446744073709551615,\n  -9223372036854775808,\n  null,\n"
			    "  -1234.57,\n  [\n    true,\n    null,\n    {}\n  ]\n]\n");
	xb_sink_deinit(&s);
}

static void test_units_round_and_never_overstate(void **state)
{
	char b[XB_UNITS_MAX];

	(void)state;
	assert_string_equal(xb_units_fixed(0.005, 2, b), "0.01");
	assert_string_equal(xb_units_fixed(-0.001, 2, b), "0.00");
	assert_string_equal(xb_units_fixed(99.999, 2, b), "100.00");
	assert_string_equal(xb_units_fixed(1e300, 2, b), "1e+300");
	assert_string_equal(xb_units_fixed(123456789012345.0, 3, b), "123456789012345.000");
	assert_string_equal(xb_units_bytes(1023, b), "1023 B");
	assert_string_equal(xb_units_bytes(1024 * 1024 - 1, b), "1023.9 KiB");
	assert_string_equal(xb_units_bytes(1536, b), "1.5 KiB");
	assert_string_equal(xb_units_bytes(UINT64_MAX, b), "15.9 EiB");
	assert_string_equal(xb_units_duration(999, b), "999 ns");
	assert_string_equal(xb_units_duration(999999, b), "999.9 us");
	assert_string_equal(xb_units_duration(1500000000, b), "1.50 s");
	assert_string_equal(xb_units_duration(125000000000, b), "2 min 5 s");
	assert_string_equal(xb_units_percent(12.345, b), "12.35 %");
}

static void test_text_of_the_target_cannot_drive_the_terminal(void **state)
{
	struct xb_str s = XB_STR_INIT;

	(void)state;
	xb_text_safe(&s, "a\033[31mb\n\xc3\xa9\xff\xe2\x80\xae", 14);
	assert_string_equal(xb_str_get(&s), "a\\x1b[31mb\\x0a\xc3\xa9\\xff\\x{202e}");
	xb_str_deinit(&s);
	assert_int_equal(xb_text_width("abc", 3), 3);
	if (setlocale(LC_CTYPE, "C.UTF-8") != NULL) {
		assert_int_equal(xb_text_width("\xe6\xbc\xa2", 3), 2);
		assert_int_equal(xb_text_width("e\xcc\x81", 3), 1);
	}
}

static const struct xb_column fn_columns[] = {
	{ .name = "self_percent", .title = "SELF", .kind = XB_KIND_PERCENT },
	{ .name = "function", .title = "FUNCTION", .kind = XB_KIND_TEXT, .role = XB_ROLE_ERLANG },
	{ .name = "heap_bytes", .title = "HEAP", .kind = XB_KIND_BYTES },
	{ .name = "address", .kind = XB_KIND_ADDR, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "frames", .kind = XB_KIND_TABLE },
};

static const struct xb_column frame_columns[] = { { .name = "mfa", .kind = XB_KIND_TEXT } };

static void fill(struct xb_table *t, struct xb_table *frames, struct xb_arena *arena)
{
	struct xb_cell frame = xb_cell_text("lists:map/2");
	char name[] = "a:b/1";

	xb_table_init(frames, frame_columns, 1, arena);
	frames->headless = true;
	assert_true(xb_table_add(frames, &frame));
	xb_table_init(t, fn_columns, XB_ARRAY_LEN(fn_columns), arena);
	assert_true(xb_table_add(t, (struct xb_cell[]){ xb_cell_real(66.6667), xb_cell_text(name),
							xb_cell_uint(2048), xb_cell_uint(0x7f00),
							xb_cell_table(frames) }));
	name[0] = 'X'; /* the table has its own copy */
	assert_true(
		xb_table_add(t, (struct xb_cell[]){ xb_cell_real(0), xb_cell_textn("li\0sts", 6),
						    xb_cell_none(), xb_cell_none(), xb_cell_none() }));
}

static void test_text_and_json_come_from_the_same_cells(void **state)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_table t, frames;
	struct xb_report r;
	struct xb_sink s;
	char atom[] = "foo@bar";

	(void)state;
	fill(&t, &frames, &arena);
	xb_report_init(&r, "extrospect.test", 1, &arena);
	xb_report_target(&r, "pid", "pid %", XB_KIND_UINT, xb_cell_uint(42));
	xb_report_target(&r, "node", "node %", XB_KIND_TEXT, xb_cell_text(atom));
	atom[0] = 'X';
	xb_report_health(&r, "samples", "% samples", XB_KIND_UINT, xb_cell_uint(10));
	xb_report_health(&r, "median_skid_ns", "median skid %", XB_KIND_DURATION_NS,
			 xb_cell_uint(3100));
	xb_report_health(&r, "lost_bytes", NULL, XB_KIND_BYTES, xb_cell_uint(1024));
	xb_sink_to_memory(&s);
	assert_ok(xb_report_print(&r, &t, &s, NULL));
	assert_ok(xb_sink_finish(&s));
	assert_string_equal(xb_sink_text(&s), "target: pid 42, node foo@bar\n\n"
					      "   SELF  FUNCTION      HEAP\n"
					      "66.67 %  a:b/1      2.0 KiB\n"
					      "  lists:map/2\n"
					      " 0.00 %  li\\x00sts        -\n\n"
					      "health: 10 samples, median skid 3.1 us\n");
	xb_sink_deinit(&s);
	xb_sink_to_memory(&s);
	assert_ok(xb_report_json(&r, &t, &s));
	assert_string_equal(
		xb_sink_text(&s),
		"{\n  \"schema\": \"extrospect.test\",\n  \"version\": 1,\n  \"target\": {\n    \"pid\": 42,\n"
		"    \"node\": \"foo@bar\"\n  },\n  \"rows\": [\n"
		"    {\"self_percent\": 66.6667, \"function\": \"a:b/1\", \"heap_bytes\": 2048, "
		"\"address\": \"0x7f00\", \"frames\": [{\"mfa\": \"lists:map/2\"}]},\n"
		"    {\"self_percent\": 0.0000, \"function\": \"li\\u0000sts\", \"heap_bytes\": null, "
		"\"address\": null, \"frames\": null}\n"
		"  ],\n  \"health\": {\n    \"samples\": 10,\n    \"median_skid_ns\": 3100,\n"
		"    \"lost_bytes\": 1024\n  }\n}\n");
	xb_sink_deinit(&s);
	xb_arena_deinit(&arena);
}

static void test_folded_frames_cannot_break_the_line(void **state)
{
	struct xb_sink s;
	struct xb_folded f;

	(void)state;
	xb_sink_to_memory(&s);
	xb_folded_init(&f, &s);
	xb_folded_frame(&f, "'a;b':c/1", 9);
	xb_folded_frame(&f, "x\ny ", 4);
	xb_folded_frame(&f, "", 0);
	xb_folded_end(&f, 7);
	xb_folded_end(&f, UINT64_MAX);
	assert_string_equal(xb_sink_text(&s),
			    "'a\\x3bb':c/1;x\\x0ay\\x20;[] 7\n[no frames] 18446744073709551615\n");
	xb_sink_deinit(&s);
}

static void test_a_full_disk_is_said_once(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct xb_sink s;

	(void)state;
	assert_non_null(full);
	xb_sink_to_file(&s, full, "/dev/full");
	for (int i = 0; i < 100000; i++)
		xb_sink_puts(&s, "some text that does not fit");
	assert_true(xb_sink_failed(&s));
	assert_err(xb_sink_finish(&s), XB_ERR_SYS, "/dev/full: No space left on device");
	(void)fclose(full);
}

static void test_a_closed_pipe_is_no_error(void **state)
{
	int fds[2];
	struct xb_sink s;
	FILE *f;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	f = fdopen(fds[1], "w");
	assert_non_null(f);
	xb_sink_to_file(&s, f, "pipe");
	xb_sink_puts(&s, "nobody reads this");
	assert_ok(xb_sink_finish(&s));
	assert_true(xb_sink_failed(&s));
	(void)fclose(f);
}

static void test_colour_follows_the_environment(void **state)
{
	struct xb_tty tty;
	FILE *f = tmpfile();
	struct xb_sink s;

	(void)state;
	assert_non_null(f);
	unsetenv("NO_COLOR");
	unsetenv("CLICOLOR_FORCE");
	xb_tty_init(&tty, f, false);
	assert_false(tty.color);
	assert_false(tty.is_terminal);
	setenv("CLICOLOR_FORCE", "1", 1);
	xb_tty_init(&tty, f, false);
	assert_true(tty.color);
	xb_sink_to_memory(&s);
	xb_tty_write(&tty, &s, XB_ROLE_ERLANG, "x", 1);
	assert_string_equal(xb_sink_text(&s), "\033[32mx\033[0m");
	xb_sink_deinit(&s);
	xb_tty_init(&tty, f, true);
	assert_false(tty.color);
	setenv("NO_COLOR", "1", 1);
	xb_tty_init(&tty, f, false);
	assert_false(tty.color);
	unsetenv("NO_COLOR");
	setenv("CLICOLOR_FORCE", "0", 1);
	xb_tty_init(&tty, f, false);
	assert_false(tty.color);
	(void)fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_is_strict_and_round_trips),
		cmocka_unit_test(test_json_escapes_what_it_must),
		cmocka_unit_test(test_units_round_and_never_overstate),
		cmocka_unit_test(test_text_of_the_target_cannot_drive_the_terminal),
		cmocka_unit_test(test_text_and_json_come_from_the_same_cells),
		cmocka_unit_test(test_folded_frames_cannot_break_the_line),
		cmocka_unit_test(test_a_full_disk_is_said_once),
		cmocka_unit_test(test_a_closed_pipe_is_no_error),
		cmocka_unit_test(test_colour_follows_the_environment),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
