/*
 * Walking DIEs of a file that may be damaged: what libdw leaves to its caller.
 *
 * libdw follows references as they stand; a type that is its own typedef or a sibling that points back
 * makes its own helpers (dwarf_peel_type, dwarf_aggregate_size) run for ever.  These are bounded.
 */
#ifndef XB_ELF_DWUTIL_H
#define XB_ELF_DWUTIL_H

#include "base/base.h"

#include <elfutils/libdw.h>

enum { XB_DW_MAX_TYPE_DEPTH = 64 }; /* typedefs, qualifiers and array dimensions on the way to a type */

/** The sibling after @die, only ever forward in the file.  @die and @ret may be the same. */
XB_NODISCARD bool xb_dw_next(Dwarf_Die *die, Dwarf_Die *ret);

/** The DIE that @attr of @die (or of what it stands for) refers to. */
XB_NODISCARD bool xb_dw_ref(Dwarf_Die *die, unsigned attr, Dwarf_Die *ret);

/** The type of @die without typedefs and qualifiers.  False: void, or damage. */
XB_NODISCARD bool xb_dw_type(Dwarf_Die *die, Dwarf_Die *ret);

/** @type without typedefs and qualifiers. */
XB_NODISCARD bool xb_dw_peel(Dwarf_Die *type, Dwarf_Die *ret);

/** Bytes of a type.  A flexible array member has 0.  False: incomplete, void, or not known. */
XB_NODISCARD bool xb_dw_sizeof(Dwarf_Die *type, uint64_t *ret);

/** Whether the flag attribute @attr is there and set. */
XB_NODISCARD bool xb_dw_flag(Dwarf_Die *die, unsigned attr);

/** The name of the unit's source file ends in @suffix at a '/' (or is it). */
XB_NODISCARD bool xb_dw_unit_is(Dwarf_Die *unit, const char *suffix, size_t suffix_len);

/**
 * The next unit of the file, types and partial units included; where a unit is the skeleton of a split
 * one, the split one if it can be had.  *@cu is NULL before the first.
 * @return false after the last, or at damage.
 */
XB_NODISCARD bool xb_dw_next_unit(Dwarf *dw, Dwarf_CU **cu, Dwarf_Die *ret);

#endif
