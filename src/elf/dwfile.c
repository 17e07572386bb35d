#include "elf/dwfile.h"

#include <string.h>

static bool has_info(struct xb_image *img)
{
	static const char *const names[] = { ".debug_info", ".zdebug_info" };
	size_t n = img == NULL ? 0 : xb_image_section_count(img);
	struct xb_section s;

	/* By header alone: the data is libdw's to read. */
	for (size_t i = 1; i < n; i++) {
		for (size_t k = 0; k < XB_ARRAY_LEN(names); k++) {
			if (xb_image_section_at(img, i, &s) && strcmp(s.name, names[k]) == 0)
				return s.type != SHT_NOBITS;
		}
	}
	return false;
}

Dwarf *xb_dwfile_open(struct xb_image *img, const struct xb_symbols *symbols)
{
	struct xb_image *debug = symbols == NULL ? NULL : xb_symbols_debug_image(symbols);
	struct xb_image *file = has_info(img) ? img : debug;

	return has_info(file) ? dwarf_begin_elf(xb_image_elf(file), DWARF_C_READ, NULL) : NULL;
}
