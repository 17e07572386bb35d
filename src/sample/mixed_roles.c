/*
 * Ballots for the vote of sample/roles.h, and what follows from it.
 *
 *	sample in Erlang code ─► who its scheduler runs ─► that process's heap ─► ballot
 *
 * Registers do not change their roles while a VM runs, so a few samples are asked: until the table is confirmed, or the
 * vote is sure of something else.  Later ones are asked now and then, because the first may all be of the same place.
 *
 * What is read for a ballot is of a moment after the sample.  When no register holds the process that the scheduler runs,
 * that is another one already; then the one process that a register does hold is taken.
 */
#include "sample/mixed_loop.h"

#include <stdlib.h>

enum {
	FIRST_BALLOTS = 96, /* at most, of every sample; then one of */
	SPARSELY = 512,
	PER_BATCH = 48,         /* at most */
	STRUCTURE_MAX = 2048,   /* bytes of a process that are read */
	STRUCTURE_USUAL = 256,  /* enough but for builds that check locks */
	REGISTERS_REACH = 1024, /* bytes of the register structure that a register may point into */
};

/* Bytes of a process up to the last field asked for. */
static size_t structure_len(const struct xb_layout *l)
{
	static const enum xb_layout_field fields[] = { XB_F_Process_id, XB_F_Process_heap,
						       XB_F_Process_htop, XB_F_Process_stop,
						       XB_F_Process_hend };
	size_t len = 0;

	for (size_t i = 0; i < XB_ARRAY_LEN(fields); i++)
		len = XB_MAX(len, (size_t)xb_layout_at(l, fields[i]) + 8);
	return XB_MIN(len, (size_t)STRUCTURE_MAX);
}

/* Fields beyond the copy are 0. */
static struct mixed_heap heap_of(const struct xb_rec *rec)
{
	return (struct mixed_heap){ xb_rec_get(rec, XB_F_Process_heap),
				    xb_rec_get(rec, XB_F_Process_htop),
				    xb_rec_get(rec, XB_F_Process_stop),
				    xb_rec_get(rec, XB_F_Process_hend) };
}

struct mixed_heap xb_mixer_heap(struct xb_mixer *m, xb_addr addr)
{
	unsigned char bytes[STRUCTURE_MAX];
	struct xb_rec rec = { &m->vm->layout, bytes, 0 };
	struct mixed_heap p = { 0 };
	uint64_t *index;

	if (addr < 4096 || (addr & 7) != 0 || addr >> 47 != 0)
		return p;
	index = xb_map_at(&m->heap_index, addr);
	if (index == NULL)
		return p;
	if (*index != 0)
		return m->heaps.data[*index - 1];
	if (xb_proc_is(m->vm, addr)) {
		rec.len = xb_mem_try(m->vm->mem, addr, bytes, structure_len(&m->vm->layout));
		p = heap_of(&rec);
	}
	if (mixed_heaps_push(&m->heaps, p))
		*index = m->heaps.len;
	return p;
}

/* Read the heaps of processes that schedulers say they run, at once; that they are processes is their word. */
static struct xb_error *read_heaps(struct xb_mixer *m, const xb_addr *procs, size_t n)
{
	const struct xb_layout *l = &m->vm->layout;
	unsigned char bytes[PER_BATCH][STRUCTURE_USUAL];
	struct xb_io io[PER_BATCH];
	size_t n_io = 0;

	if (structure_len(l) > STRUCTURE_USUAL)
		return NULL; /* then one by one, when they are asked for */
	for (size_t i = 0; i < n && n_io < PER_BATCH; i++) {
		uint64_t *known = procs[i] == 0 ? NULL : xb_map_at(&m->heap_index, procs[i]);

		if (known == NULL || *known != 0 ||
		    !mixed_heaps_push(&m->heaps, (struct mixed_heap){ 0 }))
			continue;
		*known = m->heaps.len;
		io[n_io] =
			(struct xb_io){ .addr = procs[i], .len = structure_len(l), .buf = bytes[n_io] };
		n_io++;
	}
	if (n_io == 0)
		return NULL;
	XB_TRY(xb_mem_readv(m->vm->mem, io, n_io));
	for (size_t k = 0; k < n_io; k++) {
		struct xb_rec rec = { l, bytes[k], io[k].got };

		if ((xb_rec_get(&rec, XB_F_Process_id) & 0xf) == l->konst[XB_K_TAG_PID])
			m->heaps.data[m->heaps.len - n_io + k] = heap_of(&rec);
	}
	return NULL;
}

int xb_mixer_table_reg(const struct xb_mixer *m, enum xb_layout_reg r)
{
	return (int)m->vm->layout.reg[r];
}

/* Whether more voters would not change what is used for a role. */
static bool is_clear(const struct xb_roles_verdict *verdict, int table)
{
	bool confirmed = table >= 0 &&
			 (verdict->reg == table || (verdict->by_turns && verdict->second == table));

	return verdict->outcome == XB_ROLES_ADOPTED &&
	       (confirmed || verdict->voters >= XB_ROLES_SURE_VOTERS);
}

/* What is used from now on: the table's register unless the vote plainly contradicts it, else the vote's. */
static void settle(struct xb_mixer *m)
{
	struct mixed_votes *v = m->votes;

	v->clear = true;
	for (int r = 0; r < XB_R__COUNT; r++) {
		enum xb_layout_reg role = (enum xb_layout_reg)r;
		struct xb_roles_verdict verdict = xb_roles_verdict(&v->roles, role);
		int table = xb_mixer_table_reg(m, role);

		/* The others are not needed to unwind. */
		if (role == XB_R_c_p || role == XB_R_E || (role == XB_R_I && !m->has_jit))
			v->clear &= is_clear(&verdict, table);
		v->voted[r] = verdict.outcome == XB_ROLES_ADOPTED ? verdict.reg : -1;
		v->by_turns[r] = verdict.by_turns ? verdict.second : -1;
		v->used[r] =
			table < 0 || xb_roles_contradict(&v->roles, role, table) ? v->voted[r] : table;
	}
}

struct xb_error *xb_mixer_votes_create(struct xb_mixer *m)
{
	m->votes = calloc(1, sizeof(*m->votes));
	if (m->votes == NULL)
		return xb_error_nomem();
	settle(m);
	return NULL;
}

void xb_mixer_votes_destroy(struct xb_mixer *m)
{
	free(m->votes);
	m->votes = NULL;
}

int xb_mixer_reg(const struct xb_mixer *m, enum xb_layout_reg r)
{
	return m->votes->used[r];
}

/* Whether the sample is of Erlang code, whoever asks. */
static bool may_vote(const struct xb_mixer *m, const struct xb_raw_sample *raw)
{
	xb_addr pc = raw->regs.r[XB_REG_RIP];

	return xb_regs_has(&raw->regs, XB_REG_RIP) &&
	       (m->has_jit ? xb_code_holds(m->vm, pc) : xb_mixer_is_loop(m, pc));
}

/* The only process that some register holds; 0 for none or several. */
static xb_addr held_process(struct xb_mixer *m, const struct xb_regs *regs)
{
	xb_addr found = 0;

	for (unsigned r = 0; r < XB_ROLES_REGS; r++) {
		if (!xb_regs_has(regs, r) || regs->r[r] == found ||
		    xb_mixer_heap(m, regs->r[r]).heap == 0)
			continue;
		if (found != 0)
			return 0;
		found = regs->r[r];
	}
	return found;
}

static xb_addr process_of(struct xb_mixer *m, const struct xb_regs *regs, xb_addr current)
{
	for (unsigned r = 0; current != 0 && r < XB_ROLES_REGS; r++) {
		if (xb_regs_has(regs, r) && regs->r[r] == current)
			return current;
	}
	/* Looking through all registers costs some reads: only until it is known which one it is. */
	return m->opts.all_vote || m->votes->roles.role[XB_R_c_p].voters < XB_ROLES_SURE_VOTERS
		       ? held_process(m, regs)
		       : 0;
}

/* What the debug information says of the loop's variables at the place of the sample. */
static void ask_dwarf(struct xb_mixer *m, xb_addr pc)
{
	for (size_t i = 0; m->loop->dwloc != NULL && i < MIXED_LOOP_VARS; i++) {
		struct xb_mixer_dwarf_said *said = &m->votes->dwarf[xb_loop_vars[i].role];
		struct xb_dwloc_loc loc;

		xb_dwloc_find(m->loop->dwloc, i, pc - m->loop->bias, &loc);
		said->asked++;
		if (loc.kind == XB_DWLOC_REGISTER && loc.reg < XB_ROLES_REGS)
			said->reg[loc.reg]++;
		else if (loc.kind == XB_DWLOC_MEMORY)
			said->memory++;
		else if (loc.kind != XB_DWLOC_ABSENT && loc.kind != XB_DWLOC_OPTIMISED_OUT)
			said->elsewhere++;
	}
}

/*
 * The registers that point at the instruction being executed: the one whose handler is the nearest in front of the pc.
 * Others point at one too, the next or the last.
 */
static void find_instructions(struct xb_mixer *m, const struct xb_regs *regs, struct xb_roles_ballot *b)
{
	xb_addr nearest = 0, pc = regs->r[XB_REG_RIP];

	for (unsigned r = 0; r < XB_ROLES_REGS; r++) {
		xb_addr handler;

		if (!xb_regs_has(regs, r) || !xb_code_holds(m->vm, regs->r[r]))
			continue;
		handler = xb_loop_handler(m, regs->r[r]);
		if (handler == 0 || handler > pc || handler < nearest)
			continue;
		if (handler > nearest)
			b->instructions = 0;
		nearest = handler;
		b->instructions |= 1U << r;
	}
}

static void ballot(struct xb_mixer *m, const struct xb_raw_sample *raw, const struct xb_sched *sched,
		   xb_addr current)
{
	const struct xb_layout *l = &m->vm->layout;
	struct xb_roles_ballot b = { .regs = &raw->regs };
	struct mixed_heap heap;

	b.process = process_of(m, &raw->regs, current);
	heap = xb_mixer_heap(m, b.process);
	b.heap = heap.heap;
	b.htop = heap.htop;
	b.stop = heap.stop;
	b.hend = heap.hend;
	b.registers = sched == NULL ? 0 : sched->registers;
	b.registers_len = REGISTERS_REACH;
	b.slice = l->has_konst[XB_K_CONTEXT_REDS] ? l->konst[XB_K_CONTEXT_REDS] : 0;
	if (!m->has_jit)
		find_instructions(m, &raw->regs, &b);
	if (!m->has_jit)
		ask_dwarf(m, raw->regs.r[XB_REG_RIP]);
	xb_roles_vote(&m->votes->roles, &b);
}

void xb_mixer_place_vote(struct xb_mixer *m, int reg)
{
	xb_roles_place(&m->votes->roles, (unsigned)reg);
}

/* Choose the samples of the batch that vote. */
static size_t choose(struct xb_mixer *m, const struct xb_raw_sample *samples, size_t n,
		     const struct xb_raw_sample *voters[PER_BATCH])
{
	struct mixed_votes *v = m->votes;
	size_t chosen = 0;

	for (size_t i = 0; i < n && chosen < PER_BATCH; i++) {
		if (v->wait > 0) {
			v->wait--;
			continue;
		}
		if (!may_vote(m, &samples[i]))
			continue;
		voters[chosen++] = &samples[i];
		if (!m->opts.all_vote && (v->clear || v->roles.ballots + chosen >= FIRST_BALLOTS))
			v->wait = SPARSELY - 1;
	}
	return chosen;
}

/* Who the schedulers of the voters run, one read for all of them; 0: nobody, or not known. */
static struct xb_error *read_current(struct xb_mixer *m, const struct xb_sched *const *sched, size_t n,
				     xb_addr *current)
{
	uint32_t at = xb_layout_at(&m->vm->layout, XB_F_ErtsSchedulerData_current_process);
	xb_addr word[PER_BATCH] = { 0 };
	struct xb_io io[PER_BATCH];
	size_t n_io = 0;

	for (size_t i = 0; i < n; i++) {
		if (sched[i] != NULL)
			io[n_io++] = (struct xb_io){ .addr = sched[i]->addr + at,
						     .len = sizeof(word[i]),
						     .buf = &word[i] };
	}
	if (n_io > 0)
		XB_TRY(xb_mem_readv(m->vm->mem, io, n_io));
	for (size_t i = 0; i < n; i++)
		current[i] = word[i];
	return NULL;
}

struct xb_error *xb_mixer_vote(struct xb_mixer *m, const struct xb_raw_sample *samples, size_t n)
{
	const struct xb_raw_sample *voters[PER_BATCH];
	const struct xb_sched *sched[PER_BATCH];
	xb_addr current[PER_BATCH] = { 0 };
	size_t n_voters = choose(m, samples, n, voters);

	if (n_voters == 0)
		return NULL;
	for (size_t i = 0; i < n_voters; i++) {
		const uint64_t *known = xb_map_get(&m->sched_of_tid, (uint64_t)voters[i]->tid);

		sched[i] = known == NULL ? NULL : &m->s->scheds.list[*known - 1];
	}
	XB_TRY(read_current(m, sched, n_voters, current));
	XB_TRY(read_heaps(m, current, n_voters));
	for (size_t i = 0; i < n_voters; i++)
		ballot(m, voters[i], sched[i], current[i]);
	settle(m);
	return NULL;
}

static int forced_reg(const struct xb_mixer *m, enum xb_layout_reg r)
{
	return r == XB_R_c_p ? m->opts.force.c_p
	       : r == XB_R_E ? m->opts.force.E
	       : r == XB_R_I ? m->opts.force.I
			     : -1;
}

void xb_mixer_role_state(const struct xb_mixer *m, enum xb_layout_reg r, struct xb_mixer_role *ret)
{
	const struct mixed_votes *v = m->votes;
	int table = xb_mixer_table_reg(m, r), forced = forced_reg(m, r);

	*ret = (struct xb_mixer_role){
		.vote = xb_roles_verdict(&v->roles, r),
		.dwarf = v->dwarf[r],
		.table = table,
		.used = forced >= 0 ? forced : v->used[r],
		.forced = forced >= 0,
		.contradicted = xb_roles_contradict(&v->roles, r, table),
		.forced_contradicted = xb_roles_contradict(&v->roles, r, forced),
	};
	ret->by_vote = forced < 0 && ret->used >= 0 && ret->used != table;
}
