#include "elf/debugfile.h"

#include "elf/rootfs.h"

#include <errno.h>
#include <lzma.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_UNPACKED = 64 << 20, MAX_LZMA_MEMORY = 128 << 20 };

struct search {
	struct xb_str *why;
	struct xb_image *found;
	const unsigned char *id;
	size_t id_len;
	bool have_crc;
	uint32_t crc;
	bool nomem;
	char *first_absent; /* of the candidates that simply do not exist */
	unsigned absent;
};

static void because(struct xb_str *why, const char *path, const char *reason)
{
	xb_str_addf(why, "%s%s: %s", why->len > 0 ? "; " : "", path, reason);
}

/* The CRC of .gnu_debuglink is the one of zlib and xz. */
static bool crc_matches(int fd, uint32_t want)
{
	xb_cleanup(xb_freep) unsigned char *buf = malloc(1 << 18);
	uint32_t crc = 0;
	off_t at = 0;
	ssize_t n;

	if (buf == NULL)
		return false;
	while ((n = pread(fd, buf, 1 << 18, at)) > 0) {
		crc = lzma_crc32(buf, (size_t)n, crc);
		at += n;
	}
	return n == 0 && crc == want;
}

/* NULL when @file may be believed, else why not.  @fd is another descriptor of the same file. */
static const char *distrust(const struct search *s, struct xb_image *file, int fd, bool by_link)
{
	const unsigned char *id;
	struct xb_section dwarf;
	size_t len;

	if (s->id != NULL && xb_image_build_id(file, &id, &len)) {
		if (len != s->id_len || memcmp(id, s->id, len) != 0)
			return "has another build-id";
	} else if (!by_link) {
		return "has no build-id";
	} else if (!s->have_crc || !crc_matches(fd, s->crc)) {
		return "has another checksum than .gnu_debuglink says";
	}
	if (xb_image_is_stripped(file) && !xb_image_section(file, ".debug_info", &dwarf) &&
	    !xb_image_section(file, ".zdebug_info", &dwarf))
		return "has neither symbols nor DWARF";
	return NULL;
}

/* Try one candidate.  True: found. */
static bool try_file(struct search *s, const char *root, const char *path, bool by_link)
{
	xb_cleanup(xb_image_cleanup) struct xb_image *file = NULL;
	xb_cleanup(xb_closep) int crc_fd = -1;
	xb_cleanup(xb_freep) char *name = NULL;
	const char *reason;
	struct xb_error *err;
	int fd = xb_rootfs_open(root, path);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		if (s->absent++ == 0)
			s->first_absent = strdup(path);
		return false;
	}
	if (asprintf(&name, "%s%s", root == NULL ? "" : root, path) < 0) {
		name = NULL;
		s->nomem = true;
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (fd < 0) {
		because(s->why, name, strerror(errno));
		return false;
	}
	crc_fd = by_link ? dup(fd) : -1;
	err = xb_image_open_fd(fd, name, &file);
	if (err != NULL) {
		s->nomem |= xb_error_code(err) == XB_ERR_NOMEM;
		because(s->why, name, xb_error_message(err));
		xb_error_destroy(err);
		return false;
	}
	reason = distrust(s, file, crc_fd, by_link);
	if (reason != NULL) {
		because(s->why, name, reason);
		return false;
	}
	s->found = xb_take(file);
	return true;
}

static bool try_format(struct search *s, const char *root, bool by_link, const char *fmt, ...)
	XB_PRINTF(4, 5);

static bool try_format(struct search *s, const char *root, bool by_link, const char *fmt, ...)
{
	xb_cleanup(xb_freep) char *path = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&path, fmt, ap);
	va_end(ap);
	if (n < 0) {
		path = NULL;
		s->nomem = true;
		return false;
	}
	return try_file(s, root, path, by_link);
}

static bool try_build_id(struct search *s, const char *root, const char *dir)
{
	char hex[2 * 64 + 1];

	if (s->id == NULL || s->id_len < 2)
		return false;
	for (size_t i = 0; i < s->id_len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", s->id[i]);
	return try_format(s, root, false, "%s/.build-id/%.2s/%s.debug", dir, hex, hex + 2);
}

static bool try_link(struct search *s, const char *root, const char *dir, const char *link)
{
	return try_format(s, root, true, "%s/%s", dir, link) ||
	       try_format(s, root, true, "%s/.debug/%s", dir, link) ||
	       try_format(s, root, true, "/usr/lib/debug%s/%s", dir, link);
}

/* A debuglink is a plain file name; one with a slash would lead us out of the directories we name. */
static const char *usable_link(struct search *s, const char *link)
{
	if (link != NULL && strchr(link, '/') != NULL) {
		because(s->why, ".gnu_debuglink", "is not a file name");
		return NULL;
	}
	return link;
}

static bool search_all(struct search *s, const struct xb_debug_opts *opts, const char *dir,
		       const char *link)
{
	const char *roots[2] = { opts->root, NULL };
	size_t n = opts->root == NULL || opts->root[0] == '\0' ? 1 : 2;

	if (opts->dir != NULL) {
		if (try_build_id(s, NULL, opts->dir) ||
		    (link != NULL && (try_format(s, NULL, true, "%s/%s", opts->dir, link) ||
				      try_format(s, NULL, true, "%s%s/%s", opts->dir, dir, link))))
			return true;
	}
	for (size_t i = 0; i < n; i++) {
		if (try_build_id(s, roots[i], "/usr/lib/debug"))
			return true;
	}
	for (size_t i = 0; i < n && link != NULL && (dir[0] == '/' || dir[0] == '\0'); i++) {
		if (try_link(s, roots[i], dir, link))
			return true;
	}
	return false;
}

/* Where .gnu_debuglink counts from: the directory of the image, without a final slash. */
static char *directory_of(const char *path, const struct xb_image *img)
{
	char *dir = path != NULL ? strdup(path) : realpath(xb_image_path(img), NULL);
	char *slash;

	if (dir == NULL && path == NULL)
		dir = strdup(xb_image_path(img));
	slash = dir == NULL ? NULL : strrchr(dir, '/');
	if (slash != NULL)
		*slash = '\0';
	else if (dir != NULL)
		dir[0] = '\0';
	return dir;
}

struct xb_error *xb_debugfile_find(struct xb_image *img, const struct xb_debug_opts *opts,
				   struct xb_str *why, struct xb_image **ret)
{
	static const struct xb_debug_opts none = { 0 };
	struct search s = { .why = why };
	xb_cleanup(xb_freep) char *dir = NULL;
	const char *link = NULL;

	opts = opts == NULL ? &none : opts;
	if (opts->off) {
		xb_str_add(why, "not looked for");
		*ret = NULL;
		return NULL;
	}
	(void)xb_image_build_id(img, &s.id, &s.id_len);
	s.have_crc = xb_image_debuglink(img, &link, &s.crc);
	link = usable_link(&s, link);
	dir = directory_of(opts->path, img);
	if (dir == NULL)
		return xb_error_nomem();
	if (s.id == NULL && link == NULL)
		xb_str_addf(why, "%sthe image has neither a build-id nor a .gnu_debuglink",
			    why->len > 0 ? "; " : "");
	else if (search_all(&s, opts, dir, link)) {
		xb_str_clear(why);
		xb_str_add(why, xb_image_path(s.found));
	} else if (s.absent > 0) {
		xb_str_addf(why, "%snothing at %s", why->len > 0 ? "; " : "",
			    s.first_absent == NULL ? "?" : s.first_absent);
		if (s.absent > 1)
			xb_str_addf(why, " and %u more places", s.absent - 1);
	}
	free(s.first_absent);
	if (s.nomem || why->oom) {
		xb_image_close(s.found);
		return xb_error_nomem();
	}
	*ret = s.found;
	return NULL;
}

/* The whole of @in, unpacked.  NULL and @why on failure. */
static unsigned char *unpack(const unsigned char *in, size_t in_len, size_t *ret_len, const char **why)
{
	lzma_stream strm = LZMA_STREAM_INIT;
	size_t cap = XB_MIN(in_len * 4 + 4096, (size_t)MAX_UNPACKED);
	unsigned char *out = malloc(cap);
	lzma_ret rc = lzma_stream_decoder(&strm, MAX_LZMA_MEMORY, 0);

	strm.next_in = in;
	strm.avail_in = in_len;
	strm.next_out = out;
	strm.avail_out = cap;
	while (rc == LZMA_OK && out != NULL) {
		if (strm.avail_out == 0) {
			size_t bigger = XB_MIN(cap * 2, (size_t)MAX_UNPACKED);
			unsigned char *grown = cap == MAX_UNPACKED ? NULL : realloc(out, bigger);

			if (grown == NULL)
				break;
			out = grown;
			strm.next_out = out + cap;
			strm.avail_out = bigger - cap;
			cap = bigger;
		}
		rc = lzma_code(&strm, LZMA_FINISH);
	}
	*ret_len = (size_t)strm.total_out;
	lzma_end(&strm);
	if (rc == LZMA_STREAM_END)
		return out;
	*why = rc == LZMA_OK && cap == MAX_UNPACKED    ? "is larger than 64 MiB unpacked"
	       : rc == LZMA_OK || rc == LZMA_MEM_ERROR ? "needs more memory than there is"
						       : "is not valid xz data";
	free(out);
	return NULL;
}

struct xb_error *xb_debugfile_embedded(struct xb_image *img, struct xb_str *why, struct xb_image **ret)
{
	xb_cleanup(xb_image_cleanup) struct xb_image *file = NULL;
	xb_cleanup(xb_freep) unsigned char *bytes = NULL;
	xb_cleanup(xb_freep) char *name = NULL;
	const unsigned char *id, *own;
	struct xb_section s;
	struct xb_error *err;
	const char *reason;
	size_t len, own_len;

	*ret = NULL;
	if (!xb_image_section(img, ".gnu_debugdata", &s)) {
		xb_str_add(why, "the image has none");
		return why->oom ? xb_error_nomem() : NULL;
	}
	bytes = unpack(s.data, s.len, &len, &reason);
	if (bytes == NULL) {
		xb_str_addf(why, "the section %s", reason);
		return why->oom ? xb_error_nomem() : NULL;
	}
	if (asprintf(&name, "%s (.gnu_debugdata)", xb_image_path(img)) < 0) {
		name = NULL;
		return xb_error_nomem();
	}
	err = xb_image_open_memory(bytes, len, name, &file);
	if (err != NULL && xb_error_code(err) == XB_ERR_NOMEM)
		return err;
	if (err != NULL) {
		xb_str_add(why, xb_error_message(err));
		xb_error_destroy(err);
		return NULL;
	}
	if (xb_image_build_id(img, &own, &own_len) && xb_image_build_id(file, &id, &len) &&
	    (len != own_len || memcmp(id, own, len) != 0)) {
		xb_str_add(why, "the section belongs to another build");
		return NULL;
	}
	*ret = xb_take(file);
	return NULL;
}
