/* vm/jitlist: entries as OTP 24 makes them, whole and damaged. */
#include <stdio.h>
#include <string.h>

#include "jitlist_image.h"

enum { FRAGMENTS = 0x7f0000000000, CODE = 0x7f0000100000 };

/* An entry of OTP 24: words and text, absolute addresses, no lines. */
static void plain_module(struct image *im, xb_addr base, const char *name, bool header, size_t cut)
{
	static const char *const names[] = { "::codeHeader", ":f/1-CodeInfoPrologue", ":f/1" };
	struct text *t = calloc(1, sizeof(*t));
	char text[64];

	assert_non_null(t);
	text_u64(t, 3);
	text_u64(t, base);
	text_u64(t, 0x180);
	text_add(t, name, strlen(name) + 1);
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(text, sizeof(text), "%s%s", name,
			       header || i > 0 ? names[i] : "::call_light_bif_shared");
		text_u64(t, base + (xb_addr)i * 0x80);
		text_u64(t, base + (xb_addr)(i + 1) * 0x80);
		text_add(t, text, strlen(text) + 1);
	}
	(void)image_register(im, t->bytes, t->len - cut);
	free(t);
}

static void test_as_otp_24_makes_them(void **state)
{
	struct image *im = image_create();
	struct xb_jitlist list = XB_JITLIST_INIT;
	static const uint64_t emulator[2];
	const struct xb_jitrange *r;

	(void)state;
	im->vm.layout.konst[XB_K_JIT_LIST_PLAIN] = 1;
	(void)image_register(im, emulator, sizeof(emulator));
	plain_module(im, FRAGMENTS, "global", false, 0);
	plain_module(im, CODE, "one", true, 0);
	plain_module(im, CODE + 0x1000, "global", true, 0);
	/* Every way to end too early. */
	for (size_t cut = 1; cut < 120; cut++)
		plain_module(im, CODE + 0x2000, "two", true, cut);
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_int_equal(list.broken, 119);
	assert_int_equal(list.n_ranges, 3 * 3);
	assert_false(list.has_emulator); /* what it says of it was not known yet */
	assert_int_equal(list.entries[0]->kind, XB_JITENTRY_EMULATOR);
	assert_true(list.entries[1]->fragments);
	assert_string_equal(list.entries[2]->name, "one");
	assert_int_equal(list.entries[2]->base, CODE);
	assert_int_equal(list.entries[2]->code_size, 0x180);
	assert_false(list.entries[3]->fragments); /* the Erlang module of that name */
	r = &list.entries[2]->ranges[2];
	assert_int_equal(r->start, CODE + 0x100);
	assert_int_equal(r->end, CODE + 0x180);
	assert_string_equal(r->name, "one:f/1");
	assert_int_equal(r->name_len, 7);
	assert_null(r->lines);
	xb_jitlist_deinit(&list);
	image_free(im);
}

static void test_plain_numbers_are_not_trusted(void **state)
{
	/* Ranges, base, size, start and end of the only one: each wrong in its own way. */
	static const uint64_t cases[][5] = {
		{ UINT64_MAX, CODE, 0x100, CODE, CODE + 1 },
		{ UINT64_MAX / 16 + 1, CODE, 0x100, CODE, CODE + 1 },
		{ 2, CODE, 0x100, CODE, CODE + 1 },
		{ 0, CODE, 0x100, CODE, CODE + 1 },
		{ 1, UINT64_MAX, 0x100, CODE, CODE + 1 },
		{ 1, CODE, UINT64_C(1) << 32, CODE, CODE + 1 },
		{ 1, CODE, 0x100, CODE - 1, CODE + 1 },
		{ 1, CODE, 0x100, CODE + 2, CODE + 1 },
		{ 1, CODE, 0x100, CODE, CODE + 0x101 },
	};
	struct image *im = image_create();
	struct xb_jitlist list = XB_JITLIST_INIT;
	struct text *t = calloc(1, sizeof(*t));

	(void)state;
	assert_non_null(t);
	im->vm.layout.konst[XB_K_JIT_LIST_PLAIN] = 1;
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		t->len = 0;
		for (size_t k = 0; k < 3; k++)
			text_u64(t, cases[i][k]);
		text_add(t, "m", 2);
		text_u64(t, cases[i][3]);
		text_u64(t, cases[i][4]);
		text_add(t, "m:f/0", 6);
		(void)image_register(im, t->bytes, t->len);
	}
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_int_equal(list.broken, XB_ARRAY_LEN(cases));
	xb_jitlist_deinit(&list);
	image_free(im);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_otp_24_makes_them),
		cmocka_unit_test(test_plain_numbers_are_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
