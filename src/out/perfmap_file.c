#include "out/perfmap_file.h"

#include "os/namespace.h"
#include "out/newfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAP_MODE 0644

struct map_name {
	char text[sizeof("perf-.map") + 20];
};

static struct map_name map_name(pid_t pid)
{
	struct map_name name;

	(void)snprintf(name.text, sizeof(name.text), "perf-%d.map", pid);
	return name;
}

struct xb_error *xb_perfmap_path(const char *dir, pid_t host_pid, struct xb_arena *arena,
				 const char **ret)
{
	const char *path = xb_arena_printf(arena, "%s/%s", dir != NULL ? dir : XB_PERFMAP_DIR,
					   map_name(host_pid).text);

	if (path == NULL)
		return xb_error_nomem();
	*ret = path;
	return NULL;
}

static struct xb_error *fill(struct xb_newfile *f, const char *text, size_t len)
{
	struct xb_error *err = xb_newfile_write(f, text, len);

	if (err == NULL)
		return xb_newfile_commit(f);
	xb_newfile_discard(f);
	return err;
}

static struct xb_error *write_at(int dir_fd, const char *dir, pid_t pid, uid_t target_uid,
				 const char *text, size_t len)
{
	struct xb_newfile f;

	XB_TRY(xb_newfile_open_at(dir_fd, dir, map_name(pid).text, MAP_MODE, XB_NEWFILE_OWN, target_uid,
				  &f));
	return fill(&f, text, len);
}

struct xb_error *xb_perfmap_write(const char *dir, pid_t host_pid, uid_t target_uid, const char *text,
				  size_t len)
{
	xb_cleanup(xb_closep) int dir_fd = -1;

	if (dir == NULL)
		dir = XB_PERFMAP_DIR;
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return xb_error_sys(errno, "cannot open the directory %s", dir);
	return write_at(dir_fd, dir, host_pid, target_uid, text, len);
}

/* Files are made by that user from here on; memory and /proc are no matter of it. */
static bool become(const struct xb_ns_owner *who)
{
	(void)setfsgid(who->gid);
	(void)setfsuid(who->uid);
	/* Neither says whether it did; asking for an impossible one tells the present one. */
	return setfsuid((uid_t)-1) == (int)who->uid && setfsgid((gid_t)-1) == (int)who->gid;
}

/* In a user namespace that does not know us a file of ours cannot exist, or is nobody's. */
static struct xb_error *write_as_owner(int dir_fd, const char *dir,
				       const struct xb_perfmap_target *target, const char *text,
				       size_t len)
{
	struct xb_ns_owner owner, us = { .uid = geteuid(), .gid = getegid() };
	struct xb_error *err;

	xb_ns_owner(target->pid, target->uid, target->gid, &owner);
	if (!owner.differs || us.uid != 0)
		return write_at(dir_fd, dir, target->ns_pid, target->uid, text, len);
	err = become(&owner) ? write_at(dir_fd, dir, target->ns_pid, owner.uid, text, len)
			     : xb_errorf(XB_ERR_PERM, "cannot create files as user %u", owner.uid);
	if (!become(&us) && err == NULL)
		err = xb_errorf(XB_ERR_SYS, "cannot create files as ourselves any more");
	return err;
}

struct xb_error *xb_perfmap_write_in_root(const struct xb_perfmap_target *target, const char *text,
					  size_t len)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	char dir[64];
	xb_cleanup(xb_closep) int root_fd = -1, dir_fd = -1;

	(void)snprintf(dir, sizeof(dir), "/proc/%d/root", target->pid);
	root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return errno == ENOENT ? xb_errorf(XB_ERR_GONE, "process %d is gone", target->pid)
				       : xb_error_sys(errno, "cannot open %s", dir);
	(void)snprintf(dir, sizeof(dir), "/proc/%d/root%s", target->pid, XB_PERFMAP_DIR);
	dir_fd = (int)syscall(SYS_openat2, root_fd, XB_PERFMAP_DIR, &how, sizeof(how));
	if (dir_fd < 0 && errno == ENOSYS)
		return xb_errorf(
			XB_ERR_UNSUPPORTED,
			"this kernel cannot open files safely inside the root of a process (openat2)");
	if (dir_fd < 0)
		return xb_error_sys(errno, "cannot open the directory %s", dir);
	return write_as_owner(dir_fd, dir, target, text, len);
}

struct xb_error *xb_perfmap_write_to(const char *path, const char *text, size_t len)
{
	struct xb_newfile f;
	struct stat st;
	struct xb_error *err;
	int fd;

	if (lstat(path, &st) != 0 || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
		XB_TRY(xb_newfile_open(path, MAP_MODE, XB_NEWFILE_OWN, geteuid(), &f));
		return fill(&f, text, len);
	}
	fd = open(path, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return xb_error_sys(errno, "cannot open %s", path);
	err = xb_write_all(fd, path, text, len);
	if (close(fd) != 0 && err == NULL && errno != EINTR)
		err = xb_error_sys(errno, "cannot write %s", path);
	return err;
}

static bool is_open_for_writing(int fd_dir, const char *name, const struct stat *want)
{
	struct stat st, link;

	/* The permission bits of the link in /proc/PID/fd are the open mode. */
	return fstatat(fd_dir, name, &st, 0) == 0 && st.st_dev == want->st_dev &&
	       st.st_ino == want->st_ino && fstatat(fd_dir, name, &link, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (link.st_mode & S_IWUSR) != 0;
}

/* Whether the map of the process @named in @dir_fd is there, and @host_pid has it open for writing. */
static struct xb_error *look(int dir_fd, pid_t host_pid, pid_t named, struct xb_perfmap_inner *ret)
{
	struct dirent *entry;
	char path[64];
	struct stat st;
	DIR *fds;

	if (fstatat(dir_fd, map_name(named).text, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return NULL;
	ret->exists = true;
	ret->owner = st.st_uid;
	if (!S_ISREG(st.st_mode))
		return NULL;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", host_pid);
	fds = opendir(path);
	if (fds == NULL)
		return errno == ENOENT ? xb_errorf(XB_ERR_GONE, "process %d is gone", host_pid)
				       : xb_error_sys(errno, "cannot list %s", path);
	while (!ret->kept && (entry = readdir(fds)) != NULL)
		ret->kept =
			entry->d_name[0] != '.' && is_open_for_writing(dirfd(fds), entry->d_name, &st);
	(void)closedir(fds);
	return NULL;
}

struct xb_error *xb_perfmap_kept_by_target(const char *dir, pid_t host_pid, pid_t named, bool *ret)
{
	xb_cleanup(xb_closep) int dir_fd = -1;
	struct xb_perfmap_inner found = { 0 };

	if (dir == NULL)
		dir = XB_PERFMAP_DIR;
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return xb_error_sys(errno, "cannot open the directory %s", dir);
	XB_TRY(look(dir_fd, host_pid, named, &found));
	*ret = found.kept;
	return NULL;
}

/* Two names of one directory. */
static bool is_host_dir(int dir_fd)
{
	struct stat host, st;

	return stat(XB_PERFMAP_DIR, &host) == 0 && fstat(dir_fd, &st) == 0 &&
	       host.st_dev == st.st_dev && host.st_ino == st.st_ino;
}

struct xb_error *xb_perfmap_inner(const struct xb_perfmap_target *target, struct xb_perfmap_inner *ret)
{
	xb_cleanup(xb_closep) int dir_fd = -1;
	struct xb_perfmap_inner found = { 0 };
	struct xb_error *err;

	(void)snprintf(found.path, sizeof(found.path), "%s/%s", XB_PERFMAP_DIR,
		       map_name(target->ns_pid).text);
	if (!xb_ns_differs(target->pid, "mnt")) {
		*ret = found;
		return NULL;
	}
	err = xb_ns_open_dir(target->pid, XB_PERFMAP_DIR, &dir_fd);
	/* Without a directory there is no map; without the right to enter, our perf cannot find it either. */
	if (err != NULL && xb_error_code(err) != XB_ERR_GONE) {
		xb_error_destroy(err);
		err = NULL;
	} else if (err == NULL && !(target->ns_pid == target->pid && is_host_dir(dir_fd))) {
		err = look(dir_fd, target->pid, target->ns_pid, &found);
	}
	if (err == NULL)
		*ret = found;
	return err;
}
