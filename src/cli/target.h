/* How a user names the VM to look at: a process id, a node name, or nothing when there is only one. */
#ifndef XB_CLI_TARGET_H
#define XB_CLI_TARGET_H

#include "cli/tool.h"

/* Embedded in a tool's options; filled by xb_target_options. */
struct xb_target_opts {
	const char *pid;
	const char *debug_dir; /* where to look for separate debug files first, or NULL */
	const char *layout;    /* file with a layout table (layout/text.h), or NULL */
	bool no_cache;
};

/** The "Target" group: -p/--pid, --debug-dir, --layout, --no-cache.  The positional PID or node name is the tool's
 * argument. */
extern const struct xb_opt xb_target_options[];

enum xb_target_kind { XB_TARGET_ANY, XB_TARGET_PID, XB_TARGET_NODE };

struct xb_target {
	enum xb_target_kind kind;
	int pid;          /* of PID */
	const char *node; /* of NODE: "name" or "name@host"; borrowed from the command line */
};

/**
 * What @opts and the positional @arg (may be NULL) say.
 * @return NULL, or USAGE: not a pid or a node name, or both given.
 */
XB_NODISCARD struct xb_error *xb_target_parse(const struct xb_target_opts *opts, const char *arg,
					      struct xb_target *ret);

#endif
