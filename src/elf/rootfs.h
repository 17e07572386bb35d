/*
 * Opening a file the way another process sees it.
 *
 * "/proc/PID/root" + path is not enough: an absolute symbolic link inside a container would be followed
 * in our own root.  openat2(RESOLVE_IN_ROOT) resolves all of it below the target's root.
 */
#ifndef XB_ELF_ROOTFS_H
#define XB_ELF_ROOTFS_H

#include "base/base.h"

/**
 * Open @path for reading below @root ("" or NULL: our own root).  Close-on-exec; never waits on a FIFO.
 * @return a descriptor the caller owns, or -1 with errno.
 */
int xb_rootfs_open(const char *root, const char *path);

#endif
