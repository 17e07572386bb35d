#include "vm/check_impl.h"
#include "vm/process.h"
#include "vm/sched.h"
#include "vm/vm.h"

enum { AGAIN = 8, RUN_QUEUE_FLAGS = 7 };

/*
 * Scheduler i has number i + 1, and its run queue names a scheduler.  Dirty schedulers share one queue
 * for each kind, whose scheduler field is not set.
 */
struct xb_error *xb_check_sched_ring(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	const struct xb_layout *l = &vm->layout;
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_scheds s;

	XB_TRY(xb_sched_read(vm, &arena, &s));
	for (size_t i = 0; i < s.n; i++, r->tested++) {
		const struct xb_sched *d = &s.list[i];
		enum xb_sched_kind kind = i < s.n_normal                   ? XB_SCHED_NORMAL
					  : i < s.n_normal + s.n_dirty_cpu ? XB_SCHED_DIRTY_CPU
									   : XB_SCHED_DIRTY_IO;
		size_t first = kind == XB_SCHED_NORMAL      ? 0
			       : kind == XB_SCHED_DIRTY_CPU ? s.n_normal
							    : s.n_normal + s.n_dirty_cpu;
		xb_addr queue = 0, back = 0;

		(void)xb_mem_try(vm->mem, d->addr + xb_layout_at(l, XB_F_ErtsSchedulerData_run_queue),
				 &queue, 8);
		(void)xb_mem_try(vm->mem,
				 (queue & ~(xb_addr)RUN_QUEUE_FLAGS) +
					 xb_layout_at(l, XB_F_ErtsRunQueue_scheduler),
				 &back, 8);
		if (d->kind != kind || d->no != i - first + 1 || queue == 0 || d->pthread == 0 ||
		    (kind == XB_SCHED_NORMAL && back != d->addr))
			r->failed++;
	}
	if (s.n_normal == 0)
		r->tested = r->failed = 1;
	return NULL;
}

struct xb_error *xb_check_sched_current(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_scheds s;

	XB_TRY(xb_sched_read(vm, &arena, &s));
	/* Dirty schedulers may show a shadow process that is in no table: only normal ones can be
	 * judged. */
	for (size_t i = 0; i < s.n_normal; i++, r->tested++) {
		bool ok = false;

		for (int k = 0; k < AGAIN && !ok; k++) {
			xb_addr p = xb_sched_current(vm, &s.list[i]);

			ok = p == 0 || xb_proc_is(vm, p);
		}
		r->failed += !ok;
	}
	return NULL;
}
