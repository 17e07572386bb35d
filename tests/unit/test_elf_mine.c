#include "elftest.h"

#include "elf/mine.h"
#include "elf/symbols.h"

#include <capstone/x86.h>

struct fixture {
	struct xb_arena arena;
	struct xb_image *img;
	struct xb_symbols *symbols;
	struct xb_funcs *funcs;
	struct xb_miner *miner;
};

static int setup(void **state)
{
	static const struct xb_debug_opts off = { .off = true };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_ok(xb_image_open(sample_path(&f->arena, "elfsample"), &f->img));
	assert_ok(xb_symbols_load(f->img, &off, &f->symbols));
	assert_ok(xb_funcs_load(f->img, &f->funcs));
	assert_ok(xb_miner_create(&f->miner));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	xb_miner_destroy(f->miner);
	xb_funcs_destroy(f->funcs);
	xb_symbols_destroy(f->symbols);
	xb_image_close(f->img);
	xb_arena_deinit(&f->arena);
	free(f);
	return 0;
}

static const struct xb_symbol *symbol(struct fixture *f, const char *name)
{
	const struct xb_symbol *y;

	assert_ok(xb_symbols_need(f->symbols, name, &y));
	return y;
}

static struct xb_operands mine(struct fixture *f, const char *name, unsigned kinds)
{
	const struct xb_symbol *y = symbol(f, name);
	struct xb_operands ops;

	assert_ok(xb_mine_function(f->miner, f->img, y->vaddr, y->vaddr + y->size, kinds, &f->arena,
				   &ops));
	assert_int_equal(ops.undecoded, 0);
	assert_false(ops.truncated);
	return ops;
}

/* The function is written in assembly in data/elfsample.c; this is its list by hand. */
static void test_every_operand_in_order(void **state)
{
	struct fixture *f = *state;
	struct xb_operands ops = mine(f, "mine_me", XB_MINE_ALL);
	xb_addr counter = symbol(f, "sample_counter")->vaddr, table = symbol(f, "sample_table")->vaddr;
	xb_addr flag = symbol(f, "sample_flag")->vaddr, callee = symbol(f, "mine_callee")->vaddr;
	enum { NO = XB_MINE_NO_REG };
	const struct {
		uint16_t id;
		uint8_t kind, width;
		bool read, write;
		uint8_t base, index, scale, reg;
		xb_addr target;
		int64_t value;
	} want[] = {
		{ X86_INS_MOV, XB_MINE_DATA, 4, 1, 0, NO, NO, 0, 0, counter, 0 },
		{ X86_INS_LEA, XB_MINE_LEA, 0, 0, 0, NO, NO, 0, 9, table, 0 },
		{ X86_INS_MOV, XB_MINE_DATA, 8, 0, 1, NO, NO, 0, 1, table + 8, 0 },
		{ X86_INS_CMP, XB_MINE_FIELD, 8, 1, 0, 9, 0, 8, NO, 0, 24 },
		{ X86_INS_CMP, XB_MINE_IMM, 8, 0, 0, NO, NO, 0, NO, 0, 0x1234 },
		{ X86_INS_MOV, XB_MINE_DATA, 1, 0, 1, NO, NO, 0, NO, flag, 0 },
		{ X86_INS_MOV, XB_MINE_IMM, 1, 0, 0, NO, NO, 0, NO, 0, 1 },
		{ X86_INS_ADD, XB_MINE_FIELD, 2, 1, 1, 7, NO, 0, NO, 0, 6 },
		{ X86_INS_ADD, XB_MINE_IMM, 2, 0, 0, NO, NO, 0, NO, 0, 2 },
		{ X86_INS_SHL, XB_MINE_IMM, 1, 0, 0, NO, NO, 0, 0, 0, 5 },
		{ X86_INS_JNE, XB_MINE_JUMP, 0, 0, 0, NO, NO, 0, NO, 0, 0 },
		{ X86_INS_CALL, XB_MINE_CALL, 0, 0, 0, NO, NO, 0, NO, callee, 0 },
		{ X86_INS_MOV, XB_MINE_FIELD, 8, 1, 0, NO, NO, 0, 2, 0, 40 },
		{ X86_INS_MOV, XB_MINE_FIELD, 8, 1, 0, 13, NO, 0, 14, 0, 16 },
	};

	assert_int_equal(ops.len, XB_ARRAY_LEN(want));
	assert_int_equal(ops.instructions, 13);
	for (size_t i = 0; i < ops.len; i++) {
		const struct xb_operand *o = &ops.list[i];

		if (o->insn_id != want[i].id || o->kind != want[i].kind || o->width != want[i].width ||
		    o->read != want[i].read || o->write != want[i].write || o->base != want[i].base ||
		    o->index != want[i].index || o->scale != want[i].scale || o->reg != want[i].reg ||
		    o->value != want[i].value)
			fail_msg("operand %zu differs: id %d kind %d width %d read %d write %d base %d "
				 "index %d scale %d reg %d value %lld",
				 i, o->insn_id, o->kind, o->width, o->read, o->write, o->base, o->index,
				 o->scale, o->reg, (long long)o->value);
		if (o->kind == XB_MINE_JUMP)
			assert_int_equal(o->target, ops.list[12].insn);
		else
			assert_int_equal(o->target, want[i].target);
		assert_true(i == 0 || o->insn >= o[-1].insn);
	}
}

static void test_kinds_select(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mine(f, "mine_me", XB_MINE_DATA).len, 3);
	assert_int_equal(mine(f, "mine_me", XB_MINE_LEA | XB_MINE_CALL).len, 2);
	assert_int_equal(mine(f, "mine_me", 0).len, 0);
}

static void test_accessor_gives_the_static_data_away(void **state)
{
	struct fixture *f = *state;
	struct xb_operands ops = mine(f, "sample_hidden", XB_MINE_LEA);
	struct xb_refs refs;
	xb_addr hidden;

	assert_true(ops.len >= 1);
	hidden = ops.list[0].target;
	assert_int_equal(hidden, symbol(f, "hidden_table")->vaddr);
	assert_ok(xb_mine_find_refs(f->miner, f->img, f->funcs, hidden, &f->arena, &refs));
	assert_false(refs.truncated);
	assert_true(refs.len >= 1 && refs.len <= 2); /* hidden_sum() too, unless it was folded */
	assert_int_equal(refs.list[0].count >= 1, 1);
	for (size_t i = 0; i < refs.len; i++) {
		const char *name = xb_symbols_at(f->symbols, refs.list[i].start)->name;

		assert_true(strcmp(name, "sample_hidden") == 0 || strcmp(name, "hidden_sum") == 0);
		assert_true(refs.list[i].insn >= refs.list[i].start &&
			    refs.list[i].insn < refs.list[i].end);
	}
}

/* Slow and simple: the operands of every function. */
static void test_references_equal_an_exhaustive_search(void **state)
{
	static const char *const names[] = { "sample_counter", "sample_table", "sample_flag" };
	struct fixture *f = *state;

	for (size_t k = 0; k < XB_ARRAY_LEN(names); k++) {
		xb_addr data = symbol(f, names[k])->vaddr, start, end;
		struct xb_refs refs;
		size_t found = 0;

		assert_ok(xb_mine_find_refs(f->miner, f->img, f->funcs, data, &f->arena, &refs));
		for (size_t i = 0; i < xb_funcs_count(f->funcs); i++) {
			struct xb_operands ops;
			uint32_t count = 0;

			assert_true(xb_funcs_get(f->funcs, i, &start, &end));
			assert_ok(xb_mine_function(f->miner, f->img, start, end,
						   XB_MINE_DATA | XB_MINE_LEA, &f->arena, &ops));
			for (size_t j = 0; j < ops.len; j++)
				count += ops.list[j].target == data;
			if (count == 0)
				continue;
			assert_true(found < refs.len);
			assert_int_equal(refs.list[found].start, start);
			assert_int_equal(refs.list[found].end, end);
			assert_int_equal(refs.list[found].count, count);
			found++;
		}
		assert_int_equal(found, refs.len);
		assert_true(found > 0);
	}
}

static void test_a_program_at_a_fixed_address(void **state)
{
	struct fixture *f = *state, nopie = { .miner = f->miner };
	static const struct xb_debug_opts off = { .off = true };
	struct xb_operands ops;
	struct xb_refs refs;
	xb_addr table;

	assert_ok(xb_image_open(sample_path(&nopie.arena, "elfsample_nopie"), &nopie.img));
	assert_int_equal(xb_image_type(nopie.img), ET_EXEC);
	assert_ok(xb_symbols_load(nopie.img, &off, &nopie.symbols));
	assert_ok(xb_funcs_load(nopie.img, &nopie.funcs));
	table = symbol(&nopie, "fixed_table")->vaddr;
	ops = mine(&nopie, "fixed_code", XB_MINE_ALL);
	assert_int_equal(ops.len, 3);
	assert_int_equal(ops.list[0].kind, XB_MINE_IMM);
	assert_int_equal(ops.list[0].value, table);
	assert_int_equal(ops.list[1].kind, XB_MINE_DATA);
	assert_int_equal(ops.list[1].target, table);
	assert_int_equal(ops.list[1].index, 0);
	assert_int_equal(ops.list[1].scale, 8);
	assert_int_equal(ops.list[2].kind, XB_MINE_FIELD);
	assert_int_equal(ops.list[2].value, table);
	assert_int_equal(ops.list[2].base, XB_MINE_NO_REG);
	assert_ok(xb_mine_find_refs(f->miner, nopie.img, nopie.funcs, table, &nopie.arena, &refs));
	assert_int_equal(refs.len, 1);
	assert_int_equal(refs.list[0].start, symbol(&nopie, "fixed_code")->vaddr);
	assert_int_equal(refs.list[0].count, 3);
	xb_funcs_destroy(nopie.funcs);
	xb_symbols_destroy(nopie.symbols);
	xb_image_close(nopie.img);
	xb_arena_deinit(&nopie.arena);
}

static void test_absent_code_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct xb_operands ops;
	xb_addr start = symbol(f, "mine_me")->vaddr;

	assert_err(xb_mine_function(f->miner, f->img, start, start, XB_MINE_ALL, &f->arena, &ops),
		   XB_ERR_FAULT, "has no code");
	assert_err(xb_mine_function(f->miner, f->img, start, UINT64_MAX, XB_MINE_ALL, &f->arena, &ops),
		   XB_ERR_FAULT, "has no code");
	assert_err(xb_mine_function(f->miner, f->img, 1ULL << 60, (1ULL << 60) + 8, XB_MINE_ALL,
				    &f->arena, &ops),
		   XB_ERR_FAULT, "has no code");
}

static void test_function_bounds_are_those_of_the_symbols(void **state)
{
	static const char *const names[] = { "sample_add", "hidden_sum", "mine_me", "outer_function",
					     "main" };
	struct fixture *f = *state;
	xb_addr start, end;

	for (size_t i = 0; i < XB_ARRAY_LEN(names); i++) {
		const struct xb_symbol *y = symbol(f, names[i]);

		assert_true(xb_funcs_at(f->funcs, y->vaddr, &start, &end));
		assert_int_equal(start, y->vaddr);
		assert_int_equal(end, y->vaddr + y->size);
		assert_true(xb_funcs_at(f->funcs, end - 1, &start, &end));
		assert_int_equal(start, y->vaddr);
	}
	assert_false(xb_funcs_at(f->funcs, symbol(f, "unsized_first")->vaddr, &start, &end));
	assert_false(xb_funcs_at(f->funcs, 0, &start, &end));
	assert_false(xb_funcs_at(f->funcs, UINT64_MAX, &start, &end));
}

/* With a header that cannot be read, all of .eh_frame is walked and must give the same. */
static void test_the_walk_equals_the_table(void **state)
{
	struct fixture *f = *state;
	struct xb_funcs *walked;
	struct xb_image *img;
	struct xb_section s;
	size_t len, n = 0;
	char *bytes = slurp(&f->arena, xb_image_path(f->img), &len);
	const struct xb_segment *seg;

	assert_true(xb_image_section(f->img, ".eh_frame_hdr", &s));
	seg = xb_image_segment_at(f->img, s.vaddr);
	bytes[seg->offset + (s.vaddr - seg->vaddr)] = 9; /* version */
	assert_ok(xb_image_open_memory(bytes, len, "no table", &img));
	assert_ok(xb_funcs_load(img, &walked));
	assert_int_equal(xb_funcs_count(walked), xb_funcs_count(f->funcs));
	for (size_t i = 0; i < xb_funcs_count(walked); i++) {
		xb_addr start, end, wstart, wend;

		assert_true(xb_funcs_get(f->funcs, i, &start, &end));
		assert_true(xb_funcs_get(walked, i, &wstart, &wend));
		assert_int_equal(start, wstart);
		assert_int_equal(end, wend);
		n++;
	}
	assert_true(n > 5);
	xb_funcs_destroy(walked);
	xb_image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_operand_in_order),
		cmocka_unit_test(test_kinds_select),
		cmocka_unit_test(test_accessor_gives_the_static_data_away),
		cmocka_unit_test(test_references_equal_an_exhaustive_search),
		cmocka_unit_test(test_a_program_at_a_fixed_address),
		cmocka_unit_test(test_absent_code_is_an_error),
		cmocka_unit_test(test_function_bounds_are_those_of_the_symbols),
		cmocka_unit_test(test_the_walk_equals_the_table),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
