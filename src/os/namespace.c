#include "os/namespace.h"

#include "os/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool xb_ns_differs(pid_t pid, const char *kind)
{
	char path[64], ours[64], theirs[64];
	ssize_t a, b;

	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	a = readlink(path, ours, sizeof(ours));
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	b = readlink(path, theirs, sizeof(theirs));
	return a > 0 && b > 0 && (a != b || memcmp(ours, theirs, (size_t)a) != 0);
}

const char *xb_ns_root(struct xb_arena *arena, pid_t pid)
{
	char link[64], text[PATH_MAX];
	struct stat ours, theirs;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/root", (int)pid);
	if (stat("/", &ours) != 0 || stat(link, &theirs) != 0 ||
	    (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino))
		return NULL;
	n = readlink(link, text, sizeof(text));
	/* Of what is mounted in another namespace the kernel says "/". */
	if (n == 1) {
		(void)snprintf(link, sizeof(link), "/proc/%d/ns/mnt", (int)pid);
		n = readlink(link, text, sizeof(text));
	}
	return n <= 0 ? NULL : xb_arena_strndup(arena, text, (size_t)n);
}

struct answer {
	int fd, err;
};

/* In the child, which has our descriptors but a root and a mount namespace of its own. */
static struct answer enter_and_open(int ns, const char *path)
{
	struct answer a = { .fd = -1 };

	/* Entering sets the root to that of the namespace. */
	if (setns(ns, CLONE_NEWNS) == 0)
		a.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	a.err = a.fd < 0 ? errno : 0;
	return a;
}

/* The child shares our table of descriptors, so that what it opens is open here. */
static bool ask_child(int ns, const char *path, struct answer *ret)
{
	int pipes[2];
	long child;
	ssize_t n;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return false;
	child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0UL);
	if (child == 0) {
		struct answer a = enter_and_open(ns, path);

		_exit(write(pipes[1], &a, sizeof(a)) == (ssize_t)sizeof(a) ? 0 : 1);
	}
	if (child > 0) {
		while (waitpid((pid_t)child, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	/* It has ended and our end for writing closes here, so this cannot wait for ever. */
	(void)close(pipes[1]);
	n = child > 0 ? read(pipes[0], ret, sizeof(*ret)) : -1;
	(void)close(pipes[0]);
	return n == (ssize_t)sizeof(*ret);
}

struct xb_error *xb_ns_open_dir(pid_t pid, const char *path, int *ret)
{
	xb_cleanup(xb_closep) int ns = -1;
	struct answer a = { .fd = -1, .err = EIO };
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/%d/ns/mnt", (int)pid);
	ns = open(link, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return errno == ENOENT ? xb_errorf(XB_ERR_GONE, "process %d is gone", (int)pid)
				       : xb_error_sys(errno, "cannot open %s", link);
	if (!ask_child(ns, path, &a) || a.fd < 0)
		return xb_error_sys(a.err, "cannot open %s in the mount namespace of process %d", path,
				    (int)pid);
	*ret = a.fd;
	return NULL;
}

/* Where 0 of the namespace is out here, by lines "INSIDE OUTSIDE COUNT"; false when it is nowhere. */
static bool root_outside(pid_t pid, const char *file, unsigned *ret)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	char path[64], *text;
	struct xb_error *err;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	err = xb_read_file(path, &arena, &text, NULL);
	xb_error_destroy(err);
	if (err != NULL)
		return false;
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		unsigned inside, outside, count;

		line += *line == '\n';
		if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0) {
			*ret = outside;
			return true;
		}
	}
	return false;
}

void xb_ns_owner(pid_t pid, uid_t uid, gid_t gid, struct xb_ns_owner *ret)
{
	struct xb_ns_owner o = { .differs = xb_ns_differs(pid, "user"), .uid = uid, .gid = gid };

	if (o.differs && !root_outside(pid, "uid_map", &o.uid))
		o.uid = uid;
	if (o.differs && !root_outside(pid, "gid_map", &o.gid))
		o.gid = gid;
	*ret = o;
}
