#include "base/rd.h"
#include "vm/check_impl.h"
#include "vm/process.h"
#include "vm/sched.h"
#include "vm/vm.h"

#include <stdlib.h>

enum { AGAIN = 8 };

/* Run queue of every scheduler, and the scheduler that queue names. */
struct links {
	struct xb_scheds s;
	xb_addr *queue, *back; /* s.n each, without flag bits; 0: unreadable */
};

static struct xb_error *read_links(struct xb_vm *vm, struct xb_arena *arena, struct links *ret)
{
	const struct xb_layout *l = &vm->layout;
	struct links k = { 0 };
	xb_addr *at;

	XB_TRY(xb_sched_read(vm, arena, &k.s));
	at = xb_arena_array(arena, k.s.n + 1, sizeof(*at));
	k.queue = xb_arena_array(arena, k.s.n + 1, sizeof(*k.queue));
	k.back = xb_arena_array(arena, k.s.n + 1, sizeof(*k.back));
	if (at == NULL || k.queue == NULL || k.back == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < k.s.n; i++)
		at[i] = k.s.list[i].addr + xb_layout_at(l, XB_F_ErtsSchedulerData_run_queue);
	XB_TRY(xb_mem_words(vm->mem, at, k.s.n, k.queue));
	for (size_t i = 0; i < k.s.n; i++) {
		k.queue[i] &= ~(xb_addr)XB_SCHED_QUEUE_FLAGS;
		at[i] = k.queue[i] + xb_layout_at(l, XB_F_ErtsRunQueue_scheduler);
	}
	XB_TRY(xb_mem_words(vm->mem, at, k.s.n, k.back));
	*ret = k;
	return NULL;
}

/*
 * Scheduler i has number i + 1, and its run queue names a scheduler.  Dirty schedulers share one queue
 * for each kind, whose scheduler field is not set.
 */
struct xb_error *xb_check_sched_ring(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct links k;

	XB_TRY(read_links(c->vm, &arena, &k));
	for (size_t i = 0; i < k.s.n; i++, r->tested++) {
		const struct xb_sched *d = &k.s.list[i];
		enum xb_sched_kind kind = i < k.s.n_normal                     ? XB_SCHED_NORMAL
					  : i < k.s.n_normal + k.s.n_dirty_cpu ? XB_SCHED_DIRTY_CPU
									       : XB_SCHED_DIRTY_IO;
		size_t first = kind == XB_SCHED_NORMAL      ? 0
			       : kind == XB_SCHED_DIRTY_CPU ? k.s.n_normal
							    : k.s.n_normal + k.s.n_dirty_cpu;

		if (d->kind != kind || d->no != i - first + 1 || k.queue[i] == 0 ||
		    (kind == XB_SCHED_NORMAL && k.back[i] != d->addr) ||
		    (kind != XB_SCHED_NORMAL && k.queue[i] != k.queue[first]))
			r->failed++;
	}
	/* There is one of each kind at least, and a number that is too small would hide the rest. */
	if (k.s.n_normal == 0 || k.s.n_dirty_cpu == 0 || k.s.n_dirty_io == 0) {
		r->tested++;
		r->failed++;
	}
	return NULL;
}

/* What pthread_t points to begins with a pointer to itself: glibc's tcbhead_t.tcb and musl's struct pthread.self. */
struct xb_error *xb_check_sched_thread(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_scheds s;
	xb_addr *at, *self;

	XB_TRY(xb_sched_read(c->vm, &arena, &s));
	at = xb_arena_array(&arena, s.n + 1, sizeof(*at));
	self = xb_arena_array(&arena, s.n + 1, sizeof(*self));
	if (at == NULL || self == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < s.n; i++)
		at[i] = s.list[i].pthread;
	XB_TRY(xb_mem_words(c->vm->mem, at, s.n, self));
	for (size_t i = 0; i < s.n; i++, r->tested++)
		r->failed += at[i] == 0 || self[i] != at[i];
	return NULL;
}

static bool among(xb_addr addr, const xb_addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == addr)
			return true;
	}
	return false;
}

/*
 * A process belongs to the run queue of some scheduler, and knows a scheduler's data at most while it runs.  Judged on
 * the sample as it was copied: both are plain pointers, which are either old or new.
 */
struct xb_error *xb_check_sched_links(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct links k;
	xb_addr *data;

	XB_TRY(read_links(c->vm, &arena, &k));
	data = xb_arena_array(&arena, k.s.n + 1, sizeof(*data));
	if (data == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < k.s.n; i++)
		data[i] = k.s.list[i].addr;
	for (size_t i = 0; i < c->n; i++) {
		const struct xb_rec *p = &c->subject[i].rec;
		xb_addr queue = xb_rec_get(p, XB_F_Process_run_queue) & ~(xb_addr)XB_SCHED_QUEUE_FLAGS;
		xb_addr sched = xb_rec_get(p, XB_F_Process_scheduler_data);

		if (p->len == 0)
			continue;
		r->tested++;
		r->failed +=
			!among(queue, k.queue, k.s.n) || (sched != 0 && !among(sched, data, k.s.n));
	}
	return NULL;
}

/* A dirty scheduler may show a structure that is in no table; it has a pid all the same. */
static bool can_run(struct xb_vm *vm, const struct xb_sched *s, xb_addr p)
{
	uint64_t id;

	if (p == 0 || xb_proc_is(vm, p))
		return true;
	return s->kind != XB_SCHED_NORMAL && p % 8 == 0 &&
	       xb_mem_try(vm->mem, p + xb_layout_at(&vm->layout, XB_F_Process_id), &id, 8) == 8 &&
	       (id & 0xf) == vm->layout.konst[XB_K_TAG_PID];
}

/* current_process changes all the time: what is seen may be gone by the time it is looked at. */
struct xb_error *xb_check_sched_current(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_scheds s;

	XB_TRY(xb_sched_read(c->vm, &arena, &s));
	for (size_t i = 0; i < s.n; i++, r->tested++) {
		bool ok = can_run(c->vm, &s.list[i], s.list[i].current);

		for (int k = 0; k < AGAIN && !ok; k++)
			ok = can_run(c->vm, &s.list[i], xb_sched_current(c->vm, &s.list[i]));
		r->failed += !ok;
	}
	return NULL;
}
