#include "layout/entry.h"
#include "layout/text.h"

#include <string.h>

enum { NAME_COLUMNS = 34 };

/* "Process" of "Process.htop", or the whole. */
static size_t structure_len(const char *name)
{
	return strcspn(name, ".");
}

/* Entries of one structure stay together; so do those of one kind. */
static bool begins_group(const struct xb_entry *before, const struct xb_entry *e)
{
	size_t n = structure_len(e->name);

	if (before == NULL || before->id.kind != e->id.kind)
		return true;
	return e->id.kind == XB_ENTRY_FIELD &&
	       (structure_len(before->name) != n || memcmp(before->name, e->name, n) != 0);
}

static void print_value(const struct xb_entry *e, struct xb_str *out)
{
	switch (e->id.kind) {
	case XB_ENTRY_FIELD:
		xb_str_addf(out, "%llu %u", (unsigned long long)e->value, e->width);
		break;
	case XB_ENTRY_SIZE:
	case XB_ENTRY_CONST:
		xb_str_addu(out, e->value);
		break;
	case XB_ENTRY_REG:
		xb_str_add(out, xb_layout_reg_text((int)e->value));
		break;
	}
}

void xb_layout_print(const struct xb_layout *l, const char *table, struct xb_str *out)
{
	struct xb_entry before;
	bool any = false;

	xb_str_addf(out, "table %s\nrelease %u\nflavor %s\n", l->name, l->release,
		    xb_flavor_name(l->flavor));
	if (l->banner != NULL && l->banner[0] != '\0')
		xb_str_addf(out, "banner %s\n", l->banner);
	if (l->source_only)
		xb_str_add(out, "provenance source\n");
	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry e = xb_entry_get(l, i);

		if (e.from == XB_FROM_NOWHERE)
			continue;
		if (begins_group(any ? &before : NULL, &e))
			xb_str_addc(out, '\n');
		xb_str_addf(out, "%-5s %-*s ", xb_entry_kind_name(e.id.kind), NAME_COLUMNS, e.name);
		print_value(&e, out);
		if (table != NULL && e.from == XB_FROM_TABLE &&
		    (e.id.kind == XB_ENTRY_FIELD || e.id.kind == XB_ENTRY_SIZE))
			xb_str_addf(out, " # from table %s", table);
		xb_str_addc(out, '\n');
		before = e;
		any = true;
	}
}
