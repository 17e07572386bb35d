/*
 * Which rule of the kernel refuses us, and what would change it.
 *
 * EPERM names no reason, and there are eight.  The facts are gathered from /proc, and the rules are
 * gone through in the order in which the kernel does (kernel/ptrace.c __ptrace_may_access(), Yama, then
 * kernel/events/core.c); the first that refuses is reported, with the way out as the error's advice.
 */
#ifndef XB_OS_ACCESS_H
#define XB_OS_ACCESS_H

#include "base/error.h"

#include <limits.h>
#include <sys/types.h>

enum xb_access_what {
	XB_ACCESS_MEMORY, /* process_vm_readv(): the right to ptrace-attach */
	XB_ACCESS_MAPS,   /* /proc/PID/maps and the like: the right to ptrace-read */
	XB_ACCESS_PERF,   /* perf_event_open() on its threads */
	XB_ACCESS_CPUS,   /* perf_event_open() on whole CPUs */
};

/* Numbers of linux/capability.h; named here because older headers lack the last two. */
enum xb_cap {
	XB_CAP_SYS_PTRACE = 19,
	XB_CAP_SYS_ADMIN = 21,
	XB_CAP_SYS_RESOURCE = 24,
	XB_CAP_PERFMON = 38,
	XB_CAP_BPF = 39,
};

struct xb_access_ids {
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;
	uint64_t caps_permitted, caps_effective;
};

/* Everything the rules look at. */
struct xb_access_facts {
	pid_t pid;
	struct xb_access_ids we, target;
	bool target_dumpable; /* false: its files in /proc belong to root */
	bool user_ns_known;   /* we could see which user namespace the target is in */
	bool same_user_ns;
	bool initial_user_ns; /* we are in it, as far as the uid map tells */
	bool we_have_seccomp; /* a filter is installed in our process */
	bool we_are_in_container;
	int yama;                          /* kernel.yama.ptrace_scope, -1 without Yama */
	int paranoid;                      /* kernel.perf_event_paranoid, INT_MIN when unreadable */
	char we_name[64], target_name[64]; /* "rabbitmq (uid 105)" */
	char our_exe[PATH_MAX];
};

/** GONE when the process is no more.  What cannot be found out is set to the value that refuses
 * nothing. */
XB_NODISCARD struct xb_error *xb_access_gather(pid_t pid, struct xb_access_facts *ret);

/**
 * Turn errno @err into an error that names the rule.  Never NULL.  Code PERM for refusals, GONE for
 * ESRCH, UNSUPPORTED and LIMIT where the errno says so.
 */
XB_NODISCARD struct xb_error *xb_access_judge(const struct xb_access_facts *facts,
					      enum xb_access_what what, int err);

/** NULL when the memory of @pid may be read, else why not.  Reads nothing.  Cost: one system call. */
XB_NODISCARD struct xb_error *xb_access_check_memory(pid_t pid);

/** gather + judge.  Never NULL. */
XB_NODISCARD struct xb_error *xb_access_explain(pid_t pid, enum xb_access_what what, int err);

/** Whether one of our effective capabilities is @cap; false when that cannot be found out. */
bool xb_access_have_cap(enum xb_cap cap);

#endif
