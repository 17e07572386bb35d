/*
 * What has to be read from the target after the samples: the processes of the batch, then the stacks that the kernel
 * did not copy.  Two batched reads for all samples together, one more for new processes and one for stacks longer than
 * a page.
 */
#include "base/rd.h"
#include "sample/mixed_impl.h"

#include <stdlib.h>
#include <time.h>

enum {
	SETTLE_TRIES = 4,
	FIRST_BYTES = 4096,     /* of a stack; nearly all are shorter */
	MAX_BYTES = 4 << 20,    /* of one stack */
	BATCH_BYTES = 16 << 20, /* of all stacks of a batch */
	MAX_NAMES = 1 << 14,    /* processes whose names are remembered */
};

/* No process has this address. */
#define NOBODY UINT64_MAX

XB_VEC(io_list, struct xb_io);
XB_VEC(index_list, size_t);

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

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

/* Where the stack of @it is now, by what is known of its process; false when it cannot be told. */
static bool locate(struct xb_mixer *m, const struct mixed_item *it, xb_addr *from, xb_addr *to)
{
	const struct mixed_proc *mp = it->proc == UINT32_MAX ? NULL : &m->procs.data[it->proc];

	if (mp == NULL || !mp->ok)
		return false;
	*from = it->want == MIXED_E || it->want == MIXED_REST ? it->E : mp->p.stop;
	*to = mp->p.hend;
	/* The heap may have moved since: then E points nowhere, and c_p->stop is the better half-truth. */
	if (*from < mp->p.heap || *from > mp->p.hend) {
		if (it->want == MIXED_REST)
			return false;
		*from = mp->p.stop;
	}
	/* Half way through a collection: the new block is in place, the stack still in the old one. */
	if (*from < mp->p.heap || *from > mp->p.hend)
		*to = *from + FIRST_BYTES;
	return *from % 8 == 0 && *from <= *to && *to - *from <= (UINT64_C(1) << 40);
}

/* Whether the words at @at hold the CP of the process's first frame. */
static bool has_root(const struct xb_mixer *m, const uint64_t *words, size_t n)
{
	uint64_t root = m->vm->roots.value[XB_ROOT_NORMAL_EXIT];

	for (size_t i = 0; i < n; i++) {
		if (words[i] == root)
			return true;
	}
	return false;
}

/* Why stacks are read: the first time, because they are longer than a page, or because their process had moved. */
enum round { ROUND_FIRST, ROUND_LONGER, ROUND_AGAIN };

static bool is_whole(const struct xb_mixer *m, const struct mixed_item *it)
{
	return it->want == MIXED_DONE ||
	       (it->read && has_root(m, m->words.data + it->words_at, it->n_words));
}

/* Decide what to read of @it; 0 for nothing. */
static size_t plan(struct xb_mixer *m, const struct mixed_item *it, size_t total, enum round round,
		   xb_addr *from)
{
	size_t limit = round == ROUND_FIRST ? FIRST_BYTES : MAX_BYTES, bytes;
	xb_addr to;

	if (is_whole(m, it) || (round == ROUND_LONGER && !it->read) || !locate(m, it, from, &to))
		return 0;
	bytes = (size_t)XB_MIN(to - *from, (uint64_t)limit);
	/* A longer read must bring more than the first one did. */
	return total * 8 + bytes > BATCH_BYTES || (round == ROUND_LONGER && bytes / 8 <= it->n_words)
		       ? 0
		       : bytes;
}

/* Ask who runs on the schedulers whose samples are read afterwards: at the same moment as their stacks. */
static bool ask_current(const struct xb_mixer *m, struct io_list *io, xb_addr *current)
{
	uint32_t at = xb_layout_at(&m->vm->layout, XB_F_ErtsSchedulerData_current_process);

	for (size_t i = 0; i < m->items.len; i++) {
		const struct mixed_item *it = &m->items.data[i];
		size_t k;

		if (it->want == MIXED_DONE || it->out.sched == NULL)
			continue;
		k = (size_t)(it->out.sched - m->s->scheds.list);
		if (current[k] != 0)
			continue;
		current[k] = NOBODY;
		if (!io_list_push(io, (struct xb_io){ .addr = it->out.sched->addr + at,
						      .len = 8,
						      .buf = &current[k] }))
			return false;
	}
	return true;
}

/* One round: read every stack that is not whole yet. */
static struct xb_error *read_round(struct xb_mixer *m, enum round round, xb_addr *current)
{
	struct io_list io = { 0 };
	struct index_list who = { 0 }; /* io[k] is for items[who[k]] */
	struct xb_error *err = NULL;
	size_t total = m->words.len;

	for (size_t i = 0; err == NULL && i < m->items.len; i++) {
		struct mixed_item *it = &m->items.data[i];
		xb_addr from = 0;
		size_t bytes = plan(m, it, total, round, &from);

		if (bytes == 0)
			continue;
		it->words_at = total;
		it->n_words = bytes / 8;
		total += bytes / 8;
		if (!io_list_push(&io, (struct xb_io){ .addr = from, .len = bytes }) ||
		    !index_list_push(&who, i))
			err = xb_error_nomem();
	}
	if (err == NULL && !xb_words_reserve(&m->words, total + 1))
		err = xb_error_nomem();
	m->words.len = err == NULL ? total : m->words.len;
	for (size_t k = 0; err == NULL && k < who.len; k++)
		io.data[k].buf = m->words.data + m->items.data[who.data[k]].words_at;
	if (err == NULL && current != NULL && !ask_current(m, &io, current))
		err = xb_error_nomem();
	if (err == NULL && io.len > 0)
		err = xb_mem_readv(m->vm->mem, io.data, io.len);
	for (size_t k = 0; err == NULL && k < who.len; k++) {
		struct mixed_item *it = &m->items.data[who.data[k]];

		/* Short is enough when the first frame is there. */
		it->n_words = io.data[k].got / 8;
		it->read = io.data[k].got == io.data[k].len ||
			   has_root(m, m->words.data + it->words_at, it->n_words);
	}
	io_list_deinit(&io);
	index_list_deinit(&who);
	return err;
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

			if (it->proc == UINT32_MAX || is_whole(m, it))
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
		XB_TRY(read_round(m, ROUND_AGAIN, NULL));
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
		err = read_round(m, ROUND_FIRST, current);
	for (size_t i = 0; err == NULL && i < m->items.len; i++) {
		struct xb_mixed *o = &m->items.data[i].out;

		if (o->sched != NULL && o->proc != 0)
			o->still_on = current[o->sched - m->s->scheds.list] == o->proc;
	}
	free(current);
	if (err == NULL)
		err = read_round(m, ROUND_LONGER, NULL);
	if (err == NULL)
		err = read_moved(m);
	if (err != NULL)
		return err;
	now = now_ns();
	for (size_t i = 0; i < m->items.len; i++) {
		if (!finish(m, &m->items.data[i], now))
			return xb_error_nomem();
	}
	return NULL;
}
