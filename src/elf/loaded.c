#include "elf/loaded.h"

#include "base/ranges.h"
#include "base/vec.h"
#include "elf/object.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OBJECTS = 4096 };

/* One mapping of an object: what turns an address into a file offset. */
struct region {
	struct xb_object *object;
	xb_addr start;
	uint64_t offset;
};

XB_VEC(object_list, struct xb_object *);
XB_VEC(region_list, struct region);

struct xb_loaded {
	struct xb_loaded_opts opts;
	char *root, *debug_dir;
	struct object_list objects;
	struct xb_map by_key; /* hash of device, inode and delta → number of the newest object + 1 */
	struct region_list regions;
	struct xb_ranges ranges; /* → number of the region */
	struct xb_object *main;
	uint64_t generation;
};

struct xb_error *xb_loaded_create(const struct xb_loaded_opts *opts, struct xb_loaded **ret)
{
	xb_cleanup(xb_loaded_cleanup) struct xb_loaded *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return xb_error_nomem();
	l->opts = *opts;
	l->root = opts->root == NULL ? NULL : strdup(opts->root);
	l->debug_dir = opts->debug_dir == NULL ? NULL : strdup(opts->debug_dir);
	if ((opts->root != NULL && l->root == NULL) ||
	    (opts->debug_dir != NULL && l->debug_dir == NULL))
		return xb_error_nomem();
	l->opts.root = l->root;
	l->opts.debug_dir = l->debug_dir;
	*ret = xb_take(l);
	return NULL;
}

void xb_loaded_destroy(struct xb_loaded *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->objects.len; i++)
		xb_object_destroy(l->objects.data[i]);
	object_list_deinit(&l->objects);
	region_list_deinit(&l->regions);
	xb_ranges_deinit(&l->ranges);
	xb_map_deinit(&l->by_key);
	free(l->root);
	free(l->debug_dir);
	free(l);
}

/* Shared memory and memfds have an inode and a path too; the JIT keeps its code in one. */
static bool is_image_line(const struct xb_map_line *line)
{
	if (strcmp(line->path, "[vdso]") == 0)
		return line->exec;
	return line->inode != 0 && line->path[0] == '/' && strncmp(line->path, "/memfd:", 7) != 0 &&
	       strncmp(line->path, "/dev/zero", 9) != 0 && strncmp(line->path, "/SYSV", 5) != 0 &&
	       strcmp(line->path, "/anon_hugepage") != 0;
}

static bool same_file(const struct xb_object *o, const struct xb_map_line *line)
{
	return o->inode == line->inode && o->dev_major == line->dev_major &&
	       o->dev_minor == line->dev_minor && o->is_vdso == (line->path[0] == '[');
}

static uint64_t key_of(const struct xb_map_line *line)
{
	const uint64_t words[3] = { (uint64_t)line->dev_major << 32 | line->dev_minor, line->inode,
				    line->start - line->offset };

	return xb_hash_words(words, XB_ARRAY_LEN(words));
}

/*
 * The object for the executable @line.  One that was not in the maps the last time is not taken up
 * again: what is behind its inode may be another file by now.
 */
static struct xb_error *object_for(struct xb_loaded *l, const struct xb_map_line *line,
				   struct xb_object **ret)
{
	uint64_t *at = xb_map_at(&l->by_key, key_of(line));
	struct xb_object *o;

	if (at == NULL)
		return xb_error_nomem();
	o = *at == 0 ? NULL : l->objects.data[*at - 1];
	if (o != NULL && same_file(o, line) && o->state->delta == line->start - line->offset &&
	    o->state->generation + 1 >= l->generation) {
		*ret = o;
		return NULL;
	}
	if (l->objects.len == MAX_OBJECTS)
		return xb_errorf(XB_ERR_LIMIT, "more than %d images were mapped", MAX_OBJECTS);
	o = xb_object_create(&l->opts, line);
	if (o == NULL || !object_list_push(&l->objects, o)) {
		xb_object_destroy(o);
		return xb_error_nomem();
	}
	o->state->delta = line->start - line->offset;
	*at = l->objects.len;
	*ret = o;
	return NULL;
}

static struct xb_error *add_region(struct xb_loaded *l, struct xb_object *o,
				   const struct xb_map_line *line)
{
	struct region r = { .object = o, .start = line->start, .offset = line->offset };

	o->start = XB_MIN(o->start, line->start);
	o->end = XB_MAX(o->end, line->end);
	if (!xb_ranges_add(&l->ranges, line->start, line->end, l->regions.len) ||
	    !region_list_push(&l->regions, r))
		return xb_error_nomem();
	return NULL;
}

static struct xb_error *take_code(struct xb_loaded *l, const struct xb_maps *maps,
				  struct xb_object **of)
{
	for (size_t i = 0; i < maps->len; i++) {
		const struct xb_map_line *line = &maps->lines[i];
		struct xb_object_state *st;

		if (!line->exec || !is_image_line(line))
			continue;
		XB_TRY(object_for(l, line, &of[i]));
		st = of[i]->state;
		if (st->generation != l->generation) {
			st->generation = l->generation;
			of[i]->start = line->start;
			of[i]->end = line->end;
			st->code.start = line->start;
			st->code.end = line->end;
			st->code.offset = line->offset;
		}
		of[i]->deleted = line->deleted;
		XB_TRY(add_region(l, of[i], line));
	}
	return NULL;
}

/* Read-only and data mappings of a file belong to the nearest code of the same file. */
static struct xb_error *take_data(struct xb_loaded *l, const struct xb_maps *maps,
				  struct xb_object **of)
{
	xb_cleanup(xb_freep) size_t *next = calloc(maps->len + 1, sizeof(*next));
	size_t before = SIZE_MAX;

	if (next == NULL)
		return xb_error_nomem();
	next[maps->len] = SIZE_MAX;
	for (size_t i = maps->len; i-- > 0;)
		next[i] = of[i] != NULL ? i : next[i + 1];
	for (size_t i = 0; i < maps->len; i++) {
		const struct xb_map_line *line = &maps->lines[i];
		struct xb_object *o = NULL;
		size_t after = next[i];

		if (of[i] != NULL) {
			before = i;
			continue;
		}
		if (!is_image_line(line))
			continue;
		if (before != SIZE_MAX && same_file(of[before], line))
			o = of[before];
		if (after != SIZE_MAX && same_file(of[after], line) &&
		    (o == NULL ||
		     maps->lines[after].start - line->end < line->start - maps->lines[before].end))
			o = of[after];
		if (o != NULL)
			XB_TRY(add_region(l, o, line));
	}
	return NULL;
}

/* Where the program starts, from the auxiliary vector; needs no path and no inode.  0: not known. */
static xb_addr entry_point(pid_t pid)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	char path[64], *text = NULL;
	struct xb_error *err;
	xb_addr entry = 0;
	size_t len = 0;

	if (pid <= 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	err = xb_read_file(path, &arena, &text, &len);
	for (size_t at = 0; err == NULL && at + sizeof(Elf64_auxv_t) <= len;
	     at += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t aux;

		memcpy(&aux, text + at, sizeof(aux));
		if (aux.a_type == AT_ENTRY)
			entry = aux.a_un.a_val;
	}
	xb_error_destroy(err);
	return entry;
}

static void find_main(struct xb_loaded *l)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_object *main = NULL;
	xb_addr entry = entry_point(l->opts.pid);
	const char *exe = NULL;
	bool deleted;

	if (entry != 0)
		main = xb_loaded_find(l, entry, NULL);
	if (main == NULL && l->opts.pid > 0) {
		struct xb_error *err = xb_proc_exe(l->opts.pid, &arena, &exe, &deleted);

		for (size_t i = 0; err == NULL && i < l->objects.len && main == NULL; i++) {
			struct xb_object *o = l->objects.data[i];

			main = o->mapped && strcmp(o->path, exe) == 0 ? o : NULL;
		}
		xb_error_destroy(err);
	}
	for (size_t i = 0; i < l->objects.len; i++)
		l->objects.data[i]->is_main = l->objects.data[i] == main;
	l->main = main;
}

struct xb_error *xb_loaded_refresh(struct xb_loaded *l, const struct xb_maps *maps)
{
	xb_cleanup(xb_freep) struct xb_object **of = calloc(maps->len + 1, sizeof(struct xb_object *));
	struct xb_error *err;

	if (of == NULL)
		return xb_error_nomem();
	l->generation++;
	l->regions.len = 0;
	xb_ranges_deinit(&l->ranges);
	err = take_code(l, maps, of);
	if (err == NULL)
		err = take_data(l, maps, of);
	for (size_t i = 0; i < l->objects.len; i++)
		l->objects.data[i]->mapped = l->objects.data[i]->state->generation == l->generation;
	if (!xb_ranges_seal(&l->ranges, NULL) && err == NULL)
		err = xb_error_nomem();
	find_main(l);
	return err;
}

static const struct region *region_at(const struct xb_loaded *l, xb_addr addr)
{
	const struct xb_range *r = l->ranges.sealed ? xb_ranges_find(&l->ranges, addr) : NULL;

	return r == NULL ? NULL : &l->regions.data[r->value];
}

struct xb_object *xb_loaded_find(struct xb_loaded *l, xb_addr addr, xb_addr *ret_vaddr)
{
	const struct region *r = region_at(l, addr);

	if (r == NULL)
		return NULL;
	if (ret_vaddr != NULL)
		*ret_vaddr = xb_object_vaddr(r->object, addr, addr - r->start + r->offset);
	return r->object;
}

struct xb_object *xb_loaded_main(const struct xb_loaded *l)
{
	return l->main;
}

size_t xb_loaded_count(const struct xb_loaded *l)
{
	return l->objects.len;
}

struct xb_object *xb_loaded_get(const struct xb_loaded *l, size_t i)
{
	return l->objects.data[i];
}
