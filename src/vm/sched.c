#include "vm/sched.h"

#include "base/rd.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	HEAD_BYTES = 512, /* every field asked for lies in front of this */
	DESCRIPTOR_BYTES =
		2048, /* of glibc's and musl's struct pthread, in front of which the tid lies */
};

uint64_t xb_sched_stride(const struct xb_vm *vm)
{
	return xb_align_up(vm->layout.size[XB_S_ErtsSchedulerData], XB_SCHED_ALIGN);
}

const char *xb_sched_kind_name(enum xb_sched_kind kind)
{
	static const char *const names[] = { "scheduler", "dirty_cpu_scheduler", "dirty_io_scheduler" };

	return names[kind];
}

static struct xb_sched decode(const struct xb_layout *l, xb_addr addr, const unsigned char *bytes)
{
	struct xb_rec rec = { l, bytes, HEAD_BYTES };
	uint64_t type = xb_rec_get(&rec, XB_F_ErtsSchedulerData_type);
	struct xb_sched s = { .addr = addr };

	s.kind = type == l->konst[XB_K_SCHED_DIRTY_CPU]  ? XB_SCHED_DIRTY_CPU
		 : type == l->konst[XB_K_SCHED_DIRTY_IO] ? XB_SCHED_DIRTY_IO
							 : XB_SCHED_NORMAL;
	s.no = (uint32_t)xb_rec_get(&rec, s.kind == XB_SCHED_NORMAL ? XB_F_ErtsSchedulerData_no
								    : XB_F_ErtsSchedulerData_dirty_no);
	s.registers = xb_rec_get(&rec, XB_F_ErtsSchedulerData_registers);
	s.current = xb_rec_get(&rec, XB_F_ErtsSchedulerData_current_process);
	s.pthread = xb_rec_get(&rec, XB_F_ErtsSchedulerData_tid);
	return s;
}

static struct xb_error *read_kind(struct xb_vm *vm, enum xb_root_id array, enum xb_root_id count,
				  struct xb_sched *out, size_t *n_ret)
{
	uint64_t stride = xb_sched_stride(vm);
	size_t n = XB_MIN(vm->roots.value[count], (uint64_t)XB_SCHED_MAX);
	xb_addr base = vm->roots.value[array];
	unsigned char *heads = malloc(n * HEAD_BYTES + 1);
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	struct xb_error *err;

	for (size_t i = 0; io != NULL && i < n; i++)
		io[i] = (struct xb_io){ .addr = base + i * stride,
					.len = HEAD_BYTES,
					.buf = heads + i * HEAD_BYTES };
	err = heads == NULL || io == NULL ? xb_error_nomem() : xb_mem_readv(vm->mem, io, n);
	for (size_t i = 0; err == NULL && i < n; i++) {
		if (io[i].got < HEAD_BYTES)
			err = xb_errorf(XB_ERR_FAULT, "cannot read the scheduler at 0x%llx",
					(unsigned long long)io[i].addr);
		else
			out[i] = decode(&vm->layout, io[i].addr, io[i].buf);
	}
	free(heads);
	free(io);
	*n_ret = n;
	return err;
}

struct xb_error *xb_sched_read(struct xb_vm *vm, struct xb_arena *arena, struct xb_scheds *ret)
{
	struct xb_scheds s = { 0 };

	s.list = xb_arena_array(arena, (size_t)3 * XB_SCHED_MAX, sizeof(*s.list));
	if (s.list == NULL)
		return xb_error_nomem();
	XB_TRY(read_kind(vm, XB_ROOT_SCHEDULERS, XB_ROOT_N_SCHEDULERS, s.list, &s.n_normal));
	s.n = s.n_normal;
	XB_TRY(read_kind(vm, XB_ROOT_DIRTY_CPU_SCHEDULERS, XB_ROOT_N_DIRTY_CPU_SCHEDULERS, s.list + s.n,
			 &s.n_dirty_cpu));
	s.n += s.n_dirty_cpu;
	XB_TRY(read_kind(vm, XB_ROOT_DIRTY_IO_SCHEDULERS, XB_ROOT_N_DIRTY_IO_SCHEDULERS, s.list + s.n,
			 &s.n_dirty_io));
	s.n += s.n_dirty_io;
	*ret = s;
	return NULL;
}

static bool among(uint32_t value, const pid_t *tids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((uint32_t)tids[i] == value)
			return true;
	}
	return false;
}

/* Whether the word at @off of every descriptor is a different thread id. */
static bool all_tids(const struct xb_scheds *s, const unsigned char *descriptors, size_t off,
		     const pid_t *tids, size_t n)
{
	for (size_t i = 0; i < s->n; i++) {
		uint32_t tid = xb_load32(descriptors, i * DESCRIPTOR_BYTES + off);

		if (!among(tid, tids, n))
			return false;
		for (size_t k = 0; k < i; k++) {
			if (xb_load32(descriptors, k * DESCRIPTOR_BYTES + off) == tid)
				return false;
		}
	}
	return true;
}

size_t xb_sched_match(struct xb_vm *vm, struct xb_scheds *scheds, const pid_t *tids, size_t n_tids)
{
	unsigned char *descriptors = calloc(scheds->n + 1, DESCRIPTOR_BYTES);
	size_t matched = 0;

	if (descriptors == NULL)
		return 0;
	for (size_t i = 0; i < scheds->n; i++)
		(void)xb_mem_try(vm->mem, scheds->list[i].pthread, descriptors + i * DESCRIPTOR_BYTES,
				 DESCRIPTOR_BYTES);
	for (size_t off = 0; off + 4 <= DESCRIPTOR_BYTES && matched == 0; off += 4) {
		if (!all_tids(scheds, descriptors, off, tids, n_tids))
			continue;
		for (size_t i = 0; i < scheds->n; i++)
			scheds->list[i].tid = (pid_t)xb_load32(descriptors, i * DESCRIPTOR_BYTES + off);
		matched = scheds->n;
	}
	free(descriptors);
	return matched;
}

xb_addr xb_sched_current(struct xb_vm *vm, const struct xb_sched *s)
{
	xb_addr current = 0;

	if (xb_mem_try(vm->mem,
		       s->addr + xb_layout_at(&vm->layout, XB_F_ErtsSchedulerData_current_process),
		       &current, 8) < 8)
		return 0;
	return current;
}
