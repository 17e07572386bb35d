#include "elf/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

int xb_rootfs_open(const char *root, const char *path)
{
	xb_cleanup(xb_closep) int dir = -1;
	struct open_how how = { .flags = FLAGS, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd;

	if (root == NULL || root[0] == '\0')
		return open(path, FLAGS);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		/* Before Linux 5.6, or a seccomp filter that does not know the call. */
		xb_cleanup(xb_freep) char *joined = NULL;

		if (asprintf(&joined, "%s/%s", root, path) < 0) {
			joined = NULL;
			errno = ENOMEM;
			return -1;
		}
		fd = open(joined, FLAGS);
	}
	return fd;
}
