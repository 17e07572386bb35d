/*
 * Layout tables as text, at run time: the same format as src/layout/tables/, which awk/gen_layout.awk turns into C.
 *
 *	# a comment, also behind an entry
 *	table NAME                   first, once
 *	inherit TABLE                a built-in table; before any entry: release, flavor, provenance and entries are its
 *	release NUMBER               OTP major
 *	flavor jit|emu
 *	banner WORD…                 what the version banner of such builds shows (layout/banner.h): others are refused
 *	provenance run|source        whether a VM was ever run with it, or it is only from the source
 *	field NAME OFFSET WIDTH      bytes; WIDTH one that the contract (fields.tab) allows
 *	size NAME BYTES
 *	const NAME NUMBER
 *	reg NAME REGISTER            rax … r15
 *
 * Numbers are decimal or hexadecimal after 0x.  A file that says something else is refused as a whole, as the
 * generator refuses a table; that it fits a VM is for the checks to tell (vm/check.h).
 */
#ifndef XB_LAYOUT_TEXT_H
#define XB_LAYOUT_TEXT_H

#include "base/arena.h"
#include "layout/layout.h"

/**
 * Read a table from @len bytes at @text, which nobody vouches for.
 * @param file  What sentences call it; borrowed by @ret.
 * @param arena Keeps the table's name.
 * @return NULL, or BAD_FILE whose sentence begins "file:line: "; NOMEM.  @ret is plain data that lives as long as
 *         @file and @arena.
 * Cost: some 100 string comparisons a line.
 */
XB_NODISCARD struct xb_error *xb_layout_parse(const char *text, size_t len, const char *file,
					      struct xb_arena *arena, struct xb_layout *ret);

/** The same for the file @path, of at most 1 MiB; @path is copied.  Errors: also SYS, PERM. */
XB_NODISCARD struct xb_error *xb_layout_load(const char *path, struct xb_arena *arena,
					     struct xb_layout *ret);

/**
 * Append @l as a table called l->name that inherits nothing and so gives every entry that is known.
 * @param table  Where entries of XB_FROM_TABLE are from: named in a comment behind each field and size of them.  NULL:
 *               no comments.
 */
void xb_layout_print(const struct xb_layout *l, const char *table, struct xb_str *out);

#endif
