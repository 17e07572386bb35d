/* Which of several claims is believed, and how the outcomes are counted. */
#include "xbtest.h"

#include "base/str.h"
#include "sample/vars.h"

/* The verdict on a claim is the last digit of its value; @asked notes the order of the questions. */
struct court {
	unsigned asked[XB_VAR_MAX_CLAIMS + 8];
	size_t n;
};

static enum xb_var_verdict judge(void *arg, const struct xb_var_claim *claim)
{
	struct court *c = arg;

	c->asked[c->n++] = (unsigned)claim->value;
	return (enum xb_var_verdict)(claim->value % 10);
}

static const uint64_t wrong = 100 + XB_VAR_REFUTED, maybe = 200 + XB_VAR_POSSIBLE,
		      maybe_too = 300 + XB_VAR_POSSIBLE, right = 400 + XB_VAR_PROVED;

static void test_the_first_proved_claim_wins_and_ends_the_search(void **state)
{
	struct xb_var_claim claims[] = { { XB_VAR_FORCED, wrong },
					 { XB_VAR_DWARF, right },
					 { XB_VAR_TABLE, right + 10 } };
	struct xb_var_stats stats = { 0 };
	struct xb_var_claim won;
	struct court court = { .n = 0 };

	(void)state;
	assert_int_equal(xb_var_choose(&stats, claims, 3, judge, &court, &won), XB_VAR_PROVED);
	assert_int_equal(won.source, XB_VAR_DWARF);
	assert_int_equal(won.value, right);
	assert_int_equal(court.n, 2);
	assert_int_equal(stats.refuted[XB_VAR_FORCED], 1);
	assert_int_equal(stats.proved[XB_VAR_DWARF], 1);
	/* Not looked at: neither right nor wrong. */
	assert_int_equal(stats.claimed[XB_VAR_TABLE], 1);
	assert_int_equal(stats.proved[XB_VAR_TABLE], 0);
	assert_int_equal(stats.refuted[XB_VAR_TABLE], 0);
}

static void test_a_proved_claim_beats_an_earlier_possible_one(void **state)
{
	struct xb_var_claim claims[] = { { XB_VAR_DWARF, maybe }, { XB_VAR_TABLE, right } };
	struct xb_var_stats stats = { 0 };
	struct xb_var_claim won;
	struct court court = { .n = 0 };

	(void)state;
	assert_int_equal(xb_var_choose(&stats, claims, 2, judge, &court, &won), XB_VAR_PROVED);
	assert_int_equal(won.source, XB_VAR_TABLE);
	assert_int_equal(stats.refuted[XB_VAR_DWARF], 1);
}

static void test_among_possible_claims_the_order_decides_and_nobody_is_refuted(void **state)
{
	struct xb_var_claim claims[] = { { XB_VAR_FORCED, wrong },
					 { XB_VAR_DWARF, maybe },
					 { XB_VAR_TABLE, maybe_too } };
	struct xb_var_stats stats = { 0 };
	struct xb_var_claim won;
	struct court court = { .n = 0 };

	(void)state;
	assert_int_equal(xb_var_choose(&stats, claims, 3, judge, &court, &won), XB_VAR_POSSIBLE);
	assert_int_equal(won.source, XB_VAR_DWARF);
	assert_int_equal(court.n, 3);
	assert_int_equal(stats.refuted[XB_VAR_FORCED], 1);
	assert_int_equal(stats.refuted[XB_VAR_DWARF], 0);
	assert_int_equal(stats.refuted[XB_VAR_TABLE], 0);
	assert_int_equal(stats.proved[XB_VAR_DWARF], 0);
}

static void test_claims_of_the_same_value_are_right_together(void **state)
{
	struct xb_var_claim claims[] = { { XB_VAR_DWARF, right }, { XB_VAR_TABLE, right } };
	struct xb_var_stats stats = { 0 };
	struct xb_var_claim won;
	struct court court = { .n = 0 };

	(void)state;
	assert_int_equal(xb_var_choose(&stats, claims, 2, judge, &court, &won), XB_VAR_PROVED);
	assert_int_equal(stats.proved[XB_VAR_DWARF], 1);
	assert_int_equal(stats.proved[XB_VAR_TABLE], 1);
}

static void test_nothing_holds(void **state)
{
	struct xb_var_claim claims[] = { { XB_VAR_TABLE, wrong }, { XB_VAR_SEARCH, wrong } };
	struct xb_var_stats stats = { 0 };
	struct xb_var_claim won = { XB_VAR_LATER, 7 };
	struct court court = { .n = 0 };

	(void)state;
	assert_int_equal(xb_var_choose(&stats, claims, 2, judge, &court, &won), XB_VAR_REFUTED);
	assert_int_equal(won.value, 7);
	assert_int_equal(stats.refuted[XB_VAR_TABLE], 1);
	/* Most registers hold something else: no news. */
	assert_int_equal(stats.refuted[XB_VAR_SEARCH], 0);
	assert_int_equal(xb_var_choose(&stats, claims, 0, judge, &court, &won), XB_VAR_REFUTED);
}

static void test_more_claims_than_there_is_room_for(void **state)
{
	struct xb_var_claim claims[XB_VAR_MAX_CLAIMS + 1];
	struct xb_var_stats stats = { 0 };
	struct xb_var_claim won;
	struct court court = { .n = 0 };

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(claims); i++)
		claims[i] = (struct xb_var_claim){ XB_VAR_SEARCH, wrong };
	claims[XB_VAR_MAX_CLAIMS].value = right;
	assert_int_equal(xb_var_choose(&stats, claims, XB_ARRAY_LEN(claims), judge, &court, &won),
			 XB_VAR_REFUTED);
	assert_int_equal(court.n, XB_VAR_MAX_CLAIMS);
}

static void test_outcomes_add_up_and_read_well(void **state)
{
	struct xb_var_stats stats = { 0 };
	struct xb_str s = XB_STR_INIT;
	uint64_t sum;

	(void)state;
	for (int i = 0; i < 900; i++)
		xb_var_settle(&stats, XB_VAR_DWARF, XB_VAR_PROVED);
	for (int i = 0; i < 80; i++)
		xb_var_settle(&stats, XB_VAR_TABLE, XB_VAR_POSSIBLE);
	for (int i = 0; i < 20; i++)
		xb_var_settle(&stats, XB_VAR_LATER, XB_VAR_REFUTED);
	stats.claimed[XB_VAR_DWARF] = 1000;
	stats.refuted[XB_VAR_DWARF] = 100;
	sum = stats.none;
	for (int i = 0; i < XB_VAR_SOURCES; i++)
		sum += stats.won[i];
	assert_int_equal(sum, stats.asked);
	xb_var_write(XB_VAR_C_P, &stats, &s);
	assert_string_equal(xb_str_get(&s),
			    "c_p: DWARF 90.0 %, table 8.0 % (8.0 % unproved), none 2.0 %; refuted: "
			    "DWARF 100 of 1000");
	xb_str_deinit(&s);
}

static void test_a_forced_register_is_wrong_only_when_that_is_plain(void **state)
{
	static const struct {
		uint64_t proved, refuted;
		bool is_wrong;
	} cases[] = { { 0, 0, false },  { 0, 9, false },   { 0, 10, true },   { 3, 7, false },
		      { 24, 76, true }, { 25, 75, false }, { 73, 27, false }, { 1000, 0, false } };

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		struct xb_var_stats stats = { 0 };

		stats.proved[XB_VAR_FORCED] = cases[i].proved;
		stats.refuted[XB_VAR_FORCED] = cases[i].refuted;
		assert_int_equal(xb_var_force_is_wrong(&stats), cases[i].is_wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_proved_claim_wins_and_ends_the_search),
		cmocka_unit_test(test_a_proved_claim_beats_an_earlier_possible_one),
		cmocka_unit_test(test_among_possible_claims_the_order_decides_and_nobody_is_refuted),
		cmocka_unit_test(test_claims_of_the_same_value_are_right_together),
		cmocka_unit_test(test_nothing_holds),
		cmocka_unit_test(test_more_claims_than_there_is_room_for),
		cmocka_unit_test(test_outcomes_add_up_and_read_well),
		cmocka_unit_test(test_a_forced_register_is_wrong_only_when_that_is_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
