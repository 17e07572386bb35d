/* The vote on register roles: who wins, who is turned down, and what can be said against a table. */
#include "xbtest.h"

#include "random.h"
#include "sample/roles.h"

enum { HEAP = 0x700000, HTOP = 0x701000, STOP = 0x70f000, HEND = 0x710000, PROCESS = 0x500000 };

/* Ballots of a VM whose registers hold nothing in particular until a test says otherwise. */
struct vm {
	uint64_t rnd;
	struct xb_regs regs;
	struct xb_roles_ballot ballot;
	struct xb_roles roles;
};

static void vm_init(struct vm *vm)
{
	*vm = (struct vm){ .rnd = 7 };
}

/* A sample whose registers are no aligned pointers and no small numbers. */
static void next(struct vm *vm)
{
	vm->regs.valid = 0;
	for (unsigned r = 0; r < XB_REG_COUNT; r++)
		xb_regs_set(&vm->regs, (enum xb_reg)r, UINT64_C(0x4000000000000001) + r);
	vm->ballot = (struct xb_roles_ballot){ .regs = &vm->regs,
					       .process = PROCESS,
					       .heap = HEAP,
					       .htop = HTOP,
					       .stop = STOP,
					       .hend = HEND,
					       .registers = 0x900000,
					       .registers_len = 1024,
					       .slice = 4000 };
}

static void set(struct vm *vm, enum xb_reg reg, uint64_t value)
{
	xb_regs_set(&vm->regs, reg, value);
}

static void vote(struct vm *vm)
{
	xb_roles_vote(&vm->roles, &vm->ballot);
}

static struct xb_roles_verdict verdict(const struct vm *vm, enum xb_layout_reg role)
{
	return xb_roles_verdict(&vm->roles, role);
}

static void is_adopted(const struct vm *vm, enum xb_layout_reg role, enum xb_reg reg)
{
	struct xb_roles_verdict v = verdict(vm, role);

	assert_int_equal(v.outcome, XB_ROLES_ADOPTED);
	assert_int_equal(v.reg, reg);
}

/* A sample of a JIT: E is the machine's stack pointer, HTOP r15, c_p r13, FCALLS r14, registers rbx. */
static void next_jit(struct vm *vm)
{
	next(vm);
	set(vm, XB_REG_R13, PROCESS);
	set(vm, XB_REG_RSP, STOP - 8 * (next_random(&vm->rnd) % 100));
	set(vm, XB_REG_R15, HTOP + 8 * (next_random(&vm->rnd) % 100));
	set(vm, XB_REG_R14, (next_random(&vm->rnd) % 4000));
	set(vm, XB_REG_RBX, 0x900080);
}

static void test_every_role_of_a_jit(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 100; i++) {
		next_jit(&vm);
		/* An old E, a copy of c_p that calls lose, a term, a number that never changes. */
		set(&vm, XB_REG_RBP, STOP - 160);
		set(&vm, XB_REG_RDI, PROCESS);
		set(&vm, XB_REG_RAX, i % 3 == 0 ? HEAP + 64 : 0);
		set(&vm, XB_REG_R12, 2);
		vote(&vm);
	}
	is_adopted(&vm, XB_R_c_p, XB_REG_R13);
	is_adopted(&vm, XB_R_E, XB_REG_RSP);
	is_adopted(&vm, XB_R_HTOP, XB_REG_R15);
	is_adopted(&vm, XB_R_FCALLS, XB_REG_R14);
	is_adopted(&vm, XB_R_registers, XB_REG_RBX);
	assert_int_equal(verdict(&vm, XB_R_I).outcome, XB_ROLES_NOT_ASKED);
	assert_int_equal(verdict(&vm, XB_R_E_saved).outcome, XB_ROLES_NOT_ASKED);
	assert_int_equal(verdict(&vm, XB_R_c_p).votes, 100);
	assert_int_equal(verdict(&vm, XB_R_c_p).voters, 100);
	assert_int_equal((int)(verdict(&vm, XB_R_c_p).confidence * 100), 9901);
}

static void test_a_few_samples_are_too_few(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 1; i <= XB_ROLES_MIN_VOTERS; i++) {
		next_jit(&vm);
		vote(&vm);
		assert_int_equal(verdict(&vm, XB_R_c_p).outcome,
				 i < XB_ROLES_MIN_VOTERS ? XB_ROLES_TOO_FEW : XB_ROLES_ADOPTED);
		assert_int_equal(verdict(&vm, XB_R_E).outcome,
				 i < XB_ROLES_MIN_VOTERS ? XB_ROLES_TOO_FEW : XB_ROLES_ADOPTED);
	}
}

static void test_a_sample_of_another_moment_does_not_vote(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 50; i++) {
		next_jit(&vm);
		vm.ballot.process = PROCESS + 4096;
		vm.ballot.heap = 0x800000;
		vm.ballot.hend = 0x810000;
		vote(&vm);
	}
	assert_int_equal(verdict(&vm, XB_R_c_p).voters, 0);
	assert_int_equal(verdict(&vm, XB_R_E).voters, 0);
	assert_int_equal(verdict(&vm, XB_R_HTOP).voters, 0);
	assert_int_equal(verdict(&vm, XB_R_registers).voters, 50);
}

/* A sample of an interpreter: E r13, HTOP r10, the machine's stack elsewhere. */
static void next_emu(struct vm *vm)
{
	next(vm);
	set(vm, XB_REG_R12, PROCESS);
	set(vm, XB_REG_R13, STOP - 8 * (next_random(&vm->rnd) % 100));
	set(vm, XB_REG_R10, HTOP + 8 * (next_random(&vm->rnd) % 100));
	set(vm, XB_REG_RSP, 0x7fff0000);
}

static void test_the_stack_is_above_the_heap_and_below_its_slots(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 60; i++) {
		next_emu(&vm);
		/* Always somewhere on the stack: a frame pointer, or a slot. */
		set(&vm, XB_REG_RBP, vm.regs.r[XB_REG_R13] + 8 + 8 * (next_random(&vm.rnd) % 9));
		/* Often a term below HTOP. */
		if (i % 4 != 0)
			set(&vm, XB_REG_RCX, HEAP + 8 * (next_random(&vm.rnd) % 100));
		vote(&vm);
	}
	is_adopted(&vm, XB_R_E, XB_REG_R13);
	is_adopted(&vm, XB_R_HTOP, XB_REG_R10);
}

static void test_terms_are_no_stack(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 60; i++) {
		next_emu(&vm);
		/* Two terms in every sample, one above the other, below what was the heap's top. */
		set(&vm, XB_REG_RAX, HEAP + 8);
		set(&vm, XB_REG_RCX, HEAP + 16 + 8 * (next_random(&vm.rnd) % 100));
		vote(&vm);
	}
	is_adopted(&vm, XB_R_E, XB_REG_R13);
}

static void test_slots_are_no_heap(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 60; i++) {
		next_jit(&vm);
		/* With frame pointers, and a slot that is always looked at. */
		set(&vm, XB_REG_R11, vm.regs.r[XB_REG_RSP] + 8);
		set(&vm, XB_REG_RBP, vm.regs.r[XB_REG_RSP] + 64);
		vote(&vm);
	}
	is_adopted(&vm, XB_R_E, XB_REG_RSP);
	is_adopted(&vm, XB_R_HTOP, XB_REG_R15);
}

static void test_two_alike_leave_the_stack_open(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 60; i++) {
		next_emu(&vm);
		set(&vm, XB_REG_RBP, STOP - 8 * (next_random(&vm.rnd) % 100));
		vote(&vm);
	}
	assert_int_equal(verdict(&vm, XB_R_E).outcome, XB_ROLES_NO_WINNER);
	assert_int_equal(verdict(&vm, XB_R_E).votes, 60);
}

static void test_one_pointer_alone_is_what_it_is_near_to(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 20; i++) {
		next_emu(&vm);
		set(&vm, XB_REG_R10, 1);
		vote(&vm);
	}
	is_adopted(&vm, XB_R_E, XB_REG_R13);
	assert_int_equal(verdict(&vm, XB_R_HTOP).reg, -1);
	vm_init(&vm);
	for (int i = 0; i < 20; i++) {
		next_emu(&vm);
		set(&vm, XB_REG_R13, 1);
		vote(&vm);
	}
	is_adopted(&vm, XB_R_HTOP, XB_REG_R10);
	assert_int_equal(verdict(&vm, XB_R_E).reg, -1);
}

/* @a of a hundred samples have I in rbx, @b in rbp, the rest in r8. */
static void vote_I(struct vm *vm, int a, int b)
{
	vm_init(vm);
	for (int i = 0; i < 100; i++) {
		next_emu(vm);
		vm->ballot.instructions = i < a       ? 1U << XB_REG_RBX
					  : i < a + b ? 1U << XB_REG_RBP
						      : 1U << XB_REG_R8;
		vote(vm);
	}
}

static void test_the_instruction_may_be_in_two_registers_by_turns(void **state)
{
	struct xb_roles_verdict v;
	struct vm vm;

	(void)state;
	vote_I(&vm, 55, 40);
	v = verdict(&vm, XB_R_I);
	assert_int_equal(v.outcome, XB_ROLES_ADOPTED);
	assert_true(v.by_turns);
	assert_int_equal(v.reg, XB_REG_RBX);
	assert_int_equal(v.second, XB_REG_RBP);
	assert_int_equal((int)(v.confidence * 100), 9411);
	assert_false(xb_roles_contradict(&vm.roles, XB_R_I, XB_REG_RBX));
	assert_false(xb_roles_contradict(&vm.roles, XB_R_I, XB_REG_RBP));
	assert_true(xb_roles_contradict(&vm.roles, XB_R_I, XB_REG_R12));
	/* In three of them it is in none. */
	vote_I(&vm, 40, 30);
	assert_int_equal(verdict(&vm, XB_R_I).outcome, XB_ROLES_NO_WINNER);
	assert_false(verdict(&vm, XB_R_I).by_turns);
	/* In one mostly, and in no other one often enough to be more than chance. */
	vm_init(&vm);
	for (int i = 0; i < 100; i++) {
		static const enum xb_reg rare[] = { XB_REG_RBP, XB_REG_R8, XB_REG_R9 };

		next_emu(&vm);
		vm.ballot.instructions = 1U << (i < 76 ? XB_REG_RBX : rare[i % 3]);
		vote(&vm);
	}
	assert_int_equal(verdict(&vm, XB_R_I).outcome, XB_ROLES_NO_WINNER);
	/* One does, nearly always: no turns. */
	vote_I(&vm, 85, 10);
	assert_int_equal(verdict(&vm, XB_R_I).outcome, XB_ROLES_ADOPTED);
	assert_false(verdict(&vm, XB_R_I).by_turns);
	/* No register points at an instruction: nothing is said. */
	vm_init(&vm);
	next_emu(&vm);
	vote(&vm);
	assert_int_equal(verdict(&vm, XB_R_I).voters, 0);
}

static void test_reductions_are_counted_in_a_register_that_lasts(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 100; i++) {
		next_emu(&vm);
		set(&vm, XB_REG_RAX, (next_random(&vm.rnd) % 4000)); /* lost in every call */
		set(&vm, XB_REG_R15, 17);                            /* never changes */
		set(&vm, XB_REG_RBX, (uint64_t)i % 4);               /* hardly */
		vote(&vm);
	}
	assert_int_equal(verdict(&vm, XB_R_FCALLS).outcome, XB_ROLES_NO_WINNER);
	assert_int_equal(verdict(&vm, XB_R_FCALLS).reg, -1);
}

static void test_the_registers_are_always_at_the_same_place(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 40; i++) {
		next_emu(&vm);
		set(&vm, XB_REG_RDI, 0x900000 + 8 * (uint64_t)i);
		set(&vm, XB_REG_R15, 0x900040);
		set(&vm, XB_REG_RSI, 0x900400); /* behind the end */
		vote(&vm);
	}
	is_adopted(&vm, XB_R_registers, XB_REG_R15);
	assert_int_equal(verdict(&vm, XB_R_registers).second, XB_REG_RDI);
	assert_int_equal(verdict(&vm, XB_R_registers).second_votes, 1);
}

static void test_equal_copies_of_the_process_are_no_quarrel(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 100; i++) {
		next_emu(&vm);
		set(&vm, XB_REG_RAX, PROCESS);
		/* In one of twenty, c_p itself is not in its register. */
		if (i % 20 == 0)
			set(&vm, XB_REG_R12, 1);
		vote(&vm);
	}
	is_adopted(&vm, XB_R_c_p, XB_REG_R12);
	assert_int_equal(verdict(&vm, XB_R_c_p).second, XB_REG_RAX);
	assert_int_equal(verdict(&vm, XB_R_c_p).votes, 95);
}

static void test_a_table_is_contradicted_only_when_that_is_plain(void **state)
{
	static const struct {
		int right,
			table; /* samples with c_p in r12 alone, and in the table's register as well */
		bool contradicted;
	} cases[] = { { 31, 0, false }, { 32, 0, true },   { 100, 0, true },
		      { 91, 9, true },  { 90, 10, false }, { 0, 100, false } };

	(void)state;
	for (size_t k = 0; k < XB_ARRAY_LEN(cases); k++) {
		struct vm vm;

		vm_init(&vm);
		for (int i = 0; i < cases[k].right + cases[k].table; i++) {
			next_emu(&vm);
			if (i >= cases[k].right)
				set(&vm, XB_REG_R9, PROCESS);
			vote(&vm);
		}
		assert_int_equal(xb_roles_contradict(&vm.roles, XB_R_c_p, XB_REG_R9),
				 cases[k].contradicted);
		assert_false(xb_roles_contradict(&vm.roles, XB_R_c_p, XB_REG_R12));
		assert_false(xb_roles_contradict(&vm.roles, XB_R_c_p, -1));
		assert_false(xb_roles_contradict(&vm.roles, XB_R_c_p, 99));
	}
}

static void test_places_vote_on_where_E_is_kept(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 20; i++)
		xb_roles_place(&vm.roles, XB_REG_RBP);
	xb_roles_place(&vm.roles, XB_REG_RIP);
	xb_roles_place(&vm.roles, UINT32_MAX);
	is_adopted(&vm, XB_R_E_saved, XB_REG_RBP);
	assert_int_equal(verdict(&vm, XB_R_E_saved).voters, 20);
}

static void test_what_makes_no_sense_is_survived(void **state)
{
	struct vm vm;

	(void)state;
	vm_init(&vm);
	for (int i = 0; i < 2000; i++) {
		next(&vm);
		for (unsigned r = 0; r < XB_REG_COUNT; r++)
			vm.regs.r[r] =
				i % 2 == 0 ? next_random(&vm.rnd) : next_random(&vm.rnd) & 0xfffff8;
		vm.regs.valid = (uint32_t)next_random(&vm.rnd);
		vm.ballot.heap = next_random(&vm.rnd) & 0xffffff;
		vm.ballot.htop = next_random(&vm.rnd);
		vm.ballot.stop = next_random(&vm.rnd);
		vm.ballot.hend = next_random(&vm.rnd);
		vm.ballot.process = next_random(&vm.rnd) & 0xfffff8;
		vm.ballot.registers = i % 3 == 0 ? UINT64_MAX - 8 : 0;
		vm.ballot.registers_len = next_random(&vm.rnd);
		vm.ballot.slice = next_random(&vm.rnd) >> (next_random(&vm.rnd) % 64);
		vm.ballot.instructions = (uint32_t)next_random(&vm.rnd) & 0xffff;
		vote(&vm);
	}
	for (int r = 0; r < XB_R__COUNT; r++) {
		struct xb_roles_verdict v = verdict(&vm, (enum xb_layout_reg)r);

		assert_true(v.reg < XB_ROLES_REGS && v.second < XB_ROLES_REGS);
		assert_true(v.votes <= v.voters && v.confidence <= 100);
		/* Noise has no roles. */
		assert_int_not_equal(v.outcome, XB_ROLES_ADOPTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_role_of_a_jit),
		cmocka_unit_test(test_a_few_samples_are_too_few),
		cmocka_unit_test(test_a_sample_of_another_moment_does_not_vote),
		cmocka_unit_test(test_the_stack_is_above_the_heap_and_below_its_slots),
		cmocka_unit_test(test_terms_are_no_stack),
		cmocka_unit_test(test_slots_are_no_heap),
		cmocka_unit_test(test_two_alike_leave_the_stack_open),
		cmocka_unit_test(test_one_pointer_alone_is_what_it_is_near_to),
		cmocka_unit_test(test_the_instruction_may_be_in_two_registers_by_turns),
		cmocka_unit_test(test_reductions_are_counted_in_a_register_that_lasts),
		cmocka_unit_test(test_the_registers_are_always_at_the_same_place),
		cmocka_unit_test(test_equal_copies_of_the_process_are_no_quarrel),
		cmocka_unit_test(test_a_table_is_contradicted_only_when_that_is_plain),
		cmocka_unit_test(test_places_vote_on_where_E_is_kept),
		cmocka_unit_test(test_what_makes_no_sense_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
