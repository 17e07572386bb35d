/*
 *	extrospect roots 1
 *	build BUILD-ID
 *	VADDR NAME            hexadecimal; the name of the root, as it is shown
 *	…
 *	sum HASH              FNV-1a of everything in front of this line
 */
#include "cli/rootcache.h"

#include "base/map.h"
#include "base/num.h"
#include "base/str.h"
#include "out/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 8192, SUM_DIGITS = 16 };

static const char head[] = "extrospect roots 1\n", build[] = "build ", sum[] = "sum ";
static const char *const dirs[] = { "extrospect", "roots-of" };

const char *xb_rootcache_base(char *buf, size_t size)
{
	const char *xdg = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
	int len = 0;

	buf[0] = '\0';
	if (xdg != NULL && xdg[0] == '/')
		len = snprintf(buf, size, "%s", xdg);
	else if (home != NULL && home[0] == '/')
		len = snprintf(buf, size, "%s/.cache", home);
	if (len < 0 || (size_t)len >= size)
		buf[0] = '\0';
	return buf;
}

/* Whether nobody but us can have written it. */
static bool is_ours(int fd, mode_t kind)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind && st.st_uid == geteuid() &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 && (kind == S_IFDIR || st.st_nlink == 1);
}

static int open_dir(int at, const char *name, bool follow)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));

	if (fd >= 0 && !is_ours(fd, S_IFDIR)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* The directory of the files, made when it is to be written to; -1 with errno. */
static int cache_dir(const struct xb_rootcache *c, bool make)
{
	int fd;

	if (c->base[0] != '/') {
		errno = ENOENT;
		return -1;
	}
	if (make)
		(void)mkdir(c->base, 0700);
	fd = open_dir(AT_FDCWD, c->base, true);
	for (size_t i = 0; fd >= 0 && i < XB_ARRAY_LEN(dirs); i++) {
		int next, err;

		if (make)
			(void)mkdirat(fd, dirs[i], 0700);
		next = open_dir(fd, dirs[i], false);
		err = errno;
		close(fd);
		fd = next;
		errno = err;
	}
	return fd;
}

/* It becomes a file name. */
static bool is_build_id(const char *id)
{
	return id[0] != '\0' && strlen(id) <= 128 && strspn(id, "0123456789abcdef") == strlen(id);
}

static void tell(const struct xb_rootcache *c, const char *what, const char *why)
{
	xb_logf(c->log, XB_LOG_INFO, "cache: %s: %s", what, why);
}

/* "VADDR NAME" */
static bool take_line(const char *line, size_t len, struct xb_root_hints *h)
{
	const char *space = memchr(line, ' ', len);
	uint64_t vaddr;

	if (space == NULL || !xb_num_hex(line, (size_t)(space - line), &vaddr))
		return false;
	len -= (size_t)(space - line) + 1;
	for (int id = 0; id < XB_ROOT__COUNT; id++) {
		const char *name = xb_root_name((enum xb_root_id)id);

		if (strlen(name) != len || memcmp(name, space + 1, len) != 0)
			continue;
		if (h->has[id])
			return false;
		h->has[id] = true;
		h->vaddr[id] = vaddr;
		return true;
	}
	return false;
}

/* @text is of @len bytes and NUL-terminated there. */
static bool parse(const char *text, size_t len, const char *build_id, struct xb_root_hints *ret)
{
	struct xb_root_hints h = { 0 };
	const char *at = text, *end = text + len, *tail;
	size_t tail_len = sizeof(sum) - 1 + SUM_DIGITS + 1, id_len = strlen(build_id);
	uint64_t hash;

	if (len < tail_len || memchr(text, '\0', len) != NULL)
		return false;
	tail = end - tail_len;
	if (end[-1] != '\n' || memcmp(tail, sum, sizeof(sum) - 1) != 0 ||
	    !xb_num_hex(tail + sizeof(sum) - 1, SUM_DIGITS, &hash) ||
	    hash != xb_hash_bytes(text, (size_t)(tail - text)))
		return false;
	if (strncmp(at, head, sizeof(head) - 1) != 0)
		return false;
	at += sizeof(head) - 1;
	if (strncmp(at, build, sizeof(build) - 1) != 0)
		return false;
	at += sizeof(build) - 1;
	if (strncmp(at, build_id, id_len) != 0 || at[id_len] != '\n')
		return false;
	for (at += id_len + 1; at < tail;) {
		size_t line = strcspn(at, "\n");

		if (!take_line(at, line, &h))
			return false;
		at += line + 1;
	}
	*ret = h;
	return at == tail;
}

static bool load(void *arg, const char *build_id, struct xb_root_hints *ret)
{
	const struct xb_rootcache *c = arg;
	char text[MAX_FILE + 1];
	int dir, fd;
	ssize_t len = -1;
	bool ours;

	if (!is_build_id(build_id))
		return false;
	dir = cache_dir(c, false);
	if (dir < 0) {
		tell(c, "nothing is known", strerror(errno));
		return false;
	}
	fd = openat(dir, build_id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		tell(c, "nothing is known of this build", strerror(errno));
	close(dir);
	if (fd < 0)
		return false;
	ours = is_ours(fd, S_IFREG);
	if (ours)
		len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len >= 0)
		text[len] = '\0';
	if (len >= 0 && parse(text, (size_t)len, build_id, ret))
		return true;
	tell(c, "the file of this build is not used",
	     !ours ? "somebody else may have written it" : "it is damaged, or of another version");
	return false;
}

static struct xb_error *write_file(int dir, const char *base, const char *build_id,
				   const struct xb_str *text)
{
	struct xb_newfile f;

	XB_TRY(xb_newfile_open_at(dir, base, build_id, 0600, XB_NEWFILE_OWN, geteuid(), &f));
	struct xb_error *err = xb_newfile_write(&f, xb_str_get(text), text->len);

	if (err == NULL)
		return xb_newfile_commit(&f);
	xb_newfile_discard(&f);
	return err;
}

static void save(void *arg, const char *build_id, const struct xb_root_hints *hints)
{
	const struct xb_rootcache *c = arg;
	xb_cleanup(xb_str_deinit) struct xb_str text = XB_STR_INIT;
	struct xb_error *err;
	int dir;

	if (!is_build_id(build_id))
		return;
	xb_str_addf(&text, "%s%s%s\n", head, build, build_id);
	for (int id = 0; id < XB_ROOT__COUNT; id++) {
		if (hints->has[id])
			xb_str_addf(&text, "%llx %s\n", (unsigned long long)hints->vaddr[id],
				    xb_root_name((enum xb_root_id)id));
	}
	xb_str_addf(&text, "%s%016llx\n", sum,
		    (unsigned long long)xb_hash_bytes(xb_str_get(&text), text.len));
	if (text.oom)
		return;
	dir = cache_dir(c, true);
	if (dir < 0) {
		tell(c, "not written", strerror(errno));
		return;
	}
	err = write_file(dir, c->base, build_id, &text);
	close(dir);
	if (err != NULL)
		tell(c, "not written", xb_error_message(err));
	xb_error_destroy(err);
}

void xb_rootcache_init(struct xb_rootcache *c, const char *base, const struct xb_log *log)
{
	*c = (struct xb_rootcache){ .log = log,
				    .base = base,
				    .ops = { .arg = c, .load = load, .save = save } };
}
