#include "xbtest.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/num.h"
#include "base/ranges.h"
#include "base/rd.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>

static void test_error_wraps_from_the_inside_out(void **state)
{
	struct xb_error *err = xb_errorf(XB_ERR_FAULT, "cannot read %d bytes", 8);

	(void)state;
	err = xb_error_advise(xb_error_wrap(err, "atom %u", 42U), "try again");
	assert_string_equal(xb_error_message(err), "atom 42: cannot read 8 bytes");
	assert_string_equal(xb_error_advice(err), "try again");
	assert_int_equal(xb_error_code(err), XB_ERR_FAULT);
	xb_error_destroy(err);
	assert_null(xb_error_wrap(NULL, "nothing"));
}

static void test_errno_becomes_a_code(void **state)
{
	(void)state;
	assert_err(xb_error_sys(EPERM, "x"), XB_ERR_PERM, "x: Operation not permitted");
	assert_err(xb_error_sys(ESRCH, "x"), XB_ERR_GONE, "No such process");
	assert_err(xb_error_sys(ENOSPC, "x"), XB_ERR_SYS, "No space left");
}

static void test_arena_memory_is_zeroed_and_aligned(void **state)
{
	struct xb_arena a = XB_ARENA_INIT;

	(void)state;
	for (size_t n = 1; n < 5000; n = n * 3 + 1) {
		unsigned char *p = xb_arena_alloc(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	assert_null(xb_arena_array(&a, SIZE_MAX / 2, 4));
	assert_null(xb_arena_alloc(&a, SIZE_MAX));
	xb_arena_reset(&a);
	assert_string_equal(xb_arena_printf(&a, "%s-%d", "a", 7), "a-7");
	xb_arena_deinit(&a);
}

static void test_map_keeps_every_key(void **state)
{
	struct xb_map m = XB_MAP_INIT;

	(void)state;
	assert_null(xb_map_get(&m, 1));
	for (uint64_t k = 0; k < 10000; k++)
		assert_true(xb_map_put(&m, k * 4096, k));
	assert_int_equal(m.len, 10000);
	for (uint64_t k = 0; k < 10000; k++)
		assert_int_equal(*xb_map_get(&m, k * 4096), k);
	assert_null(xb_map_get(&m, 5));
	*xb_map_at(&m, 0) += 7;
	assert_int_equal(*xb_map_get(&m, 0), 7);
	xb_map_clear(&m);
	assert_null(xb_map_get(&m, 0));
	xb_map_deinit(&m);
}

static void test_numbers_are_strict(void **state)
{
	uint64_t n = 99;

	(void)state;
	assert_true(xb_num_u64("0", 10, &n));
	assert_int_equal(n, 0);
	assert_true(xb_num_u64("0xff", 1000, &n));
	assert_int_equal(n, 255);
	assert_false(xb_num_u64("", 10, &n));
	assert_false(xb_num_u64("12x", 100, &n));
	assert_false(xb_num_u64("-1", 100, &n));
	assert_false(xb_num_u64("11", 10, &n));
	assert_false(xb_num_u64("18446744073709551616", UINT64_MAX, &n));
	assert_true(xb_num_duration("1.5s", &n));
	assert_int_equal(n, 1500000000);
	assert_true(xb_num_duration("10", &n));
	assert_int_equal(n, 10000000000);
	assert_true(xb_num_duration("250us", &n));
	assert_int_equal(n, 250000);
	assert_false(xb_num_duration("1.s", &n));
	assert_false(xb_num_duration("ms", &n));
	assert_false(xb_num_duration("9999999999999h", &n));
	assert_true(xb_num_bytes("1.5KiB", &n));
	assert_int_equal(n, 1536);
	assert_false(xb_num_bytes("1Q", &n));
}

static void test_reader_never_passes_the_end(void **state)
{
	unsigned char bytes[6] = { 1, 0, 0, 0, 2, 0 };
	struct xb_rd r = xb_rd_of(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(xb_rd_u32(&r), 1);
	assert_int_equal(xb_rd_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(xb_rd_u8(&r), 0);
	r = xb_rd_of(bytes, sizeof(bytes));
	assert_null(xb_rd_bytes(&r, SIZE_MAX));
	assert_true(r.bad);
}

static void test_ranges_prefer_the_first_added(void **state)
{
	struct xb_ranges r = XB_RANGES_INIT;
	size_t overlaps = 0;

	(void)state;
	assert_true(xb_ranges_add(&r, 100, 200, 1));
	assert_true(xb_ranges_add(&r, 150, 160, 2));
	assert_true(xb_ranges_add(&r, 10, 20, 3));
	assert_true(xb_ranges_add(&r, 200, 201, 4));
	assert_true(xb_ranges_add(&r, 5, 5, 5));
	assert_true(xb_ranges_seal(&r, &overlaps));
	assert_int_equal(overlaps, 1);
	assert_int_equal(xb_ranges_find(&r, 155)->value, 1);
	assert_int_equal(xb_ranges_find(&r, 199)->value, 1);
	assert_int_equal(xb_ranges_find(&r, 200)->value, 4);
	assert_int_equal(xb_ranges_find(&r, 10)->value, 3);
	assert_null(xb_ranges_find(&r, 20));
	assert_null(xb_ranges_find(&r, 201));
	assert_null(xb_ranges_find(&r, 0));
	xb_ranges_deinit(&r);
}

XB_VEC(numbers, uint16_t);

static void test_vectors_and_strings_grow(void **state)
{
	struct numbers v = { 0 };
	struct xb_str s = XB_STR_INIT;
	char *text;

	(void)state;
	for (uint16_t i = 0; i < 1000; i++)
		assert_true(numbers_push(&v, i));
	assert_int_equal(v.len, 1000);
	assert_int_equal(v.data[999], 999);
	numbers_deinit(&v);
	assert_string_equal(xb_str_get(&s), "");
	for (int i = 0; i < 100; i++)
		xb_str_addf(&s, "%d,", i);
	assert_int_equal(s.len, 290);
	text = xb_str_take(&s);
	assert_int_equal(strlen(text), 290);
	free(text);
	xb_str_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_wraps_from_the_inside_out),
		cmocka_unit_test(test_errno_becomes_a_code),
		cmocka_unit_test(test_arena_memory_is_zeroed_and_aligned),
		cmocka_unit_test(test_map_keeps_every_key),
		cmocka_unit_test(test_numbers_are_strict),
		cmocka_unit_test(test_reader_never_passes_the_end),
		cmocka_unit_test(test_ranges_prefer_the_first_added),
		cmocka_unit_test(test_vectors_and_strings_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
