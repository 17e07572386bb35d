/* The most frequent functions, lines, modules, processes, schedulers or CPUs of a profile. */
#ifndef XB_VIEW_TOP_H
#define XB_VIEW_TOP_H

#include "view/profile.h"

enum xb_top_by {
	XB_TOP_FUNCTION,
	XB_TOP_LINE,
	XB_TOP_MODULE,
	XB_TOP_PROCESS,
	XB_TOP_SCHEDULER,
	XB_TOP_CPU,
};

struct xb_top_opts {
	enum xb_top_by by;
	bool only_erlang; /* C and fragment frames give their time to the Erlang function that called them */
};

enum xb_top_kind { XB_TOP_ERLANG, XB_TOP_NATIVE, XB_TOP_KERNEL, XB_TOP_FRAGMENT, XB_TOP_OTHER };

/* One row.  Strings live as long as the profile and the arena given. */
struct xb_top_row {
	const char *name;
	const char *module; /* "" where it means nothing */
	const char *file;   /* by line */
	uint32_t line;
	const char *process; /* by process: the pid */
	enum xb_top_kind kind;
	uint64_t self;  /* samples whose innermost frame it is */
	uint64_t total; /* samples whose stack it is in, once each */
	uint64_t later; /* of @total: only seen in frames read after the sample */
};

struct xb_top {
	struct xb_top_row *rows; /* by self, then total, descending; self adds up to @samples */
	size_t n;
	uint64_t samples;
};

/** "[unresolved]" collects what has no name, "[no Erlang process]" what only_erlang leaves over.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_top_make(const struct xb_profile *p, const struct xb_top_opts *opts,
					  struct xb_arena *arena, struct xb_top *ret);

/** The kind as reports spell it; static. */
const char *xb_top_kind_name(enum xb_top_kind kind);

/**
 * The frames of a stack as reports show them: shared fragments are left out where an Erlang function called them, C
 * frames when @only_erlang.  @ret holds up to @s->n indices into the stack, innermost first; returns how many.
 */
size_t xb_top_shown(const struct xb_profile *p, const struct xb_pstack *s, bool only_erlang,
		    uint32_t *ret);

#endif
