/*
 * Which of several claims about a variable is believed.
 *
 * In the interpreter nothing tells for sure where the current process (c_p), the top of its stack (E) and the current
 * instruction (I) are.  Several sources have an opinion, and every one of them is wrong somewhere: compilers reuse
 * registers while debug information goes on naming them, or name registers nobody sampled.  So each claim is tested
 * against the VM.  The best verdict wins, and among equals the earlier source.
 */
#ifndef XB_SAMPLE_VARS_H
#define XB_SAMPLE_VARS_H

#include "base/base.h"

struct xb_str;

enum xb_var { XB_VAR_C_P, XB_VAR_E, XB_VAR_I, XB_VAR_COUNT };

/* In the order they are believed. */
enum xb_var_source {
	XB_VAR_FORCED, /* by the user */
	XB_VAR_DWARF,  /* the debug information of the function, for this very pc */
	XB_VAR_TABLE,  /* the register the release's table names */
	XB_VAR_VOTE,   /* the register that held it in other samples of this run (sample/roles.h) */
	XB_VAR_SEARCH, /* any register that holds something that can only be it */
	XB_VAR_LATER,  /* what the VM says of itself after the sample: not of the same instant */
	XB_VAR_SOURCES
};

enum { XB_VAR_MAX_CLAIMS = 32 }; /* about one variable in one sample */

enum xb_var_verdict {
	XB_VAR_REFUTED,  /* cannot be it */
	XB_VAR_POSSIBLE, /* nothing speaks against it */
	XB_VAR_PROVED,   /* something else of the same sample or of the VM agrees */
};

struct xb_var_claim {
	enum xb_var_source source;
	uint64_t value;
};

struct xb_var_stats {
	uint64_t asked;                    /* samples in which the variable was looked for */
	uint64_t none;                     /* of these, without an answer */
	uint64_t won[XB_VAR_SOURCES];      /* answers by source; with @none they add up to @asked */
	uint64_t unproved[XB_VAR_SOURCES]; /* of these, merely possible */
	uint64_t claimed[XB_VAR_SOURCES];  /* samples in which the source said anything */
	uint64_t refuted[XB_VAR_SOURCES];  /* claims that cannot be, or that a proved one contradicts */
	uint64_t proved[XB_VAR_SOURCES]; /* claims that agreed with the VM; the search is not counted */
};

/** How the claim @value of @source fares; called once for each claim until one is proved. */
typedef enum xb_var_verdict (*xb_var_test)(void *arg, const struct xb_var_claim *claim);

/**
 * The best of @n claims (at most XB_VAR_MAX_CLAIMS), in the order of belief.
 * @param stats  Counted: claimed, refuted, proved; the caller counts the outcome with xb_var_settle().
 * @return its verdict; REFUTED when none holds, and @ret is untouched then.
 */
enum xb_var_verdict xb_var_choose(struct xb_var_stats *stats, const struct xb_var_claim *claims,
				  size_t n, xb_var_test test, void *arg, struct xb_var_claim *ret);

/** Count the outcome of one sample: the @winner with its @verdict, or none for REFUTED. */
void xb_var_settle(struct xb_var_stats *stats, enum xb_var_source winner, enum xb_var_verdict verdict);

/**
 * Whether a forced register was plainly the wrong one: tested often enough to tell, and it agreed with the VM in less
 * than a quarter of the samples.  A right one does in more than two thirds.
 */
bool xb_var_force_is_wrong(const struct xb_var_stats *stats);

/** Append "c_p: DWARF 98.7 %, table 1.3 %; refuted: DWARF 12". */
void xb_var_write(enum xb_var var, const struct xb_var_stats *stats, struct xb_str *out);

/** Append "DWARF 98.7 %, table 1.3 %": where the answers came from; nothing when it was never asked for. */
void xb_var_write_sources(const struct xb_var_stats *stats, struct xb_str *out);

/** "c_p", "E", "I". */
const char *xb_var_name(enum xb_var var);

/** "forced", "DWARF", "table", "vote", "search", "later". */
const char *xb_var_source_name(enum xb_var_source source);

#endif
