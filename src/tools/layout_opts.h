/* What the user can ask of erlang-layout. */
#ifndef XB_TOOLS_LAYOUT_OPTS_H
#define XB_TOOLS_LAYOUT_OPTS_H

#include "cli/target.h"
#include "cli/tool.h"

/* In the order of layout_verb_names. */
enum layout_verb {
	LAYOUT_LIST,
	LAYOUT_SHOW,
	LAYOUT_DUMP,
	LAYOUT_CHECK,
};

struct layout_opts {
	struct xb_target_opts target_opts;
	const char *output;
	const char *from_dwarf; /* file with debug information, or the program it belongs to */
	const char *base;       /* table for what debug information does not tell, or NULL */

	/* Derived by the check. */
	enum layout_verb verb;
	const char *name; /* of SHOW */
	struct xb_target target;
};

extern const struct xb_tool_group layout_groups[];
extern const struct xb_tool_example layout_examples[];

/** What can be done, ended by NULL. */
extern const char *const layout_verb_names[];

/** The check of the tool: list | show NAME | dump --from-dwarf FILE | check [PID|NODE].  Errors: USAGE. */
XB_NODISCARD struct xb_error *layout_check(struct xb_tool_run *run);

#endif
