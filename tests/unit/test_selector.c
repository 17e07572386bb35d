#include "xbtest.h"

#include "cli/selector.h"

#include <stdio.h>
#include <stdlib.h>

struct pair {
	const char *text, *want;
};

typedef struct xb_error *parser(const char *text, struct xb_arena *arena,
				const struct xb_selector **ret);

static void canonical(parser *parse, const char *text, const char *want)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_str out = XB_STR_INIT;
	const struct xb_selector *list = NULL;

	assert_ok(parse(text, &arena, &list));
	xb_selector_print(&out, list);
	assert_string_equal(xb_str_get(&out), want);
	/* The canonical form means the same. */
	xb_str_clear(&out);
	assert_ok(parse(want, &arena, &list));
	xb_selector_print(&out, list);
	assert_string_equal(xb_str_get(&out), want);
	xb_str_deinit(&out);
	xb_arena_deinit(&arena);
}

static void refused(parser *parse, const char *text, const char *message, const char *picture)
{
	struct xb_arena arena = XB_ARENA_INIT;
	const struct xb_selector *list = NULL;
	struct xb_error *err = parse(text, &arena, &list);

	if (err == NULL)
		fail_msg("'%s' is accepted", text);
	assert_null(list);
	assert_int_equal(xb_error_code(err), XB_ERR_USAGE);
	assert_string_equal(xb_error_message(err), message);
	if (picture != NULL)
		assert_string_equal(xb_error_advice(err), picture);
	xb_error_destroy(err);
	xb_arena_deinit(&arena);
}

static void test_every_form_has_one_spelling(void **state)
{
	static const struct pair pairs[] = {
		{ "<0.80.0>", "<0.80.0>" },
		{ "0.80.0", "<0.80.0>" },
		{ " < 0.80.0 > ,init", "<0.80.0>,init" },
		{ "4294967295.4294967295.4294967295", "<4294967295.4294967295.4294967295>" },
		{ "'init'", "init" },
		{ "'receive'", "'receive'" },
		{ "_:loop/_", "_:loop/_" },
		{ "lists:map", "lists:map/_" },
		{ "lists : map / 2, gen_server:init_it/6", "lists:map/2,gen_server:init_it/6" },
		{ "Foo.Bar:empty?/0", "'Elixir.Foo.Bar':'empty?'/0" },
		{ "Elixir.Foo:x/1", "'Elixir.Foo':x/1" },
		{ "erlang:'+'/2", "erlang:'+'/2" },
		{ "'it\\'s \\\\'", "'it\\'s \\\\'" },
		{ "'\\x{1F600}\\101\\x42\\^A\\s'", "'\xf0\x9f\x98\x80"
						   "AB\\x{1} '" },
		{ "'\\0a'", "'\\x{0}a'" },
		{ "'\xce\xb1\xce\xb2':x/255", "'\xce\xb1\xce\xb2':x/255" },
		{ "apr\xc3\xa8s@h_1", "apr\xc3\xa8s@h_1" },
		{ "''", "''" },
	};

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(pairs); i++)
		canonical(xb_selector_parse, pairs[i].text, pairs[i].want);
	canonical(xb_selector_parse_function, "copy_struct_x", "copy_struct_x");
	canonical(xb_selector_parse_function, "process_main.cold", "process_main.cold");
	canonical(xb_selector_parse_function, "_ZN3fooEv", "_ZN3fooEv");
	canonical(xb_selector_parse_function, "Foo", "Foo");
	canonical(xb_selector_parse_function, "lists:map/2", "lists:map/2");
}

static void test_errors_point_at_the_place(void **state)
{
	(void)state;
	refused(xb_selector_parse, "lists:/2",
		"unexpected '/', expected name, quoted atom, Elixir module or '_', at character 7",
		"  lists:/2\n        ^");
	refused(xb_selector_parse, "'\xe6\xbc\xa2',)",
		"unexpected character, expected name, quoted atom, Elixir module, number, '_' or '<', at character 5",
		NULL);
	refused(xb_selector_parse, "<0.80>",
		"a process id has three numbers, as in <0.80.0>, at character 2", "  <0.80>\n   ^~~~");
	refused(xb_selector_parse, "<0.80.0", "unexpected end, expected '>', at character 8",
		"  <0.80.0\n         ^");
	refused(xb_selector_parse, "1.2.4294967296",
		"a process id has three numbers, as in <0.80.0>, at character 1", NULL);
	refused(xb_selector_parse, "x:y/256", "an arity is a number from 0 to 255, at character 5",
		"  x:y/256\n      ^~~");
	refused(xb_selector_parse, "'abc", "this quote is never closed, at character 1", "  'abc\n  ^");
	refused(xb_selector_parse, "'a\\x{110000}'",
		"this escape stands for no character, at character 3", NULL);
	refused(xb_selector_parse, "'a\\x{d800}'",
		"this escape stands for no character, at character 3", NULL);
	refused(xb_selector_parse, "_", "unexpected end, expected ':', at character 2", "  _\n   ^");
	refused(xb_selector_parse, "",
		"unexpected end, expected name, quoted atom, Elixir module, number, '_' or '<', at character 1",
		NULL);
	refused(xb_selector_parse, "a b", "unexpected name, expected end, ',' or ':', at character 3",
		NULL);
	refused(xb_selector_parse, "a\xff", "this is not UTF-8, at character 2", "  a\\xff\n   ^~~~");
	refused(xb_selector_parse_function, "a,b",
		"unexpected ',', expected end or ':', at character 2", NULL);
}

static void test_bounds_hold(void **state)
{
	size_t n = XB_SELECTOR_TEXT_MAX + 1;
	char *text = malloc(n + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', n);
	text[n] = '\0';
	refused(xb_selector_parse, text, "the expression is longer than 4096 bytes", NULL);
	text[256] = '\0';
	refused(xb_selector_parse, text, "no name is longer than 255 characters, at character 1", NULL);
	for (size_t i = 0; i < 257; i++)
		memcpy(text + 2 * i, "a,", 2);
	text[513] = '\0';
	refused(xb_selector_parse, text, "too many alternatives in one expression, at character 513",
		NULL);
	text[511] = '\0';
	canonical(xb_selector_parse, text, text);
	free(text);
}

static void test_patterns_match_whole_atoms(void **state)
{
	const struct xb_selector_atom any = { 0 }, map = { "map", 3 }, empty = { "", 0 };

	(void)state;
	assert_true(xb_selector_atom_matches(&any, "x", 1));
	assert_true(xb_selector_atom_matches(&map, "map", 3));
	assert_false(xb_selector_atom_matches(&map, "mapx", 4));
	assert_false(xb_selector_atom_matches(&map, "ma", 2));
	assert_true(xb_selector_atom_matches(&empty, "", 0));
	assert_false(xb_selector_atom_matches(&empty, "x", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_has_one_spelling),
		cmocka_unit_test(test_errors_point_at_the_place),
		cmocka_unit_test(test_bounds_hold),
		cmocka_unit_test(test_patterns_match_whole_atoms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
