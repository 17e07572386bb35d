/* What the user can ask of erlang-inspect. */
#ifndef XB_TOOLS_INSPECT_OPTS_H
#define XB_TOOLS_INSPECT_OPTS_H

#include "cli/target.h"
#include "cli/tool.h"

/* In the order of inspect_topic_names. */
enum inspect_topic {
	INSPECT_SYSTEM,
};

struct inspect_opts {
	struct xb_target_opts target_opts;
	const char *output;
	bool list;

	/* Derived by the check. */
	struct xb_target target;
	enum inspect_topic topic;
};

extern const struct xb_tool_group inspect_groups[];
extern const struct xb_tool_example inspect_examples[];

/** What can be inspected, ended by NULL. */
extern const char *const inspect_topic_names[];

/** The check of the tool: [PID|NODE] [TOPIC].  Errors: USAGE. */
XB_NODISCARD struct xb_error *inspect_check(struct xb_tool_run *run);

#endif
