/* The assembler of BPF programs, and the program that freezes samples: made for every table, accepted by this kernel, and
 * run on ourselves. */
#include "xbtest.h"

#include "base/clock.h"
#include "os/bpf.h"
#include "sample/freeze.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct xb_bpf_asm prog;

struct kernel {
	struct xb_freeze_config config;
	struct xb_bpf_ring ring;
	struct xb_error *refused;
};

/* Maps and ring; without the right to have any, k->refused. */
static void begin(struct kernel *k)
{
	*k = (struct kernel){ .ring = { .fd = -1 } };
	k->config.tgid = getpid();
	k->refused = xb_bpf_map_create(BPF_MAP_TYPE_ARRAY, 4, XB_FREEZE_SCRATCH,
				       (uint32_t)sysconf(_SC_NPROCESSORS_CONF), &k->config.scratch_fd);
	if (k->refused != NULL)
		return;
	assert_ok(xb_bpf_map_create(BPF_MAP_TYPE_HASH, 4, sizeof(struct xb_freeze_thread), 16,
				    &k->config.threads_fd));
	assert_ok(
		xb_bpf_map_create(BPF_MAP_TYPE_ARRAY, 4, 8, XB_FREEZE_N_COUNTS, &k->config.counts_fd));
	assert_ok(xb_bpf_ring_open(1 << 20, &k->ring));
	k->config.ring_fd = k->ring.fd;
}

static void end(struct kernel *k)
{
	if (k->refused != NULL) {
		xb_error_destroy(k->refused);
		return;
	}
	(void)close(k->config.scratch_fd);
	(void)close(k->config.threads_fd);
	(void)close(k->config.counts_fd);
	xb_bpf_ring_close(&k->ring);
}

static void test_asm_resolves_jumps_both_ways(void **state)
{
	int back, ahead;

	(void)state;
	xb_bpf_asm_init(&prog);
	back = xb_bpf_label(&prog);
	ahead = xb_bpf_label(&prog);
	xb_bpf_here(&prog, back);
	xb_bpf_mov_imm64(&prog, BPF_REG_1, UINT64_C(0x123456789abcdef0)); /* two slots */
	xb_bpf_jmp_imm(&prog, BPF_JEQ, BPF_REG_1, 7, ahead);
	xb_bpf_goto(&prog, back);
	xb_bpf_here(&prog, ahead);
	xb_bpf_exit(&prog);
	assert_ok(xb_bpf_finish(&prog));
	assert_int_equal(prog.n, 5);
	assert_int_equal(prog.insn[2].off, 1);
	assert_int_equal(prog.insn[3].off, -4);
	assert_int_equal((uint32_t)prog.insn[0].imm, 0x9abcdef0);
	assert_int_equal((uint32_t)prog.insn[1].imm, 0x12345678);
}

static void test_asm_tells_what_does_not_fit(void **state)
{
	(void)state;
	xb_bpf_asm_init(&prog);
	xb_bpf_goto(&prog, xb_bpf_label(&prog)); /* never placed */
	assert_err(xb_bpf_finish(&prog), XB_ERR_LIMIT, "does not fit");
	xb_bpf_asm_init(&prog);
	for (int i = 0; i <= XB_BPF_MAX_INSNS; i++)
		xb_bpf_exit(&prog);
	assert_err(xb_bpf_finish(&prog), XB_ERR_LIMIT, "does not fit");
	xb_bpf_asm_init(&prog);
	for (int i = 0; i <= XB_BPF_MAX_LABELS; i++)
		xb_bpf_here(&prog, xb_bpf_label(&prog));
	assert_err(xb_bpf_finish(&prog), XB_ERR_LIMIT, "does not fit");
}

static void test_freeze_refuses_a_structure_that_is_too_large(void **state)
{
	struct xb_freeze_config c = { 0 };
	struct xb_layout l;

	(void)state;
	assert_true(xb_layout_named("otp-25-jit", &l));
	c.layout = &l;
	l.size[XB_S_Process] = XB_FREEZE_PROC_MAX + 1;
	assert_err(xb_freeze_program(&c, &prog), XB_ERR_UNSUPPORTED, "does not fit a sample");
	l.size[XB_S_Process] = 0;
	assert_err(xb_freeze_program(&c, &prog), XB_ERR_UNSUPPORTED, "does not fit a sample");
}

static void test_freeze_is_accepted_for_every_layout(void **state)
{
	struct kernel k;
	int fd;

	(void)state;
	begin(&k);
	for (size_t i = 0; k.refused == NULL && i < xb_layout_n_builtin(); i++) {
		struct xb_layout l;

		xb_layout_builtin(i, &l);
		k.config.layout = &l;
		/* The verifier takes a tenth of a second: one table after the other, with options by turns. */
		k.config.frame_pointers = (i & 1) != 0;
		k.config.kernel_chain = (i & 2) != 0;
		assert_ok(xb_freeze_program(&k.config, &prog));
		assert_ok(xb_bpf_load(prog.insn, prog.n, &fd));
		(void)close(fd);
	}
	end(&k);
}

static void test_load_says_what_the_verifier_says(void **state)
{
	struct kernel k;
	int fd;

	(void)state;
	begin(&k);
	xb_bpf_asm_init(&prog);
	xb_bpf_ldx(&prog, 8, BPF_REG_0, BPF_REG_5, 0); /* a register nobody set */
	xb_bpf_exit(&prog);
	assert_ok(xb_bpf_finish(&prog));
	if (k.refused == NULL)
		assert_err(xb_bpf_load(prog.insn, prog.n, &fd), XB_ERR_UNSUPPORTED, "R5 !read_ok");
	end(&k);
}

/* For a hundred samples, which go by CPU time. */
static void spin(volatile uint64_t *canary)
{
	uint64_t until = xb_clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 100000000;

	while (xb_clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
		canary[0] += 2;
}

static void judge(const unsigned char *bytes, size_t len, const struct xb_layout *l, uintptr_t canary)
{
	const struct xb_freeze_head *h = (const void *)bytes;
	size_t c_at = sizeof(*h) + xb_freeze_proc_bytes(l);
	struct xb_regs regs;
	uint64_t word;

	assert_true(len >= sizeof(*h));
	assert_int_equal(h->pid_tgid >> 32, getpid());
	assert_int_equal(h->period_ns, 1000000);
	assert_int_equal(h->proc, 0);
	assert_int_equal(h->flags, XB_FREEZE_NO_PROC | XB_FREEZE_STRANGER);
	assert_int_equal(h->e_len, 0);
	xb_freeze_regs(h, &regs);
	/* Where the stack ends nobody knew, so the copy was page by page. */
	assert_int_equal(regs.r[XB_REG_RSP] & ~UINT64_C(4095), h->c_addr);
	assert_int_equal(len, c_at + ((h->c_len + 7) & ~UINT64_C(7)) + h->k_len);
	/* Our caller's frame is within the copy, as it was: the second word of the canary does not change. */
	assert_true(canary >= h->c_addr && canary + 16 <= h->c_addr + h->c_len);
	memcpy(&word, bytes + c_at + (canary - h->c_addr) + 8, 8);
	assert_int_equal(word, UINT64_C(0xfeedfacecafef00d));
	memcpy(&word, bytes + c_at + (canary - h->c_addr), 8);
	assert_int_equal(word & 1, 1);
}

static void test_freeze_copies_our_own_stack(void **state)
{
	volatile uint64_t canary[2] = { 1, UINT64_C(0xfeedfacecafef00d) };
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CPU_CLOCK,
					.sample_period = 1000000,
					.exclude_kernel = 0 };
	const unsigned char *bytes;
	struct xb_layout l;
	struct kernel k;
	int program, event;
	size_t len, n = 0;

	(void)state;
	begin(&k);
	if (k.refused != NULL) {
		print_message("# not tried: %s\n", xb_error_message(k.refused));
		end(&k);
		return;
	}
	assert_true(xb_layout_named("otp-25-jit", &l));
	k.config.layout = &l;
	assert_ok(xb_freeze_program(&k.config, &prog));
	assert_ok(xb_bpf_load(prog.insn, prog.n, &program));
	event = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	assert_true(event >= 0);
	assert_int_equal(ioctl(event, PERF_EVENT_IOC_SET_BPF, program), 0);
	spin(canary);
	(void)close(event);
	while ((bytes = xb_bpf_ring_next(&k.ring, &len)) != NULL) {
		judge(bytes, len, &l, (uintptr_t)canary);
		n++;
	}
	xb_bpf_ring_release(&k.ring);
	assert_int_equal(*k.ring.consumer, *k.ring.producer);
	assert_true(n >= 10);
	(void)close(program);
	end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asm_resolves_jumps_both_ways),
		cmocka_unit_test(test_asm_tells_what_does_not_fit),
		cmocka_unit_test(test_freeze_refuses_a_structure_that_is_too_large),
		cmocka_unit_test(test_freeze_is_accepted_for_every_layout),
		cmocka_unit_test(test_load_says_what_the_verifier_says),
		cmocka_unit_test(test_freeze_copies_our_own_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
