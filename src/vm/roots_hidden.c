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
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 4096, /* of the process table looked at: the first processes never exit */
	PROCESSES = 64,
	CACHE_LINE = 64,
	MAX_SCHEDULERS = 1024, /* ERTS_MAX_NO_OF_SCHEDULERS */
	MAX_GAP = 32,          /* bytes between the pointer to the run queues and the counts */
	POINTER_FLAGS = 7,
};

/* --- schedulers --- */

/* Address of scheduler 1 by the run queue of the process at @p; 0 when it does not lead there. */
static xb_addr scheduler_of(struct xb_vm *vm, xb_addr p)
{
	const struct xb_layout *l = &vm->layout;
	uint64_t stride = xb_align_up(l->size[XB_S_ErtsSchedulerData], CACHE_LINE), no = 0;
	xb_addr queue = 0, sched = 0;
	uint32_t type = 0;

	if (xb_mem_try(vm->mem, p + xb_layout_at(l, XB_F_Process_run_queue), &queue, 8) < 8)
		return 0;
	queue &= ~(xb_addr)POINTER_FLAGS;
	if (queue == 0 ||
	    xb_mem_try(vm->mem, queue + xb_layout_at(l, XB_F_ErtsRunQueue_scheduler), &sched, 8) < 8 ||
	    sched == 0 || sched % CACHE_LINE != 0 ||
	    xb_mem_try(vm->mem, sched + xb_layout_at(l, XB_F_ErtsSchedulerData_no), &no, 8) < 8 ||
	    xb_mem_try(vm->mem, sched + xb_layout_at(l, XB_F_ErtsSchedulerData_type), &type, 4) < 4 ||
	    type != l->konst[XB_K_SCHED_NORMAL] || no == 0 || no > MAX_SCHEDULERS)
		return 0;
	return sched - (no - 1) * stride;
}

/* All processes that lead to a scheduler lead to the same first one. */
static struct xb_error *first_scheduler(struct xb_vm *vm, xb_addr *ret)
{
	uint64_t *slots = calloc(SLOTS, sizeof(*slots));
	size_t n, looked = 0;
	xb_addr found = 0;

	if (slots == NULL)
		return xb_error_nomem();
	n = xb_mem_try(vm->mem, vm->roots.proc_tab, slots,
		       8 * (size_t)XB_MIN(vm->roots.proc_max, (uint32_t)SLOTS)) /
	    8;
	for (size_t i = 0; i < n && looked < PROCESSES; i++) {
		xb_addr first;

		if (slots[i] == 0 || slots[i] % 8 != 0 || slots[i] == vm->roots.proc_invalid)
			continue;
		looked++;
		first = scheduler_of(vm, slots[i]);
		if (first != 0 && found != 0 && first != found) {
			free(slots);
			return xb_errorf(XB_ERR_MISMATCH,
					 "processes lead to two first schedulers, 0x%llx and 0x%llx",
					 (unsigned long long)found, (unsigned long long)first);
		}
		found = first != 0 ? first : found;
	}
	free(slots);
	*ret = found;
	return NULL;
}

/* { run queues, dirty IO, dirty CPU, all, normal } schedulers, as erl_process.c declares them side by side. */
static bool are_counts(const struct xb_finder *f, xb_addr at)
{
	uint64_t queues = xb_finder_word(f, at), io = xb_finder_word(f, at + 8),
		 cpu = xb_finder_word(f, at + 16), all = xb_finder_word(f, at + 24),
		 normal = xb_finder_word(f, at + 32);

	return normal >= 1 && normal <= MAX_SCHEDULERS && queues == normal && cpu >= 1 &&
	       cpu <= normal && io >= 1 && io <= MAX_SCHEDULERS && all == normal + cpu + io;
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

static struct xb_error *find_schedulers(struct xb_vm *vm, const struct xb_finder *f, struct xb_roots *r)
{
	xb_addr first, at = 0, counts = 0, pointer = 0;
	size_t hits = 0;

	XB_TRY(xb_roots_read(vm));
	XB_TRY(first_scheduler(vm, &first));
	while (first != 0 && (at = xb_finder_next(f, at, first)) != 0) {
		xb_addr beside = counts_beside(f, at);

		hits += beside != 0;
		counts = beside != 0 ? beside : counts;
		pointer = beside != 0 ? at : pointer;
	}
	if (hits != 1)
		return NULL;
	r->at[XB_ROOT_SCHEDULERS] = (struct xb_root){ .addr = pointer, .sources = XB_ROOT_BY_LINKS };
	r->at[XB_ROOT_DIRTY_CPU_SCHEDULERS].addr = pointer - 8;
	r->at[XB_ROOT_DIRTY_IO_SCHEDULERS].addr = pointer - 16;
	r->at[XB_ROOT_N_DIRTY_IO_SCHEDULERS].addr = counts + 8;
	r->at[XB_ROOT_N_DIRTY_CPU_SCHEDULERS].addr = counts + 16;
	r->at[XB_ROOT_N_SCHEDULERS].addr = counts + 32;
	for (int id = XB_ROOT_DIRTY_CPU_SCHEDULERS; id <= XB_ROOT_N_DIRTY_IO_SCHEDULERS; id++)
		r->at[id].sources = XB_ROOT_BY_NEIGHBOURS;
	return NULL;
}

/* --- the code index --- */

static void find_code_index(const struct xb_vm *vm, struct xb_finder *f, struct xb_roots *r)
{
	xb_addr ranges = r->at[XB_ROOT_RANGES].addr;

	if (ranges != 0 && xb_ranges_beside_index(f, ranges))
		r->at[XB_ROOT_CODE_INDEX] = (struct xb_root){
			.addr = ranges + vm->layout.konst[XB_K_CODE_INDEX_AFTER_RANGES],
			.sources = XB_ROOT_BY_NEIGHBOURS,
		};
}

/* --- what the gdb JIT list tells --- */

static void take_stub(struct xb_roots *r, enum xb_root_id id, const char *name,
		      const struct xb_jitrange *range)
{
	if (strlen(name) != range->name_len || memcmp(name, range->name, range->name_len) != 0)
		return;
	r->at[id] = (struct xb_root){ .addr = range->start,
				      .sources = XB_ROOT_BY_JITLIST,
				      .is_value = true };
}

/* Mirrors erts/emulator/beam/jit/beam_jit_main.cpp:beamasm_init(), where the stubs get their names. */
static struct xb_error *find_stubs(struct xb_vm *vm, struct xb_roots *r)
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
			r->at[XB_ROOT_FRAME_LAYOUT] =
				(struct xb_root){ .addr = e->symfile + FRAME_LAYOUT_AT,
						  .sources = XB_ROOT_BY_JITLIST };
		for (uint32_t k = 0; e->own && k < e->n_ranges; k++) {
			for (size_t s = 0; s < XB_ARRAY_LEN(stubs); s++)
				take_stub(r, stubs[s].id, stubs[s].name, &e->ranges[k]);
		}
	}
	if (err == NULL && list.has_emulator && r->at[XB_ROOT_NORMAL_EXIT].addr != 0 &&
	    r->at[XB_ROOT_NORMAL_EXIT].addr != list.normal_exit)
		err = xb_errorf(
			XB_ERR_MISMATCH,
			"normal exit: the VM's code says 0x%llx, its entry for debuggers 0x%llx",
			(unsigned long long)r->at[XB_ROOT_NORMAL_EXIT].addr,
			(unsigned long long)list.normal_exit);
	xb_jitlist_deinit(&list);
	return err;
}

struct xb_error *xb_roots_hidden(struct xb_vm *vm, struct xb_finder *f, enum xb_root_id id,
				 struct xb_root *ret)
{
	struct xb_roots *found = calloc(1, sizeof(*found));
	struct xb_error *err = NULL;

	if (found == NULL)
		return xb_error_nomem();
	*found = vm->roots;
	if (id == XB_ROOT_CODE_INDEX)
		find_code_index(vm, f, found);
	else if (id >= XB_ROOT_SCHEDULERS && id <= XB_ROOT_N_DIRTY_IO_SCHEDULERS)
		err = find_schedulers(vm, f, found);
	else if (id >= XB_ROOT_FRAME_LAYOUT && vm->roots.at[XB_ROOT_JIT_DESCRIPTOR].addr != 0)
		err = find_stubs(vm, found);
	*ret = found->at[id];
	free(found);
	return err;
}
