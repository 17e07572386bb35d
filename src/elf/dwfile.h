/* Which file has the debug information of an image. */
#ifndef XB_ELF_DWFILE_H
#define XB_ELF_DWFILE_H

#include "elf/symbols.h"

#include <elfutils/libdw.h>

/**
 * Debug information of @img: its own, else that of the separate debug file @symbols found.
 * @param symbols  Of @img; may be NULL.
 * @return NULL when neither has any.  For dwarf_end(), before the image and the symbols go.
 * Cost: reads the debug sections of the file the first time; they stay in memory as long as the image.
 */
Dwarf *xb_dwfile_open(struct xb_image *img, const struct xb_symbols *symbols);

#endif
