/*
 * Expressions that choose processes and functions, as typed after --process and --blame.  The language
 * is described in grammar/README.md; the grammar is grammar/selector.y.
 */
#ifndef XB_CLI_SELECTOR_H
#define XB_CLI_SELECTOR_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/str.h"

#define XB_SELECTOR_TEXT_MAX 4096 /* bytes of one expression */
#define XB_SELECTOR_LIST_MAX 256  /* alternatives in one expression */
#define XB_SELECTOR_ATOM_MAX 255  /* characters of an atom, as in the VM */

enum xb_selector_kind {
	XB_SELECTOR_PID,    /* <0.80.0> */
	XB_SELECTOR_NAME,   /* a registered name */
	XB_SELECTOR_MFA,    /* mod:fun/arity, each part possibly "_" */
	XB_SELECTOR_NATIVE, /* a C function or family; only where functions are chosen */
};

/* UTF-8, not NUL-terminated in general: an atom may hold NUL. */
struct xb_selector_atom {
	const char *bytes; /* NULL: "_", any */
	size_t len;
};

#define XB_SELECTOR_ANY_ARITY UINT32_MAX

struct xb_selector {
	const struct xb_selector *next; /* the next alternative, or NULL */
	enum xb_selector_kind kind;
	uint32_t pid[3];                  /* of PID, as printed */
	struct xb_selector_atom name;     /* of NAME and NATIVE */
	struct xb_selector_atom module;   /* of MFA */
	struct xb_selector_atom function; /* of MFA */
	uint32_t arity;                   /* of MFA */
};

/**
 * Parse what --process takes: pids, names and MFA patterns, separated by commas.
 *
 * @param ret  First of at least one alternative, in the order written; all memory is @arena's.
 * @return NULL; USAGE whose sentence names the place and what is expected there, and whose advice shows
 * the text with a caret below it; NOMEM.
 */
XB_NODISCARD struct xb_error *xb_selector_parse(const char *text, struct xb_arena *arena,
						const struct xb_selector **ret);

/** Parse what --blame takes: one native function name, or one MFA pattern.  As xb_selector_parse(). */
XB_NODISCARD struct xb_error *xb_selector_parse_function(const char *text, struct xb_arena *arena,
							 const struct xb_selector **ret);

/** True when @atom is "_" or equals the @len bytes at @bytes. */
bool xb_selector_atom_matches(const struct xb_selector_atom *atom, const char *bytes, size_t len);

/** Append the canonical form of the whole list; parsing that gives the same list again. */
void xb_selector_print(struct xb_str *to, const struct xb_selector *list);

/** Append an atom as Erlang writes it, quoted where it must be. */
void xb_selector_print_atom(struct xb_str *to, const char *bytes, size_t len);

#endif
