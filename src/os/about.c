#include "os/about.h"

#include "base/clock.h"
#include "os/find.h"
#include "os/namespace.h"
#include "os/procfs.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* An expression such as erlang:set_cookie(…), or flag=value with a telling flag. */
static bool speaks_of_secrets(const char *arg)
{
	return strcasestr(arg, "cookie") != NULL || strcasestr(arg, "password") != NULL ||
	       strcasestr(arg, "secret") != NULL;
}

static bool is_flag(const char *arg)
{
	return arg[0] == '-' || arg[0] == '+';
}

/* The name of a flag is no secret, its value is; -setcookie takes one or two, all of them go. */
size_t xb_argv_redact(const char **argv, size_t argc)
{
	bool hide = false;
	size_t n = 0;

	for (size_t i = 0; i < argc; i++) {
		if (is_flag(argv[i]) && !hide) {
			const char *eq = strchr(argv[i], '=');

			hide = ends_with(argv[i], "cookie") || ends_with(argv[i], "password") ||
			       ends_with(argv[i], "secret");
			if (eq == NULL || !speaks_of_secrets(argv[i]))
				continue;
			argv[i] = XB_REDACTED;
			n++;
			continue;
		}
		if (hide || speaks_of_secrets(argv[i])) {
			/* "password" as the name of a setting: what follows is its value. */
			bool names = !hide &&
				     (ends_with(argv[i], "password") || ends_with(argv[i], "cookie") ||
				      ends_with(argv[i], "secret")) &&
				     strpbrk(argv[i], " (){},'\"") == NULL;

			if (names) {
				hide = true;
				continue;
			}
			argv[i] = XB_REDACTED;
			n++;
			/* A second value follows unless the next is a flag again. */
			hide = hide && i + 1 < argc && !is_flag(argv[i + 1]);
		}
	}
	return n;
}

static const char *user_name(uid_t uid, struct xb_arena *arena)
{
	struct passwd pw, *found = NULL;
	char text[4096];

	if (getpwuid_r(uid, &pw, text, sizeof(text), &found) != 0 || found == NULL)
		return NULL;
	return xb_arena_strndup(arena, found->pw_name, strlen(found->pw_name));
}

static uint64_t inode_of(const char *who, const char *kind)
{
	char path[64], text[64];
	const char *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", who, kind);
	n = readlink(path, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strchr(text, '[');
	return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

static void namespaces(pid_t pid, struct xb_proc_about *a)
{
	static const char *const kinds[XB_PROC_NAMESPACES] = { "cgroup", "ipc",  "mnt",  "net",
							       "pid",    "time", "user", "uts" };
	char who[24];

	(void)snprintf(who, sizeof(who), "%d", (int)pid);
	for (size_t i = 0; i < XB_PROC_NAMESPACES; i++) {
		uint64_t theirs = inode_of(who, kinds[i]), ours = inode_of("self", kinds[i]);

		a->ns[a->n_ns++] = (struct xb_proc_namespace){ .kind = kinds[i],
							       .inode = theirs,
							       .known = theirs != 0 && ours != 0,
							       .same = theirs == ours };
	}
}

/* Start times count from boot, suspended time included, in ticks that are 10 ms on all common kernels. */
static void age(uint64_t start_ticks, struct xb_proc_about *a)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t since_boot = xb_clock_ns(CLOCK_BOOTTIME), start;

	if (hz <= 0 || __builtin_mul_overflow(start_ticks, (uint64_t)(NS_PER_S / hz), &start))
		return;
	a->uptime_ns = since_boot > start ? since_boot - start : 0;
	a->start_unix_ns = xb_clock_ns(CLOCK_REALTIME) - a->uptime_ns;
}

struct xb_error *xb_proc_about(pid_t pid, struct xb_arena *arena, struct xb_proc_about *ret)
{
	struct xb_proc_about a = { 0 };
	struct xb_proc_status status;
	struct xb_error *err;

	XB_TRY(xb_proc_status(pid, &status));
	a.uid = status.uid;
	a.euid = status.euid;
	a.user = user_name(status.euid, arena);
	a.rss_bytes = status.rss_bytes;
	a.state = status.state;
	a.ns_pid = status.ns_pid;
	age(status.start_time, &a);
	err = xb_proc_exe(pid, arena, &a.exe, &a.exe_deleted);
	if (err != NULL)
		a.exe = NULL;
	xb_error_destroy(err);
	err = xb_proc_cmdline(pid, arena, &a.argv, &a.argc);
	if (err != NULL)
		a.argc = 0;
	xb_error_destroy(err);
	a.node = xb_find_node(a.argv, a.argc);
	a.n_redacted = xb_argv_redact(a.argv, a.argc);
	a.container = xb_find_container(arena, pid);
	a.root = xb_ns_root(arena, pid);
	namespaces(pid, &a);
	*ret = a;
	return NULL;
}
