/* From the target a user named to an open session; the same for every tool. */
#ifndef XB_TOOLS_ATTACH_H
#define XB_TOOLS_ATTACH_H

#include "cli/target.h"
#include "session/session.h"

/**
 * Open what @target says, with the options of @opts.  Says on the log which VM was taken when it was not named by pid.
 * @ret_text (may be NULL) receives the name as xb_session_open() was given it, also on error; NULL for "the only one".
 * @thorough: every method is asked for every root; nothing is taken from the cache for granted.
 * @trial (may be NULL) as in struct xb_vm_source.
 * Errors: those of xb_session_open(), and BAD_FILE, SYS, PERM for the file of --layout.
 */
XB_NODISCARD struct xb_error *tool_attach(struct xb_tool_run *run, const struct xb_target_opts *opts,
					  const struct xb_target *target, bool thorough,
					  struct xb_vm_trial *trial, const char **ret_text,
					  struct xb_session **ret);

#endif
