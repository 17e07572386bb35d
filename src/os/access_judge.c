/* The rules, on facts alone: testable without the privileges they are about. */
#include "os/access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool has(const struct xb_access_facts *f, enum xb_cap cap)
{
	return (f->we.caps_effective >> cap & 1) != 0;
}

static bool same_user(const struct xb_access_facts *f)
{
	const struct xb_access_ids *w = &f->we, *t = &f->target;

	return w->uid == t->uid && w->uid == t->euid && w->uid == t->suid && w->gid == t->gid &&
	       w->gid == t->egid && w->gid == t->sgid;
}

/* What to do to get a capability.  @cap in capitals without CAP_, @file in the words of setcap. */
static struct xb_error *advise_cap(struct xb_error *err, const struct xb_access_facts *f,
				   const char *cap, const char *file)
{
	if (f->we_are_in_container)
		return xb_error_advise(err, "start the container of this tool with --cap-add=%s", cap);
	if (f->we.euid == 0)
		return xb_error_advise(err,
				       "root lacks CAP_%s here: run this where it was not taken away "
				       "(systemd: CapabilityBoundingSet)",
				       cap);
	return xb_error_advise(err, "run this as root, or once as root: setcap %s=ep %s", file,
			       f->our_exe[0] != '\0' ? f->our_exe : "PROGRAM");
}

static const char *action(enum xb_access_what what)
{
	switch (what) {
	case XB_ACCESS_MAPS:
		return "cannot see the memory map of";
	case XB_ACCESS_PERF:
	case XB_ACCESS_CPUS:
		return "cannot sample";
	case XB_ACCESS_MEMORY:
		break;
	}
	return "cannot read the memory of";
}

static const char *cap_name(enum xb_access_what what)
{
	return what >= XB_ACCESS_PERF ? "PERFMON" : "SYS_PTRACE";
}

static const char *cap_file(enum xb_access_what what)
{
	return what >= XB_ACCESS_PERF ? "cap_perfmon" : "cap_sys_ptrace";
}

static struct xb_error *other_user(const struct xb_access_facts *f, enum xb_access_what what)
{
	struct xb_error *err =
		f->we.uid == f->target.uid
			? xb_errorf(XB_ERR_PERM,
				    "%s process %d: it has other user or group ids than we do",
				    action(what), (int)f->pid)
			: xb_errorf(XB_ERR_PERM, "%s process %d: it runs as %s and we run as %s",
				    action(what), (int)f->pid, f->target_name, f->we_name);

	if (f->we.euid == 0 || f->we_are_in_container || f->we.uid == f->target.uid)
		return advise_cap(err, f, cap_name(what), cap_file(what));
	return xb_error_advise(err, "run this as %s or as root, or once as root: setcap %s=ep %s",
			       f->target_name, cap_file(what),
			       f->our_exe[0] != '\0' ? f->our_exe : "PROGRAM");
}

/* The check that ptrace, process_vm_readv(), /proc and perf share.  NULL: it does not refuse. */
static struct xb_error *shared_rules(const struct xb_access_facts *f, enum xb_access_what what)
{
	uint64_t more = f->target.caps_permitted & ~f->we.caps_permitted;

	if (!same_user(f))
		return other_user(f, what);
	if (more != 0)
		return advise_cap(
			xb_errorf(XB_ERR_PERM,
				  "%s process %d: it holds capabilities (%#llx) that we do not",
				  action(what), (int)f->pid, (unsigned long long)more),
			f, cap_name(what), cap_file(what));
	if (!f->target_dumpable)
		return advise_cap(
			xb_errorf(XB_ERR_PERM,
				  "%s process %d: it is marked as not dumpable (it changed its "
				  "user, or its file carries capabilities)",
				  action(what), (int)f->pid),
			f, cap_name(what), cap_file(what));
	return NULL;
}

/* We hold the capability, or no rule we know refuses: what is left. */
static struct xb_error *leftovers(const struct xb_access_facts *f, enum xb_access_what what, int err)
{
	struct xb_error *e;

	if (f->we_have_seccomp && err == EPERM) {
		e = xb_errorf(XB_ERR_PERM,
			      "%s process %d: a seccomp filter of ours forbids the system call",
			      action(what), (int)f->pid);
		if (f->we_are_in_container)
			return advise_cap(e, f, cap_name(what), cap_file(what));
		return xb_error_advise(e, "run this outside of the service or sandbox that filters it");
	}
	if (f->user_ns_known && !f->same_user_ns)
		return xb_error_advise(
			xb_errorf(
				XB_ERR_PERM,
				"%s process %d: it is in another user namespace, where our capabilities "
				"do not count",
				action(what), (int)f->pid),
			"run this in the user namespace of the process or in one that holds it");
	e = xb_errorf(XB_ERR_PERM, "%s process %d: %s, though user, capabilities and sysctls allow it",
		      action(what), (int)f->pid, strerror(err));
	return xb_error_advise(e,
			       "look for a security module (SELinux, AppArmor, kernel lockdown) in the "
			       "kernel log");
}

static struct xb_error *judge_memory(const struct xb_access_facts *f, enum xb_access_what what, int err)
{
	bool may = has(f, XB_CAP_SYS_PTRACE) && f->same_user_ns;

	/* Yama guards attaching only; 3 cannot be overridden by anybody. */
	if (what == XB_ACCESS_MEMORY && f->yama >= 3)
		return xb_error_advise(xb_errorf(XB_ERR_PERM,
						 "%s process %d: kernel.yama.ptrace_scope is %d, which "
						 "refuses everyone",
						 action(what), (int)f->pid, f->yama),
				       "it cannot be lowered again without a reboot");
	if (!may) {
		struct xb_error *e = shared_rules(f, what);

		if (e != NULL)
			return e;
		if (what == XB_ACCESS_MEMORY && f->yama >= 1 && !has(f, XB_CAP_SYS_PTRACE)) {
			e = xb_errorf(
				XB_ERR_PERM,
				"%s process %d: kernel.yama.ptrace_scope is %d, which allows it only "
				"%s",
				action(what), (int)f->pid, f->yama,
				f->yama == 1 ? "for our own children" : "with CAP_SYS_PTRACE");
			if (f->we_are_in_container)
				return advise_cap(e, f, "SYS_PTRACE", "cap_sys_ptrace");
			return xb_error_advise(e,
					       "as root: sysctl kernel.yama.ptrace_scope=0; or setcap "
					       "cap_sys_ptrace=ep %s",
					       f->our_exe[0] != '\0' ? f->our_exe : "PROGRAM");
		}
	}
	return leftovers(f, what, err);
}

static struct xb_error *judge_perf(const struct xb_access_facts *f, enum xb_access_what what, int err)
{
	bool cap = has(f, XB_CAP_PERFMON) || has(f, XB_CAP_SYS_ADMIN);
	struct xb_error *e;

	if (f->we_have_seccomp && err == EPERM)
		return leftovers(f, what, err);
	if (cap && !f->initial_user_ns)
		return xb_error_advise(
			xb_errorf(
				XB_ERR_PERM,
				"%s process %d: our capabilities are those of a user namespace, which do "
				"not count for perf events (kernel.perf_event_paranoid is %d)",
				action(what), (int)f->pid, f->paranoid),
			"run this outside of the user namespace (not in a rootless container)");
	if (cap)
		return leftovers(f, what, err);
	if (what == XB_ACCESS_CPUS && f->paranoid > 0) {
		e = xb_errorf(
			XB_ERR_PERM,
			"%s process %d by CPU: kernel.perf_event_paranoid is %d, which allows that "
			"only with CAP_PERFMON",
			action(what), (int)f->pid, f->paranoid);
		return advise_cap(e, f, "PERFMON", "cap_perfmon");
	}
	/* CAP_SYS_PTRACE passes the shared check too. */
	e = has(f, XB_CAP_SYS_PTRACE) && f->same_user_ns ? NULL : shared_rules(f, what);
	if (e != NULL)
		return e;
	/* 3 and 4 exist in kernels of Debian, Ubuntu and Android only; elsewhere they mean 2. */
	if (f->paranoid > 2) {
		e = xb_errorf(
			XB_ERR_PERM,
			"%s process %d: kernel.perf_event_paranoid is %d, which allows perf events "
			"only with CAP_PERFMON",
			action(what), (int)f->pid, f->paranoid);
		if (f->we_are_in_container || f->we.euid == 0)
			return advise_cap(e, f, "PERFMON", "cap_perfmon");
		return xb_error_advise(e,
				       "as root: sysctl kernel.perf_event_paranoid=2; or setcap "
				       "cap_perfmon=ep %s",
				       f->our_exe[0] != '\0' ? f->our_exe : "PROGRAM");
	}
	return leftovers(f, what, err);
}

struct xb_error *xb_access_judge(const struct xb_access_facts *f, enum xb_access_what what, int err)
{
	if (err == ESRCH)
		return xb_errorf(XB_ERR_GONE, "process %d has exited", (int)f->pid);
	if (err == EMFILE || err == ENFILE)
		return xb_error_advise(xb_errorf(XB_ERR_LIMIT, "%s process %d: %s", action(what),
						 (int)f->pid, strerror(err)),
				       "raise the limit on open files (ulimit -n)");
	if (err == ENOSYS && f->we_have_seccomp)
		return leftovers(f, what, EPERM);
	if (err == ENOSYS || (what == XB_ACCESS_PERF &&
			      (err == ENOENT || err == ENODEV || err == EOPNOTSUPP || err == EINVAL)))
		return xb_errorf(XB_ERR_UNSUPPORTED, "%s process %d: this kernel cannot do it (%s)",
				 action(what), (int)f->pid, strerror(err));
	if (err != EPERM && err != EACCES)
		return xb_error_sys(err, "%s process %d", action(what), (int)f->pid);
	return what >= XB_ACCESS_PERF ? judge_perf(f, what, err) : judge_memory(f, what, err);
}
