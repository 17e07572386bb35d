#include "cli/target.h"

#include "base/num.h"

#include <string.h>

#define AT(field) offsetof(struct xb_target_opts, field)

/* PID_MAX_LIMIT of 64-bit kernels. */
#define PID_LIMIT 4194304

const struct xb_opt xb_target_options[] = {
	{ "pid", 'p', XB_OPT_STRING, .at = AT(pid), .arg = "PID|NODE",
	  .help = "the VM to look at; the same as the argument" },
	{ "debug-dir", 0, XB_OPT_STRING, .at = AT(debug_dir), .arg = "DIR",
	  .help = "look for separate debug files in DIR first" },
	{ "layout", 0, XB_OPT_STRING, .at = AT(layout), .arg = "FILE",
	  .help = "where the VM's structures have their fields: from the table in FILE (see erlang-layout) instead of "
		  "debug information or a built-in table; checked on the VM all the same" },
	{ "no-cache", 0, XB_OPT_FLAG, .at = AT(no_cache),
	  .help = "neither use nor keep what earlier runs found out about this build of the VM" },
	{ 0 },
};

/* Unquoted node names: what a shell and the VM both take as they are. */
static bool is_node_name(const char *s)
{
	const char *at = strchr(s, '@');

	if (s[0] == '\0' || s[0] == '@' ||
	    (at != NULL && (at[1] == '\0' || strchr(at + 1, '@') != NULL)))
		return false;
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s <= ' ' || *s == '/' || *s == 0x7f)
			return false;
	}
	return true;
}

struct xb_error *xb_target_parse(const struct xb_target_opts *opts, const char *arg,
				 struct xb_target *ret)
{
	const char *text = opts->pid != NULL ? opts->pid : arg;
	uint64_t pid;

	if (opts->pid != NULL && arg != NULL)
		return xb_errorf(XB_ERR_USAGE, "the target is named twice: --pid %s and %s", opts->pid,
				 arg);
	if (text == NULL) {
		*ret = (struct xb_target){ .kind = XB_TARGET_ANY };
		return NULL;
	}
	if (xb_num_u64(text, PID_LIMIT, &pid) && pid > 0) {
		*ret = (struct xb_target){ .kind = XB_TARGET_PID, .pid = (int)pid };
		return NULL;
	}
	if (strspn(text, "0123456789") == strlen(text) || text[0] == '-' || !is_node_name(text))
		return xb_errorf(XB_ERR_USAGE, "'%s' is neither a process id nor a node name", text);
	*ret = (struct xb_target){ .kind = XB_TARGET_NODE, .node = text };
	return NULL;
}
