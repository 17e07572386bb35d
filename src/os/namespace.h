/* Namespaces of another process: its mounts, which need not begin where the process has its root, and its users. */
#ifndef XB_OS_NAMESPACE_H
#define XB_OS_NAMESPACE_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/types.h>

/** Whether @pid is in another namespace than we are, "mnt", "pid", "user" …; false where the kernel does not show it. */
bool xb_ns_differs(pid_t pid, const char *kind);

/**
 * Open the directory @path as one who enters the mount namespace of @pid finds it: from the root of the namespace,
 * which for a process that called chroot() is not its own.
 * @ret: an O_PATH descriptor, the caller's to close.
 * @return NULL, GONE, PERM (entering needs CAP_SYS_ADMIN), SYS.  Cost: a short-lived child process.
 */
XB_NODISCARD struct xb_error *xb_ns_open_dir(pid_t pid, const char *path, int *ret);

/**
 * What tells the root directory of @pid from ours: its path as seen from here, or the name of its mount namespace,
 * "mnt:[4026532001]", where there is no such path.  In @arena; NULL when it is the same as ours, or not shown to us.
 */
const char *xb_ns_root(struct xb_arena *arena, pid_t pid);

struct xb_ns_owner {
	bool differs; /* the process is in another user namespace than we are */
	uid_t uid;    /* who root of that namespace is out here; its user where nobody is */
	gid_t gid;
};

/** Who owns what belongs to everybody in the user namespace of @pid.  @uid, @gid: those of the process. */
void xb_ns_owner(pid_t pid, uid_t uid, gid_t gid, struct xb_ns_owner *ret);

#endif
