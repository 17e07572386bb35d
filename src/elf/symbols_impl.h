/* Shared by symbols.c (reading, names) and symindex.c (addresses); nobody else. */
#ifndef XB_ELF_SYMBOLS_IMPL_H
#define XB_ELF_SYMBOLS_IMPL_H

#include "base/map.h"
#include "base/vec.h"
#include "elf/symbols.h"

#define XB_SYMBOL_NONE UINT32_MAX

XB_VEC(xb_symbol_list, struct xb_symbol);

/* [start, end) of a section of one source, to bound symbols without a size. */
struct xb_symbol_section {
	xb_addr start, end;
};

struct xb_symbol_origin {
	struct xb_image *img;
	size_t count;      /* symbols taken */
	size_t dropped;    /* damaged: bad name, outside the image */
	struct xb_str why; /* why there are none; or the path of the file */
	struct xb_symbol_section *sections;
	size_t n_sections;
};

/* One entry of the address index, ascending by start.  Entries may nest, never else overlap. */
struct xb_symbol_span {
	xb_addr start, end;
	uint32_t symbol;
	uint32_t parent; /* the entry around this one, or XB_SYMBOL_NONE */
};

struct xb_symbols {
	struct xb_image *img;
	struct xb_image *debug, *embedded; /* owned */
	struct xb_symbol_origin origin[XB_SYMBOL_SOURCES];
	struct xb_symbol_list list;
	struct xb_map names; /* hash of the name → first of its chain */
	struct xb_symbol_span *spans;
	size_t n_spans;
	bool indexed;
};

#endif
