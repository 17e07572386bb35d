/*
 * Which machine register holds which role while Erlang code runs, by a vote of samples.
 *
 * Tables and debug information say what a compiler or a release is known to do; this says what a running VM is seen to
 * do, and so also speaks for builds nobody has seen.  Every sample whose pc is in Erlang code has a ballot: its registers,
 * and what the VM's memory says about them.
 *
 *	role       a register gets the sample's vote when it
 *	c_p        holds the process that the thread works for
 *	E          points into that process's heap, above what was noted as its heap's top, and is not the lowest one
 *	           of those (HTOP); or is the machine's stack pointer and points into that heap
 *	HTOP       points into that heap below the stack
 *	I          points at the instruction that is being executed (interpreter)
 *	FCALLS     is a count up to the reductions of a time slice (and over the run takes many values, and is a
 *	           register that calls into C preserve)
 *	registers  points into the scheduler's register structure, always at the same place
 *	E_saved    is what the code behind a call into C takes E from (samples in C; read in the code, not guessed)
 *
 * A sample that can tell nothing about a role (its heap moved since, so that no register points into it) does not vote on
 * it.  All of this is plain data and arithmetic: the caller reads the VM.
 */
#ifndef XB_SAMPLE_ROLES_H
#define XB_SAMPLE_ROLES_H

#include "elf/regs.h"
#include "layout/layout.h"

enum { XB_ROLES_REGS = XB_REG_RIP /* the general ones */ };

/* One sample in Erlang code.  Masks have bit n for register n. */
struct xb_roles_ballot {
	const struct xb_regs *regs;
	xb_addr process; /* that the thread works for; 0: cannot be told, or not of the same moment */
	xb_addr heap, htop, stop, hend; /* of it, as its structure has them; heap 0: not known */
	xb_addr registers;              /* the scheduler's register structure; 0: not known */
	uint64_t registers_len;         /* bytes of it */
	uint64_t slice;                 /* reductions of a time slice; 0: not known */
	uint32_t instructions;          /* registers that point at the instruction being executed */
};

struct xb_roles_count {
	uint32_t voters;
	uint32_t votes[XB_ROLES_REGS];
};

/* The box; zero is empty. */
struct xb_roles {
	uint32_t ballots;
	struct xb_roles_count role[XB_R__COUNT];
	uint32_t both[XB_ROLES_REGS][XB_ROLES_REGS];  /* ballots in which both may be E */
	uint32_t below[XB_ROLES_REGS][XB_ROLES_REGS]; /* and the first of them held the lower address */
	uint32_t same[XB_ROLES_REGS][XB_ROLES_REGS];  /* ballots in which both may be I */
	uint64_t values[XB_ROLES_REGS]; /* which sixty-fourths of a slice were met in it */
	uint64_t displacement
		[XB_ROLES_REGS]; /* plus one: where in the register structure it pointed first */
};

/* Why a role is adopted or not. */
enum xb_roles_outcome {
	XB_ROLES_NOT_ASKED, /* no ballot could tell anything about it */
	XB_ROLES_TOO_FEW,   /* fewer voters than it takes */
	XB_ROLES_NO_WINNER, /* no register has enough, or two are alike */
	XB_ROLES_ADOPTED,
};

struct xb_roles_verdict {
	enum xb_roles_outcome outcome;
	int8_t reg;    /* the one with most votes, -1: none has any */
	int8_t second; /* the next, or -1 */
	bool by_turns; /* adopted: now it is @reg, now @second (I only) */
	uint32_t votes, second_votes, voters;
	double confidence; /* percent: (votes + 1) / (voters + 2); votes for either of them when by turns */
};

/* What it takes to be adopted. */
enum {
	XB_ROLES_MIN_VOTERS = 12,
	XB_ROLES_SURE_VOTERS = 32,  /* to contradict a table */
	XB_ROLES_MIN_PERCENT = 80,  /* of the voters, for the register (or one of the two) */
	XB_ROLES_TURN_PERCENT = 10, /* of the voters, for the second of two */
	/* Of the voters, between it and the next: of E, HTOP, FCALLS and E_saved, which two registers cannot hold. */
	XB_ROLES_LEAD_PERCENT = 10,
	/* FCALLS takes all values in the long run: at least one sixty-fourth of a slice in so many voters (up to 64). */
	XB_ROLES_VOTERS_PER_VALUE = 3,
};

/** Count one ballot.  Cost: about 100 ns. */
void xb_roles_vote(struct xb_roles *r, const struct xb_roles_ballot *b);

/** A vote for @reg as E_saved: the code that a C function returns to takes E from there. */
void xb_roles_place(struct xb_roles *r, unsigned reg);

/** What the ballots so far say of @role.  Cost: under 1 us. */
struct xb_roles_verdict xb_roles_verdict(const struct xb_roles *r, enum xb_layout_reg role);

/**
 * Whether the ballots plainly contradict that @reg holds @role: another one is adopted, by XB_ROLES_SURE_VOTERS at least,
 * and @reg had the vote of less than one voter in ten.  False for @reg -1.
 */
bool xb_roles_contradict(const struct xb_roles *r, enum xb_layout_reg role, int reg);

#endif
