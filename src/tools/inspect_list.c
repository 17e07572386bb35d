#include "tools/inspect_list.h"

#include "layout/layout.h"
#include "out/report.h"
#include "session/hosts.h"

#include <string.h>

enum { SHORT_ID = 12 }; /* digits of a container's id that people use */

static const struct xb_column columns[] = {
	{ .name = "pid", .title = "PID", .kind = XB_KIND_UINT },
	{ .name = "otp_release", .title = "OTP", .kind = XB_KIND_UINT },
	{ .name = "erts_version", .title = "ERTS", .kind = XB_KIND_TEXT },
	{ .name = "flavor", .title = "FLAVOR", .kind = XB_KIND_TEXT },
	{ .name = "schedulers", .title = "SCHED", .kind = XB_KIND_UINT },
	{ .name = "uptime_ns", .title = "UPTIME", .kind = XB_KIND_DURATION_NS },
	{ .name = "rss_bytes", .title = "RSS", .kind = XB_KIND_BYTES },
	{ .name = "user", .title = "USER", .kind = XB_KIND_TEXT },
	{ .name = "node", .title = "NODE", .kind = XB_KIND_TEXT, .role = XB_ROLE_PROCESS },
	{ .name = "container", .title = "", .kind = XB_KIND_TEXT, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "container_short",
	  .title = "CONTAINER",
	  .kind = XB_KIND_TEXT,
	  .flags = XB_COLUMN_TEXT_ONLY | XB_COLUMN_OPTIONAL },
	{ .name = "root",
	  .title = "ROOT",
	  .kind = XB_KIND_TEXT,
	  .role = XB_ROLE_PATH,
	  .flags = XB_COLUMN_OPTIONAL },
	{ .name = "own_pid_namespace", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "own_mount_namespace", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
	{ .name = "executable", .title = "EXECUTABLE", .kind = XB_KIND_TEXT, .role = XB_ROLE_PATH },
	{ .name = "executable_deleted", .kind = XB_KIND_BOOL, .flags = XB_COLUMN_JSON_ONLY },
};

static struct xb_cell own_namespace(const struct xb_proc_about *os, const char *kind)
{
	for (size_t i = 0; i < os->n_ns; i++) {
		if (strcmp(os->ns[i].kind, kind) == 0 && os->ns[i].known)
			return xb_cell_bool(!os->ns[i].same);
	}
	return xb_cell_none();
}

static bool add(struct xb_tool_run *run, struct xb_table *t, const struct xb_host_vm *vm)
{
	const struct xb_proc_about *os = &vm->os;
	const char *exe = os->exe;

	/* Of a program that was upgraded while it ran, the old one still does. */
	if (exe != NULL && os->exe_deleted && !run->common.json)
		exe = xb_arena_printf(&run->arena, "%s (replaced)", exe);
	return xb_table_add(
		t,
		(const struct xb_cell[]){
			xb_cell_uint((uint64_t)vm->pid),
			vm->identified ? xb_cell_uint(vm->id.otp) : xb_cell_none(),
			vm->identified ? xb_cell_text(vm->id.erts) : xb_cell_none(),
			vm->identified ? xb_cell_text(xb_flavor_name(vm->id.flavor)) : xb_cell_none(),
			xb_cell_uint(vm->schedulers),
			xb_cell_uint(os->uptime_ns),
			xb_cell_uint(os->rss_bytes),
			os->user != NULL ? xb_cell_text(os->user)
					 : xb_cell_text_or_none(xb_arena_printf(&run->arena, "%u",
										(unsigned)os->euid)),
			xb_cell_text_or_none(os->node),
			xb_cell_text_or_none(os->container),
			os->container == NULL
				? xb_cell_none()
				: xb_cell_textn(os->container,
						XB_MIN(strlen(os->container), (size_t)SHORT_ID)),
			xb_cell_text_or_none(os->root),
			own_namespace(os, "pid"),
			own_namespace(os, "mnt"),
			xb_cell_text_or_none(exe),
			xb_cell_bool(os->exe_deleted),
		});
}

struct xb_error *inspect_list(struct xb_tool_run *run, const char *output)
{
	struct xb_report report;
	struct xb_host_vms vms;
	struct xb_table rows;
	bool ok = true;

	XB_TRY(xb_host_list(&run->arena, &vms));
	xb_table_init(&rows, columns, XB_ARRAY_LEN(columns), &run->arena);
	for (size_t i = 0; i < vms.len && ok; i++)
		ok = add(run, &rows, &vms.list[i]);
	if (!ok)
		return xb_error_nomem();
	xb_report_init(&report, "extrospect.inspect.list", 1, &run->arena);
	xb_report_health(&report, "vms", "% Erlang VMs", XB_KIND_UINT, xb_cell_uint(vms.len));
	xb_report_health(
		&report, "unidentified",
		vms.unidentified == 0
			? NULL
			: "% whose executable this user may not read: run as root or as their user",
		XB_KIND_UINT, xb_cell_uint(vms.unidentified));
	XB_TRY(xb_tool_output(run, output));
	if (run->common.json)
		return xb_report_json(&report, &rows, &run->out);
	return xb_report_print(&report, &rows, &run->out, &run->tty);
}
