/*
 *	heap      htop as noted        E             stop as noted     hend
 *	 ├─────────────┼──── free ─────┼───────────────────┼───────────┤
 *	 terms      HTOP ►           ◄ top of the stack
 *
 * HTOP and E both point in here at any moment, HTOP below E.  Other registers do now and then: at a term that is being
 * looked into, at a slot of the stack.  E and HTOP are those that do always.
 */
#include "sample/roles.h"

#include <string.h>

static bool is_mapped(uint64_t v)
{
	return v >= 4096 && v >> 47 == 0 && (v & 7) == 0;
}

static void give(struct xb_roles *r, enum xb_layout_reg role, uint32_t regs)
{
	struct xb_roles_count *c = &r->role[role];

	c->voters++;
	for (unsigned reg = 0; reg < XB_ROLES_REGS; reg++)
		c->votes[reg] += regs >> reg & 1;
}

/* Registers whose value lies in [@from, @to], a multiple of eight. */
static uint32_t pointing(const struct xb_roles_ballot *b, xb_addr from, xb_addr to)
{
	uint32_t regs = 0;

	for (unsigned reg = 0; reg < XB_ROLES_REGS; reg++) {
		uint64_t v = b->regs->r[reg];

		if (xb_regs_has(b->regs, reg) && is_mapped(v) && v >= from && v <= to)
			regs |= 1U << reg;
	}
	return regs;
}

static void vote_c_p(struct xb_roles *r, const struct xb_roles_ballot *b)
{
	uint32_t regs = b->process == 0 ? 0 : pointing(b, b->process, b->process);

	/* None: the scheduler went on to another process before it was asked. */
	if (regs != 0)
		give(r, XB_R_c_p, regs);
}

/* Which of two pointers is the lower one decides between registers that both always point into the stack. */
static void compare(struct xb_roles *r, const struct xb_roles_ballot *b, uint32_t regs)
{
	for (unsigned x = 0; x < XB_ROLES_REGS; x++) {
		for (unsigned y = 0; y < XB_ROLES_REGS; y++) {
			if ((regs >> x & 1) == 0 || (regs >> y & 1) == 0)
				continue;
			r->both[x][y]++;
			r->below[x][y] += b->regs->r[x] < b->regs->r[y];
		}
	}
}

/* The lowest and the highest address in @regs. */
static void bounds(const struct xb_roles_ballot *b, uint32_t regs, uint64_t *lowest, uint64_t *highest)
{
	*lowest = UINT64_MAX;
	*highest = 0;
	for (unsigned reg = 0; reg < XB_ROLES_REGS; reg++) {
		if ((regs >> reg & 1) == 0)
			continue;
		*lowest = XB_MIN(*lowest, b->regs->r[reg]);
		*highest = XB_MAX(*highest, b->regs->r[reg]);
	}
}

/* The only address of a heap in a sample is either; nothing but the distance to what was noted of both tells. */
static bool is_near_stack(const struct xb_roles_ballot *b, uint64_t v)
{
	return v >= b->htop && (b->stop <= v || b->stop - v <= v - b->htop);
}

static void vote_heap(struct xb_roles *r, const struct xb_roles_ballot *b)
{
	uint32_t regs = b->heap == 0 ? 0 : pointing(b, b->heap, b->hend), E, HTOP;
	uint32_t above = b->heap == 0 ? 0 : pointing(b, XB_MAX(b->heap, b->htop), b->hend);
	uint64_t lowest, highest, bottom, top;

	/* The heap is another one by now. */
	if (regs == 0)
		return;
	bounds(b, regs, &lowest, &highest);
	bounds(b, above, &bottom, &top);
	if ((regs >> XB_REG_RSP & 1) != 0) {
		/* Where the machine pushes and pops is the top of the stack, whoever else points there. */
		E = 1U << XB_REG_RSP;
		HTOP = pointing(b, b->heap, b->regs->r[XB_REG_RSP] - 1);
	} else if (lowest < highest) {
		/* The lowest that is no old term is HTOP, which has risen since it was noted. */
		E = bottom < top ? above & ~pointing(b, bottom, bottom) : above;
		HTOP = pointing(b, lowest, highest - 1);
	} else {
		E = is_near_stack(b, lowest) ? above : 0;
		HTOP = regs & ~E;
	}
	compare(r, b, E);
	give(r, XB_R_E, E);
	give(r, XB_R_HTOP, HTOP);
}

static void vote_I(struct xb_roles *r, const struct xb_roles_ballot *b)
{
	/* None: the loop is between two instructions, or in code that several of them share. */
	if (b->instructions == 0)
		return;
	give(r, XB_R_I, b->instructions);
	for (unsigned x = 0; x < XB_ROLES_REGS; x++) {
		for (unsigned y = 0; y < XB_ROLES_REGS; y++)
			r->same[x][y] += b->instructions >> x & b->instructions >> y & 1;
	}
}

static void vote_FCALLS(struct xb_roles *r, const struct xb_roles_ballot *b)
{
	uint32_t regs = 0;

	if (b->slice == 0)
		return;
	for (unsigned reg = 0; reg < XB_ROLES_REGS; reg++) {
		uint64_t v = b->regs->r[reg];

		if (!xb_regs_has(b->regs, reg) || v > b->slice)
			continue;
		regs |= 1U << reg;
		r->values[reg] |= UINT64_C(1) << (v * 63 / b->slice);
	}
	give(r, XB_R_FCALLS, regs);
}

static void vote_registers(struct xb_roles *r, const struct xb_roles_ballot *b)
{
	uint32_t regs = 0;

	if (b->registers == 0 || b->registers_len == 0)
		return;
	for (unsigned reg = 0; reg < XB_ROLES_REGS; reg++) {
		uint64_t v = b->regs->r[reg], at = v - b->registers + 1;

		if (!xb_regs_has(b->regs, reg) || v < b->registers ||
		    v - b->registers >= b->registers_len)
			continue;
		if (r->displacement[reg] == 0)
			r->displacement[reg] = at;
		if (r->displacement[reg] == at)
			regs |= 1U << reg;
	}
	give(r, XB_R_registers, regs);
}

void xb_roles_vote(struct xb_roles *r, const struct xb_roles_ballot *b)
{
	r->ballots++;
	vote_c_p(r, b);
	vote_heap(r, b);
	vote_I(r, b);
	vote_FCALLS(r, b);
	vote_registers(r, b);
}

void xb_roles_place(struct xb_roles *r, unsigned reg)
{
	if (reg < XB_ROLES_REGS)
		give(r, XB_R_E_saved, 1U << reg);
}

static bool reaches(uint64_t votes, uint64_t percent, uint64_t voters)
{
	return 100 * votes >= percent * voters;
}

/* Whether @reg can be what the role asks of it beyond its votes. */
static bool is_fit(const struct xb_roles *r, enum xb_layout_reg role, int reg)
{
	uint32_t voters = XB_MIN(r->role[XB_R_FCALLS].voters, 64U);

	if (role != XB_R_FCALLS)
		return true;
	/* A count that every call into C loses does not last for a slice; one that never changes counts nothing. */
	return xb_reg_is_preserved(reg) &&
	       (unsigned)__builtin_popcountll(r->values[reg]) >= voters / XB_ROLES_VOTERS_PER_VALUE;
}

/* Whether @a is rather E than @b, which has about as many votes: the top of the stack is below all else on it. */
static bool is_top(const struct xb_roles *r, int a, int b)
{
	return r->both[a][b] > 0 && 10 * (uint64_t)r->below[a][b] >= 9 * (uint64_t)r->both[a][b];
}

/* The two registers with most votes, without @except. */
static void rank(const struct xb_roles *r, enum xb_layout_reg role, int except,
		 struct xb_roles_verdict *v)
{
	const struct xb_roles_count *c = &r->role[role];

	for (int reg = 0; reg < XB_ROLES_REGS; reg++) {
		if (c->votes[reg] == 0 || reg == except || !is_fit(r, role, reg))
			continue;
		if (c->votes[reg] > v->votes) {
			v->second = v->reg;
			v->second_votes = v->votes;
			v->reg = (int8_t)reg;
			v->votes = c->votes[reg];
		} else if (c->votes[reg] > v->second_votes) {
			v->second = (int8_t)reg;
			v->second_votes = c->votes[reg];
		}
	}
}

static void prefer_second(struct xb_roles_verdict *v)
{
	struct xb_roles_verdict w = *v;

	v->reg = w.second;
	v->votes = w.second_votes;
	v->second = w.reg;
	v->second_votes = w.votes;
}

/* c_p and registers: who has the votes held the same value, so that either will do; best one that survives calls. */
static bool decide_equal(const struct xb_roles *r, enum xb_layout_reg role, struct xb_roles_verdict *v)
{
	if (!xb_reg_is_preserved(v->reg)) {
		for (int reg = 0; reg < XB_ROLES_REGS; reg++) {
			uint32_t votes = r->role[role].votes[reg];

			if (!xb_reg_is_preserved(reg) || 10 * (uint64_t)votes < 9 * (uint64_t)v->votes)
				continue;
			v->second = v->reg;
			v->second_votes = v->votes;
			v->reg = (int8_t)reg;
			v->votes = votes;
			break;
		}
	}
	return reaches(v->votes, XB_ROLES_MIN_PERCENT, v->voters);
}

/* Compilers keep I now in this register, now in that one. */
static bool decide_I(const struct xb_roles *r, struct xb_roles_verdict *v)
{
	uint32_t best = v->votes;

	if (reaches(v->votes, XB_ROLES_MIN_PERCENT, v->voters))
		return true;
	for (int reg = 0; reg < XB_ROLES_REGS; reg++) {
		uint32_t votes = r->role[XB_R_I].votes[reg];
		uint32_t either = v->votes + votes - r->same[v->reg][reg];

		if (reg == v->reg || either <= best ||
		    !reaches(votes, XB_ROLES_TURN_PERCENT, v->voters))
			continue;
		best = either;
		v->by_turns = true;
		v->second = (int8_t)reg;
		v->second_votes = votes;
	}
	v->confidence = 100.0 * (best + 1.0) / (v->voters + 2.0);
	v->by_turns &= reaches(best, XB_ROLES_MIN_PERCENT, v->voters);
	return v->by_turns;
}

static bool decide_single(const struct xb_roles *r, enum xb_layout_reg role, struct xb_roles_verdict *v)
{
	bool is_stack = role == XB_R_E && v->second >= 0;

	if (is_stack && is_top(r, v->second, v->reg) &&
	    reaches(v->second_votes, XB_ROLES_MIN_PERCENT, v->voters))
		prefer_second(v);
	if (!reaches(v->votes, XB_ROLES_MIN_PERCENT, v->voters))
		return false;
	return (is_stack && is_top(r, v->reg, v->second)) ||
	       100 * (uint64_t)v->votes >=
		       100 * (uint64_t)v->second_votes + XB_ROLES_LEAD_PERCENT * (uint64_t)v->voters;
}

struct xb_roles_verdict xb_roles_verdict(const struct xb_roles *r, enum xb_layout_reg role)
{
	struct xb_roles_verdict v = { .reg = -1, .second = -1, .voters = r->role[role].voters };
	int except = -1;
	bool decided;

	if (v.voters == 0)
		return v;
	/* What holds the top of the stack is not the top of the heap. */
	if (role == XB_R_HTOP) {
		struct xb_roles_verdict E = xb_roles_verdict(r, XB_R_E);

		except = E.outcome == XB_ROLES_ADOPTED ? E.reg : -1;
	}
	rank(r, role, except, &v);
	v.outcome = v.voters < XB_ROLES_MIN_VOTERS ? XB_ROLES_TOO_FEW : XB_ROLES_NO_WINNER;
	if (v.reg < 0)
		return v;
	decided = role == XB_R_I                               ? decide_I(r, &v)
		  : role == XB_R_c_p || role == XB_R_registers ? decide_equal(r, role, &v)
							       : decide_single(r, role, &v);
	if (!v.by_turns)
		v.confidence = 100.0 * (v.votes + 1.0) / (v.voters + 2.0);
	if (decided && v.voters >= XB_ROLES_MIN_VOTERS)
		v.outcome = XB_ROLES_ADOPTED;
	else
		v.by_turns = false;
	return v;
}

bool xb_roles_contradict(const struct xb_roles *r, enum xb_layout_reg role, int reg)
{
	struct xb_roles_verdict v = xb_roles_verdict(r, role);

	return reg >= 0 && reg < XB_ROLES_REGS && v.outcome == XB_ROLES_ADOPTED && v.reg != reg &&
	       v.voters >= XB_ROLES_SURE_VOTERS && 10 * (uint64_t)r->role[role].votes[reg] < v.voters;
}
