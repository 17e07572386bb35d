/*
 * Exercises src/layout/text_*.c: any bytes are either a table, which then prints to one that is read as the same and
 * holds nothing that the code could not bear, or give an error that begins with the file's name.
 */
#include "layout/entry.h"
#include "layout/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct xb_layout *l)
{
	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry e = xb_entry_get(l, i);

		if (e.from == XB_FROM_NOWHERE) {
			if (e.must)
				abort();
			continue;
		}
		if ((e.value > 1 << 24 && strcmp(e.name, "TAG_NIL") != 0) ||
		    (strncmp(e.name, "BIT_", 4) == 0 && e.value > 31) ||
		    (e.id.kind == XB_ENTRY_FIELD && !xb_entry_width_ok(e.widths, e.width)) ||
		    (e.id.kind == XB_ENTRY_REG && xb_layout_reg_text((int)e.value) == NULL))
			abort();
	}
}

static void check_again(const struct xb_layout *l)
{
	struct xb_str one = XB_STR_INIT, two = XB_STR_INIT;
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_layout again;

	xb_layout_print(l, NULL, &one);
	if (xb_layout_parse(xb_str_get(&one), one.len, "again", &arena, &again) != NULL)
		abort();
	xb_layout_print(&again, NULL, &two);
	if (strcmp(xb_str_get(&one), xb_str_get(&two)) != 0)
		abort();
	xb_str_deinit(&one);
	xb_str_deinit(&two);
	xb_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_layout l;
	struct xb_error *err = xb_layout_parse((const char *)data, size, "input", &arena, &l);

	if (err != NULL) {
		if (strncmp(xb_error_message(err), "input:", 6) != 0)
			abort();
		xb_error_destroy(err);
	} else {
		check_bounds(&l);
		check_again(&l);
	}
	xb_arena_deinit(&arena);
	return 0;
}
