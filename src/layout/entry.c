#include "layout/entry.h"

#include "layout/table.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	const struct xb_layout_spec *specs;
	size_t n;
} kinds[] = {
	[XB_ENTRY_FIELD] = { "field", xb_layout_field_specs, XB_F__COUNT },
	[XB_ENTRY_SIZE] = { "size", xb_layout_size_specs, XB_S__COUNT },
	[XB_ENTRY_CONST] = { "const", xb_layout_const_specs, XB_K__COUNT },
	[XB_ENTRY_REG] = { "reg", xb_layout_reg_specs, XB_R__COUNT },
};

size_t xb_entry_count(void)
{
	size_t n = 0;

	for (size_t k = 0; k < XB_ARRAY_LEN(kinds); k++)
		n += kinds[k].n;
	return n;
}

const char *xb_entry_kind_name(enum xb_entry_kind kind)
{
	return kinds[kind].name;
}

struct xb_entry xb_entry_of(const struct xb_layout *l, struct xb_entry_id id)
{
	const struct xb_layout_spec *spec = &kinds[id.kind].specs[id.index];
	struct xb_entry e = { .id = id,
			      .name = spec->name,
			      .widths = spec->width,
			      .check = spec->check,
			      .must = spec->must };

	switch (id.kind) {
	case XB_ENTRY_FIELD:
		e.from = (enum xb_provenance)l->field[id.index].from;
		e.value = l->field[id.index].offset;
		e.width = l->field[id.index].width;
		break;
	case XB_ENTRY_SIZE:
		e.from = (enum xb_provenance)l->size_from[id.index];
		e.value = l->size[id.index];
		break;
	case XB_ENTRY_CONST:
		e.from = (enum xb_provenance)l->konst_from[id.index];
		e.value = l->konst[id.index];
		break;
	case XB_ENTRY_REG:
		e.from = (enum xb_provenance)l->reg_from[id.index];
		e.value = e.from == XB_FROM_NOWHERE ? 0 : (uint64_t)l->reg[id.index];
		break;
	}
	return e;
}

struct xb_entry xb_entry_get(const struct xb_layout *l, size_t i)
{
	size_t k = 0;

	xb_assert(i < xb_entry_count());
	while (i >= kinds[k].n)
		i -= kinds[k++].n;
	return xb_entry_of(l, (struct xb_entry_id){ (enum xb_entry_kind)k, (int)i });
}

bool xb_entry_find(const char *kind, const char *name, struct xb_entry_id *ret)
{
	for (size_t k = 0; k < XB_ARRAY_LEN(kinds); k++) {
		if (strcmp(kinds[k].name, kind) != 0)
			continue;
		for (size_t i = 0; i < kinds[k].n; i++) {
			if (strcmp(kinds[k].specs[i].name, name) == 0) {
				*ret = (struct xb_entry_id){ (enum xb_entry_kind)k, (int)i };
				return true;
			}
		}
	}
	return false;
}

bool xb_entry_width_ok(const char *widths, uint64_t width)
{
	for (const char *at = widths; at != NULL && *at != '\0';) {
		if (strtoull(at, NULL, 10) == width)
			return true;
		at = strchr(at, '|');
		at = at == NULL ? NULL : at + 1;
	}
	return false;
}
