/* view/skid: quantiles against a sorted list. */
#include "random.h"
#include "view/skid.h"
#include "xbtest.h"

#include <stdlib.h>

enum { MANY = 5000 };

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void test_empty(void **state)
{
	struct xb_skid skid = { 0 };

	(void)state;
	assert_int_equal(xb_skid_quantile(&skid, 0.5), 0);
	assert_int_equal(skid.n, 0);
}

/* One value: every quantile is that value, never more; the largest there is fits. */
static void test_one(void **state)
{
	static const uint64_t values[] = {
		0, 1, 15, 16, 17, 31, 32, 8388607, UINT64_MAX - 1, UINT64_MAX
	};

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(values); i++) {
		struct xb_skid skid = { 0 };

		xb_skid_add(&skid, values[i], i % 2 == 0);
		assert_int_equal(xb_skid_quantile(&skid, 0), values[i]);
		assert_int_equal(xb_skid_quantile(&skid, 0.5), values[i]);
		assert_int_equal(xb_skid_quantile(&skid, 1), values[i]);
		assert_int_equal(skid.still_on, i % 2 == 0);
	}
}

/* Never less than the true quantile, and at most a 16th more. */
static void test_bounds(void **state)
{
	static const double shares[] = { 0.01, 0.1, 0.5, 0.9, 0.99, 1 };
	uint64_t seed = 7, *list = calloc(MANY, sizeof(*list));

	(void)state;
	assert_non_null(list);
	for (unsigned bits = 4; bits <= 60; bits += 7) {
		struct xb_skid skid = { 0 };

		for (size_t i = 0; i < MANY; i++) {
			list[i] = next_random(&seed) >> (64 - bits);
			xb_skid_add(&skid, list[i], false);
		}
		qsort(list, MANY, sizeof(*list), by_value);
		for (size_t i = 0; i < XB_ARRAY_LEN(shares); i++) {
			uint64_t want = list[(size_t)(MANY * shares[i] + 0.5) - 1];
			uint64_t got = xb_skid_quantile(&skid, shares[i]);

			assert_true(got >= want);
			assert_true(got - want <= want / 16);
		}
		assert_int_equal(skid.worst_ns, list[MANY - 1]);
	}
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
