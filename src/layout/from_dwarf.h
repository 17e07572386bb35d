/*
 * A layout from the debug information of the target itself.
 *
 *   fields.tab     field Process.htop   process   htop   8          what to ask for
 *   DWARF          struct process { … htop at 80, 8 bytes … }        the answer, when there is one
 *   table          Process.htop 80 8                                 to compare with, and for what DWARF cannot tell
 *
 * Debug information knows offsets and sizes.  It knows neither tags and bit numbers, which are macros, nor which
 * machine register holds what: these come from the table of the release.
 */
#ifndef XB_LAYOUT_FROM_DWARF_H
#define XB_LAYOUT_FROM_DWARF_H

#include "base/error.h"
#include "base/log.h"
#include "layout/layout.h"

#include <elfutils/libdw.h>

/**
 * Replace the offsets and sizes of a layout by what @dw says.
 *
 * What @dw does not know stays as the table has it when the table fits this build, else it becomes unknown.  Where the
 * two contradict each other @dw wins, the entry is counted in dwarf_differs and both are logged (INFO).
 *
 * @param table_fits  As xb_layout_base() said.
 * @param l           From xb_layout_base(); untouched on error.
 * @return NULL; NO_LAYOUT when a needed entry is known neither to @dw nor to a table that fits, or has a width nobody
 *         expects, naming it; BAD_FILE when @dw holds no unit; NOMEM.
 * Cost: one pass over the units: see xb_dwtypes_resolve().
 */
XB_NODISCARD struct xb_error *xb_layout_from_dwarf(Dwarf *dw, bool table_fits, const struct xb_log *log,
						   struct xb_layout *l);

#endif
