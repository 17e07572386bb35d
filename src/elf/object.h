/* The private half of struct xb_object: shared by loaded.c and object.c, nobody else. */
#ifndef XB_ELF_OBJECT_H
#define XB_ELF_OBJECT_H

#include "base/map.h"
#include "elf/loaded.h"

/* A failure that is reported again and again without being tried again. */
struct xb_object_failure {
	bool failed;
	enum xb_err_code code;
	char *message;
};

struct xb_object_state {
	struct xb_object *self;
	const struct xb_loaded_opts *opts; /* of the set */
	uint64_t generation;               /* of the refresh that saw it last */
	xb_addr delta;                     /* address minus file offset of its code */
	struct {
		xb_addr start, end;
		uint64_t offset;
	} code;              /* one executable mapping, as in the maps given last */
	bool refused;        /* the kernel denied us one of the ways to the file */
	xb_addr bias;        /* with an image */
	struct xb_map names; /* vaddr of a function without symbol → char * in the arena */
	struct xb_arena arena;
	struct xb_image *image;
	struct xb_symbols *symbols;
	struct xb_funcs *funcs;
	struct xb_object_failure no_image, no_symbols, no_funcs;
};

/** A new object with its own copy of the path of @line.  NULL: out of memory. */
struct xb_object *xb_object_create(const struct xb_loaded_opts *opts, const struct xb_map_line *line);

/** Accepts NULL. */
void xb_object_destroy(struct xb_object *o);

/** vaddr of @addr, which lies at file offset @offset; XB_NO_VADDR when there is none. */
xb_addr xb_object_vaddr(struct xb_object *o, xb_addr addr, uint64_t offset);

#endif
