/*
 * Roots of a VM whose symbols are hidden: what leads to them, and what lies beside them.
 *
 *	process ─► run queue ─► scheduler 1 ◄─ erts_aligned_scheduler_data, its neighbours: the other kinds, the counts
 *	code ranges ─► the_active_code_index, behind them
 *	JIT descriptor ─► the VM's own code: normal exit, frame layout, the stubs that tracing returns to
 *
 * Neighbours are as the linker laid them out, which no header promises: values have to agree with each other here, and
 * the live checks (vm/check.c) have to hold afterwards.
 */
#include "vm/roots_hidden.h"

#include "base/rd.h"
#include "vm/jitlist.h"
#include "vm/sched.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 4096, /* of the process table looked at: the first processes never exit */
	PROCESSES = 64,
	MAX_GAP = 32, /* bytes between the pointer to the run queues and the counts */
};

/* --- schedulers --- */

/* Addresses of some processes: the first ones of the table. */
static size_t some_processes(struct xb_vm *vm, xb_addr ret[PROCESSES])
{
	size_t len = 8 * (size_t)XB_MIN(vm->roots.proc_max, (uint32_t)SLOTS), n = 0;
	uint64_t *slots = calloc(1, len + 1);

	if (slots == NULL)
		return 0;
	len = xb_mem_try(vm->mem, vm->roots.proc_tab, slots, len);
	for (size_t i = 0; i < len / 8 && n < PROCESSES; i++) {
		if (slots[i] != 0 && slots[i] % 8 == 0 && slots[i] != vm->roots.proc_invalid)
			ret[n++] = slots[i];
	}
	free(slots);
	return n;
}

/* The words that lie @field behind each of @from, in @ret; from nowhere, there is nothing. */
static struct xb_error *behind(struct xb_vm *vm, const xb_addr *from, size_t n,
			       enum xb_layout_field field, uint64_t *ret)
{
	xb_addr at[PROCESSES];

	for (size_t i = 0; i < n; i++)
		at[i] = from[i] == 0 ? 0 : from[i] + xb_layout_at(&vm->layout, field);
	return xb_mem_words(vm->mem, at, n, ret);
}

/* Scheduler 1: all processes whose run queue leads to a scheduler lead to the same first one. */
static struct xb_error *first_scheduler(struct xb_vm *vm, xb_addr *ret)
{
	xb_addr at[PROCESSES] = { 0 }, found = 0;
	uint64_t no[PROCESSES], type[PROCESSES];
	size_t n = some_processes(vm, at);

	XB_TRY(behind(vm, at, n, XB_F_Process_run_queue, at));
	for (size_t i = 0; i < n; i++)
		at[i] &= ~(xb_addr)XB_SCHED_QUEUE_FLAGS;
	XB_TRY(behind(vm, at, n, XB_F_ErtsRunQueue_scheduler, at));
	XB_TRY(behind(vm, at, n, XB_F_ErtsSchedulerData_no, no));
	XB_TRY(behind(vm, at, n, XB_F_ErtsSchedulerData_type, type));
	for (size_t i = 0; i < n; i++) {
		xb_addr first = at[i] - (no[i] - 1) * xb_sched_stride(vm);

		if (at[i] == 0 || at[i] % XB_SCHED_ALIGN != 0 || no[i] == 0 || no[i] > XB_SCHED_MAX ||
		    (uint32_t)type[i] != vm->layout.konst[XB_K_SCHED_NORMAL])
			continue;
		if (found != 0 && first != found)
			return xb_errorf(XB_ERR_MISMATCH,
					 "processes lead to two first schedulers, 0x%llx and 0x%llx",
					 (unsigned long long)found, (unsigned long long)first);
		found = first;
	}
	*ret = found;
	return NULL;
}

/* { run queues, dirty IO, dirty CPU, all, normal } schedulers, as erl_process.c declares them side by side. */
static bool are_counts(const struct xb_finder *f, xb_addr at)
{
	uint64_t queues = xb_finder_word(f, at), io = xb_finder_word(f, at + 8),
		 cpu = xb_finder_word(f, at + 16), all = xb_finder_word(f, at + 24),
		 normal = xb_finder_word(f, at + 32);

	return normal >= 1 && normal <= XB_SCHED_MAX && queues == normal && cpu >= 1 && cpu <= normal &&
	       io >= 1 && io <= XB_SCHED_MAX && all == normal + cpu + io;
}

/*
 * Where the counts begin behind the pointer at @at, 0 when what is around it is something else.  The pointers to the
 * dirty schedulers lie in front of it, the one to the run queues behind.
 */
static xb_addr counts_beside(const struct xb_finder *f, xb_addr at)
{
	xb_addr found = 0;

	for (xb_addr a = at - 16; a <= at + 8; a += 8) {
		if (!xb_finder_is_pointer(f, xb_finder_word(f, a)))
			return 0;
	}
	for (xb_addr a = at + 16; a <= at + 16 + MAX_GAP; a += 8) {
		if (!are_counts(f, a))
			continue;
		if (found != 0)
			return 0;
		found = a;
	}
	return found;
}

static struct xb_error *find_schedulers(struct xb_vm *vm, const struct xb_finder *f, struct xb_root *at)
{
	xb_addr first, place = 0, counts = 0, pointer = 0;
	size_t hits = 0;

	XB_TRY(xb_roots_read(vm));
	XB_TRY(first_scheduler(vm, &first));
	while (first != 0 && (place = xb_finder_next(f, place, first)) != 0) {
		xb_addr beside = counts_beside(f, place);

		hits += beside != 0;
		counts = beside != 0 ? beside : counts;
		pointer = beside != 0 ? place : pointer;
	}
	if (hits != 1)
		return NULL;
	at[XB_ROOT_SCHEDULERS] = (struct xb_root){ .addr = pointer, .sources = XB_ROOT_BY_LINKS };
	at[XB_ROOT_DIRTY_CPU_SCHEDULERS].addr = pointer - 8;
	at[XB_ROOT_DIRTY_IO_SCHEDULERS].addr = pointer - 16;
	at[XB_ROOT_N_DIRTY_IO_SCHEDULERS].addr = counts + 8;
	at[XB_ROOT_N_DIRTY_CPU_SCHEDULERS].addr = counts + 16;
	at[XB_ROOT_N_SCHEDULERS].addr = counts + 32;
	for (int id = XB_ROOT_DIRTY_CPU_SCHEDULERS; id <= XB_ROOT_N_DIRTY_IO_SCHEDULERS; id++)
		at[id].sources = XB_ROOT_BY_NEIGHBOURS;
	return NULL;
}

/* --- the code index --- */

static void find_code_index(const struct xb_vm *vm, struct xb_finder *f, struct xb_root *ret)
{
	xb_addr ranges = vm->roots.at[XB_ROOT_RANGES].addr;

	if (ranges != 0 && xb_ranges_beside_index(f, ranges))
		*ret = (struct xb_root){
			.addr = ranges + vm->layout.konst[XB_K_CODE_INDEX_AFTER_RANGES],
			.sources = XB_ROOT_BY_NEIGHBOURS,
		};
}

/* --- what the gdb JIT list tells --- */

static void take_stub(struct xb_root *at, enum xb_root_id id, const char *name,
		      const struct xb_jitrange *range)
{
	if (strlen(name) != range->name_len || memcmp(name, range->name, range->name_len) != 0)
		return;
	at[id] = (struct xb_root){ .addr = range->start,
				   .sources = XB_ROOT_BY_JITLIST,
				   .is_value = true };
}

/* Mirrors erts/emulator/beam/jit/beam_jit_main.cpp:beamasm_init(), where the stubs get their names. */
static struct xb_error *find_stubs(struct xb_vm *vm, struct xb_root *at)
{
	static const struct {
		enum xb_root_id id;
		const char *name;
	} stubs[] = {
		{ XB_ROOT_NORMAL_EXIT, "erts_beamasm:normal_exit/0" },
		{ XB_ROOT_RETURN_TRACE, "erts_beamasm:return_trace/0" },
		{ XB_ROOT_EXCEPTION_TRACE, "erts_beamasm:exception_trace/0" },
		{ XB_ROOT_TIME_TRACE, "erts_beamasm:return_time_trace/0" },
		{ XB_ROOT_TIME_TRACE, "erts_beamasm:call_trace_return/0" },
		{ XB_ROOT_RETURN_TO_TRACE, "erts_beamasm:return_to_trace/0" },
	};
	enum { FRAME_LAYOUT_AT = 8 };
	struct xb_jitlist list = XB_JITLIST_INIT;
	struct xb_error *err = xb_jitlist_read(vm, NULL, &list);

	for (size_t i = 0; err == NULL && i < list.len; i++) {
		const struct xb_jitentry *e = list.entries[i];

		if (e->kind == XB_JITENTRY_EMULATOR)
			at[XB_ROOT_FRAME_LAYOUT] =
				(struct xb_root){ .addr = e->symfile + FRAME_LAYOUT_AT,
						  .sources = XB_ROOT_BY_JITLIST };
		for (uint32_t k = 0; e->own && k < e->n_ranges; k++) {
			for (size_t s = 0; s < XB_ARRAY_LEN(stubs); s++)
				take_stub(at, stubs[s].id, stubs[s].name, &e->ranges[k]);
		}
	}
	if (err == NULL && list.has_emulator && at[XB_ROOT_NORMAL_EXIT].addr != 0 &&
	    at[XB_ROOT_NORMAL_EXIT].addr != list.normal_exit)
		err = xb_errorf(
			XB_ERR_MISMATCH,
			"normal exit: the VM's code says 0x%llx, its entry for debuggers 0x%llx",
			(unsigned long long)at[XB_ROOT_NORMAL_EXIT].addr,
			(unsigned long long)list.normal_exit);
	xb_jitlist_deinit(&list);
	return err;
}

struct xb_error *xb_roots_hidden(struct xb_vm *vm, struct xb_finder *f, struct xb_hidden_roots *known,
				 enum xb_root_id id, struct xb_root *ret)
{
	struct xb_error *err = NULL;

	if (id == XB_ROOT_CODE_INDEX) {
		find_code_index(vm, f, &known->at[id]);
	} else if (id >= XB_ROOT_SCHEDULERS && id <= XB_ROOT_N_DIRTY_IO_SCHEDULERS) {
		if (!known->schedulers)
			err = find_schedulers(vm, f, known->at);
		known->schedulers = true;
	} else if (id >= XB_ROOT_FRAME_LAYOUT && vm->roots.at[XB_ROOT_JIT_DESCRIPTOR].addr != 0) {
		if (!known->stubs)
			err = find_stubs(vm, known->at);
		known->stubs = true;
	}
	*ret = known->at[id];
	return err;
}
