/*
 * The ELF images that are mapped in a process: which one holds an address, and what is it called there.
 *
 * Built from the maps of the process and refreshed from newer ones; an object once handed out stays
 * valid (and keeps its image and symbols) until the set is destroyed, even after the process unmapped
 * it. Images are opened on first use, by the way that is surest to lead to the very file that is
 * mapped: /proc/PID/map_files, /proc/PID/exe, then the path below the target's root.  Whatever is
 * opened is compared with the process (build-id note in memory, else device and inode) before it is
 * believed.
 */
#ifndef XB_ELF_LOADED_H
#define XB_ELF_LOADED_H

#include "elf/funcs.h"
#include "elf/symbols.h"
#include "mem/mem.h"
#include "os/procfs.h"

struct xb_loaded;
struct xb_object_state;

/* One image at one place.  Read only. */
struct xb_object {
	const char *name; /* last component of @path, or "[vdso]" */
	const char *path; /* as the target sees it */
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	xb_addr start, end; /* all its mappings lie in [start, end) */
	bool is_main;       /* the program itself */
	bool is_vdso;
	bool deleted; /* no longer under @path */
	bool mapped;  /* present in the maps given last */
	struct xb_object_state *state;
};

struct xb_loaded_opts {
	pid_t pid;             /* 0: not a live process; files are opened by path only */
	struct xb_mem *mem;    /* of the process; borrowed; NULL: no vdso, identity by inode only */
	const char *root;      /* where the target's "/" is; NULL: /proc/PID/root */
	const char *debug_dir; /* as in struct xb_debug_opts */
	bool no_debug_files;
};

/* What an address that has no vaddr gets: padding of a segment, or an image that cannot be opened. */
#define XB_NO_VADDR UINT64_MAX

/** An empty set.  Strings of @opts are copied.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_loaded_create(const struct xb_loaded_opts *opts,
					       struct xb_loaded **ret);

/** With all objects, images and names.  Accepts NULL. */
void xb_loaded_destroy(struct xb_loaded *l);

static inline void xb_loaded_cleanup(struct xb_loaded **l)
{
	xb_loaded_destroy(*l);
}

/**
 * Take over what @maps says.  Nothing in @maps is kept.  Opens no file of the target.
 * @return NULL, NOMEM, or LIMIT after 4,096 objects over the life of the set.
 * Cost: linear; about 10 us for 150 lines.
 */
XB_NODISCARD struct xb_error *xb_loaded_refresh(struct xb_loaded *l, const struct xb_maps *maps);

/**
 * The object that holds @addr, or NULL.  Anonymous memory, so also most of .bss, belongs to no object.
 * @param ret_vaddr  May be NULL, which keeps the image closed.  XB_NO_VADDR: see there.
 * Cost: a binary search; opens the image the first time.
 */
struct xb_object *xb_loaded_find(struct xb_loaded *l, xb_addr addr, xb_addr *ret_vaddr);

/** The program itself, or NULL. */
struct xb_object *xb_loaded_main(const struct xb_loaded *l);

/** Objects, also unmapped ones, in the order they were first seen. */
size_t xb_loaded_count(const struct xb_loaded *l);
struct xb_object *xb_loaded_get(const struct xb_loaded *l, size_t i);

struct xb_loaded_name {
	const char *name;   /* "erts_schedule", or "beam.smp+0x1087a0" (vaddr of the function) */
	uint64_t offset;    /* of the address from what @name stands for, bytes */
	const char *object; /* name of the object */
	xb_addr vaddr;      /* of what @name stands for; XB_NO_VADDR where only the object is known */
	bool has_symbol;
};

/**
 * What to call @addr.  Strings live as long as the set.  Addresses of one function give one @name
 * pointer. Without a symbol the function bounds of .eh_frame are used, without those the object alone:
 * then
 * @name is the object and @offset the vaddr, or the offset into the file when the image cannot be
 * opened.
 * @return false when no object holds @addr, or out of memory.
 * Cost: two binary searches; loads image and symbols the first time.
 */
bool xb_loaded_name(struct xb_loaded *l, xb_addr addr, struct xb_loaded_name *ret);

/**
 * The image of @o, opened on first use.  Belongs to @o.
 * @return NULL or, the same each time, why none of the ways leads to the mapped file: PERM when one of
 * them was refused (map_files needs CAP_CHECKPOINT_RESTORE), else BAD_FILE.
 */
XB_NODISCARD struct xb_error *xb_object_image(struct xb_object *o, struct xb_image **ret);

/** What to add to a vaddr to have the address in the process (mod 2^64).  Opens the image. */
XB_NODISCARD struct xb_error *xb_object_bias(struct xb_object *o, xb_addr *ret);

/** Loaded on first use; belongs to @o. */
XB_NODISCARD struct xb_error *xb_object_symbols(struct xb_object *o, struct xb_symbols **ret);

/** Loaded on first use; belongs to @o. */
XB_NODISCARD struct xb_error *xb_object_funcs(struct xb_object *o, struct xb_funcs **ret);

#endif
