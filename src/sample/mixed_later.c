/*
 * What has to be read from the target after the samples: the processes of the batch, then the stacks that the kernel
 * did not copy.  Two batched reads for all samples together, one more for new processes and one for stacks longer than
 * a page.
 */
#include "sample/mixed_impl.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

enum {
	SETTLE_TRIES = 4,
	MAX_NAMES = 1 << 14, /* processes whose names are remembered */
};

uint32_t xb_mixer_proc(struct xb_mixer *m, xb_addr addr)
{
	uint64_t *index;

	if (addr == 0 || (addr & 7) != 0 || addr >> 47 != 0)
		return UINT32_MAX;
	index = xb_map_at(&m->proc_index, addr);
	if (index == NULL)
		return UINT32_MAX;
	if (*index == 0) {
		if (!mixed_procs_push(&m->procs, (struct mixed_proc){ .addr = addr }))
			return UINT32_MAX;
		*index = m->procs.len;
	}
	return (uint32_t)(*index - 1);
}

/* While a process is collected or grows, stop still points into its former heap. */
static bool is_moving(const struct mixed_proc *p)
{
	return p->ok && (p->p.stop < p->p.heap || p->p.stop > p->p.hend);
}

/* Read the processes again that were caught moving: a collection of a small heap is over within microseconds. */
static struct xb_error *read_moving(struct xb_mixer *m)
{
	static const struct timespec pause = { .tv_nsec = 30000 };

	for (int tries = 0; tries < SETTLE_TRIES; tries++) {
		bool any = false;

		for (size_t i = 0; i < m->procs.len; i++) {
			struct mixed_proc *p = &m->procs.data[i];

			if (!is_moving(p))
				continue;
			XB_TRY(xb_proc_read_at(m->vm, &p->addr, 1, &m->names, &p->p, &p->ok));
			any |= is_moving(p);
		}
		if (!any)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

static struct xb_error *read_procs(struct xb_mixer *m)
{
	size_t n = m->procs.len;
	struct xb_proc *list = calloc(n + 1, sizeof(*list));
	xb_addr *addrs = calloc(n + 1, sizeof(*addrs));
	bool *ok = calloc(n + 1, sizeof(*ok));
	struct xb_error *err = NULL;

	if (list == NULL || addrs == NULL || ok == NULL)
		err = xb_error_nomem();
	for (size_t i = 0; err == NULL && i < n; i++)
		addrs[i] = m->procs.data[i].addr;
	if (m->names.len > MAX_NAMES)
		xb_map_clear(&m->names);
	if (err == NULL && n > 0)
		err = xb_proc_read_at(m->vm, addrs, n, &m->names, list, ok);
	for (size_t i = 0; err == NULL && i < n; i++) {
		m->procs.data[i].p = list[i];
		m->procs.data[i].ok = ok[i];
	}
	free(list);
	free(addrs);
	free(ok);
	return err == NULL ? read_moving(m) : err;
}

static void judge(struct xb_var_stats *stats, bool right)
{
	stats->claimed[XB_VAR_FORCED]++;
	stats->proved[XB_VAR_FORCED] += right;
	stats->refuted[XB_VAR_FORCED] += !right;
}

/* On a JIT forced registers are used unseen; here is the first chance to tell whether they were right. */
static void judge_forced(struct xb_mixer *m, const struct mixed_item *it, const struct mixed_proc *mp)
{
	bool ok = mp != NULL && mp->ok;

	if (it->judge_c_p)
		judge(&m->vars[XB_VAR_C_P], ok);
	if (it->judge_E && ok)
		judge(&m->vars[XB_VAR_E],
		      (it->E & 7) == 0 && it->E >= mp->p.heap && it->E < mp->p.hend);
}

static bool finish(struct xb_mixer *m, struct mixed_item *it, uint64_t now)
{
	const struct mixed_proc *mp = it->proc == UINT32_MAX ? NULL : &m->procs.data[it->proc];
	xb_addr pc = it->pc;

	judge_forced(m, it, mp);
	if (mp != NULL && mp->ok) {
		/* A frozen sample knows it, and by now another process may live there. */
		if (it->out.proc_id == 0)
			it->out.proc_id = mp->p.id;
		/* While it runs, i is where it was resumed some time ago: no frame of this moment. */
		if (it->want == MIXED_SAVED_ALL && mp->p.grade != XB_GRADE_RUNNING)
			pc = mp->p.i;
	}
	if (it->want == MIXED_DONE)
		return true;
	it->out.delay_ns = now > it->raw->time_ns ? now - it->raw->time_ns : 0;
	if (!it->read) {
		m->stats.unreadable++;
		return pc == 0 ||
		       xb_mixer_push(m, it, XB_MIXED_ERLANG, pc, it->want == MIXED_SAVED_ALL);
	}
	return xb_mixer_erlang(m, it, pc, m->words.data + it->words_at, it->n_words, true);
}

/*
 * A stack without its first frame was read after its process had left that memory (a collection between the two
 * reads): read both again.
 */
static struct xb_error *read_moved(struct xb_mixer *m)
{
	for (int tries = 0; tries < SETTLE_TRIES; tries++) {
		bool any = false;

		for (size_t i = 0; i < m->items.len; i++) {
			const struct mixed_item *it = &m->items.data[i];

			if (it->proc == UINT32_MAX || xb_mixer_is_whole(it))
				continue;
			m->procs.data[it->proc].stale = true;
			any = true;
		}
		if (!any)
			break;
		for (size_t i = 0; i < m->procs.len; i++) {
			struct mixed_proc *p = &m->procs.data[i];

			if (p->stale)
				XB_TRY(xb_proc_read_at(m->vm, &p->addr, 1, &m->names, &p->p, &p->ok));
			p->stale = false;
		}
		XB_TRY(xb_mixer_read_round(m, MIXED_ROUND_AGAIN, NULL));
	}
	return NULL;
}

struct xb_error *xb_mixer_read_later(struct xb_mixer *m)
{
	xb_addr *current =
		calloc(m->s->scheds.n + 1, sizeof(*current)); /* by scheduler; 0: not asked */
	struct xb_error *err = current == NULL ? xb_error_nomem() : read_procs(m);
	uint64_t now;

	if (err == NULL)
		err = xb_mixer_read_round(m, MIXED_ROUND_FIRST, current);
	for (size_t i = 0; err == NULL && i < m->items.len; i++) {
		struct xb_mixed *o = &m->items.data[i].out;

		if (o->sched != NULL && o->proc != 0)
			o->still_on = current[o->sched - m->s->scheds.list] == o->proc;
	}
	free(current);
	if (err == NULL)
		err = xb_mixer_read_round(m, MIXED_ROUND_LONGER, NULL);
	if (err == NULL)
		err = read_moved(m);
	if (err != NULL)
		return err;
	now = xb_now_ns();
	for (size_t i = 0; i < m->items.len; i++) {
		if (!finish(m, &m->items.data[i], now))
			return xb_error_nomem();
	}
	return NULL;
}
