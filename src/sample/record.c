/*
 * Shapes, all little endian, padded to 8 (linux/perf_event.h):
 *
 *	header   u32 type, u16 misc, u16 size
 *	SAMPLE   [identifier] [ip] [u32 pid, tid] [time] [addr] [id] [stream] [u32 cpu, res] [period]
 *	         [nr, ips[nr]] [abi, regs[17] unless abi is 0] [size, bytes[size], used unless size is
 *0] others   their fields, then with sample_id_all: [u32 pid, tid] [time] [id] [stream] [u32 cpu, res]
 *	         [identifier]
 */
#include "sample/record.h"

#include "base/rd.h"

#include <linux/perf_event.h>

enum {
	KNOWN_TYPES = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
		      PERF_SAMPLE_ADDR | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |
		      PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER |
		      PERF_SAMPLE_STACK_USER,
	ABI_64 = 2,
};

/* Call chains hold markers among the addresses, from here to the top of the address space. */
static const uint64_t first_marker = (uint64_t)PERF_CONTEXT_MAX;

bool xb_record_knows(uint64_t sample_type)
{
	return (sample_type & ~(uint64_t)KNOWN_TYPES) == 0;
}

/* In the order in which perf numbers and writes them. */
static const uint8_t dwarf_of_perf[XB_REG_COUNT] = {
	XB_REG_RAX, XB_REG_RBX, XB_REG_RCX, XB_REG_RDX, XB_REG_RSI, XB_REG_RDI,
	XB_REG_RBP, XB_REG_RSP, XB_REG_RIP, XB_REG_R8,  XB_REG_R9,  XB_REG_R10,
	XB_REG_R11, XB_REG_R12, XB_REG_R13, XB_REG_R14, XB_REG_R15,
};

static void read_regs(struct xb_rd *rd, struct xb_raw_sample *s)
{
	/* Kernels before 5.x do not save these on a system call and report -1. */
	const uint32_t maybe = 1U << XB_REG_RBX | 1U << XB_REG_RBP | 1U << XB_REG_R12 |
			       1U << XB_REG_R13 | 1U << XB_REG_R14 | 1U << XB_REG_R15;
	uint64_t abi = xb_rd_u64(rd);

	s->regs.valid = 0;
	if (abi == PERF_SAMPLE_REGS_ABI_NONE)
		return;
	for (size_t i = 0; i < XB_REG_COUNT; i++) {
		uint8_t n = dwarf_of_perf[i];
		uint64_t v = xb_rd_u64(rd);

		s->regs.r[n] = v;
		if (v != UINT64_MAX || !s->kernel_mode || (maybe >> n & 1U) == 0)
			s->regs.valid |= 1U << n;
	}
	if (abi != ABI_64)
		s->regs.valid = 0; /* 32-bit code in a 64-bit VM: registers we cannot interpret */
}

static void read_chain(struct xb_rd *rd, struct xb_raw_sample *s)
{
	uint64_t nr = xb_rd_u64(rd);
	const unsigned char *ips;
	size_t begin = 0, end;
	bool kernel = false;

	if (nr > rd->len / sizeof(uint64_t)) {
		rd->bad = true;
		return;
	}
	ips = xb_rd_bytes(rd, (size_t)nr * sizeof(uint64_t));
	if (ips == NULL)
		return;
	for (end = 0; end < nr; end++) {
		uint64_t ip = xb_load64(ips, end * sizeof(ip));

		if (ip < first_marker)
			continue;
		if (kernel)
			break;
		kernel = ip == (uint64_t)PERF_CONTEXT_KERNEL;
		begin = end + 1;
	}
	if (kernel) {
		s->kernel_ips = (const void *)(ips + begin * sizeof(uint64_t));
		s->n_kernel_ips = end - begin;
	}
}

static void read_stack(struct xb_rd *rd, struct xb_raw_sample *s)
{
	uint64_t size = xb_rd_u64(rd), used;
	const unsigned char *p;

	if (size == 0)
		return;
	if (size > rd->len) {
		rd->bad = true;
		return;
	}
	p = xb_rd_bytes(rd, (size_t)size);
	used = xb_rd_u64(rd);
	if (used > size) {
		rd->bad = true;
		return;
	}
	if (!xb_regs_has(&s->regs, XB_REG_RSP))
		return; /* bytes of an unknown place */
	s->stack = p;
	s->stack_len = (size_t)used;
	s->stack_addr = s->regs.r[XB_REG_RSP];
}

static void read_sample(const struct xb_record_format *format, uint16_t misc, struct xb_rd *rd,
			struct xb_record *ret)
{
	struct xb_raw_sample *s = &ret->sample;
	uint64_t type = format->sample_type;

	s->kernel_mode = (misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
	if (type & PERF_SAMPLE_IDENTIFIER)
		ret->id = xb_rd_u64(rd);
	if (type & PERF_SAMPLE_IP)
		s->ip = xb_rd_u64(rd);
	if (type & PERF_SAMPLE_TID) {
		ret->pid = (pid_t)xb_rd_u32(rd);
		s->tid = (pid_t)xb_rd_u32(rd);
	}
	if (type & PERF_SAMPLE_TIME)
		s->time_ns = xb_rd_u64(rd);
	if (type & PERF_SAMPLE_ADDR)
		xb_rd_skip(rd, 8);
	if (type & PERF_SAMPLE_ID)
		ret->id = xb_rd_u64(rd);
	if (type & PERF_SAMPLE_STREAM_ID)
		xb_rd_skip(rd, 8);
	if (type & PERF_SAMPLE_CPU) {
		s->cpu = xb_rd_u32(rd);
		xb_rd_skip(rd, 4);
	}
	if (type & PERF_SAMPLE_PERIOD)
		s->period_ns = xb_rd_u64(rd);
	if (type & PERF_SAMPLE_CALLCHAIN)
		read_chain(rd, s);
	if (type & PERF_SAMPLE_REGS_USER)
		read_regs(rd, s);
	if (type & PERF_SAMPLE_STACK_USER)
		read_stack(rd, s);
}

/* The trailer of records that are no samples has a fixed size, at the very end. */
static void read_trailer(const struct xb_record_format *format, struct xb_rd *rd, struct xb_record *ret)
{
	static const uint64_t fields[] = { PERF_SAMPLE_TID, PERF_SAMPLE_TIME,
					   PERF_SAMPLE_ID,  PERF_SAMPLE_STREAM_ID,
					   PERF_SAMPLE_CPU, PERF_SAMPLE_IDENTIFIER };
	size_t size = 0;
	struct xb_rd tail;

	if (!format->sample_id_all)
		return;
	for (size_t i = 0; i < XB_ARRAY_LEN(fields); i++)
		size += (format->sample_type & fields[i]) != 0 ? 8 : 0;
	if (size > rd->len - rd->at) {
		rd->bad = true;
		return;
	}
	tail = xb_rd_of(rd->data + rd->len - size, size);
	rd->len -= size;
	for (size_t i = 0; i < XB_ARRAY_LEN(fields); i++) {
		uint64_t v = (format->sample_type & fields[i]) != 0 ? xb_rd_u64(&tail) : 0;

		if (fields[i] == PERF_SAMPLE_TID) {
			ret->pid = (pid_t)(uint32_t)v;
			ret->event.tid = (pid_t)(v >> 32);
		} else if (fields[i] == PERF_SAMPLE_TIME) {
			ret->event.time_ns = v;
		} else if (fields[i] == PERF_SAMPLE_ID) {
			ret->id = v;
		}
	}
}

/* Text to the end of the record: NUL-padded to 8, so a missing NUL is damage. */
static const char *read_text(struct xb_rd *rd)
{
	size_t left = rd->len - rd->at;
	const char *p = xb_rd_bytes(rd, left);

	if (p == NULL || memchr(p, '\0', left) == NULL) {
		rd->bad = true;
		return "";
	}
	return p;
}

static enum xb_record_got read_task(uint32_t type, struct xb_rd *rd, struct xb_record *ret)
{
	pid_t pid = (pid_t)xb_rd_u32(rd), ppid = (pid_t)xb_rd_u32(rd);
	pid_t tid = (pid_t)xb_rd_u32(rd), ptid = (pid_t)xb_rd_u32(rd);

	ret->event.kind = type == PERF_RECORD_FORK ? XB_EVENT_THREAD_START : XB_EVENT_THREAD_EXIT;
	ret->event.time_ns = xb_rd_u64(rd);
	ret->event.tid = tid;
	ret->event.by_tid = ptid;
	ret->pid = pid;
	/* A new process is not a new thread of the target. */
	return type == PERF_RECORD_FORK && pid != ppid ? XB_RECORD_OTHER : XB_RECORD_EVENT;
}

static void read_map(struct xb_rd *rd, struct xb_record *ret)
{
	struct xb_source_event *e = &ret->event;

	e->kind = XB_EVENT_MAP;
	ret->pid = (pid_t)xb_rd_u32(rd);
	e->tid = (pid_t)xb_rd_u32(rd);
	e->map.addr = xb_rd_u64(rd);
	e->map.len = xb_rd_u64(rd);
	e->map.pgoff = xb_rd_u64(rd);
	xb_rd_skip(rd, 24); /* device, inode, generation; or a build id */
	e->map.prot = xb_rd_u32(rd);
	xb_rd_skip(rd, 4);
	e->map.file = read_text(rd);
}

static enum xb_record_got read_event(uint32_t type, uint16_t misc, struct xb_rd *rd,
				     struct xb_record *ret)
{
	struct xb_source_event *e = &ret->event;

	switch (type) {
	case PERF_RECORD_LOST:
		e->kind = XB_EVENT_LOST;
		ret->id = xb_rd_u64(rd);
		e->lost = xb_rd_u64(rd);
		e->tid = 0; /* the trailer names whoever came next, not who lost */
		return XB_RECORD_EVENT;
	case PERF_RECORD_LOST_SAMPLES:
		e->kind = XB_EVENT_LOST;
		e->lost = xb_rd_u64(rd);
		e->tid = 0;
		return XB_RECORD_EVENT;
	case PERF_RECORD_THROTTLE:
	case PERF_RECORD_UNTHROTTLE:
		e->kind = type == PERF_RECORD_THROTTLE ? XB_EVENT_THROTTLE : XB_EVENT_UNTHROTTLE;
		e->time_ns = xb_rd_u64(rd);
		return XB_RECORD_EVENT;
	case PERF_RECORD_MMAP2:
		read_map(rd, ret);
		return XB_RECORD_EVENT;
	case PERF_RECORD_COMM:
		e->kind = (misc & PERF_RECORD_MISC_COMM_EXEC) != 0 ? XB_EVENT_EXEC : XB_EVENT_COMM;
		ret->pid = (pid_t)xb_rd_u32(rd);
		e->tid = (pid_t)xb_rd_u32(rd);
		e->comm = read_text(rd);
		return XB_RECORD_EVENT;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return read_task(type, rd, ret);
	default:
		return XB_RECORD_OTHER;
	}
}

enum xb_record_got xb_record_parse(const struct xb_record_format *format, const unsigned char *bytes,
				   size_t len, struct xb_record *ret)
{
	struct xb_rd rd = xb_rd_of(bytes, len);
	uint32_t type = xb_rd_u32(&rd);
	uint16_t misc = xb_rd_u16(&rd);
	enum xb_record_got got = XB_RECORD_SAMPLE;

	*ret = (struct xb_record){ 0 };
	xb_rd_skip(&rd, 2);
	if (type == PERF_RECORD_SAMPLE) {
		read_sample(format, misc, &rd, ret);
	} else {
		read_trailer(format, &rd, ret);
		got = read_event(type, misc, &rd, ret);
	}
	return rd.bad ? XB_RECORD_DAMAGED : got;
}
