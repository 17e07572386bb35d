/*
 * Location lists: [start, end) and the expression that holds there.
 *
 * libdw's own iteration ends with an error at the first expression it does not know and loses all
 * entries after it; elfutils 0.188 does not know DW_OP_GNU_uninit, which gcc writes for every register
 * variable of the interpreter loop.  So lists are read here, and an expression nobody can decode is one
 * lost entry.
 */
#ifndef XB_ELF_DWLIST_H
#define XB_ELF_DWLIST_H

#include "base/arena.h"
#include "base/error.h"
#include "base/vec.h"

#include <elfutils/libdw.h>

enum { XB_DWLIST_MAX_SPANS = 1 << 20 }; /* of one list */

struct xb_dwspan {
	xb_addr start, end; /* of the file; 0 and UINT64_MAX: wherever the variable is in scope */
	Dwarf_Op *ops;      /* in the arena; see xb_dwexpr_decode() */
	size_t n;
	bool opaque; /* there is an expression, and it cannot be decoded */
	bool uninit; /* the compiler says the variable may not have been set yet */
};
XB_VEC(xb_dwspans, struct xb_dwspan);

/** The one expression of @attr (an exprloc) for every pc.  BAD_FILE when it is none; NOMEM. */
XB_NODISCARD struct xb_error *xb_dwlist_expr(Dwarf_Attribute *attr, struct xb_arena *arena,
					     struct xb_dwspan *ret);

/**
 * Append what @attr (DW_AT_location, DW_AT_frame_base) says: one expression, a DWARF 4 list or a DWARF
 * 5 list. Empty ranges are dropped.  @ret_whole: it is one expression and no list.
 * @return NULL; BAD_FILE when the list is damaged or of a form not read here (split units), with what
 * was read before kept; LIMIT; NOMEM.
 */
XB_NODISCARD struct xb_error *xb_dwlist_read(Dwarf_Attribute *attr, struct xb_arena *arena,
					     struct xb_dwspans *ret, bool *ret_whole);

#endif
