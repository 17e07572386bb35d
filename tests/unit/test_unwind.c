/*
 * Unwinding our own stack, frame by frame, against the unwinder of the compiler's run time
 * (_Unwind_Backtrace): same return addresses, same CFA, same callee-saved registers in every frame.
 */
#include "xbtest.h"

#include "elf/unwind.h"
#include "fixtures/chain.h"
#include "selfimages.h"

#include <stdlib.h>
#include <unistd.h>
#include <unwind.h>

enum { MAX_FRAMES = 128, STACK_BYTES = 256 << 10 };

struct frame {
	xb_addr pc, cfa;
	uint64_t saved[6];
};

struct trace {
	struct frame at[MAX_FRAMES];
	size_t n;
	enum xb_step last;
};

static const uint8_t callee_saved[6] = { XB_REG_RBX, XB_REG_RBP, XB_REG_R12,
					 XB_REG_R13, XB_REG_R14, XB_REG_R15 };

/* _Unwind_GetCFA() in a frame is the rsp of that frame while it calls, that is: the CFA of its callee.
 */
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *ctx, void *arg)
{
	struct trace *t = arg;
	struct frame *f = &t->at[t->n];

	if (t->n == MAX_FRAMES || _Unwind_GetIP(ctx) == 0)
		return _URC_END_OF_STACK;
	f->pc = _Unwind_GetIP(ctx);
	f->cfa = _Unwind_GetCFA(ctx);
	for (unsigned i = 0; i < 6; i++)
		f->saved[i] = _Unwind_GetGR(ctx, callee_saved[i]);
	t->n++;
	return _URC_NO_REASON;
}

static void ours(struct self_images *images, const struct self_stack *stack, struct xb_mem *mem,
		 const struct xb_stack_slice *slice, struct trace *t)
{
	struct xb_regs regs = stack->regs;
	bool exact = true;

	t->n = 0;
	for (;;) {
		xb_addr pc = xb_unwind_pc(&regs, exact);
		struct self_image *im = self_images_find(images, pc);
		const struct xb_cfi_row *row = im == NULL ? NULL : xb_cfi_find(im->cfi, pc - im->bias);

		if (row == NULL)
			fail_msg("no row for frame %zu, pc 0x%llx (%s)", t->n, (unsigned long long)pc,
				 im == NULL ? "no image" : im->path);
		t->last = xb_unwind_step(row, &regs, slice, mem);
		if (t->last != XB_STEP_OK || t->n == MAX_FRAMES)
			return;
		t->at[t->n] = (struct frame){ .pc = regs.r[XB_REG_RIP], .cfa = regs.r[XB_REG_RSP] };
		for (unsigned i = 0; i < 6; i++) {
			assert_true(xb_regs_has(&regs, callee_saved[i]));
			t->at[t->n].saved[i] = regs.r[callee_saved[i]];
		}
		t->n++;
		exact = xb_unwind_next_exact(row);
	}
}

struct capture {
	struct self_images images;
	struct self_stack stack;
	struct trace theirs;
};

static void capture(void *arg)
{
	struct capture *c = arg;

	_Unwind_Backtrace(on_frame, &c->theirs);
	self_stack_take(STACK_BYTES, &c->stack);
	__asm__ volatile(""); /* not a jump: this frame must be there */
}

/* The first frame of both is capture(), at different calls. */
static void compare(const struct capture *c, const struct trace *t)
{
	assert_int_equal(t->last, XB_STEP_END);
	assert_int_equal(t->n, c->theirs.n);
	for (size_t i = 1; i < t->n; i++) {
		const struct frame *a = &t->at[i], *b = &c->theirs.at[i];

		if (a->pc != b->pc || a->cfa != b->cfa)
			fail_msg("frame %zu: pc 0x%llx cfa 0x%llx, want 0x%llx 0x%llx", i,
				 (unsigned long long)a->pc, (unsigned long long)a->cfa,
				 (unsigned long long)b->pc, (unsigned long long)b->cfa);
		assert_memory_equal(a->saved, b->saved, sizeof(a->saved));
	}
}

typedef long chain(int, long, long, long, long, chain_fn *, void *);

static void check_chain(chain *fn, int depth, size_t at_least)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct trace t = { .n = 0 };

	assert_non_null(c);
	self_images_open(&c->images);
	fn(depth, 0x1111, 0x2222, 0x3333, 0x4444, capture, c);
	ours(&c->images, &c->stack, NULL, &c->stack.slice, &t);
	assert_true(t.n >= at_least);
	compare(c, &t);
	/* Once more from warm rows, and all of it through the remote reader: the same answers. */
	ours(&c->images, &c->stack, NULL, &c->stack.slice, &t);
	compare(c, &t);
	self_stack_free(&c->stack);
	self_images_close(&c->images);
	free(c);
}

static void test_plain_frames(void **state)
{
	(void)state;
	check_chain(chain_plain, 0, 3);
	check_chain(chain_plain, 40, 43);
}

static void test_frames_of_variable_size(void **state)
{
	(void)state;
	check_chain(chain_alloca, 12, 15);
}

static void test_realigned_frames_use_expressions(void **state)
{
	(void)state;
	check_chain(chain_aligned, 12, 15);
}

static void test_through_libc(void **state)
{
	(void)state;
	check_chain(chain_qsort, 3, 8);
}

static void test_return_address_of_the_next_function(void **state)
{
	(void)state;
	check_chain(chain_noreturn, 0, 5);
}

static void test_out_of_a_signal_handler(void **state)
{
	(void)state;
	check_chain(chain_signal, 5, 13);
}

static void test_short_slice_faults_and_mem_helps(void **state)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct xb_stack_slice cut;
	struct trace t = { .n = 0 };
	struct xb_mem *mem = NULL;
	size_t whole;

	(void)state;
	assert_non_null(c);
	assert_ok(xb_mem_live(getpid(), &mem));
	self_images_open(&c->images);
	chain_plain(30, 1, 2, 3, 4, capture, c);
	ours(&c->images, &c->stack, NULL, &c->stack.slice, &t);
	whole = t.n;
	cut = c->stack.slice;
	cut.len = 400;
	ours(&c->images, &c->stack, NULL, &cut, &t);
	assert_int_equal(t.last, XB_STEP_FAULT);
	assert_true(t.n < whole);
	/* What main() and its callers hold has not moved since. */
	cut.len = (size_t)(c->theirs.at[c->theirs.n - 4].cfa - cut.addr);
	ours(&c->images, &c->stack, mem, &cut, &t);
	assert_int_equal(t.last, XB_STEP_END);
	assert_int_equal(t.n, whole);
	xb_mem_destroy(mem);
	self_stack_free(&c->stack);
	self_images_close(&c->images);
	free(c);
}

static void test_nonsense_is_refused(void **state)
{
	uint64_t words[4] = { 0, 0x1234, 0, 0 };
	struct xb_stack_slice slice = { .addr = 0x1000, .bytes = (void *)words, .len = sizeof(words) };
	struct xb_cfi_row row = { .start = 0, .len = 1, .cfa_off = 16, .cfa_reg = XB_REG_RSP };
	struct xb_regs regs = { .r = { [XB_REG_RSP] = 0x1000 }, .valid = 1U << XB_REG_RSP }, before;

	(void)state;
	for (unsigned i = 0; i < XB_CFI_SAVED_COUNT; i++)
		row.save[i] = XB_CFI_SAME;
	row.save[XB_CFI_RA] = -8;
	before = regs;
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_OK);
	assert_int_equal(regs.r[XB_REG_RIP], 0x1234);
	assert_int_equal(regs.r[XB_REG_RSP], 0x1010);
	assert_int_equal(regs.valid, 1U << XB_REG_RSP | 1U << XB_REG_RIP);
	regs = before;
	row.cfa_off = 0; /* does not grow */
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_FAULT);
	row.cfa_off = 12; /* not a place for a CFA */
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_BAD);
	row.cfa_off = 32; /* return address 0 */
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_END);
	row.cfa_off = 40; /* one past the slice */
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_FAULT);
	row.cfa_reg = XB_REG_RBP; /* not known here */
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_BAD);
	row.cfa_reg = XB_REG_RSP;
	row.flags = XB_CFI_OUTERMOST;
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_END);
	assert_memory_equal(&regs, &before, sizeof(regs));
	slice.addr = 0x800;
	regs.r[XB_REG_RSP] = 0x900;
	row.flags = 0;
	row.cfa_off = -0x100; /* in the slice, but down */
	row.save[XB_CFI_RA] = 8;
	assert_int_equal(xb_unwind_step(&row, &regs, &slice, NULL), XB_STEP_BAD);
}

static void test_register_names_and_perf_order(void **state)
{
	uint64_t values[3] = { 0xa, 0xb, 0xc };
	struct xb_regs regs;
	enum xb_reg reg = XB_REG_RAX;

	(void)state;
	assert_true(xb_reg_from_name("r13", &reg));
	assert_int_equal(reg, XB_REG_R13);
	assert_true(xb_reg_from_name("%RBX", &reg));
	assert_int_equal(reg, XB_REG_RBX);
	assert_false(xb_reg_from_name("r16", &reg));
	assert_false(xb_reg_from_name("", &reg));
	assert_int_equal(reg, XB_REG_RBX);
	for (unsigned i = 0; i < XB_REG_COUNT; i++) {
		assert_int_equal(xb_reg_from_perf(xb_reg_to_perf((enum xb_reg)i)), i);
		assert_true(xb_reg_from_name(xb_reg_name(i), &reg));
		assert_int_equal(reg, i);
	}
	assert_int_equal(xb_regs_perf_mask(), 0xff01ff);
	/* perf: bx is 1, sp is 7, r13 is 21 */
	assert_true(xb_regs_from_perf(1U << 21 | 1U << 7 | 1U << 1, values, 3, &regs));
	assert_int_equal(regs.valid, 1U << XB_REG_RBX | 1U << XB_REG_RSP | 1U << XB_REG_R13);
	assert_int_equal(regs.r[XB_REG_RBX], 0xa);
	assert_int_equal(regs.r[XB_REG_RSP], 0xb);
	assert_int_equal(regs.r[XB_REG_R13], 0xc);
	assert_false(xb_regs_from_perf(3, values, 3, &regs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_frames),
		cmocka_unit_test(test_frames_of_variable_size),
		cmocka_unit_test(test_realigned_frames_use_expressions),
		cmocka_unit_test(test_through_libc),
		cmocka_unit_test(test_return_address_of_the_next_function),
		cmocka_unit_test(test_out_of_a_signal_handler),
		cmocka_unit_test(test_short_slice_faults_and_mem_helps),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_register_names_and_perf_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
