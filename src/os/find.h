/* Finding running Erlang VMs, and the one a user means. */
#ifndef XB_OS_FIND_H
#define XB_OS_FIND_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/types.h>

/* One process that looks like an Erlang VM from outside.  Strings belong to the arena given. */
struct xb_beam {
	pid_t pid;
	pid_t ns_pid; /* as the process itself sees it */
	uid_t uid;
	uint64_t start_time; /* clock ticks since boot */
	const char *exe;     /* NULL when the kernel hides it */
	const char *node; /* argument of -name or -sname, with or without host; NULL: not distributed,
			   * or named after it was started */
	const char *home; /* -home, or NULL */
	const char *progname;  /* -progname, or NULL */
	const char *container; /* 64 hexadecimal digits from its cgroup, or NULL */
	const char *root;      /* what tells its root from ours (os/namespace.h), or NULL */
	bool ns_known;         /* the next two could be found out */
	bool same_mnt_ns, same_pid_ns;
};

struct xb_beams {
	struct xb_beam *beams; /* ascending pid */
	size_t len;
};

/** Whether @name is what the build of Erlang/OTP calls an emulator: beam.smp, beam.emu.smp,
 * beam.debug.smp …, also cut to the 15 bytes of a comm. */
bool xb_find_is_beam_name(const char *name);

/** What -name or -sname says in @argv, NULL without or when it says "undefined". */
const char *xb_find_node(const char *const *argv, size_t argc);

/** The container @pid is in by the path of its cgroup: 64 hexadecimal digits in @arena, or NULL. */
const char *xb_find_container(struct xb_arena *arena, pid_t pid);

/**
 * Every Erlang VM in /proc that is visible to us.  Zombies are left out.
 * Cost: about 10 us per process of the machine.
 */
XB_NODISCARD struct xb_error *xb_find_beams(struct xb_arena *arena, struct xb_beams *ret);

/**
 * The process a user means: @text is a pid (decimal, or hexadecimal after 0x) or a node name, whole or
 * the part before "@"; NULL means the only VM there is.
 * @ret_how: one phrase that says what was taken and why, in @arena.
 * @return NULL; GONE for a pid that does not exist; USAGE when no or several VMs match, with a list of
 * up to 10 candidates, one per line, as advice. A pid is taken as it is, Erlang VM or not.
 */
XB_NODISCARD struct xb_error *xb_find_target(struct xb_arena *arena, const char *text, pid_t *ret_pid,
					     const char **ret_how);

/** The same choice among @beams; @text is no number. */
XB_NODISCARD struct xb_error *xb_find_choose(const struct xb_beams *beams, const char *text,
					     const struct xb_beam **ret);

#endif
