#include "out/perfmap_file.h"

#include "out/newfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
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

struct xb_error *xb_perfmap_write_in_root(pid_t host_pid, pid_t ns_pid, uid_t target_uid,
					  const char *text, size_t len)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	char dir[64];
	xb_cleanup(xb_closep) int root_fd = -1, dir_fd = -1;

	(void)snprintf(dir, sizeof(dir), "/proc/%d/root", host_pid);
	root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return errno == ENOENT ? xb_errorf(XB_ERR_GONE, "process %d is gone", host_pid)
				       : xb_error_sys(errno, "cannot open %s", dir);
	(void)snprintf(dir, sizeof(dir), "/proc/%d/root%s", host_pid, XB_PERFMAP_DIR);
	dir_fd = (int)syscall(SYS_openat2, root_fd, XB_PERFMAP_DIR, &how, sizeof(how));
	if (dir_fd < 0 && errno == ENOSYS)
		return xb_errorf(
			XB_ERR_UNSUPPORTED,
			"this kernel cannot open files safely inside the root of a process (openat2)");
	if (dir_fd < 0)
		return xb_error_sys(errno, "cannot open the directory %s", dir);
	return write_at(dir_fd, dir, ns_pid, target_uid, text, len);
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

struct xb_error *xb_perfmap_kept_by_target(const char *dir, pid_t host_pid, pid_t named, bool *ret)
{
	char path[64];
	xb_cleanup(xb_closep) int dir_fd = -1;
	struct stat st;
	struct dirent *entry;
	bool kept = false;
	DIR *fds;

	if (dir == NULL)
		dir = XB_PERFMAP_DIR;
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return xb_error_sys(errno, "cannot open the directory %s", dir);
	if (fstatat(dir_fd, map_name(named).text, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode)) {
		*ret = false;
		return NULL;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", host_pid);
	fds = opendir(path);
	if (fds == NULL)
		return errno == ENOENT ? xb_errorf(XB_ERR_GONE, "process %d is gone", host_pid)
				       : xb_error_sys(errno, "cannot list %s", path);
	while (!kept && (entry = readdir(fds)) != NULL)
		kept = entry->d_name[0] != '.' && is_open_for_writing(dirfd(fds), entry->d_name, &st);
	(void)closedir(fds);
	*ret = kept;
	return NULL;
}
