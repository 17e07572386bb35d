/*
 * erlang-inspect --list: all Erlang VMs of this host.
 *
 * Rows, schema "extrospect.inspect.list": { pid, otp_release, erts_version, flavor, schedulers, uptime_ns, rss_bytes,
 * user, node, container, own_pid_namespace, own_mount_namespace, executable, executable_deleted }; what cannot be told is
 * null.
 */
#ifndef XB_TOOLS_INSPECT_LIST_H
#define XB_TOOLS_INSPECT_LIST_H

#include "cli/tool.h"

/** Print it.  Errors: NOMEM, SYS. */
XB_NODISCARD struct xb_error *inspect_list(struct xb_tool_run *run, const char *output);

#endif
