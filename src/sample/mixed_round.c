/* Reading the stacks of a batch, as many of them as can be in one call. */
#include "sample/mixed_impl.h"

enum {
	FIRST_BYTES = 4096,     /* of a stack; nearly all are shorter */
	MAX_BYTES = 4 << 20,    /* of one stack */
	BATCH_BYTES = 16 << 20, /* of all stacks of a batch */
};

/* No process has this address. */
#define NOBODY UINT64_MAX

XB_VEC(io_list, struct xb_io);
XB_VEC(index_list, size_t);

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

bool xb_mixer_has_root(const struct xb_mixer *m, const uint64_t *words, size_t n)
{
	uint64_t root = m->vm->roots.value[XB_ROOT_NORMAL_EXIT];

	for (size_t i = 0; i < n; i++) {
		if (words[i] == root)
			return true;
	}
	return false;
}

bool xb_mixer_is_whole(const struct mixed_item *it)
{
	return it->want == MIXED_DONE || it->whole;
}

/* Decide what to read of @it; 0 for nothing. */
static size_t plan(struct xb_mixer *m, const struct mixed_item *it, size_t total,
		   enum mixed_round round, xb_addr *from)
{
	size_t limit = round == MIXED_ROUND_FIRST ? FIRST_BYTES : MAX_BYTES, bytes;
	xb_addr to;

	if (xb_mixer_is_whole(it) || (round == MIXED_ROUND_LONGER && !it->read) ||
	    !locate(m, it, from, &to))
		return 0;
	bytes = (size_t)XB_MIN(to - *from, (uint64_t)limit);
	/* A longer read must bring more than the first one did. */
	return total * 8 + bytes > BATCH_BYTES ||
			       (round == MIXED_ROUND_LONGER && bytes / 8 <= it->n_words)
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

/* Several samples of one process want the same stack: the item whose read serves @it as well, or NULL. */
static const struct mixed_item *reads_same(const struct xb_mixer *m, const struct mixed_item *it,
					   xb_addr from, size_t bytes)
{
	const struct mixed_proc *p = &m->procs.data[it->proc];
	const struct mixed_item *other = p->reads_for == 0 ? NULL : &m->items.data[p->reads_for - 1];

	return other != NULL && other->read_from == from && other->n_words == bytes / 8 ? other : NULL;
}

/* Plan all reads of a round, without places for the words.  False: out of memory. */
static bool plan_all(struct xb_mixer *m, enum mixed_round round, struct io_list *io,
		     struct index_list *who)
{
	size_t total = m->words.len;

	for (size_t i = 0; i < m->procs.len; i++)
		m->procs.data[i].reads_for = 0;
	for (size_t i = 0; i < m->items.len; i++) {
		struct mixed_item *it = &m->items.data[i];
		xb_addr from = 0;
		size_t bytes = plan(m, it, total, round, &from);

		it->same_as = bytes == 0 ? NULL : reads_same(m, it, from, bytes);
		if (bytes == 0)
			continue;
		it->n_words = bytes / 8;
		it->read_from = from;
		if (it->same_as != NULL) {
			it->words_at = it->same_as->words_at;
			continue;
		}
		it->words_at = total;
		m->procs.data[it->proc].reads_for = i + 1;
		total += bytes / 8;
		if (!io_list_push(io, (struct xb_io){ .addr = from, .len = bytes }) ||
		    !index_list_push(who, i))
			return false;
	}
	if (!xb_words_reserve(&m->words, total + 1))
		return false;
	m->words.len = total;
	return true;
}

/* What became of the reads @io, each for the item @who says and those that share it. */
static void take_all(struct xb_mixer *m, const struct io_list *io, const struct index_list *who)
{
	for (size_t k = 0; k < who->len; k++) {
		struct mixed_item *it = &m->items.data[who->data[k]];

		/* Short is enough when the first frame is there. */
		it->n_words = io->data[k].got / 8;
		it->whole = xb_mixer_has_root(m, m->words.data + it->words_at, it->n_words);
		it->read = it->whole || io->data[k].got == io->data[k].len;
	}
	for (size_t i = 0; i < m->items.len; i++) {
		struct mixed_item *it = &m->items.data[i];

		if (it->same_as != NULL) {
			it->n_words = it->same_as->n_words;
			it->read = it->same_as->read;
			it->whole = it->same_as->whole;
		}
	}
}

struct xb_error *xb_mixer_read_round(struct xb_mixer *m, enum mixed_round round, xb_addr *current)
{
	struct io_list io = { 0 };
	struct index_list who = { 0 }; /* io[k] is for items[who[k]] */
	struct xb_error *err = plan_all(m, round, &io, &who) ? NULL : xb_error_nomem();

	for (size_t k = 0; err == NULL && k < who.len; k++)
		io.data[k].buf = m->words.data + m->items.data[who.data[k]].words_at;
	if (err == NULL && current != NULL && !ask_current(m, &io, current))
		err = xb_error_nomem();
	if (err == NULL && io.len > 0)
		err = xb_mem_readv(m->vm->mem, io.data, io.len);
	if (err == NULL)
		take_all(m, &io, &who);
	io_list_deinit(&io);
	index_list_deinit(&who);
	return err;
}
