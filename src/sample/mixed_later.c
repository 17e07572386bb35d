/*
 * What has to be read from the target after the samples: the processes of the batch, then the stacks that the kernel
 * did not copy.  Two batched reads for all samples together, a third for stacks longer than a page.
 */
#include "base/rd.h"
#include "sample/mixed_impl.h"

#include <stdlib.h>
#include <time.h>

enum {
	FIRST_BYTES = 4096,     /* of a stack; nearly all are shorter */
	MAX_BYTES = 4 << 20,    /* of one stack */
	BATCH_BYTES = 16 << 20, /* of all stacks of a batch */
};

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
	if (err == NULL)
		err = xb_proc_read_at(m->vm, addrs, n, list, ok);
	for (size_t i = 0; err == NULL && i < n; i++) {
		m->procs.data[i].p = list[i];
		m->procs.data[i].ok = ok[i];
	}
	free(list);
	free(addrs);
	free(ok);
	return err;
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

static bool is_whole(const struct xb_mixer *m, const struct mixed_item *it)
{
	return !it->read || has_root(m, m->words.data + it->words_at, it->n_words);
}

enum { AGAIN = 4 }; /* looks at a stack that moved */

/*
 * A stack without its root: the process got a new heap between the read that says where its stack is and the one of the
 * stack itself.  Once more, one process at a time, so that little happens in between.  True when it is whole now.
 */
static bool read_moved(struct xb_mixer *m, struct mixed_item *it)
{
	struct mixed_proc *mp = &m->procs.data[it->proc];

	for (int i = 0; i < AGAIN; i++) {
		size_t at = m->words.len, bytes;
		struct xb_proc p;
		xb_addr from, to;

		if (!xb_proc_at(m->vm, mp->addr, &p) || p.id != mp->p.id)
			return false;
		mp->p = p;
		if (!locate(m, it, &from, &to))
			continue;
		bytes = (size_t)XB_MIN(to - from, (uint64_t)MAX_BYTES);
		if (at * 8 + bytes > BATCH_BYTES || !xb_words_reserve(&m->words, at + bytes / 8 + 1))
			return false;
		if (xb_mem_try(m->vm->mem, from, m->words.data + at, bytes) == bytes &&
		    has_root(m, m->words.data + at, bytes / 8)) {
			it->read = true;
			it->words_at = at;
			it->n_words = bytes / 8;
			m->words.len = at + bytes / 8;
			return true;
		}
	}
	return false;
}

/* Whether the stack of @it should have been read and has no root, though not for being too long. */
static bool has_moved(const struct xb_mixer *m, const struct mixed_item *it)
{
	return (it->want == MIXED_E || it->want == MIXED_STOP) && it->proc != UINT32_MAX &&
	       m->procs.data[it->proc].ok && it->n_words * 8 < MAX_BYTES &&
	       (!it->read || !is_whole(m, it));
}

/* Decide what to read of @it, up to @limit bytes; 0 for nothing. */
static size_t plan(struct xb_mixer *m, const struct mixed_item *it, size_t limit, size_t total,
		   bool again, xb_addr *from)
{
	xb_addr to;
	size_t bytes;

	if (it->want == MIXED_DONE || (again && is_whole(m, it)) || !locate(m, it, from, &to))
		return 0;
	bytes = (size_t)XB_MIN(to - *from, (uint64_t)limit);
	/* A longer read must bring more than the first one did. */
	return total * 8 + bytes > BATCH_BYTES || (again && bytes / 8 <= it->n_words) ? 0 : bytes;
}

/* One round: read up to @limit bytes of every stack that is not whole yet. */
static struct xb_error *read_round(struct xb_mixer *m, size_t limit, bool again)
{
	struct io_list io = { 0 };
	struct index_list who = { 0 }; /* io[k] is for items[who[k]] */
	struct xb_error *err = NULL;
	size_t total = again ? m->words.len : 0;

	for (size_t i = 0; err == NULL && i < m->items.len; i++) {
		struct mixed_item *it = &m->items.data[i];
		xb_addr from = 0;
		size_t bytes = plan(m, it, limit, total, again, &from);

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
	for (size_t k = 0; err == NULL && k < io.len; k++)
		io.data[k].buf = m->words.data + m->items.data[who.data[k]].words_at;
	if (err == NULL)
		err = xb_mem_readv(m->vm->mem, io.data, io.len);
	for (size_t k = 0; err == NULL && k < io.len; k++)
		m->items.data[who.data[k]].read = io.data[k].got == io.data[k].len;
	io_list_deinit(&io);
	index_list_deinit(&who);
	return err;
}

static bool finish(struct xb_mixer *m, struct mixed_item *it, uint64_t now)
{
	const struct mixed_proc *mp = it->proc == UINT32_MAX ? NULL : &m->procs.data[it->proc];
	xb_addr pc = it->pc;

	if (mp != NULL && mp->ok) {
		it->out.proc_id = mp->p.id;
		if (it->want == MIXED_SAVED_ALL)
			pc = mp->p.i;
	}
	if (it->want == MIXED_DONE)
		return true;
	if (has_moved(m, it) && read_moved(m, it))
		now = now_ns();
	it->out.delay_ns = now > it->raw->time_ns ? now - it->raw->time_ns : 0;
	if (!it->read) {
		m->stats.unreadable++;
		return pc == 0 ||
		       xb_mixer_push(m, it, XB_MIXED_ERLANG, pc, it->want == MIXED_SAVED_ALL);
	}
	return xb_mixer_erlang(m, it, pc, m->words.data + it->words_at, it->n_words, true);
}

/* Whether each scheduler still runs the process it was sampled with; one read for all schedulers. */
static struct xb_error *look_again(struct xb_mixer *m)
{
	uint32_t at = xb_layout_at(&m->vm->layout, XB_F_ErtsSchedulerData_current_process);
	size_t n = m->s->scheds.n;
	xb_addr *current = calloc(n + 1, sizeof(*current));
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	struct xb_error *err = NULL;

	if (current == NULL || io == NULL)
		err = xb_error_nomem();
	for (size_t i = 0; err == NULL && i < n; i++)
		io[i] = (struct xb_io){ .addr = m->s->scheds.list[i].addr + at,
					.len = 8,
					.buf = &current[i] };
	if (err == NULL)
		err = xb_mem_readv(m->vm->mem, io, n);
	for (size_t i = 0; err == NULL && i < m->items.len; i++) {
		struct xb_mixed *o = &m->items.data[i].out;

		if (o->sched != NULL && o->proc != 0)
			o->still_on = current[o->sched - m->s->scheds.list] == o->proc;
	}
	free(current);
	free(io);
	return err;
}

struct xb_error *xb_mixer_read_later(struct xb_mixer *m)
{
	uint64_t now;

	XB_TRY(read_procs(m));
	XB_TRY(read_round(m, FIRST_BYTES, false));
	now = now_ns();
	XB_TRY(read_round(m, MAX_BYTES, true));
	XB_TRY(look_again(m));
	for (size_t i = 0; i < m->items.len; i++) {
		if (!finish(m, &m->items.data[i], now))
			return xb_error_nomem();
	}
	return NULL;
}
