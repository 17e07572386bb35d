/*
 * A layout as a list: every entry of the contract with what a layout says of it, for whoever shows, writes or reads
 * all of them.  Code that needs one asks for it by its enumerator instead.
 */
#ifndef XB_LAYOUT_ENTRY_H
#define XB_LAYOUT_ENTRY_H

#include "layout/layout.h"

enum xb_entry_kind { XB_ENTRY_FIELD, XB_ENTRY_SIZE, XB_ENTRY_CONST, XB_ENTRY_REG };

/* Which entry: a kind, and the enumerator of that kind. */
struct xb_entry_id {
	enum xb_entry_kind kind;
	int index;
};

struct xb_entry {
	struct xb_entry_id id;
	const char *name; /* "Process.htop"; static */
	const char *
		widths; /* what the contract allows for a field: "8", "4|8", "0"; "" for others; static */
	const char *check; /* the live check that proves it, "-" for none; static */
	bool must;
	enum xb_provenance from; /* XB_FROM_NOWHERE: not known, the rest is zero */
	uint64_t value;          /* offset or size in bytes, number, DWARF number of a register */
	unsigned width;          /* of a field, bytes */
};

/** How many entries the contract has. */
size_t xb_entry_count(void);

/** Number @i of them, in the order of the contract: fields, sizes, constants, registers. */
struct xb_entry xb_entry_get(const struct xb_layout *l, size_t i);

/** The entry called @kind @name ("field", "Process.htop"); false when the contract does not have it. */
XB_NODISCARD bool xb_entry_find(const char *kind, const char *name, struct xb_entry_id *ret);

/** The same entry as xb_entry_get() has it. */
struct xb_entry xb_entry_of(const struct xb_layout *l, struct xb_entry_id id);

/** "field", "size", "const", "reg"; static. */
const char *xb_entry_kind_name(enum xb_entry_kind kind);

/** Whether the contract allows @width for a field that may have @widths. */
bool xb_entry_width_ok(const char *widths, uint64_t width);

#endif
