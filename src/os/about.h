/*
 * What the operating system tells about one process: program, arguments, age, user, namespaces.
 *
 * Arguments are for showing, so what is secret in them is replaced: they end up in terminals, tickets and logs.
 */
#ifndef XB_OS_ABOUT_H
#define XB_OS_ABOUT_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/types.h>

enum { XB_PROC_NAMESPACES = 8 };

/* What stands in place of a secret. */
#define XB_REDACTED "(redacted)"

struct xb_proc_namespace {
	const char *kind; /* "pid", "mnt", … as below /proc/PID/ns; static */
	uint64_t inode;   /* 0: the kernel does not show it */
	bool known, same; /* same: ours too; only meaningful when known */
};

/* Strings belong to the arena given. */
struct xb_proc_about {
	const char *exe; /* NULL when the kernel hides it */
	bool exe_deleted;
	const char **argv; /* without secrets */
	size_t argc, n_redacted;
	uint64_t start_unix_ns; /* when it started, nanoseconds since 1970 */
	uint64_t uptime_ns;
	uid_t uid, euid;
	const char *user; /* of @euid, NULL when it has no name here */
	uint64_t rss_bytes;
	char state;   /* R S D T t Z X */
	pid_t ns_pid; /* its pid in its own pid namespace */
	struct xb_proc_namespace ns[XB_PROC_NAMESPACES];
	size_t n_ns;
	const char *container; /* 64 hexadecimal digits from its cgroup, or NULL */
	const char *root;      /* what tells its root from ours (os/namespace.h), or NULL */
	const char *node;      /* argument of -name or -sname, or NULL */
};

/**
 * Gather all of it.  What the kernel hides is left out.
 * @return NULL, GONE, NOMEM.  Cost: about 0.2 ms.
 */
XB_NODISCARD struct xb_error *xb_proc_about(pid_t pid, struct xb_arena *arena,
					    struct xb_proc_about *ret);

/**
 * Replace secrets of an Erlang command line by XB_REDACTED: values of -setcookie, of options named
 * "…password" and "…secret…", and expressions that speak of cookies.  @return how many.
 */
size_t xb_argv_redact(const char **argv, size_t argc);

#endif
