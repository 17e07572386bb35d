/* Between the generated parser and the syntax tree: what the grammar's actions call. */
#ifndef XB_CLI_SELECTOR_BUILD_H
#define XB_CLI_SELECTOR_BUILD_H

#include "cli/selector.h"

/* Bytes [first, last) of the expression. */
struct xb_selector_span {
	size_t first, last;
};

struct xb_selector_build {
	const char *text;
	size_t len;
	struct xb_arena *arena;
	bool function; /* what --blame takes, else what --process takes */
	bool started;  /* the scanner has told the parser which of the two */
	size_t at;     /* of the scanner */
	struct xb_selector *first, *last;
	size_t count;
	struct xb_error *err; /* the first one; later ones are dropped */
};

/** Remember an error at @where: @what is a sentence without its end. */
void xb_selector_fail(struct xb_selector_build *b, struct xb_selector_span where, const char *what);

/** Add an alternative.  False: @b->err is set. */
bool xb_selector_add(struct xb_selector_build *b, struct xb_selector_span where,
		     const struct xb_selector *item);

/** Each turns the text of a token into a value.  False: @b->err is set. */
bool xb_selector_bare(struct xb_selector_build *b, struct xb_selector_span where,
		      struct xb_selector_atom *ret);
bool xb_selector_quoted(struct xb_selector_build *b, struct xb_selector_span where,
			struct xb_selector_atom *ret);
bool xb_selector_alias(struct xb_selector_build *b, struct xb_selector_span where,
		       struct xb_selector_atom *ret); /* Foo.Bar: 'Elixir.Foo.Bar' */
bool xb_selector_pid(struct xb_selector_build *b, struct xb_selector_span where, uint32_t ret[3]);
bool xb_selector_arity(struct xb_selector_build *b, struct xb_selector_span where, uint32_t *ret);

#endif
