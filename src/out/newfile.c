#include "out/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct xb_error *xb_write_all(int fd, const char *what, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = write(fd, p, XB_MIN(len, (size_t)1 << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return xb_error_sys(errno, "cannot write %s", what);
		if (n == 0)
			return xb_error_sys(EIO, "cannot write %s", what);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK:
		return "a symbolic link";
	case S_IFDIR:
		return "a directory";
	case S_IFREG:
		return "a file";
	default:
		return "a special file";
	}
}

/* Whether the final name may be taken.  rename() never follows or keeps what is there, so what changes
 * between this look and the rename can cost at most a link or a file in a place where its owner put it.
 */
static struct xb_error *look(int dir_fd, const char *path, const char *name,
			     enum xb_newfile_replace replace, uid_t also_uid)
{
	struct stat st;
	struct xb_error *err;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? NULL : xb_error_sys(errno, "cannot look at %s", path);
	if (replace == XB_NEWFILE_NEVER)
		err = xb_errorf(XB_ERR_USAGE, "%s exists already (%s)", path, kind_of(st.st_mode));
	else if (!S_ISREG(st.st_mode))
		err = xb_errorf(XB_ERR_USAGE, "%s is taken by %s, which is not followed", path,
				kind_of(st.st_mode));
	else if (st.st_uid != geteuid() && st.st_uid != 0 && st.st_uid != also_uid)
		err = xb_errorf(XB_ERR_USAGE, "%s is taken by a file of another user (uid %u)", path,
				st.st_uid);
	else
		return NULL;
	return xb_error_advise(err, "remove it, or write to another file with --output");
}

/* A name nobody can guess, so that nobody can take it first; O_EXCL stays the real guard. */
static struct xb_error *create_temp(struct xb_newfile *f)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		uint64_t nonce;

		if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
			return xb_error_sys(errno, "cannot get random bytes");
		free(f->temp);
		if (asprintf(&f->temp, ".%.200s.%016lx", f->name, nonce) < 0) {
			f->temp = NULL;
			return xb_error_nomem();
		}
		f->fd = openat(f->dir_fd, f->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			       0600);
		if (f->fd >= 0)
			return NULL;
		if (errno != EEXIST)
			break;
	}
	/* Nothing of ours is there: discard must not remove it. */
	free(f->temp);
	f->temp = NULL;
	return xb_error_sys(errno, "cannot create a file for %s", f->path);
}

static struct xb_error *start(struct xb_newfile *f, mode_t mode, uid_t also_uid)
{
	XB_TRY(look(f->dir_fd, f->path, f->name, f->replace, also_uid));
	XB_TRY(create_temp(f));
	if (fchmod(f->fd, mode) != 0)
		return xb_error_sys(errno, "cannot set the mode of %s", f->path);
	return NULL;
}

struct xb_error *xb_newfile_open_at(int dir_fd, const char *dir, const char *name, mode_t mode,
				    enum xb_newfile_replace replace, uid_t also_uid,
				    struct xb_newfile *ret)
{
	struct xb_newfile f = XB_NEWFILE_INIT;
	struct xb_error *err;

	if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return xb_errorf(XB_ERR_USAGE, "'%s' is no file name", name);
	f.replace = replace;
	f.name = strdup(name);
	if (asprintf(&f.path, "%s%s%s", dir, dir[0] != '\0' && dir[strlen(dir) - 1] == '/' ? "" : "/",
		     name) < 0)
		f.path = NULL;
	f.dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (f.name == NULL || f.path == NULL)
		err = xb_error_nomem();
	else if (f.dir_fd < 0)
		err = xb_error_sys(errno, "cannot keep the directory %s open", dir);
	else
		err = start(&f, mode, also_uid);
	if (err != NULL) {
		xb_newfile_discard(&f);
		return err;
	}
	*ret = f;
	return NULL;
}

struct xb_error *xb_newfile_open(const char *path, mode_t mode, enum xb_newfile_replace replace,
				 uid_t also_uid, struct xb_newfile *ret)
{
	const char *slash = strrchr(path, '/');
	xb_cleanup(xb_freep) char *dir = NULL;
	xb_cleanup(xb_closep) int dir_fd = -1;

	if (slash == NULL)
		dir = strdup(".");
	else
		dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (dir == NULL)
		return xb_error_nomem();
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return xb_error_sys(errno, "cannot open the directory %s", dir);
	return xb_newfile_open_at(dir_fd, dir, slash == NULL ? path : slash + 1, mode, replace,
				  also_uid, ret);
}

struct xb_error *xb_newfile_write(struct xb_newfile *f, const void *bytes, size_t len)
{
	return xb_write_all(f->fd, f->path, bytes, len);
}

static struct xb_error *give_name(struct xb_newfile *f)
{
	unsigned flags = f->replace == XB_NEWFILE_NEVER ? RENAME_NOREPLACE : 0;
	int fd = f->fd;

	f->fd = -1;
	/* NFS and quotas report a full disk only here. */
	if (close(fd) != 0 && errno != EINTR)
		return xb_error_sys(errno, "cannot write %s", f->path);
	if (renameat2(f->dir_fd, f->temp, f->dir_fd, f->name, flags) == 0) {
		free(f->temp);
		f->temp = NULL;
		return NULL;
	}
	/* File systems without RENAME_NOREPLACE: link() never replaces either; discard removes the
	 * first name. */
	if (flags != 0 && errno == EINVAL && linkat(f->dir_fd, f->temp, f->dir_fd, f->name, 0) == 0)
		return NULL;
	if (errno == EEXIST)
		return xb_errorf(XB_ERR_USAGE, "%s exists already", f->path);
	if (errno == EPERM || errno == EACCES)
		return xb_error_advise(
			xb_error_sys(errno, "cannot replace %s", f->path),
			"the old file is another user's; remove it as that user or root, or write to "
			"another file with --output");
	return xb_error_sys(errno, "cannot put %s in its place", f->path);
}

struct xb_error *xb_newfile_commit(struct xb_newfile *f)
{
	struct xb_error *err = give_name(f);

	xb_newfile_discard(f);
	return err;
}

void xb_newfile_discard(struct xb_newfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->temp != NULL)
		(void)unlinkat(f->dir_fd, f->temp, 0);
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	free(f->path);
	free(f->name);
	free(f->temp);
	*f = (struct xb_newfile)XB_NEWFILE_INIT;
}
