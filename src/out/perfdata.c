#include "out/perfdata.h"

#include "out/newfile.h"
#include "out/perfdata_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void xb_perfdata_report_deinit(struct xb_perfdata_report *report)
{
	xb_perfdata_pids_deinit(&report->pids);
	*report = (struct xb_perfdata_report){ 0 };
}

static struct xb_error *read_exactly(void *self, uint64_t offset, void *buf, size_t len)
{
	const int *fd = self;
	char *p = buf;

	while (len > 0) {
		ssize_t n = pread(*fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return xb_error_sys(errno, "cannot read");
		if (n == 0)
			return xb_errorf(XB_ERR_BAD_FILE, "the file shrank while it was read");
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

static struct xb_error *write_exactly(int fd, uint64_t offset, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, buf, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return xb_error_sys(n < 0 ? errno : EIO, "cannot write");
		buf += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

/* Looks again before each write: a file that perf rewrote meanwhile must not be patched at old offsets.
 */
static struct xb_error *apply(int fd, const struct xb_perfdata_edits *edits)
{
	for (size_t i = 0; i < edits->len; i++) {
		const struct xb_perfdata_edit *e = &edits->data[i];
		char name[64] = { 0 };

		xb_assert(e->len < sizeof(name) && e->len >= sizeof(XB_PERFDATA_ANON) - 1);
		XB_TRY(read_exactly(&fd, e->offset, name, e->len));
		if (!xb_perfdata_is_jit_name(name, e->len))
			return xb_errorf(XB_ERR_BAD_FILE,
					 "the file changed while it was read (offset %lu)", e->offset);
		memset(name, 0, e->len);
		memcpy(name, XB_PERFDATA_ANON, sizeof(XB_PERFDATA_ANON) - 1);
		XB_TRY(xb_error_wrap(write_exactly(fd, e->offset, name, e->len),
				     "%zu of %zu mappings are renamed", i, edits->len));
	}
	return NULL;
}

static struct xb_error *copy(int from, uint64_t size, int to)
{
	enum { PIECE = 1 << 18 };
	xb_cleanup(xb_freep) char *buf = malloc(PIECE);

	if (buf == NULL)
		return xb_error_nomem();
	for (uint64_t at = 0; at < size;) {
		size_t n = (size_t)XB_MIN((uint64_t)PIECE, size - at);

		XB_TRY(read_exactly(&from, at, buf, n));
		XB_TRY(write_exactly(to, at, buf, n));
		at += n;
	}
	return NULL;
}

static struct xb_error *fix_copy(int fd, const struct stat *st,
				 const struct xb_perfdata_options *options,
				 const struct xb_perfdata_edits *edits)
{
	struct xb_newfile f;
	struct stat there;
	struct xb_error *err;

	if (stat(options->output, &there) == 0 && there.st_dev == st->st_dev &&
	    there.st_ino == st->st_ino)
		return xb_errorf(XB_ERR_USAGE, "%s is the input itself", options->output);
	XB_TRY(xb_newfile_open(options->output, st->st_mode & 0666,
			       options->force ? XB_NEWFILE_OWN : XB_NEWFILE_NEVER, geteuid(), &f));
	/* perf takes only files of its own user or root's; keep a user's recording the user's. */
	if (geteuid() == 0 && st->st_uid != 0 && fchown(f.fd, st->st_uid, st->st_gid) != 0)
		err = xb_error_sys(errno, "cannot give %s to uid %u", options->output, st->st_uid);
	else
		err = xb_error_wrap(copy(fd, (uint64_t)st->st_size, f.fd), "%s", options->output);
	if (err == NULL)
		err = xb_error_wrap(apply(f.fd, edits), "%s", options->output);
	if (err == NULL)
		return xb_newfile_commit(&f);
	xb_newfile_discard(&f);
	return err;
}

static struct xb_error *open_input(const char *path, bool in_place, int *ret_fd, struct stat *ret_st)
{
	int fd = open(path,
		      (in_place ? O_RDWR | O_NOFOLLOW : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return xb_error_advise(xb_errorf(XB_ERR_USAGE, "%s is a symbolic link", path),
				       "name the file itself, or write to a new one with --output");
	if ((fd < 0 && errno == EISDIR) || (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))) {
		if (fd >= 0)
			close(fd);
		return xb_error_advise(xb_errorf(XB_ERR_UNSUPPORTED,
						 "%s is a directory (perf record --threads)", path),
				       "record without --threads");
	}
	if (fd < 0)
		return xb_error_sys(errno, "cannot open %s", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return xb_errorf(XB_ERR_USAGE, "%s is no regular file", path);
	}
	*ret_fd = fd;
	*ret_st = st;
	return NULL;
}

static struct xb_error *fix_open(int fd, const struct stat *st,
				 const struct xb_perfdata_options *options,
				 struct xb_perfdata_report *report, struct xb_perfdata_edits *edits)
{
	struct xb_perfdata_source source = { .self = &fd,
					     .size = (uint64_t)st->st_size,
					     .read = read_exactly };

	XB_TRY(xb_perfdata_scan(&source, options->pid, report, edits));
	return options->output == NULL ? apply(fd, edits) : fix_copy(fd, st, options, edits);
}

struct xb_error *xb_perfdata_fix(const char *path, const struct xb_perfdata_options *options,
				 struct xb_perfdata_report *ret)
{
	xb_cleanup(xb_closep) int fd = -1;
	struct xb_perfdata_report report = { 0 };
	struct xb_perfdata_edits edits = { 0 };
	struct stat st = { 0 };
	struct xb_error *err;

	XB_TRY(open_input(path, options->output == NULL, &fd, &st));
	err = fix_open(fd, &st, options, &report, &edits);
	xb_perfdata_edits_deinit(&edits);
	if (err != NULL) {
		xb_perfdata_report_deinit(&report);
		return xb_error_wrap(err, "%s", path);
	}
	*ret = report;
	return NULL;
}
