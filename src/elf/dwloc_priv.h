/* Inside elf/dwloc. */
#ifndef XB_ELF_DWLOC_PRIV_H
#define XB_ELF_DWLOC_PRIV_H

#include "base/map.h"
#include "elf/dwlist.h"
#include "elf/dwloc.h"

enum {
	XB_DWLOC_MAX_SPANS = 1 << 20, /* of one function */
	XB_DWLOC_MAX_DEPTH = 64,      /* lexical blocks within each other */
};

/* The code of the function: its own, or that of a function it was inlined into. */
struct xb_dwloc_instance {
	struct xb_dwspans code;
	struct xb_dwspans frame_base;
	const char *entered_as; /* name of the function whose entry the registers are of */
	bool has_tail_calls;
};
XB_VEC(xb_dwloc_instances, struct xb_dwloc_instance);

struct xb_dwloc_entry {
	size_t var, instance;
	unsigned depth;
	struct xb_dwspans scope;
	struct xb_dwspans locs; /* ascending */
	bool overlap;           /* some of @locs do */
	bool whole_scope;
	bool is_const;
	uint64_t constant;
	uint32_t width;
};
XB_VEC(xb_dwloc_entries, struct xb_dwloc_entry);

/* What a call site tells of the registers it passes. */
struct xb_dwloc_param {
	uint64_t return_pc;
	unsigned reg;
	const Dwarf_Op *ops;
	size_t n;
};
XB_VEC(xb_dwloc_params, struct xb_dwloc_param);

struct xb_dwloc {
	Dwarf *dw;
	char *function;
	char **names;
	size_t n_names;
	size_t damaged;        /* lists of which a part could not be read */
	struct xb_arena arena; /* expressions */
	struct xb_dwloc_instances instances;
	struct xb_dwloc_entries entries;
	struct xb_map calls_seen; /* return pcs whose parameters are in @params, or have none */
	struct xb_dwloc_params params;
};

/** The kind of a location, with reg and off of simple ones.  @base may be NULL. */
void xb_dwloc_classify(const struct xb_dwspan *span, const struct xb_dwspans *base,
		       struct xb_dwloc_loc *ret);

/** The first span that holds @pc. */
const struct xb_dwspan *xb_dwloc_span_at(const struct xb_dwspans *spans, xb_addr pc);

/**
 * What @reg held when @in was entered, from the call site that @frame returns to.  elf/dwcall.c
 * False: the caller does not tell, or is not known to have called just this function.
 */
bool xb_dwloc_entry_reg(struct xb_dwloc *obj, const struct xb_dwloc_instance *in,
			const struct xb_dwloc_frame *frame, unsigned reg, uint64_t *ret);

#endif
