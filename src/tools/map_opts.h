/* What the user can ask of erlang-write-perf-map. */
#ifndef XB_TOOLS_MAP_OPTS_H
#define XB_TOOLS_MAP_OPTS_H

#include "cli/target.h"
#include "cli/tool.h"

struct map_opts {
	struct xb_target_opts target_opts;
	const char *output; /* NULL: where the host's perf finds it */
	bool watch;
	uint64_t interval_ns;      /* between two looks of --watch */
	bool replaced;             /* keep lines of code whose memory was used again */
	bool inside;               /* below the target's own root, at its own pid */
	const char *fix_perf_data; /* rewrite this recording so that perf uses map files for JIT code */

	struct xb_target target; /* derived by the check */
};

extern const struct xb_tool_group map_groups[];
extern const struct xb_tool_example map_examples[];

/** The check of the tool.  Errors: USAGE. */
XB_NODISCARD struct xb_error *map_check(struct xb_tool_run *run);

#endif
