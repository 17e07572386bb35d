/*
 * A file that appears whole or not at all: written under a hidden name in its own directory, then
 * renamed.
 *
 * Directories such as the system's temporary one are written by everybody, so the new name is created
 * with O_EXCL and O_NOFOLLOW below a directory handle, the final name is looked at before and never
 * followed, and an old file stays as it was until the new one is complete (a full disk costs nothing).
 * The file belongs to the caller (effective uid).
 */
#ifndef XB_OUT_NEWFILE_H
#define XB_OUT_NEWFILE_H

#include "base/error.h"

#include <sys/types.h>

enum xb_newfile_replace {
	XB_NEWFILE_NEVER, /* an existing file is an error (USAGE), whatever it is */
	XB_NEWFILE_OWN,   /* regular files of the caller, of root or of @also_uid are replaced */
};

struct xb_newfile {
	int dir_fd; /* of the directory; owned */
	int fd;     /* of the unfinished file, for reading and writing; owned */
	char *path; /* directory and name, for sentences */
	char *name; /* final, in the directory */
	char *temp; /* unfinished, in the directory */
	enum xb_newfile_replace replace;
};

#define XB_NEWFILE_INIT                                                                                \
	{                                                                                              \
		.dir_fd = -1, .fd = -1                                                                 \
	}

/** Split "dir/name" and open the directory (following links in it, as any path).  USAGE for a path
 * without a file name. */
XB_NODISCARD struct xb_error *xb_newfile_open(const char *path, mode_t mode,
					      enum xb_newfile_replace replace, uid_t also_uid,
					      struct xb_newfile *ret);

/**
 * Start a file @name in the directory @dir_fd (duplicated, stays the caller's), permission bits @mode
 * whatever the umask.  @dir is its name for sentences.
 * USAGE: the name is taken by a link, a directory, something else that is no regular file, or by the
 * file of a stranger; the sentence names it, the advice says what to do.  PERM, SYS: the directory
 * refuses.
 */
XB_NODISCARD struct xb_error *xb_newfile_open_at(int dir_fd, const char *dir, const char *name,
						 mode_t mode, enum xb_newfile_replace replace,
						 uid_t also_uid, struct xb_newfile *ret);

/** All of it.  SYS with "No space left on device" and the like. */
XB_NODISCARD struct xb_error *xb_newfile_write(struct xb_newfile *f, const void *bytes, size_t len);

/** Give it its name and close.  On error the old file, if any, is untouched.  @f is empty in both
 * cases. */
XB_NODISCARD struct xb_error *xb_newfile_commit(struct xb_newfile *f);

/** Remove what is unfinished; harmless on an empty or committed one. */
void xb_newfile_discard(struct xb_newfile *f);

/** write() until done, for pipes and terminals as well. */
XB_NODISCARD struct xb_error *xb_write_all(int fd, const char *what, const void *bytes, size_t len);

#endif
