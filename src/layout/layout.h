/*
 * Where every field of every VM structure is, and who says so.
 *
 * The contract is src/layout/fields.tab: an entry that is not in it has no name in the code.  Values
 * come from a checked-in table for the release and flavor, or from the DWARF of the target; either way
 * vm/check.c proves them on the live VM before anything is believed.  A layout is plain data: copy it,
 * shift a field in a test, hand it on.
 */
#ifndef XB_LAYOUT_LAYOUT_H
#define XB_LAYOUT_LAYOUT_H

#include "base/error.h"
#include "base/str.h"
#include "layout/fields.gen.h"
#include "layout/flavor.h"

enum xb_provenance {
	XB_FROM_NOWHERE, /* not known: xb_layout_has() is false */
	XB_FROM_TABLE,   /* checked-in table */
	XB_FROM_DWARF,   /* debug information of the target itself */
	XB_FROM_FILE,    /* a table that the user gave: layout/text.h */
	XB_FROM_USER,    /* forced on the command line */
};

struct xb_layout_place {
	uint32_t offset; /* bytes from the start of the structure */
	uint16_t width;  /* bytes; 0: embedded, only the address matters */
	uint16_t from;   /* enum xb_provenance */
};

struct xb_layout {
	const char *name; /* "otp-25-jit"; static, or of whoever read a file */
	const char *file; /* where a user's table was read, or NULL; borrowed likewise */
	const char
		*base; /* the built-in table that what a file does not give is from, or NULL; static */
	unsigned release; /* OTP major */
	enum xb_flavor flavor;
	struct xb_layout_place field[XB_F__COUNT];
	uint64_t size[XB_S__COUNT]; /* bytes; 0: not known */
	uint64_t konst[XB_K__COUNT];
	bool has_konst[XB_K__COUNT];
	int8_t reg[XB_R__COUNT]; /* DWARF register number, -1: not in a fixed register */
	/* enum xb_provenance of the above */
	uint8_t size_from[XB_S__COUNT], konst_from[XB_K__COUNT], reg_from[XB_R__COUNT];
	unsigned from_dwarf;    /* how many entries DWARF gave */
	unsigned from_file;     /* how many a user's table gave itself */
	const char *banner;     /* what such builds show (layout/banner.h), or NULL; borrowed */
	unsigned dwarf_differs; /* how many of them contradicted the table */
	bool source_only; /* the table is from the release's source, and was proved on no VM but this one */
};

/**
 * The checked-in table for a release, flavor, way to build and size of the process structure.
 * @param banner        The VM's version banner, as compiled in: it shows options that move fields, and how a JIT keeps
 *                      the Erlang stack.  NULL: whatever they are.
 * @param process_size  Asked for each candidate: sizeof(Process) in bytes as the running VM states it,
 * read where the candidate says that it is.
 * @return NULL, or NO_LAYOUT whose sentence says which part is unknown.  @ret is plain data.
 */
XB_NODISCARD struct xb_error *xb_layout_for(unsigned release, enum xb_flavor flavor, const char *banner,
					    uint64_t (*process_size)(void *arg,
								     const struct xb_layout *l),
					    void *arg, struct xb_layout *ret);

/**
 * The table to start from when offsets come from elsewhere: constants and register roles, which debug information does
 * not tell, and offsets to compare with.
 * @param ret_fits  Whether a table is for this very size of the process structure; otherwise @ret is the first of the
 *                  release and flavor, and its offsets must not be used.
 * @return NULL, or NO_LAYOUT when the release has no table for the flavor.
 */
XB_NODISCARD struct xb_error *xb_layout_base(unsigned release, enum xb_flavor flavor,
					     const char *banner,
					     uint64_t (*process_size)(void *arg,
								      const struct xb_layout *l),
					     void *arg, struct xb_layout *ret, bool *ret_fits);

/** How many tables are checked in, and table @i of them, in the order of xb_layout_for(). */
size_t xb_layout_n_builtin(void);
void xb_layout_builtin(size_t i, struct xb_layout *ret);

/** The checked-in table called @name; false when there is none. */
XB_NODISCARD bool xb_layout_named(const char *name, struct xb_layout *ret);

/**
 * The table to take from what debug information does not tell, for a file instead of a VM: of the release and flavor
 * and with a process structure of @process_size bytes; else of both; else of the flavor and the nearest release, of
 * two equally near ones the older.
 * @param ret_fits  As of xb_layout_base().
 * @return NULL, or NO_LAYOUT when there is no table for the flavor.
 */
XB_NODISCARD struct xb_error *xb_layout_nearest(unsigned release, enum xb_flavor flavor,
						uint64_t process_size, struct xb_layout *ret,
						bool *ret_fits);

static inline bool xb_layout_has(const struct xb_layout *l, enum xb_layout_field f)
{
	return l->field[f].from != XB_FROM_NOWHERE;
}

/** Offset of a field that the contract calls "must", or that xb_layout_has(). */
static inline uint32_t xb_layout_at(const struct xb_layout *l, enum xb_layout_field f)
{
	return l->field[f].offset;
}

/** Names as the contract spells them, for messages; static. */
const char *xb_layout_field_name(enum xb_layout_field f);
const char *xb_layout_size_name(enum xb_layout_size s);
const char *xb_layout_reg_name(enum xb_layout_reg r);

/** Whether the contract calls the field "must". */
bool xb_layout_field_must(enum xb_layout_field f);

/** The C type and member paths behind a field, for the DWARF reader; static. */
void xb_layout_field_path(enum xb_layout_field f, const char **ret_type, const char **ret_member);
const char *xb_layout_size_type(enum xb_layout_size s);

/** The live check that proves a field, for messages; static. */
const char *xb_layout_field_check(enum xb_layout_field f);

/**
 * Append where the offsets came from: "table", "table, from source, not run", "DWARF (71 fields, 0 differ from table)",
 * "file x.tab", or "file x.tab (3 entries, the rest from table otp-25-jit)".
 */
void xb_layout_write_source(const struct xb_layout *l, struct xb_str *out);

/** "table", "DWARF", …; static. */
const char *xb_provenance_name(enum xb_provenance from);
/** "rbx" of a DWARF register number, and back (-1: no such register); NULL for none.  Static. */
const char *xb_layout_reg_text(int reg);
int8_t xb_layout_reg_number(const char *name);
/** "jit" or "emu", as the VM itself says; static. */
const char *xb_flavor_name(enum xb_flavor flavor);

/**
 * One structure copied from the target in a single read, so that its fields belong together as well as
 * the target allows.  Fields are picked with bounds: one that lies beyond the copy reads as 0.
 */
struct xb_rec {
	const struct xb_layout *layout;
	const unsigned char *bytes;
	size_t len;
};

/** Field of up to 8 bytes, zero-extended. */
static inline uint64_t xb_rec_get(const struct xb_rec *r, enum xb_layout_field f)
{
	struct xb_layout_place at = r->layout->field[f];
	uint64_t v = 0;

	if (at.width <= sizeof(v) && (size_t)at.offset + at.width <= r->len)
		__builtin_memcpy(&v, r->bytes + at.offset, at.width);
	return v;
}

#endif
