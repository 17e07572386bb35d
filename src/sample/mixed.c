#include "sample/mixed_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool xb_mixer_is_jit(const struct xb_mixer *m, xb_addr pc)
{
	return m->has_jit && (xb_code_holds(m->vm, pc) || xb_jitlist_fragment(&m->jit, pc) != NULL ||
			      xb_code_find_retired(m->vm, pc, NULL) != NULL);
}

bool xb_mixer_push(struct xb_mixer *m, struct mixed_item *it, enum xb_mixed_kind kind, xb_addr pc,
		   bool later)
{
	size_t end = it->first + it->n;

	if (it->n >= m->opts.max_depth) {
		it->out.cut = true;
		return true;
	}
	/* An item that is continued after others were built moves to the end. */
	if (end != m->frames.len) {
		if (!xb_words_reserve(&m->frames, m->frames.len + it->n + 1))
			return false;
		memmove(m->frames.data + m->frames.len, m->frames.data + it->first,
			it->n * sizeof(*m->frames.data));
		it->first = m->frames.len;
		m->frames.len += it->n;
	}
	if (!xb_words_push(&m->frames, xb_mixed_frame(kind, pc, later)))
		return false;
	it->n++;
	it->out.n_exact += !later;
	return true;
}

struct xb_error *xb_mixer_create(struct xb_session *s, const struct xb_mixer_opts *opts,
				 struct xb_mixer **ret)
{
	struct xb_mixer *m = calloc(1, sizeof(*m));
	struct xb_error *err;

	if (m == NULL)
		return xb_error_nomem();
	m->s = s;
	m->vm = s->vm;
	m->opts = *opts;
	err = xb_mixer_votes_create(m);
	if (err == NULL)
		err = xb_sites_create(m->vm, m->votes->used, &m->sites);
	m->has_jit = m->vm->id.flavor == XB_FLAVOR_JIT;
	m->on_c_stack = m->has_jit && m->vm->layout.konst[XB_K_NATIVE_STACK] == 0;
	if (err == NULL && m->has_jit)
		err = xb_jitlist_read(m->vm, NULL, &m->jit);
	else if (err == NULL)
		err = xb_mixer_loop_create(m);
	m->c_stack_low = calloc(s->scheds.n + 1, sizeof(*m->c_stack_low));
	if (err == NULL && m->c_stack_low == NULL)
		err = xb_error_nomem();
	for (size_t i = 0; err == NULL && i < s->scheds.n; i++) {
		const struct xb_map_line *stack = xb_maps_find(&s->maps, s->scheds.list[i].registers);

		m->c_stack_low[i] = stack == NULL ? 0 : stack->start;
		xb_mixer_map_c_stack(m, i);
		if (s->scheds.list[i].tid != 0 &&
		    !xb_map_put(&m->sched_of_tid, (uint64_t)s->scheds.list[i].tid, i + 1))
			err = xb_error_nomem();
	}
	if (err != NULL) {
		xb_mixer_destroy(m);
		return err;
	}
	*ret = m;
	return NULL;
}

void xb_mixer_destroy(struct xb_mixer *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->cfis.len; i++)
		xb_cfi_destroy(m->cfis.data[i]);
	mixed_cfis_deinit(&m->cfis);
	xb_mixer_loop_destroy(m);
	xb_sites_destroy(m->sites);
	xb_jitlist_deinit(&m->jit);
	xb_map_deinit(&m->sched_of_tid);
	xb_map_deinit(&m->cfi_of);
	xb_map_deinit(&m->proc_index);
	xb_map_deinit(&m->heap_index);
	mixed_heaps_deinit(&m->heaps);
	xb_mixer_votes_destroy(m);
	xb_map_deinit(&m->names);
	mixed_items_deinit(&m->items);
	mixed_procs_deinit(&m->procs);
	xb_words_deinit(&m->frames);
	xb_words_deinit(&m->words);
	xb_frames_deinit(&m->scratch);
	free(m->c_stack_low);
	free(m);
}

const char *xb_mixed_kind_name(enum xb_mixed_kind kind)
{
	static const char *const names[] = { "native", "erlang", "fragment", "kernel" };

	return names[kind];
}

const struct xb_mixer_stats *xb_mixer_stats(const struct xb_mixer *m)
{
	return &m->stats;
}

bool xb_mixer_role(const struct xb_mixer *m, enum xb_layout_reg r, int forced,
		   const struct xb_regs *regs, xb_addr *ret)
{
	int reg = forced >= 0 ? forced : xb_mixer_reg(m, r);

	if (reg < 0 || !xb_regs_has(regs, (unsigned)reg))
		return false;
	*ret = regs->r[reg];
	return true;
}

void xb_mixer_set_proc(struct xb_mixer *m, struct mixed_item *it, xb_addr c_p)
{
	it->out.proc = c_p;
	it->proc = xb_mixer_proc(m, c_p);
	if (it->proc == UINT32_MAX) {
		it->out.proc = 0;
		m->stats.bad_c_p++;
	}
}

/*
 * Whether rsp is on the thread's C stack: the scheduler's register structure lies at the top of it, and its mapping
 * ends at the guard page below.  Without a known scheduler, C code it is.
 */
static bool on_c_stack(const struct xb_mixer *m, const struct mixed_item *it, xb_addr rsp)
{
	xb_addr top = it->out.sched == NULL ? 0 : it->out.sched->registers;

	return top == 0 || (rsp <= top && rsp >= m->c_stack_low[it->out.sched - m->s->scheds.list]);
}

/* A dirty scheduler works for a process that is parked in its structure. */
static bool on_dirty(struct xb_mixer *m, struct mixed_item *it)
{
	xb_addr c_p = it->out.sched == NULL || it->out.sched->kind == XB_SCHED_NORMAL
			      ? 0
			      : xb_mixer_current(m, it);

	if (c_p == 0)
		return false;
	xb_mixer_set_proc(m, it, c_p);
	m->stats.proc_later += it->out.proc_later;
	it->want = it->proc == UINT32_MAX ? MIXED_DONE : MIXED_SAVED_ALL;
	it->out.mode = XB_MIXED_IN_C;
	return it->proc != UINT32_MAX;
}

static bool in_c(struct xb_mixer *m, struct mixed_item *it)
{
	struct xb_regs regs = it->raw->regs;
	bool ended = false, reached;

	if (xb_mixer_is_loop(m, regs.r[XB_REG_RIP]))
		return xb_mixer_in_loop(m, it, &regs, true);
	/* JIT code that has just switched to the C stack, or not yet back; or that is always there. */
	if (xb_mixer_is_jit(m, regs.r[XB_REG_RIP]))
		return xb_mixer_below_jit(m, it, &regs, true);
	reached = xb_mixer_native(m, it, &regs, &ended);
	if (reached)
		return m->has_jit ? xb_mixer_below_jit(m, it, &regs, false)
				  : xb_mixer_in_loop(m, it, &regs, false);
	if (on_dirty(m, it))
		return true;
	it->out.mode = it->out.sched != NULL ? XB_MIXED_SCHEDULING : XB_MIXED_OTHER;
	it->out.rooted = ended;
	it->out.broken = !ended;
	m->stats.other++;
	return true;
}

/* No registers: what the scheduler runs, and where that process was when it was last switched out. */
static bool blind(struct xb_mixer *m, struct mixed_item *it)
{
	xb_addr c_p = it->out.sched == NULL ? 0 : xb_sched_current(m->vm, it->out.sched);

	m->stats.blind++;
	it->out.mode = XB_MIXED_BLIND;
	it->out.rooted = c_p == 0;
	if (c_p == 0)
		return true;
	xb_mixer_set_proc(m, it, c_p);
	it->out.proc_later = true;
	m->stats.proc_later++;
	it->want = it->proc == UINT32_MAX ? MIXED_DONE : MIXED_SAVED_ALL;
	return true;
}

static bool build(struct xb_mixer *m, const struct xb_raw_sample *raw)
{
	const uint64_t *sched = xb_map_get(&m->sched_of_tid, (uint64_t)raw->tid);
	struct mixed_item *it;
	xb_addr user_ip = xb_regs_has(&raw->regs, XB_REG_RIP) ? raw->regs.r[XB_REG_RIP] : raw->ip;

	if (!mixed_items_push(
		    &m->items,
		    (struct mixed_item){ .raw = raw, .first = m->frames.len, .proc = UINT32_MAX }))
		return false;
	it = &m->items.data[m->items.len - 1];
	it->out = (struct xb_mixed){ .tid = raw->tid,
				     .cpu = raw->cpu,
				     .period_ns = raw->period_ns,
				     .sched = sched == NULL ? NULL : &m->s->scheds.list[*sched - 1] };
	m->stats.samples++;
	if (raw->regs.valid == 0)
		return blind(m, it);
	for (size_t i = 0; m->opts.kernel_frames && i < raw->n_kernel_ips; i++) {
		if (!xb_mixer_push(m, it, XB_MIXED_KERNEL, raw->kernel_ips[i], false))
			return false;
	}
	return (xb_mixer_is_jit(m, user_ip) && !on_c_stack(m, it, raw->regs.r[XB_REG_RSP])
			? xb_mixer_in_erlang(m, it)
			: in_c(m, it)) &&
	       xb_mixer_frozen(m, it);
}

/* What was read of the item's process; NULL when that is gone, or another one took its place since the sample. */
static const struct xb_proc *process_of(const struct xb_mixer *m, const struct mixed_item *it)
{
	const struct mixed_proc *p = it->proc == UINT32_MAX ? NULL : &m->procs.data[it->proc];

	return p != NULL && p->ok && p->p.id == it->out.proc_id ? &p->p : NULL;
}

struct xb_error *xb_mixer_run(struct xb_mixer *m, const struct xb_raw_sample *samples, size_t n,
			      xb_mixed_fn fn, void *arg)
{
	struct timespec a, b;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	m->items.len = m->procs.len = m->frames.len = m->words.len = 0;
	xb_map_clear(&m->proc_index);
	m->heaps.len = 0;
	xb_map_clear(&m->heap_index);
	XB_TRY(xb_mixer_vote(m, samples, n));
	for (size_t i = 0; i < n; i++) {
		if (!build(m, &samples[i]))
			return xb_error_nomem();
	}
	XB_TRY(xb_mixer_read_later(m));
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	m->stats.unwind_ns += (uint64_t)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec);
	for (size_t i = 0; i < m->items.len; i++) {
		struct mixed_item *it = &m->items.data[i];

		it->out.process = process_of(m, it);
		it->out.frames = m->frames.data + it->first;
		it->out.n = it->n;
		XB_TRY(fn(arg, &it->out));
	}
	return NULL;
}

const struct xb_var_stats *xb_mixer_vars(const struct xb_mixer *m)
{
	return m->vars;
}

const struct xb_jitlist *xb_mixer_jitlist(const struct xb_mixer *m)
{
	return m->has_jit ? &m->jit : NULL;
}

void xb_mixer_code_changed(struct xb_mixer *m)
{
	xb_sites_forget(m->sites);
	xb_mixer_loop_code_changed(m);
}
