/*
 * Schedulers without symbols.
 *
 *	process ─► run queue ─► scheduler 1 ◄─ erts_aligned_scheduler_data, its neighbours: the other kinds, the counts
 *	every pointer of the data ─► { number 1 of its kind, run queue } { number 2 … }: an array of schedulers
 *
 * Neighbours are as the linker laid them out, which no header promises: values have to agree with each other here, and
 * the live checks (vm/check.c) have to hold afterwards.
 */
#include "base/rd.h"
#include "mem/gather.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 4096, /* of the process table looked at: the first processes never exit */
	PROCESSES = 64,
	MAX_GAP = 32, /* bytes between the pointer to the run queues and the counts */
	BATCH = 64,   /* schedulers read at a time */
};

size_t xb_some_processes(struct xb_vm *vm, xb_addr *ret, size_t max)
{
	size_t len = 8 * (size_t)XB_MIN(vm->roots.proc_max, (uint32_t)SLOTS), n = 0;
	uint64_t *slots = calloc(1, len + 1);

	if (slots == NULL)
		return 0;
	len = xb_mem_try(vm->mem, vm->roots.proc_tab, slots, len);
	for (size_t i = 0; i < len / 8 && n < max; i++) {
		if (slots[i] != 0 && slots[i] % 8 == 0 && slots[i] != vm->roots.proc_invalid)
			ret[n++] = slots[i];
	}
	free(slots);
	return n;
}

/* --- how many there are --- */

/* The fields that tell a scheduler, as one range: bytes from the start of the structure. */
static void telling_fields(const struct xb_layout *l, uint32_t *from, uint32_t *to)
{
	static const enum xb_layout_field fields[] = { XB_F_ErtsSchedulerData_type,
						       XB_F_ErtsSchedulerData_no,
						       XB_F_ErtsSchedulerData_dirty_no,
						       XB_F_ErtsSchedulerData_run_queue };

	*from = UINT32_MAX;
	*to = 0;
	for (size_t i = 0; i < XB_ARRAY_LEN(fields); i++) {
		*from = XB_MIN(*from, xb_layout_at(l, fields[i]));
		*to = XB_MAX(*to, xb_layout_at(l, fields[i]) + 8);
	}
}

/* Whether these bytes, of telling_fields(), are scheduler number @no of @kind; *@queue: its run queue. */
static bool is_scheduler(const struct xb_layout *l, const unsigned char *bytes, uint32_t from,
			 enum xb_sched_kind kind, uint64_t no, xb_addr *queue)
{
	static const enum xb_layout_const types[] = { XB_K_SCHED_NORMAL, XB_K_SCHED_DIRTY_CPU,
						      XB_K_SCHED_DIRTY_IO };
	enum xb_layout_field number =
		kind == XB_SCHED_NORMAL ? XB_F_ErtsSchedulerData_no : XB_F_ErtsSchedulerData_dirty_no;

	*queue = xb_load64(bytes, xb_layout_at(l, XB_F_ErtsSchedulerData_run_queue) - from) &
		 ~(xb_addr)XB_SCHED_QUEUE_FLAGS;
	return xb_load32(bytes, xb_layout_at(l, XB_F_ErtsSchedulerData_type) - from) ==
		       l->konst[types[kind]] &&
	       xb_load64(bytes, xb_layout_at(l, number) - from) == no && *queue >= 4096 &&
	       *queue >> 47 == 0;
}

struct xb_error *xb_sched_run(struct xb_vm *vm, xb_addr base, enum xb_sched_kind kind, uint64_t *ret)
{
	uint64_t stride = xb_sched_stride(vm), n = 0;
	unsigned char *bytes;
	struct xb_io io[BATCH];
	struct xb_error *err = NULL;
	uint32_t from, to;
	xb_addr queue;
	bool more = base != 0;

	telling_fields(&vm->layout, &from, &to);
	bytes = malloc((size_t)BATCH * (to - from));
	if (bytes == NULL)
		return xb_error_nomem();
	while (err == NULL && more && n < XB_SCHED_MAX) {
		for (uint64_t i = 0; i < BATCH; i++)
			io[i] = (struct xb_io){ .addr = base + (n + i) * stride + from,
						.len = to - from,
						.buf = bytes + i * (to - from) };
		err = xb_mem_readv(vm->mem, io, BATCH);
		for (uint64_t i = 0; err == NULL && more && i < BATCH; i++) {
			more = io[i].got == io[i].len && n < XB_SCHED_MAX &&
			       is_scheduler(&vm->layout, io[i].buf, from, kind, n + 1, &queue);
			n += more;
		}
	}
	free(bytes);
	*ret = n;
	return err;
}

struct xb_error *xb_ask_count(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	static const enum xb_root_id arrays[] = { XB_ROOT_SCHEDULERS, XB_ROOT_DIRTY_CPU_SCHEDULERS,
						  XB_ROOT_DIRTY_IO_SCHEDULERS };
	enum xb_sched_kind kind = xb_root_specs[id].kind;
	uint64_t n;

	if (!xb_root_specs[id].is_count)
		return NULL;
	XB_TRY(xb_sched_run(s->vm, s->vm->roots.value[arrays[kind]], kind, &n));
	if (n > 0)
		*ret = (struct xb_opinion){ .addr = n, .source = XB_ROOT_BY_COUNT, .is_value = true };
	return NULL;
}

/* --- what looks like an array of them --- */

/* Of candidates that begin with a scheduler number 1: the run queue of a normal one names it. */
static bool queue_agrees(struct xb_search *s, enum xb_sched_kind kind, xb_addr sched, xb_addr queue)
{
	xb_addr back = 0;

	return kind != XB_SCHED_NORMAL ||
	       (xb_mem_try(s->source->mem,
			   queue + xb_layout_at(&s->vm->layout, XB_F_ErtsRunQueue_scheduler), &back,
			   8) == 8 &&
		back == sched);
}

static struct xb_error *scan_all(struct xb_search *s)
{
	const struct xb_layout *l = &s->vm->layout;
	struct xb_arena *arena = xb_finder_arena(s->f);
	const xb_addr *at;
	unsigned char *bytes;
	struct xb_io *io;
	uint32_t from, to;
	size_t n;

	telling_fields(l, &from, &to);
	at = xb_finder_pointers(s->f, XB_SCHED_ALIGN, &n);
	io = xb_arena_array(arena, n + 1, sizeof(*io));
	bytes = xb_arena_array(arena, n + 1, to - from);
	if (at == NULL || io == NULL || bytes == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = xb_finder_word(s->f, at[i]) + from,
					.len = to - from,
					.buf = bytes + i * (to - from) };
	XB_TRY(xb_mem_readv(s->source->mem, io, n));
	for (size_t i = 0; i < n; i++) {
		for (int k = XB_SCHED_NORMAL; k <= XB_SCHED_DIRTY_IO && io[i].got == io[i].len; k++) {
			enum xb_sched_kind kind = (enum xb_sched_kind)k;
			xb_addr queue;

			if (!is_scheduler(l, io[i].buf, from, kind, 1, &queue) ||
			    !queue_agrees(s, kind, io[i].addr - from, queue))
				continue;
			if (s->scheds.hits[k] < XB_SCHED_HITS)
				s->scheds.at[k][s->scheds.hits[k]++] = at[i];
		}
	}
	return NULL;
}

static bool is_hit(const struct xb_search *s, enum xb_sched_kind kind, xb_addr at)
{
	for (size_t i = 0; i < s->scheds.hits[kind]; i++) {
		if (s->scheds.at[kind][i] == at)
			return true;
	}
	return false;
}

struct xb_error *xb_scan_schedulers(struct xb_search *s, enum xb_sched_kind kind, xb_addr expected,
				    xb_addr *ret, size_t *hits)
{
	size_t n_best = 0;
	xb_addr best = 0;

	if (!s->scheds_scanned)
		XB_TRY(scan_all(s));
	s->scheds_scanned = true;
	*hits = s->scheds.hits[kind];
	*ret = is_hit(s, kind, expected) ? expected : s->scheds.at[kind][0];
	if (*hits < 2 || kind != XB_SCHED_NORMAL || *ret == expected)
		return NULL;
	/* Others remember the first scheduler too, but only here the first dirty ones come with it. */
	for (size_t i = 0; i < *hits; i++) {
		xb_addr at = s->scheds.at[kind][i];

		if (is_hit(s, XB_SCHED_DIRTY_CPU, at - 8) && is_hit(s, XB_SCHED_DIRTY_IO, at - 16)) {
			best = at;
			n_best++;
		}
	}
	if (n_best == 1) {
		*ret = best;
		*hits = 1;
	}
	return NULL;
}

/* --- what leads to the first of them --- */

/* The words that lie @field behind each of @from, in @ret; from nowhere, there is nothing. */
static struct xb_error *behind(struct xb_vm *vm, const xb_addr *from, size_t n,
			       enum xb_layout_field field, uint64_t *ret)
{
	xb_addr at[PROCESSES];

	for (size_t i = 0; i < n; i++)
		at[i] = from[i] == 0 ? 0 : from[i] + xb_layout_at(&vm->layout, field);
	return xb_mem_words(vm->mem, at, n, ret);
}

/* Scheduler 1: all processes whose run queue leads to a scheduler lead to the same first one; 0 where they do not. */
static struct xb_error *first_scheduler(struct xb_vm *vm, xb_addr *ret)
{
	xb_addr at[PROCESSES] = { 0 }, found = 0;
	uint64_t no[PROCESSES], type[PROCESSES];
	size_t n = xb_some_processes(vm, at, PROCESSES);

	XB_TRY(behind(vm, at, n, XB_F_Process_run_queue, at));
	for (size_t i = 0; i < n; i++)
		at[i] &= ~(xb_addr)XB_SCHED_QUEUE_FLAGS;
	XB_TRY(behind(vm, at, n, XB_F_ErtsRunQueue_scheduler, at));
	XB_TRY(behind(vm, at, n, XB_F_ErtsSchedulerData_no, no));
	XB_TRY(behind(vm, at, n, XB_F_ErtsSchedulerData_type, type));
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		xb_addr first = at[i] - (no[i] - 1) * xb_sched_stride(vm);

		if (at[i] == 0 || at[i] % XB_SCHED_ALIGN != 0 || no[i] == 0 || no[i] > XB_SCHED_MAX ||
		    (uint32_t)type[i] != vm->layout.konst[XB_K_SCHED_NORMAL])
			continue;
		if (found != 0 && first != found)
			return NULL;
		found = first;
	}
	*ret = found;
	return NULL;
}

/* { run queues, dirty IO, dirty CPU, all, normal } schedulers, as erl_process.c declares them side by side. */
static bool are_counts(struct xb_finder *f, xb_addr at)
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
static xb_addr counts_beside(struct xb_finder *f, xb_addr at)
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

/* The only word of the data that holds @value; several: the only one that @beside likes; 0: none. */
static xb_addr only_place(struct xb_finder *f, uint64_t value,
			  xb_addr (*beside)(struct xb_finder *f, xb_addr at))
{
	xb_addr place = 0, first = 0, best = 0;
	size_t n = 0, n_best = 0;

	while (value != 0 && (place = xb_finder_next(f, place, value)) != 0) {
		first = place;
		n++;
		if (beside != NULL && beside(f, place) != 0) {
			best = place;
			n_best++;
		}
	}
	return n_best == 1 ? best : n == 1 ? first : 0;
}

/* The run queue of scheduler 1 is the first of the array. */
static struct xb_error *links_to_queues(struct xb_search *s, struct xb_opinion *ret)
{
	xb_addr queue = 0, at = 0, n = 0;
	xb_addr first = s->vm->roots.value[XB_ROOT_SCHEDULERS];

	if (first == 0 ||
	    xb_mem_try(s->source->mem,
		       first + xb_layout_at(&s->vm->layout, XB_F_ErtsSchedulerData_run_queue), &queue,
		       8) < 8)
		return NULL;
	queue &= ~(xb_addr)XB_SCHED_QUEUE_FLAGS;
	for (xb_addr a = 0; queue != 0 && (a = xb_finder_next(s->f, a, queue)) != 0; n++)
		at = a;
	if (n > 0)
		*ret = (struct xb_opinion){ .addr = at,
					    .source = XB_ROOT_BY_LINKS,
					    .only_agrees = n > 1 };
	return NULL;
}

struct xb_error *xb_links_to_schedulers(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	xb_addr first, at;

	if (id == XB_ROOT_RUN_QUEUES)
		return links_to_queues(s, ret);
	if (id != XB_ROOT_SCHEDULERS)
		return NULL;
	XB_TRY(first_scheduler(s->vm, &first));
	at = only_place(s->f, first, counts_beside);
	if (at != 0)
		*ret = (struct xb_opinion){ .addr = at, .source = XB_ROOT_BY_LINKS };
	return NULL;
}

/* --- what lies beside them --- */

/* What lies how many bytes behind what; the order is that of declaration in erl_process.c, beam_emu.c. */
static const struct {
	enum xb_root_id id;
	enum { BESIDE_SCHEDULERS, BESIDE_COUNTS, BESIDE_EXIT } beside;
	int bytes;
} places[] = {
	{ XB_ROOT_DIRTY_IO_SCHEDULERS, BESIDE_SCHEDULERS, -16 },
	{ XB_ROOT_DIRTY_CPU_SCHEDULERS, BESIDE_SCHEDULERS, -8 },
	{ XB_ROOT_RUN_QUEUES, BESIDE_SCHEDULERS, 8 },
	{ XB_ROOT_N_DIRTY_IO_SCHEDULERS, BESIDE_COUNTS, 8 },
	{ XB_ROOT_N_DIRTY_CPU_SCHEDULERS, BESIDE_COUNTS, 16 },
	{ XB_ROOT_N_SCHEDULERS, BESIDE_COUNTS, 32 },
	{ XB_ROOT_FRAME_LAYOUT, BESIDE_COUNTS, 48 },
	{ XB_ROOT_TIME_TRACE, BESIDE_EXIT, -24 },
	{ XB_ROOT_EXCEPTION_TRACE, BESIDE_EXIT, -16 },
	{ XB_ROOT_RETURN_TRACE, BESIDE_EXIT, -8 },
	{ XB_ROOT_RETURN_TO_TRACE, BESIDE_EXIT, 0 },
};

struct xb_error *xb_ask_neighbours(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	const struct xb_roots *r = &s->vm->roots;
	const struct xb_layout *l = &s->vm->layout;
	xb_addr scheds = r->at[XB_ROOT_SCHEDULERS].addr, ranges = r->at[XB_ROOT_RANGES].addr,
		exit = r->at[XB_ROOT_NORMAL_EXIT].addr, at = 0;
	xb_addr counts = scheds == 0 ? 0 : counts_beside(s->f, scheds);
	xb_addr base[] = { counts == 0 ? 0 : scheds, counts, 0 };

	/* The interpreter's words of code lie as the variables do that point to them: either leads to its kind. */
	if (l->has_konst[XB_K_RETURN_TO_BEFORE_EXIT] && xb_finder_in_data(s->f, exit))
		base[BESIDE_EXIT] = exit - l->konst[XB_K_RETURN_TO_BEFORE_EXIT];
	for (size_t i = 0; i < XB_ARRAY_LEN(places); i++) {
		if (places[i].id == id && base[places[i].beside] != 0)
			at = base[places[i].beside] + (xb_addr)(int64_t)places[i].bytes;
	}
	if (id == XB_ROOT_CODE_INDEX && ranges != 0 && xb_ranges_beside_index(s->f, ranges))
		at = ranges + l->konst[XB_K_CODE_INDEX_AFTER_RANGES];
	if (at != 0)
		*ret = (struct xb_opinion){ .addr = at,
					    .source = XB_ROOT_BY_NEIGHBOURS,
					    .is_value = xb_root_specs[id].is_stub &&
							r->at[XB_ROOT_NORMAL_EXIT].is_value };
	return NULL;
}
