#include "elf/object.h"

#include "elf/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { MAX_VDSO = 1 << 18, PAGE = 4096 };

struct xb_object *xb_object_create(const struct xb_loaded_opts *opts, const struct xb_map_line *line)
{
	struct xb_object *o = calloc(1, sizeof(*o));
	struct xb_object_state *st = calloc(1, sizeof(*st));
	const char *slash;
	char *path;

	if (o == NULL || st == NULL) {
		free(o);
		free(st);
		return NULL;
	}
	st->self = o;
	st->opts = opts;
	o->state = st;
	path = xb_arena_strndup(&st->arena, line->path, strlen(line->path));
	if (path == NULL) {
		xb_object_destroy(o);
		return NULL;
	}
	slash = strrchr(path, '/');
	o->path = path;
	o->name = slash == NULL || slash[1] == '\0' ? path : slash + 1;
	o->inode = line->inode;
	o->dev_major = line->dev_major;
	o->dev_minor = line->dev_minor;
	o->is_vdso = strcmp(path, "[vdso]") == 0;
	return o;
}

void xb_object_destroy(struct xb_object *o)
{
	if (o == NULL)
		return;
	xb_symbols_destroy(o->state->symbols);
	xb_funcs_destroy(o->state->funcs);
	xb_image_close(o->state->image);
	xb_map_deinit(&o->state->names);
	xb_arena_deinit(&o->state->arena);
	free(o->state->no_image.message);
	free(o->state->no_symbols.message);
	free(o->state->no_funcs.message);
	free(o->state);
	free(o);
}

/* Remember @err, which may be NULL, and pass it on. */
static struct xb_error *remember(struct xb_object_failure *f, struct xb_error *err)
{
	if (err != NULL && xb_error_code(err) != XB_ERR_NOMEM) {
		f->failed = true;
		f->code = xb_error_code(err);
		f->message = strdup(xb_error_message(err));
	}
	return err;
}

static struct xb_error *recall(const struct xb_object_failure *f)
{
	if (f->message == NULL)
		return xb_error_nomem();
	return xb_errorf(f->code, "%s", f->message);
}

/* Where file offset @offset of the code is linked; mappings are whole pages, segments are not. */
static bool code_vaddr(const struct xb_image *img, uint64_t offset, xb_addr *ret)
{
	const struct xb_segment *segs;
	size_t n;

	segs = xb_image_segments(img, &n);
	for (size_t i = 0; i < n; i++) {
		const struct xb_segment *s = &segs[i];
		uint64_t first = s->offset - s->offset % PAGE;

		if ((s->flags & PF_X) != 0 && offset >= first && offset < s->offset + s->filesz) {
			*ret = s->vaddr + (offset - s->offset);
			return true;
		}
	}
	return false;
}

enum verdict { SAME, DIFFERENT, UNKNOWN };

/* Is the build-id of the file where it should be in the process? */
static enum verdict compare_memory(const struct xb_object *o, struct xb_image *img, xb_addr bias)
{
	const unsigned char *id;
	unsigned char seen[64];
	xb_addr vaddr;
	size_t len;

	if (o->state->opts->mem == NULL || !xb_image_build_id(img, &id, &len) || len > sizeof(seen) ||
	    !xb_image_build_id_vaddr(img, &vaddr))
		return UNKNOWN;
	if (xb_mem_try(o->state->opts->mem, bias + vaddr, seen, len) != len)
		return UNKNOWN;
	return memcmp(seen, id, len) == 0 ? SAME : DIFFERENT;
}

/*
 * Why @img is not what is mapped, or NULL.  On overlayfs and btrfs stat() gives another device than the
 * maps do, so inequality proves nothing there and the memory decides.
 */
static const char *distrust(const struct xb_object *o, struct xb_image *img, bool sure_path,
			    xb_addr *bias)
{
	xb_addr vaddr;
	dev_t dev;
	ino_t inode;

	if (!code_vaddr(img, o->state->code.offset, &vaddr))
		return "has no code where the process has some";
	*bias = o->state->code.start - vaddr;
	switch (compare_memory(o, img, *bias)) {
	case SAME:
		return NULL;
	case DIFFERENT:
		return "is not the file that is mapped (other build-id)";
	case UNKNOWN:
	default:
		break;
	}
	if (sure_path)
		return NULL;
	if (!xb_image_file_id(img, &dev, &inode) || inode != o->inode || major(dev) != o->dev_major ||
	    minor(dev) != o->dev_minor)
		return "is not the file that is mapped (other inode)";
	return NULL;
}

static void because(struct xb_str *why, const char *path, const char *reason)
{
	xb_str_addf(why, "%s%s: %s", why->len > 0 ? "; " : "", path, reason);
}

/* Try @fd, opened as @path.  True: it is the image. */
static bool accept_fd(struct xb_object *o, int fd, const char *path, bool sure_path, struct xb_str *why)
{
	xb_cleanup(xb_image_cleanup) struct xb_image *img = NULL;
	struct xb_error *err;
	const char *reason;
	xb_addr bias = 0;

	if (fd < 0) {
		o->state->refused |= errno == EPERM || errno == EACCES;
		because(why, path, strerror(errno));
		return false;
	}
	err = xb_image_open_fd(fd, path, &img);
	if (err != NULL) {
		xb_str_addf(why, "%s%s", why->len > 0 ? "; " : "", xb_error_message(err));
		xb_error_destroy(err);
		return false;
	}
	reason = distrust(o, img, sure_path, &bias);
	if (reason != NULL) {
		because(why, path, reason);
		return false;
	}
	o->state->bias = bias;
	o->state->image = xb_take(img);
	return true;
}

/* The links of map_files need CAP_CHECKPOINT_RESTORE, but lead to deleted files and into any namespace.
 */
static bool open_file(struct xb_object *o, struct xb_str *why)
{
	enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
	const struct xb_object_state *st = o->state;
	char link[96], root[32] = "";

	if (st->opts->pid > 0) {
		(void)snprintf(root, sizeof(root), "/proc/%d/root", (int)st->opts->pid);
		(void)snprintf(link, sizeof(link), "/proc/%d/map_files/%llx-%llx", (int)st->opts->pid,
			       (unsigned long long)st->code.start, (unsigned long long)st->code.end);
		if (accept_fd(o, open(link, FLAGS), link, false, why))
			return true;
		if (o->is_main) {
			(void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)st->opts->pid);
			if (accept_fd(o, open(link, FLAGS), link, true, why))
				return true;
		}
	}
	if (o->deleted) {
		because(why, o->path, "deleted");
		return false;
	}
	return accept_fd(o, xb_rootfs_open(st->opts->root != NULL ? st->opts->root : root, o->path),
			 o->path, false, why);
}

static struct xb_error *open_vdso(struct xb_object *o)
{
	struct xb_object_state *st = o->state;
	size_t len = (size_t)(st->code.end - st->code.start);
	xb_cleanup(xb_freep) void *bytes = NULL;
	xb_addr vaddr;

	if (st->opts->mem == NULL)
		return xb_errorf(XB_ERR_UNSUPPORTED, "no memory to read [vdso] from");
	if (len > MAX_VDSO)
		return xb_errorf(XB_ERR_LIMIT, "[vdso] has %zu bytes", len);
	bytes = malloc(len);
	if (bytes == NULL)
		return xb_error_nomem();
	XB_TRY(xb_mem_read(st->opts->mem, st->code.start, bytes, len));
	XB_TRY(xb_image_open_memory(bytes, len, "[vdso]", &st->image));
	if (!code_vaddr(st->image, 0, &vaddr)) {
		xb_image_close(xb_take(st->image));
		return xb_errorf(XB_ERR_BAD_FILE, "[vdso] has no code segment");
	}
	st->bias = st->code.start - vaddr;
	return NULL;
}

static struct xb_error *open_image(struct xb_object *o)
{
	xb_cleanup(xb_str_deinit) struct xb_str why = XB_STR_INIT;

	if (o->is_vdso)
		return open_vdso(o);
	if (open_file(o, &why))
		return NULL;
	return xb_errorf(o->state->refused ? XB_ERR_PERM : XB_ERR_BAD_FILE,
			 "cannot open the file mapped as %s: %s", o->path, xb_str_get(&why));
}

struct xb_error *xb_object_image(struct xb_object *o, struct xb_image **ret)
{
	struct xb_object_state *st = o->state;

	if (st->no_image.failed)
		return recall(&st->no_image);
	if (st->image == NULL)
		XB_TRY(remember(&st->no_image, open_image(o)));
	*ret = st->image;
	return NULL;
}

struct xb_error *xb_object_bias(struct xb_object *o, xb_addr *ret)
{
	struct xb_image *img;

	XB_TRY(xb_object_image(o, &img));
	*ret = o->state->bias;
	return NULL;
}

struct xb_error *xb_object_symbols(struct xb_object *o, struct xb_symbols **ret)
{
	struct xb_object_state *st = o->state;
	char root[32] = "";
	struct xb_debug_opts debug = { .path = o->path,
				       .root = st->opts->root,
				       .dir = st->opts->debug_dir };
	struct xb_image *img;

	if (st->no_symbols.failed)
		return recall(&st->no_symbols);
	if (st->symbols == NULL) {
		XB_TRY(xb_object_image(o, &img));
		if (st->opts->pid > 0)
			(void)snprintf(root, sizeof(root), "/proc/%d/root", (int)st->opts->pid);
		debug.root = debug.root == NULL ? root : debug.root;
		debug.off = st->opts->no_debug_files;
		XB_TRY(remember(&st->no_symbols, xb_symbols_load(img, &debug, &st->symbols)));
	}
	*ret = st->symbols;
	return NULL;
}

struct xb_error *xb_object_funcs(struct xb_object *o, struct xb_funcs **ret)
{
	struct xb_object_state *st = o->state;
	struct xb_image *img;

	if (st->no_funcs.failed)
		return recall(&st->no_funcs);
	if (st->funcs == NULL) {
		XB_TRY(xb_object_image(o, &img));
		XB_TRY(remember(&st->no_funcs, xb_funcs_load(img, &st->funcs)));
	}
	*ret = st->funcs;
	return NULL;
}

xb_addr xb_object_vaddr(struct xb_object *o, xb_addr addr, uint64_t offset)
{
	const struct xb_segment *seg;
	struct xb_image *img;
	struct xb_error *err = xb_object_image(o, &img);
	xb_addr vaddr;

	if (err != NULL) {
		xb_error_destroy(err);
		return XB_NO_VADDR;
	}
	vaddr = addr - o->state->bias;
	seg = xb_image_segment_at(img, vaddr);
	/* A second mapping of the same file, made by the program itself, is no part of the image. */
	if (seg == NULL || vaddr - seg->vaddr + seg->offset != offset)
		return XB_NO_VADDR;
	return vaddr;
}
