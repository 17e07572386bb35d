/*
 * Options as data.  One const table per tool is what the parser reads, what --help prints, what the man
 * page is made from, and what says which options go together; nothing about an option is written twice.
 */
#ifndef XB_CLI_OPT_H
#define XB_CLI_OPT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"

/* What a value is, and the type of the field it is stored in. */
enum xb_opt_kind {
	XB_OPT_FLAG,     /* bool, no value */
	XB_OPT_COUNT,    /* unsigned, no value: how often it was given */
	XB_OPT_U64,      /* uint64_t within [min, max] */
	XB_OPT_DURATION, /* uint64_t nanoseconds within [min, max] */
	XB_OPT_BYTES,    /* uint64_t bytes within [min, max] */
	XB_OPT_ENUM,     /* unsigned: index into choices */
	XB_OPT_STRING,   /* const char *, borrowed from argv, never empty */
	XB_OPT_LIST,     /* struct xb_opt_list: every value given, in order */
};

struct xb_opt_list {
	const char *const *items;
	size_t n;
};

struct xb_opt {
	const char *name; /* without the dashes; NULL ends a table */
	char letter;      /* 0: none */
	enum xb_opt_kind kind;
	bool brief;                 /* --help does not repeat the choices */
	bool hidden;                /* not in --help */
	size_t at;                  /* offset of the field in the options structure of the group */
	const char *arg;            /* what --help calls the value: "TIME" */
	const char *def;            /* default as a user would type it; NULL: the field stays zero */
	uint64_t min, max;          /* of U64, DURATION, BYTES; max 0: no upper bound */
	const char *const *choices; /* of ENUM, ended by NULL */
	const char *not_with;       /* names, blank-separated: options it contradicts */
	const char *needs;          /* names, blank-separated: makes sense only with one of them */
	const char *help;           /* one sentence without a final period */
};

struct xb_opt_group {
	const char *title;
	const struct xb_opt *opts;
	void *into; /* the structure the group fills */
};

struct xb_opt_parse {
	const struct xb_opt_group *groups; /* borrowed */
	size_t n_groups;
	struct xb_arena *arena; /* owns lists and marks; borrowed */
	const char **args;      /* what is no option, in order */
	size_t n_args;
	bool *given;  /* per option, in table order */
	bool stopped; /* a flag named in @stop_at was met; nothing behind it was looked at */
};

/**
 * Set the defaults, then read the command line: "--name value", "--name=value", "-n value", "-nvalue",
 * grouped letters, "--" ends options, "-" alone is an argument.  Abbreviations are not accepted: they
 * break when an option is added.
 *
 * @param p        groups, n_groups and arena set by the caller, the rest zero.
 * @param stop_at  Names of flags (ended by NULL) after which the rest is ignored: help, version.
 * @return NULL, or USAGE with a sentence that names the option and what it accepts; NOMEM.
 */
XB_NODISCARD struct xb_error *xb_opt_parse(struct xb_opt_parse *p, int argc, char *const *argv,
					   const char *const *stop_at);

/** True when the user gave the option, whatever its default. @name must be in the table. */
bool xb_opt_given(const struct xb_opt_parse *p, const char *name);

/** The candidate of @names (ended by NULL) a mistyped @text most likely means, or NULL. */
const char *xb_opt_suggest(const char *text, const char *const *names);

#endif
