/* vm/ on a VM made of memory: what is read, what is found in stacks, and that no field of the layout can be wrong
 * without a check saying so. */
#include "xbtest.h"

#include "fakevm.h"
#include "mem/gather.h"
#include "mutate.h"
#include "vm/atom.h"
#include "vm/check.h"
#include "vm/code.h"
#include "vm/process.h"
#include "vm/sched.h"

#include <stdio.h>

static const enum xb_flavor flavors[] = { XB_FLAVOR_JIT, XB_FLAVOR_EMU };

static void test_every_check_passes_and_tests_something(void **state)
{
	(void)state;
	for (size_t k = 0; k < XB_ARRAY_LEN(flavors); k++) {
		struct xb_check_results results = { 0 };
		struct fakevm f;

		fakevm_create(&f, 25, flavors[k]);
		assert_ok(xb_check_all(f.vm, &results));
		assert_true(results.len >= 20);
		for (size_t i = 0; i < results.len; i++) {
			assert_true(results.data[i].tested > 0);
			assert_int_equal(results.data[i].failed, 0);
		}
		xb_check_results_deinit(&results);
		fakevm_destroy(&f);
	}
}

/* The heart: a field one word off is refused, with its name. */
static void test_no_must_field_can_be_wrong(void **state)
{
	int tried = 0;

	(void)state;
	for (size_t k = 0; k < XB_ARRAY_LEN(flavors); k++) {
		struct fakevm f;

		fakevm_create(&f, 25, flavors[k]);
		for (int i = 0; i < XB_F__COUNT; i++) {
			enum xb_layout_field field = (enum xb_layout_field)i;
			struct mutation m;

			if (!xb_layout_field_must(field) || !xb_layout_has(&f.vm->layout, field))
				continue;
			mutate_field(f.vm, field, 8, &m);
			if (!m.detected || !m.named)
				fail_msg("%s +8 %s: %s", xb_layout_field_name(field),
					 m.detected ? "is not named" : "passes", m.why);
			tried++;
		}
		fakevm_destroy(&f);
	}
	assert_true(tried > 100);
}

static void test_damage_of_one_process_is_found(void **state)
{
	struct fakevm f;
	const struct xb_layout *l;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	l = &f.vm->layout;
	fakevm_put64(&f, f.process[7] + xb_layout_at(l, XB_F_Process_htop), UINT64_C(0x7fffffffffff));
	assert_err(xb_check_all(f.vm, NULL), XB_ERR_MISMATCH, "1 of 40 objects break heap_order");
	fakevm_destroy(&f);
}

static void test_atoms_and_functions_have_their_names(void **state)
{
	struct fakevm f;
	struct xb_str s = XB_STR_INIT;
	struct xb_atom_text text;
	const struct xb_module *module;
	const struct xb_function *fn;
	struct xb_line line;
	uint32_t n;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	assert_ok(xb_atoms_count(f.vm, &n));
	assert_int_equal(n, FAKE_ATOMS);
	assert_true(xb_atom_get(f.vm, 699, &text));
	assert_int_equal(text.len, 7);
	assert_memory_equal(text.name, "atom699", 7);
	assert_false(xb_atom_get(f.vm, 700, &text));
	assert_false(xb_atom_get(f.vm, UINT32_MAX, &text));
	assert_ok(xb_code_refresh(f.vm, NULL));
	for (size_t m = 0; m < FAKE_MODULES; m++) {
		for (size_t k = 0; k < FAKE_FUNCTIONS; k++) {
			for (size_t row = 0; row < FAKE_ROWS; row++) {
				char want[64];

				fn = xb_code_find(f.vm, fakevm_pc(&f, m, k, row) - 1, &module);
				assert_non_null(fn);
				(void)snprintf(want, sizeof(want), "atom%zu:atom%zu/%zu", 100 + m,
					       200 + k, k);
				xb_str_clear(&s);
				xb_mfa_write(f.vm, fn->mfa, &s);
				assert_string_equal(xb_str_get(&s), want);
				assert_true(
					xb_code_line(module, fn, fakevm_pc(&f, m, k, row) - 1, &line));
				assert_int_equal(line.line, FAKE_LINE + k * FAKE_ROWS + row);
				(void)snprintf(want, sizeof(want), "m%zu.erl", m);
				assert_string_equal(line.file, want);
			}
		}
	}
	assert_null(xb_code_find(f.vm, f.module[0] - 1, NULL));
	assert_null(xb_code_find(f.vm, 0, NULL));
	xb_str_deinit(&s);
	fakevm_destroy(&f);
}

static bool see_process(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	size_t *n = arg, i = p->slot / 8;

	assert_int_equal(p->slot, 8 * i);
	assert_int_equal(p->status, XB_PROC_WAITING);
	assert_int_equal(p->grade, XB_GRADE_PARKED);
	assert_int_equal(p->heap_words, 233);
	assert_int_equal(p->old_heap_words, i % 4 == 1 ? 376 : 0);
	assert_int_equal(p->messages, i % 4 == 2 ? 3 : 0);
	assert_int_equal(p->reductions, 1000 + i);
	assert_int_equal(p->has_name, i % 4 == 0);
	assert_int_equal(p->has_current, i % 4 == 2);
	if (p->has_name)
		assert_int_equal(p->name, 300 + i);
	assert_true(p->has_initial);
	assert_int_equal(p->initial.module, 100);
	assert_int_equal(p->initial.arity, 2);
	assert_int_equal(stack->n, 1);
	(*n)++;
	return true;
}

static void test_every_process_is_read_once(void **state)
{
	struct xb_proc_stats stats;
	struct xb_str s = XB_STR_INIT;
	struct fakevm f;
	struct xb_proc p;
	size_t n = 0;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	assert_ok(xb_proc_each(f.vm, XB_PROC_STACKS, see_process, &n, &stats));
	assert_int_equal(n, FAKE_PROCESSES);
	assert_int_equal(stats.seen, FAKE_PROCESSES);
	assert_int_equal(stats.torn, 0);
	assert_int_equal(stats.changed, 0);
	assert_true(xb_proc_is(f.vm, f.process[3]));
	assert_false(xb_proc_is(f.vm, f.process[3] + 8));
	assert_false(xb_proc_is(f.vm, 0));
	assert_true(xb_proc_at(f.vm, f.process[5], &p));
	xb_proc_write_id(f.vm, p.id, &s);
	assert_string_equal(xb_str_get(&s), "<0.5.0>");
	xb_str_deinit(&s);
	fakevm_destroy(&f);
}

/* Frames of @words as "module:function" numbers; the scan's counts in @scan. */
static void scan(struct fakevm *f, const uint64_t *words, size_t n, xb_addr pc, const uint64_t *want,
		 size_t n_want, struct xb_stack_scan *ret)
{
	struct xb_stack stack = { words, n, pc };
	struct xb_frames frames = { 0 };

	assert_true(xb_stack_frames(f->vm, &stack, &frames, ret));
	assert_int_equal(frames.len, n_want);
	for (size_t i = 0; i < n_want; i++)
		assert_int_equal(frames.data[i].pc, want[i]);
	xb_frames_deinit(&frames);
}

static void test_stacks_with_return_addresses(void **state)
{
	struct xb_stack_scan got;
	struct fakevm f;
	xb_addr a, b, c;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	assert_ok(xb_code_refresh(f.vm, NULL));
	a = fakevm_pc(&f, 1, 0, 0);
	b = fakevm_pc(&f, 2, 1, 1);
	c = fakevm_pc(&f, 3, 2, 0);
	{
		/* y registers, a catch, garbage that looks like a CP, a repeated frame, what tracing pushes. */
		const uint64_t words[] = {
			fakevm_atom(&f, 1),
			a,
			0x1000 | f.vm->layout.konst[XB_K_TAG_CATCH],
			b,
			b,
			0x1234567890,
			f.return_trace,
			f.process[0] | 2,
			fakevm_atom(&f, 2),
			c,
			f.normal_exit,
			a,
		};
		const uint64_t want[] = { fakevm_pc(&f, 0, 0, 0), a - 1, b - 1, c - 1 };

		scan(&f, words, XB_ARRAY_LEN(words), want[0], want, XB_ARRAY_LEN(want), &got);
		assert_true(got.rooted);
		assert_int_equal(got.tracing, 1);
		assert_int_equal(got.unknown, 1);
	}
	{
		const uint64_t words[] = { fakevm_atom(&f, 1), a, fakevm_atom(&f, 2) };
		const uint64_t want[] = { a - 1 };

		scan(&f, words, XB_ARRAY_LEN(words), 0, want, XB_ARRAY_LEN(want), &got);
		assert_false(got.rooted);
	}
	fakevm_destroy(&f);
}

static void test_stacks_with_frame_pointers(void **state)
{
	struct xb_stack_scan got;
	struct fakevm f;
	xb_addr a, b, fp;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	f.vm->id.frame_pointers = true;
	assert_ok(xb_code_refresh(f.vm, NULL));
	a = fakevm_pc(&f, 1, 0, 0);
	b = fakevm_pc(&f, 2, 1, 1);
	fp = fakevm_get64(&f, f.process[0] + xb_layout_at(&f.vm->layout, XB_F_Process_hend)) - 16;
	{
		const uint64_t words[] = { fakevm_atom(&f, 1), fp, a, fakevm_atom(&f, 2), fp + 8, b, 0,
					   f.normal_exit };
		const uint64_t want[] = { a - 1, b - 1 };

		scan(&f, words, XB_ARRAY_LEN(words), 0, want, XB_ARRAY_LEN(want), &got);
		assert_true(got.rooted);
		assert_int_equal(got.unknown, 0);
	}
	fakevm_destroy(&f);
}

static void test_schedulers_and_their_threads(void **state)
{
	struct xb_arena arena = XB_ARENA_INIT;
	pid_t tids[3 * FAKE_SCHEDULERS + 1];
	struct xb_scheds s;
	struct fakevm f;
	size_t n = 0;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	assert_ok(xb_sched_read(f.vm, &arena, &s));
	assert_int_equal(s.n, 3 * FAKE_SCHEDULERS);
	for (size_t i = 0; i < s.n; i++)
		tids[n++] = (pid_t)(FAKE_TID + i % FAKE_SCHEDULERS + 100 * (i / FAKE_SCHEDULERS));
	assert_int_equal(xb_sched_match(f.vm, &s, tids, n - 1),
			 0); /* one is missing: none is believed */
	assert_int_equal(xb_sched_match(f.vm, &s, tids, n), s.n);
	for (size_t i = 0; i < s.n; i++) {
		assert_int_equal(s.list[i].tid, tids[i]);
		assert_int_equal(s.list[i].no, i % FAKE_SCHEDULERS + 1);
		assert_int_equal(xb_sched_current(f.vm, &s.list[i]), 0);
	}
	xb_arena_deinit(&arena);
	fakevm_destroy(&f);
}

static void test_gathered_reads_are_single_reads(void **state)
{
	struct fakevm f;
	struct xb_io io[6];
	uint64_t got[6], calls;
	xb_addr base;

	(void)state;
	fakevm_create(&f, 25, XB_FLAVOR_JIT);
	base = f.process[0];
	memset(got, 0xee, sizeof(got));
	/* Out of order, overlapping, far away, unmapped, at the very end of the address space, empty. */
	io[0] = (struct xb_io){ .addr = base + 64, .len = 8, .buf = &got[0] };
	io[1] = (struct xb_io){ .addr = base, .len = 8, .buf = &got[1] };
	io[2] = (struct xb_io){ .addr = f.process[30], .len = 8, .buf = &got[2] };
	io[3] = (struct xb_io){ .addr = 0x1000, .len = 8, .buf = &got[3] };
	io[4] = (struct xb_io){ .addr = UINT64_MAX - 3, .len = 8, .buf = &got[4] };
	io[5] = (struct xb_io){ .addr = base, .len = 0, .buf = &got[5] };
	calls = xb_mem_stats(f.vm->mem)->calls;
	assert_ok(xb_mem_gather(f.vm->mem, io, 6));
	assert_int_equal(xb_mem_stats(f.vm->mem)->calls, calls + 1);
	assert_int_equal(got[0], fakevm_get64(&f, base + 64));
	assert_int_equal(got[1], fakevm_get64(&f, base));
	assert_int_equal(got[2], fakevm_get64(&f, f.process[30]));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(io[i].got, 8);
	assert_int_equal(io[3].got, 0);
	assert_int_equal(io[4].got, 0);
	assert_int_equal(io[5].got, 0);
	/* A run that breaks off: what is there is still had. */
	base = UINT64_C(0x7f0000000000);
	io[0] = (struct xb_io){ .addr = base - 16, .len = 8, .buf = &got[0] };
	io[1] = (struct xb_io){ .addr = base + 8, .len = 8, .buf = &got[1] };
	assert_ok(xb_mem_gather(f.vm->mem, io, 2));
	assert_int_equal(io[0].got, 0);
	assert_int_equal(io[1].got, 8);
	assert_int_equal(got[1], fakevm_get64(&f, base + 8));
	fakevm_destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_check_passes_and_tests_something),
		cmocka_unit_test(test_no_must_field_can_be_wrong),
		cmocka_unit_test(test_damage_of_one_process_is_found),
		cmocka_unit_test(test_atoms_and_functions_have_their_names),
		cmocka_unit_test(test_every_process_is_read_once),
		cmocka_unit_test(test_stacks_with_return_addresses),
		cmocka_unit_test(test_stacks_with_frame_pointers),
		cmocka_unit_test(test_schedulers_and_their_threads),
		cmocka_unit_test(test_gathered_reads_are_single_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
