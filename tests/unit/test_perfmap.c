#include "xbtest.h"

#include "base/vec.h"
#include "out/perfmap.h"

#include <stdio.h>
#include <time.h>

#define ENTRY(a, s, n) ((struct xb_perfmap_entry){ (a), (s), (n), sizeof(n) - 1 })

static void assert_spelled(const char *name, size_t len, const char *want)
{
	struct xb_str s = XB_STR_INIT;

	(void)xb_perfmap_spell(name, len, &s);
	assert_string_equal(xb_str_get(&s), want);
	xb_str_deinit(&s);
}

/* Lines of a real +JPperf map file, OTP 25.2.3. */
static void test_lines_are_spelled_as_the_vm_does(void **state)
{
	const struct xb_perfmap_entry entries[] = {
		ENTRY(0x7f219c56c000, 0x68, "global::apply_fun_shared"),
		ENTRY(0x7f219c572a50, 0x30, "erl_init:'-start/2-fun-0-'/2-CodeInfoPrologue"),
		ENTRY(0x7f219c572a80, 0x5a, "erl_init:'-start/2-fun-0-'/2"),
		ENTRY(0x7f219a9c4c47, 0x729, "timer::codeFooter"),
		ENTRY(0, 0, "x"),
	};
	struct xb_str out = XB_STR_INIT;
	struct xb_perfmap_stats stats;

	(void)state;
	assert_ok(xb_perfmap_format(entries, 5, XB_PERFMAP_ALL, &out, &stats));
	assert_string_equal(xb_str_get(&out),
			    "0x7f219c56c000 68 $global::apply_fun_shared\n"
			    "0x7f219c572a50 30 $erl_init:'-start/2-fun-0-'/2-CodeInfoPrologue\n"
			    "0x7f219c572a80 5a $erl_init:'-start/2-fun-0-'/2\n"
			    "0x7f219a9c4c47 729 $timer::codeFooter\n"
			    "0x0 0 $x\n");
	assert_int_equal(stats.lines, 5);
	assert_int_equal(stats.escaped, 0);
	xb_str_deinit(&out);
}

static void test_numbers_are_those_of_printf(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (uint64_t less = 0; less < 2; less++) {
			struct xb_perfmap_entry e = { (1ULL << bit) - less, UINT64_MAX >> bit, "n", 1 };
			struct xb_str out = XB_STR_INIT;
			char want[64];

			(void)snprintf(want, sizeof(want), "0x%lx %lx $n\n", e.addr, e.size);
			assert_ok(xb_perfmap_format(&e, 1, XB_PERFMAP_ALL, &out, NULL));
			assert_string_equal(xb_str_get(&out), want);
			xb_str_deinit(&out);
		}
	}
}

static void test_names_end_at_nul_and_cannot_forge_lines(void **state)
{
	const struct xb_perfmap_entry e = ENTRY(16, 1, "a\n0x10 1 $b::codeHeader\n");
	struct xb_str out = XB_STR_INIT;
	struct xb_perfmap_stats stats;

	(void)state;
	assert_spelled("n\0\1l::codeHeader", 16, "$n");
	assert_spelled("odd mod::codeHeader", 19, "$odd mod::codeHeader");
	assert_spelled("\xc3\xb6x:f/1", 7, "$\xc3\xb6x:f/1");
	assert_spelled("", 0, "$");
	assert_spelled(NULL, 0, "$");
	assert_spelled("\0x", 2, "$");
	assert_spelled("\n", 1, "$\\n");
	assert_spelled("a\n\0\n", 4, "$a\\n");
	assert_ok(xb_perfmap_format(&e, 1, XB_PERFMAP_ALL, &out, &stats));
	assert_string_equal(xb_str_get(&out), "0x10 1 $a\\n0x10 1 $b::codeHeader\\n\n");
	assert_int_equal(stats.escaped, 1);
	xb_str_deinit(&out);
}

static void test_newest_wins(void **state)
{
	const struct xb_perfmap_entry entries[] = {
		ENTRY(100, 10, "old1"),     ENTRY(110, 10, "old2"),  ENTRY(120, 10, "kept"),
		ENTRY(120, 0, "empty"),     ENTRY(90, 15, "new1"),   ENTRY(105, 15, "new2"),
		ENTRY(112, 0, "swallowed"), /* newer than new2: nobody can have replaced it */
		ENTRY(200, 50, "older"),    ENTRY(220, 1, "inside"),
	};
	struct xb_str out = XB_STR_INIT;
	struct xb_perfmap_stats stats;

	(void)state;
	assert_ok(xb_perfmap_format(entries, XB_ARRAY_LEN(entries), XB_PERFMAP_NEWEST, &out, &stats));
	assert_string_equal(xb_str_get(&out),
			    "0x78 a $kept\n0x78 0 $empty\n0x5a f $new1\n0x69 f $new2\n"
			    "0x70 0 $swallowed\n0xdc 1 $inside\n");
	assert_int_equal(stats.replaced, 3);
	assert_int_equal(stats.lines, 6);
	xb_str_deinit(&out);
}

/* Against the definition: no two survivors share an address, and who died shares one with a later
 * entry. */
static void test_newest_on_random_ranges(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct xb_perfmap_entry e[24];
		struct xb_str out = XB_STR_INIT;
		char names[24][8];
		bool lives[24] = { false };

		for (size_t i = 0; i < 24; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			(void)snprintf(names[i], sizeof(names[i]), "n%02zu", i);
			e[i] = (struct xb_perfmap_entry){ (seed >> 33) % 100, 1 + (seed >> 50) % 9,
							  names[i], 3 };
		}
		assert_ok(xb_perfmap_format(e, 24, XB_PERFMAP_NEWEST, &out, NULL));
		for (size_t i = 0; i < 24; i++)
			lives[i] = strstr(xb_str_get(&out), names[i]) != NULL;
		for (size_t i = 0; i < 24; i++) {
			bool met_later = false;

			for (size_t j = 0; j < 24; j++) {
				bool meet = e[i].addr < e[j].addr + e[j].size &&
					    e[j].addr < e[i].addr + e[i].size;

				assert_false(i != j && meet && lives[i] && lives[j]);
				met_later |= meet && j > i;
			}
			assert_true(lives[i] || met_later);
		}
		xb_str_deinit(&out);
	}
}

static void test_wild_ranges_do_no_harm(void **state)
{
	const struct xb_perfmap_entry e[] = { ENTRY(UINT64_MAX, UINT64_MAX, "a"),
					      ENTRY(1, UINT64_MAX, "b"),
					      ENTRY(UINT64_MAX - 1, 1, "c") };
	struct xb_str out = XB_STR_INIT;

	(void)state;
	assert_ok(xb_perfmap_format(e, 3, XB_PERFMAP_NEWEST, &out, NULL));
	assert_non_null(strstr(xb_str_get(&out), "$c\n"));
	assert_null(strstr(xb_str_get(&out), "$b\n"));
	xb_str_clear(&out);
	assert_ok(xb_perfmap_format(NULL, 0, XB_PERFMAP_NEWEST, &out, NULL));
	assert_string_equal(xb_str_get(&out), "");
	xb_str_deinit(&out);
}

static void test_fifteen_thousand_lines_are_fast(void **state)
{
	enum { N = 15000 };
	struct xb_perfmap_entry *e = calloc(N, sizeof(*e));
	static const char name[] = "gen_server:try_handle_call/4-CodeInfoPrologue";
	double best = 1e9;

	(void)state;
	for (size_t i = 0; i < N; i++)
		e[i] = ENTRY(0x7f0000000000 + (i * 7919 % N) * 64, 64, name);
	for (int round = 0; round < 10; round++) {
		struct xb_str out = XB_STR_INIT;
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		assert_ok(xb_perfmap_format(e, N, XB_PERFMAP_NEWEST, &out, NULL));
		clock_gettime(CLOCK_MONOTONIC, &b);
		best = XB_MIN(best, (double)(b.tv_sec - a.tv_sec) * 1e3 +
					    (double)(b.tv_nsec - a.tv_nsec) / 1e6);
		assert_int_equal(out.len,
				 (size_t)N * (sizeof("0x7f0000000000 40 $\n") - 1 + sizeof(name) - 1));
		xb_str_deinit(&out);
	}
	print_message("# 15,000 lines: %.2f ms\n", best);
	assert_true(best < 60.0); /* measured below 3 ms; sanitizers and a busy machine get slack */
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_spelled_as_the_vm_does),
		cmocka_unit_test(test_numbers_are_those_of_printf),
		cmocka_unit_test(test_names_end_at_nul_and_cannot_forge_lines),
		cmocka_unit_test(test_newest_wins),
		cmocka_unit_test(test_newest_on_random_ranges),
		cmocka_unit_test(test_wild_ranges_do_no_harm),
		cmocka_unit_test(test_fifteen_thousand_lines_are_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
