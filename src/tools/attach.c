#include "tools/attach.h"

#include "cli/rootcache.h"
#include "layout/text.h"

#include <limits.h>

struct xb_error *tool_attach(struct xb_tool_run *run, const struct xb_target_opts *opts,
			     const struct xb_target *target, bool thorough, struct xb_vm_trial *trial,
			     const char **ret_text, struct xb_session **ret)
{
	struct xb_session_opts so = {
		.debug_dir = opts->debug_dir, .log = &run->log, .trial = trial, .thorough = thorough
	};
	struct xb_layout *layout;
	struct xb_rootcache cache;
	char base[PATH_MAX];
	struct xb_session *s = NULL;

	if (target->kind == XB_TARGET_PID) {
		so.target = xb_arena_printf(&run->arena, "%d", target->pid);
		if (so.target == NULL)
			return xb_error_nomem();
	} else if (target->kind == XB_TARGET_NODE) {
		so.target = target->node;
	}
	if (ret_text != NULL)
		*ret_text = so.target;
	if (opts->layout != NULL) {
		layout = xb_arena_alloc(&run->arena, sizeof(*layout));
		if (layout == NULL)
			return xb_error_nomem();
		XB_TRY(xb_layout_load(opts->layout, &run->arena, layout));
		so.layout = layout;
	}
	xb_rootcache_init(&cache, xb_rootcache_base(base, sizeof(base)), &run->log);
	if (!opts->no_cache && base[0] != '\0')
		so.cache = &cache.ops;
	XB_TRY(xb_session_open(&so, &s));
	if (target->kind != XB_TARGET_PID && !run->common.quiet)
		xb_logf(&run->log, XB_LOG_WARN, "%s", s->how);
	*ret = s;
	return NULL;
}
