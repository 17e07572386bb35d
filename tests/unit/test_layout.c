/* layout/ chooses among the checked-in tables: each build gets its own, and no other. */
#include "xbtest.h"

#include "layout/layout.h"
#include "layout/table.h"

#include <stdio.h>
#include <string.h>

static uint64_t size_is(void *arg, const struct xb_layout *l)
{
	const uint64_t *size = arg;

	(void)l;
	return *size;
}

/* The banner of a build as its table knows it, in the words of a VM. */
static const char *banner_of(const struct xb_layout_table *t, char *buf, size_t size)
{
	const char *at = t->banner;
	size_t len;

	len = (size_t)snprintf(buf, size,
			       "Erlang/OTP %u%%s [erts-99.1] [source] [64-bit] [smp:%%beu:%%beu]",
			       t->release);
	while (*at != '\0') {
		size_t n = strcspn(at, " ");

		/* A JIT with frame pointers says so in its own brackets, from OTP 25 on. */
		len += (size_t)snprintf(buf + len, size - len, " [%.*s%s]", (int)n, at,
					memcmp(at, "jit", 3) == 0 && t->release > 24 ? "%s" : "");
		at += n;
		at += *at == ' ';
	}
	assert_true(len < size);
	return buf;
}

static void test_every_build_gets_its_own_table(void **state)
{
	unsigned source = 0, run = 0;

	(void)state;
	for (size_t i = 0; i < xb_layout_n_tables; i++) {
		const struct xb_layout_table *t = &xb_layout_tables[i];
		uint64_t size = t->size[XB_S_Process].value;
		struct xb_layout l;
		char banner[320];

		assert_ok(xb_layout_for(t->release, t->flavor, banner_of(t, banner, sizeof(banner)),
					size_is, &size, &l));
		assert_string_equal(l.name, t->name);
		assert_int_equal(l.konst[XB_K_NATIVE_STACK],
				 t->flavor == XB_FLAVOR_JIT && l.reg[XB_R_E] == 7 /* rsp */);
		source += l.source_only;
		run += !l.source_only;
	}
	assert_true(source > 20);
	assert_true(run >= 5);
}

/* Sizes of other builds are no excuse. */
static void test_a_table_is_for_one_way_to_build(void **state)
{
	uint64_t size = 776;
	struct xb_layout l;
	bool fits;

	(void)state;
	/* 776 bytes: the interpreter beside a JIT, and the one alone with lock counting. */
	assert_ok(
		xb_layout_for(25, XB_FLAVOR_EMU, "Erlang/OTP 25%s [erts-13.1.5]", size_is, &size, &l));
	assert_string_equal(l.name, "otp-25-emu-beside");
	assert_ok(xb_layout_for(25, XB_FLAVOR_EMU, "Erlang/OTP 25%s [erts-13.1.5] [lock-counting]",
				size_is, &size, &l));
	assert_string_equal(l.name, "otp-25-emu-lcnt");
	size = 768;
	assert_ok(xb_layout_for(25, XB_FLAVOR_JIT, "Erlang/OTP 25%s [erts-13.1.5] [jit%s]", size_is,
				&size, &l));
	assert_string_equal(l.name, "otp-25-jit-c-stack");
	assert_ok(xb_layout_for(25, XB_FLAVOR_JIT, "Erlang/OTP 25%s [erts-13.1.5] [jit:ns%s]", size_is,
				&size, &l));
	assert_string_equal(l.name, "otp-25-jit-small");
	assert_err(xb_layout_for(25, XB_FLAVOR_JIT,
				 "Erlang/OTP 25%s [erts-13.1.5] [jit%s] [lock-counting]", size_is,
				 &size, &l),
		   XB_ERR_NO_LAYOUT, "768 bytes");
	/* What fits nowhere still begins with a table of its own kind of JIT, or with none. */
	assert_ok(xb_layout_base(25, XB_FLAVOR_JIT, "[jit%s] [lock-counting]", size_is, &size, &l,
				 &fits));
	assert_false(fits);
	assert_string_equal(l.name, "otp-25-jit-c-stack");
	assert_err(xb_layout_base(27, XB_FLAVOR_JIT, "[jit%s]", size_is, &size, &l, &fits),
		   XB_ERR_NO_LAYOUT, "OTP 27 JIT that keeps the Erlang stack as this one does");
}

/* In OTP 24 the JIT with the native stack calls itself what it is called without one later. */
static void test_one_word_for_two_jits(void **state)
{
	uint64_t size = 744;
	struct xb_layout l;

	(void)state;
	assert_ok(xb_layout_for(24, XB_FLAVOR_JIT, "Erlang/OTP 24%s [erts-12.3.2.2] [jit]", size_is,
				&size, &l));
	assert_int_equal(l.konst[XB_K_NATIVE_STACK], 1);
	assert_ok(xb_layout_for(24, XB_FLAVOR_JIT, "Erlang/OTP 24%s [jit:no-native-stack]", size_is,
				&size, &l));
	assert_int_equal(l.konst[XB_K_NATIVE_STACK], 0);
}

static void test_the_source_is_told(void **state)
{
	struct xb_str text = XB_STR_INIT;
	uint64_t size = 776;
	struct xb_layout l;

	(void)state;
	assert_ok(xb_layout_for(26, XB_FLAVOR_JIT, "[jit:ns%s]", size_is, &size, &l));
	assert_string_equal(l.name, "otp-26-jit");
	xb_layout_write_source(&l, &text);
	assert_string_equal(xb_str_get(&text), "table, from source, not run");
	xb_str_clear(&text);
	assert_ok(xb_layout_for(25, XB_FLAVOR_JIT, "[jit:ns%s]", size_is, &size, &l));
	xb_layout_write_source(&l, &text);
	assert_string_equal(xb_str_get(&text), "table");
	xb_str_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_build_gets_its_own_table),
		cmocka_unit_test(test_a_table_is_for_one_way_to_build),
		cmocka_unit_test(test_one_word_for_two_jits),
		cmocka_unit_test(test_the_source_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
