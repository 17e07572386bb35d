/* The shape of the generated tables.  Only layout.c and the generated file look in here. */
#ifndef XB_LAYOUT_TABLE_H
#define XB_LAYOUT_TABLE_H

#include "base/base.h"
#include "layout/fields.gen.h"
#include "layout/flavor.h"

/* What the contract says of one entry. */
struct xb_layout_spec {
	const char *name;   /* "Process.htop" */
	const char *ctype;  /* C type in the VM's DWARF, alternatives behind '|'; "" where DWARF cannot
			       tell */
	const char *member; /* member path(s) in it */
	const char *width;  /* bytes it may have, alternatives behind '|'; "0": embedded */
	const char *check;  /* the live invariant that proves it, "-" for none */
	bool must;
};

struct xb_layout_table {
	const char *name;
	unsigned release;
	enum xb_flavor flavor;
	const char *banner; /* words of the version banner that such builds show; one space between */
	bool source_only;   /* derived from the release's source, no VM with it was run */
	struct {
		uint32_t offset, width;
		bool given;
	} field[XB_F__COUNT];
	struct {
		uint64_t value;
		bool given;
	} size[XB_S__COUNT], konst[XB_K__COUNT];
	const char *reg[XB_R__COUNT]; /* NULL where there is none */
};

extern const struct xb_layout_spec xb_layout_field_specs[XB_F__COUNT];
extern const struct xb_layout_spec xb_layout_size_specs[XB_S__COUNT];
extern const struct xb_layout_spec xb_layout_const_specs[XB_K__COUNT];
extern const struct xb_layout_spec xb_layout_reg_specs[XB_R__COUNT];
extern const struct xb_layout_table xb_layout_tables[];
extern const size_t xb_layout_n_tables;

#endif
