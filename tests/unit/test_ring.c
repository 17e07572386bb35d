/* Rings and records made of bytes: what the kernel writes, and what it never should. */
#include "xbtest.h"

#include "sample/record.h"
#include "sample/ring.h"

#include <linux/perf_event.h>
#include <stdlib.h>

enum { SIZE = 4096 };

struct fake {
	struct xb_ring ring;
	uint64_t head, tail;
	_Alignas(8) unsigned char data[SIZE];
	_Alignas(8) unsigned char bounce[XB_RING_BOUNCE];
};

static int setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	f->ring = (struct xb_ring){
		.data = f->data, .size = SIZE, .head = &f->head, .tail = &f->tail, .bounce = f->bounce
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* What the kernel does: bytes at head modulo the size, then head. */
static void put(struct fake *f, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->data[(f->head + i) % SIZE] = ((const unsigned char *)bytes)[i];
	f->head += n;
}

static void put_record(struct fake *f, uint32_t type, size_t size, unsigned char fill)
{
	_Alignas(8) unsigned char r[SIZE];
	struct perf_event_header h = { .type = type, .size = (uint16_t)size };

	memset(r, fill, sizeof(r));
	memcpy(r, &h, sizeof(h));
	put(f, r, size);
}

static void test_ring_hands_out_every_record_across_the_end(void **state)
{
	struct fake *f = *state;
	struct xb_ring_record rec;
	size_t bounced = 0;

	/* Sizes that do not divide the ring: every place of the end is met in a record. */
	for (unsigned i = 0; i < 2000; i++) {
		size_t size = 8 + 8 * (size_t)(i % 37);

		put_record(f, 77, size, (unsigned char)i);
		assert_true(xb_ring_begin(&f->ring));
		assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_RECORD);
		assert_int_equal(rec.len, size);
		for (size_t b = 8; b < size; b++)
			assert_int_equal(rec.bytes[b], (unsigned char)i);
		bounced += rec.bytes == f->bounce;
		assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_EMPTY);
		assert_int_not_equal(f->tail, f->head); /* not given back before it is released */
		xb_ring_release(&f->ring);
		assert_int_equal(f->tail, f->head);
	}
	assert_true(bounced > 10);
}

static void test_ring_keeps_records_that_arrive_during_a_round_for_the_next(void **state)
{
	struct fake *f = *state;
	struct xb_ring_record rec;

	put_record(f, 1, 16, 0);
	assert_true(xb_ring_begin(&f->ring));
	put_record(f, 2, 16, 0);
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_RECORD);
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_EMPTY);
	xb_ring_release(&f->ring);
	assert_true(xb_ring_begin(&f->ring));
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_RECORD);
	assert_int_equal(rec.bytes[0], 2);
}

static void damaged_with(struct fake *f, uint16_t size)
{
	struct perf_event_header h = { .type = 9, .size = size };
	struct xb_ring_record rec;

	put(f, &h, sizeof(h));
	put(f, &h, sizeof(h));
	assert_true(xb_ring_begin(&f->ring));
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_DAMAGED);
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_EMPTY);
	xb_ring_release(&f->ring);
	assert_int_equal(f->tail, f->head);
	/* … and the ring works on. */
	put_record(f, 5, 24, 1);
	assert_true(xb_ring_begin(&f->ring));
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_RECORD);
	assert_int_equal(rec.len, 24);
	xb_ring_release(&f->ring);
}

static void test_ring_gives_up_on_sizes_that_cannot_be(void **state)
{
	struct fake *f = *state;

	damaged_with(f, 0);
	damaged_with(f, 7);
	damaged_with(f, 12);    /* not a multiple of 8 */
	damaged_with(f, 24);    /* more than was written */
	damaged_with(f, 65528); /* more than the ring holds */
}

static void test_ring_gives_up_on_positions_that_cannot_be(void **state)
{
	struct fake *f = *state;
	struct xb_ring_record rec;

	f->head = SIZE + 8;
	assert_false(xb_ring_begin(&f->ring));
	assert_int_equal(f->tail, f->head);
	f->head = 8; /* behind tail */
	assert_false(xb_ring_begin(&f->ring));
	assert_int_equal(f->tail, 8);
	f->head = f->tail = 4;
	assert_false(xb_ring_begin(&f->ring));
	f->tail = 8;
	f->head = 12; /* half a header */
	assert_true(xb_ring_begin(&f->ring));
	assert_int_equal(xb_ring_next(&f->ring, &rec), XB_RING_DAMAGED);
}

/* A record built field by field. */
struct build {
	_Alignas(8) unsigned char b[1024];
	size_t len;
};

static void u32(struct build *r, uint32_t v)
{
	memcpy(r->b + r->len, &v, sizeof(v));
	r->len += sizeof(v);
}

static void u64(struct build *r, uint64_t v)
{
	memcpy(r->b + r->len, &v, sizeof(v));
	r->len += sizeof(v);
}

static struct build header(uint32_t type, uint16_t misc)
{
	struct build r = { 0 };
	struct perf_event_header h = { .type = type, .misc = misc };

	memcpy(r.b, &h, sizeof(h));
	r.len = sizeof(h);
	return r;
}

static const struct xb_record_format format = {
	.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID |
		       PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN |
		       PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
	.sample_id_all = true,
};

static void trailer(struct build *r)
{
	u32(r, 100);
	u32(r, 101);
	u64(r, 5555);
	u64(r, 42);
	u32(r, 1);
	u32(r, 0);
}

/* Registers have the value 1000 + perf's number. */
static struct build sample(uint16_t misc, uint64_t rbx, size_t stack, uint64_t used)
{
	static const unsigned perf[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20, 21, 22, 23 };
	struct build r = header(PERF_RECORD_SAMPLE, misc);

	u64(&r, 0xabc);
	u32(&r, 100);
	u32(&r, 101);
	u64(&r, 7777);
	u64(&r, 42);
	u32(&r, 3);
	u32(&r, 0);
	u64(&r, 1000000);
	u64(&r, 5); /* call chain */
	u64(&r, (uint64_t)PERF_CONTEXT_KERNEL);
	u64(&r, 0xffffffff81000010);
	u64(&r, 0xffffffff81000020);
	u64(&r, (uint64_t)PERF_CONTEXT_USER);
	u64(&r, 0x4000);
	u64(&r, PERF_SAMPLE_REGS_ABI_64);
	for (size_t i = 0; i < XB_ARRAY_LEN(perf); i++)
		u64(&r, perf[i] == 1 ? rbx : 1000 + perf[i]);
	u64(&r, stack);
	for (size_t i = 0; i < stack / 8; i++)
		u64(&r, i);
	if (stack > 0)
		u64(&r, used);
	return r;
}

static void test_sample_fields_arrive_in_dwarf_order(void **state)
{
	struct build r = sample(PERF_RECORD_MISC_USER, 1001, 64, 48);
	const struct xb_raw_sample *s;
	struct xb_record rec;

	(void)state;
	assert_int_equal(xb_record_parse(&format, r.b, r.len, &rec), XB_RECORD_SAMPLE);
	s = &rec.sample;
	assert_int_equal(rec.pid, 100);
	assert_int_equal(rec.id, 42);
	assert_int_equal(s->tid, 101);
	assert_int_equal(s->cpu, 3);
	assert_int_equal(s->ip, 0xabc);
	assert_int_equal(s->time_ns, 7777);
	assert_int_equal(s->period_ns, 1000000);
	assert_false(s->kernel_mode);
	assert_int_equal(s->n_kernel_ips, 2);
	assert_true(s->kernel_ips[1] == 0xffffffff81000020);
	assert_int_equal(s->regs.valid, 0x1ffff);
	assert_int_equal(s->regs.r[XB_REG_RAX], 1000);
	assert_int_equal(s->regs.r[XB_REG_RBX], 1001);
	assert_int_equal(s->regs.r[XB_REG_RCX], 1002);
	assert_int_equal(s->regs.r[XB_REG_RDX], 1003);
	assert_int_equal(s->regs.r[XB_REG_RSI], 1004);
	assert_int_equal(s->regs.r[XB_REG_RDI], 1005);
	assert_int_equal(s->regs.r[XB_REG_RBP], 1006);
	assert_int_equal(s->regs.r[XB_REG_RSP], 1007);
	assert_int_equal(s->regs.r[XB_REG_RIP], 1008);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(s->regs.r[XB_REG_R8 + n], 1016 + n);
	assert_int_equal(s->stack_addr, 1007);
	assert_int_equal(s->stack_len, 48);
	assert_int_equal(s->stack[40], 5);
}

static void test_minus_one_is_unknown_only_in_kernel_mode(void **state)
{
	struct build user = sample(PERF_RECORD_MISC_USER, UINT64_MAX, 0, 0);
	struct build kernel = sample(PERF_RECORD_MISC_KERNEL, UINT64_MAX, 0, 0);
	struct xb_record rec;

	(void)state;
	assert_int_equal(xb_record_parse(&format, user.b, user.len, &rec), XB_RECORD_SAMPLE);
	assert_true(xb_regs_has(&rec.sample.regs, XB_REG_RBX));
	assert_int_equal(rec.sample.stack_len, 0);
	assert_int_equal(xb_record_parse(&format, kernel.b, kernel.len, &rec), XB_RECORD_SAMPLE);
	assert_true(rec.sample.kernel_mode);
	assert_false(xb_regs_has(&rec.sample.regs, XB_REG_RBX));
	assert_true(xb_regs_has(&rec.sample.regs, XB_REG_RIP));
}

/* Every length that is not the whole record is damage, never a read past the end (under the sanitizer:
 * each copy is exactly as long as it claims). */
static void test_every_truncation_is_noticed(void **state)
{
	struct build r = sample(PERF_RECORD_MISC_USER, 1, 64, 64);

	(void)state;
	for (size_t len = 0; len < r.len; len++) {
		unsigned char *copy = malloc(len + 1);
		struct xb_record rec;

		assert_non_null(copy);
		memcpy(copy, r.b, len);
		if (len >= 8)
			assert_int_equal(xb_record_parse(&format, copy, len, &rec), XB_RECORD_DAMAGED);
		else
			(void)xb_record_parse(&format, copy, len, &rec);
		free(copy);
	}
}

static void test_sizes_inside_a_sample_are_not_believed(void **state)
{
	struct build huge_stack = sample(PERF_RECORD_MISC_USER, 1, 64, 64);
	struct build huge_used = sample(PERF_RECORD_MISC_USER, 1, 64, 65);
	struct build huge_chain = sample(PERF_RECORD_MISC_USER, 1, 0, 0);
	uint64_t big[] = { UINT64_MAX, UINT64_MAX / 8, 1ULL << 61, 1 << 20 };
	struct xb_record rec;

	(void)state;
	assert_int_equal(xb_record_parse(&format, huge_used.b, huge_used.len, &rec), XB_RECORD_DAMAGED);
	for (size_t i = 0; i < XB_ARRAY_LEN(big); i++) {
		memcpy(huge_stack.b + huge_stack.len - 64 - 16, &big[i], 8);
		assert_int_equal(xb_record_parse(&format, huge_stack.b, huge_stack.len, &rec),
				 XB_RECORD_DAMAGED);
		memcpy(huge_chain.b + 8 + 48, &big[i], 8);
		assert_int_equal(xb_record_parse(&format, huge_chain.b, huge_chain.len, &rec),
				 XB_RECORD_DAMAGED);
	}
}

static void test_events(void **state)
{
	struct build lost = header(PERF_RECORD_LOST, 0), map = header(PERF_RECORD_MMAP2, 0);
	struct build fork = header(PERF_RECORD_FORK, 0), comm = header(PERF_RECORD_COMM, 0);
	struct build unknown = header(4711, 0);
	struct xb_record rec;

	(void)state;
	u64(&lost, 42);
	u64(&lost, 17);
	trailer(&lost);
	assert_int_equal(xb_record_parse(&format, lost.b, lost.len, &rec), XB_RECORD_EVENT);
	assert_int_equal(rec.event.kind, XB_EVENT_LOST);
	assert_int_equal(rec.event.lost, 17);
	assert_int_equal(rec.event.time_ns, 5555);

	u32(&map, 100);
	u32(&map, 102);
	u64(&map, 0x7000);
	u64(&map, 0x2000);
	u64(&map, 0x1000);
	u64(&map, 0);
	u64(&map, 0);
	u64(&map, 0);
	u32(&map, 5);
	u32(&map, 2);
	memcpy(map.b + map.len, "/x.so\0\0", 8);
	map.len += 8;
	trailer(&map);
	assert_int_equal(xb_record_parse(&format, map.b, map.len, &rec), XB_RECORD_EVENT);
	assert_int_equal(rec.event.kind, XB_EVENT_MAP);
	assert_int_equal(rec.event.map.addr, 0x7000);
	assert_int_equal(rec.event.map.len, 0x2000);
	assert_int_equal(rec.event.map.pgoff, 0x1000);
	assert_int_equal(rec.event.map.prot, 5);
	assert_string_equal(rec.event.map.file, "/x.so");
	memset(map.b + map.len - 40, 'x', 8); /* no NUL before the trailer */
	assert_int_equal(xb_record_parse(&format, map.b, map.len, &rec), XB_RECORD_DAMAGED);

	u32(&fork, 100);
	u32(&fork, 100);
	u32(&fork, 120);
	u32(&fork, 101);
	u64(&fork, 9);
	trailer(&fork);
	assert_int_equal(xb_record_parse(&format, fork.b, fork.len, &rec), XB_RECORD_EVENT);
	assert_int_equal(rec.event.kind, XB_EVENT_THREAD_START);
	assert_int_equal(rec.event.tid, 120);
	assert_int_equal(rec.event.by_tid, 101);
	memcpy(fork.b + 8, &(uint32_t){ 999 }, 4); /* a child process */
	assert_int_equal(xb_record_parse(&format, fork.b, fork.len, &rec), XB_RECORD_OTHER);

	comm = header(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
	u32(&comm, 100);
	u32(&comm, 100);
	memcpy(comm.b + comm.len, "vi\0\0\0\0\0", 8);
	comm.len += 8;
	trailer(&comm);
	assert_int_equal(xb_record_parse(&format, comm.b, comm.len, &rec), XB_RECORD_EVENT);
	assert_int_equal(rec.event.kind, XB_EVENT_EXEC);
	assert_string_equal(rec.event.comm, "vi");

	trailer(&unknown);
	assert_int_equal(xb_record_parse(&format, unknown.b, unknown.len, &rec), XB_RECORD_OTHER);
	assert_int_equal(xb_record_parse(&format, unknown.b, 16, &rec), XB_RECORD_DAMAGED);
}

/* Noise in, no matter what out, but no crash, no endless loop, no pointer outside the record. */
static void test_noise(void **state)
{
	struct build base = sample(PERF_RECORD_MISC_USER, 1, 64, 64);
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct build r = base;
		struct xb_record rec;

		for (int k = 0; k < 4; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			r.b[x % r.len] = (unsigned char)(x >> 32);
		}
		if (xb_record_parse(&format, r.b, r.len, &rec) != XB_RECORD_SAMPLE)
			continue;
		if (rec.sample.stack_len > 0) {
			assert_true(rec.sample.stack >= r.b);
			assert_true(rec.sample.stack + rec.sample.stack_len <= r.b + r.len);
		}
		if (rec.sample.n_kernel_ips > 0)
			assert_true((const unsigned char *)(rec.sample.kernel_ips +
							    rec.sample.n_kernel_ips) <= r.b + r.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ring_hands_out_every_record_across_the_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_ring_keeps_records_that_arrive_during_a_round_for_the_next, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_ring_gives_up_on_sizes_that_cannot_be, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ring_gives_up_on_positions_that_cannot_be, setup,
						teardown),
		cmocka_unit_test(test_sample_fields_arrive_in_dwarf_order),
		cmocka_unit_test(test_minus_one_is_unknown_only_in_kernel_mode),
		cmocka_unit_test(test_every_truncation_is_noticed),
		cmocka_unit_test(test_sizes_inside_a_sample_are_not_believed),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
