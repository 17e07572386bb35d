#include "tools/attach.h"

struct xb_error *tool_attach(struct xb_tool_run *run, const struct xb_target_opts *opts,
			     const struct xb_target *target, const char **ret_text,
			     struct xb_session **ret)
{
	struct xb_session_opts so = { .debug_dir = opts->debug_dir, .log = &run->log };
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
	XB_TRY(xb_session_open(&so, &s));
	if (target->kind != XB_TARGET_PID && !run->common.quiet)
		xb_logf(&run->log, XB_LOG_WARN, "%s", s->how);
	*ret = s;
	return NULL;
}
