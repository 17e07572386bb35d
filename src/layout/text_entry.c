#include "layout/text_impl.h"

#include "base/num.h"

#include <string.h>

enum { STRUCT_BYTES = 1 << 24 }; /* no structure of the VM comes near */

/*
 * What the code may rely on of a constant: bit numbers are shifted by, counts of words are added to places in a stack.
 * The first prefix that fits counts.
 */
static uint64_t most_of(const char *name)
{
	static const struct {
		const char *prefix;
		uint64_t most;
	} limits[] = {
		{ "TAG_NIL", UINT64_MAX }, /* a word, whose upper bits are set up to OTP 23 */
		{ "BIT_", 31 },
		{ "TAG_", 63 },
		{ "SUBTAG_", 63 },
		{ "SCHED_", 15 },
		{ "PID_SCHEME", 60 },
		{ "NATIVE_STACK", 1 },
		{ "STUBS_IN_PLACE", 1 },
		{ "FILES_FROM", 1 },
		{ "RETURN_", 64 },
		{ "TIME_TRACE_WORDS", 64 },
		{ "CP_WORDS", 64 },
	};

	for (size_t i = 0; i < XB_ARRAY_LEN(limits); i++) {
		if (strncmp(name, limits[i].prefix, strlen(limits[i].prefix)) == 0)
			return limits[i].most;
	}
	return STRUCT_BYTES;
}

static struct xb_error *take_field(struct xb_text_reader *r, const struct xb_entry *e,
				   char *const *word)
{
	uint64_t offset, width;

	if (!xb_num_u64(word[2], STRUCT_BYTES, &offset))
		return XB_TEXT_BAD(r, "field %s: '%.*s' is no offset in bytes, or beyond any structure",
				   e->name, XB_TEXT_SHOWN, word[2]);
	if (!xb_num_u64(word[3], UINT16_MAX, &width) || !xb_entry_width_ok(e->widths, width))
		return XB_TEXT_BAD(r, "field %s: width '%.*s', the contract says %s", e->name,
				   XB_TEXT_SHOWN, word[3], e->widths);
	r->l.field[e->id.index] =
		(struct xb_layout_place){ (uint32_t)offset, (uint16_t)width, XB_FROM_FILE };
	return NULL;
}

static struct xb_error *take_size(struct xb_text_reader *r, const struct xb_entry *e, const char *text)
{
	uint64_t size;

	if (!xb_num_u64(text, STRUCT_BYTES, &size) || size == 0)
		return XB_TEXT_BAD(r, "size %s: '%.*s' is no size of a structure in bytes", e->name,
				   XB_TEXT_SHOWN, text);
	r->l.size[e->id.index] = size;
	r->l.size_from[e->id.index] = XB_FROM_FILE;
	return NULL;
}

static struct xb_error *take_const(struct xb_text_reader *r, const struct xb_entry *e, const char *text)
{
	uint64_t most = most_of(e->name), value;

	if (!xb_num_u64(text, UINT64_MAX, &value))
		return XB_TEXT_BAD(r, "const %s: '%.*s' is no number", e->name, XB_TEXT_SHOWN, text);
	if (value > most)
		return XB_TEXT_BAD(r, "const %s: %llu, it can be %llu at most", e->name,
				   (unsigned long long)value, (unsigned long long)most);
	if (e->id.index == XB_K_PID_SCHEME && value != 28 && value != 60)
		return XB_TEXT_BAD(r, "const %s: %llu, it is 28 or 60", e->name,
				   (unsigned long long)value);
	r->l.konst[e->id.index] = value;
	r->l.has_konst[e->id.index] = true;
	r->l.konst_from[e->id.index] = XB_FROM_FILE;
	return NULL;
}

static struct xb_error *take_reg(struct xb_text_reader *r, const struct xb_entry *e, const char *text)
{
	int8_t reg = xb_layout_reg_number(text);

	if (reg < 0)
		return XB_TEXT_BAD(r, "reg %s: there is no register '%.*s'", e->name, XB_TEXT_SHOWN,
				   text);
	r->l.reg[e->id.index] = reg;
	r->l.reg_from[e->id.index] = XB_FROM_FILE;
	return NULL;
}

struct xb_error *xb_text_entry(struct xb_text_reader *r, char *const *word, size_t n)
{
	static const char *const wants[] = {
		[XB_ENTRY_FIELD] = "field wants: NAME OFFSET WIDTH",
		[XB_ENTRY_SIZE] = "size wants: NAME BYTES",
		[XB_ENTRY_CONST] = "const wants: NAME NUMBER",
		[XB_ENTRY_REG] = "reg wants: NAME REGISTER",
	};
	struct xb_entry_id id;
	struct xb_entry e;
	unsigned *line;

	if (n < 2)
		return XB_TEXT_BAD(r, "%s wants a name", word[0]);
	if (!xb_entry_find(word[0], word[1], &id))
		return XB_TEXT_BAD(r, "%s %.*s is not in the contract", word[0], XB_TEXT_SHOWN,
				   word[1]);
	if (n != (id.kind == XB_ENTRY_FIELD ? 4 : 3))
		return XB_TEXT_BAD(r, "%s", wants[id.kind]);
	line = &r->line[id.kind][id.index];
	if (*line != 0)
		return XB_TEXT_BAD(r, "%s %s is given twice, first in line %u", word[0], word[1],
				   *line);
	*line = r->at;
	r->entries++;
	e = xb_entry_of(&r->l, id);
	switch (id.kind) {
	case XB_ENTRY_FIELD:
		return take_field(r, &e, word);
	case XB_ENTRY_SIZE:
		return take_size(r, &e, word[2]);
	case XB_ENTRY_CONST:
		return take_const(r, &e, word[2]);
	case XB_ENTRY_REG:
		return take_reg(r, &e, word[2]);
	}
	return NULL;
}

static struct xb_error *missing(const struct xb_text_reader *r)
{
	const char *kind = NULL, *name = NULL;
	size_t n = 0;

	for (size_t i = 0; i < xb_entry_count(); i++) {
		struct xb_entry e = xb_entry_get(&r->l, i);

		if (!e.must || e.from != XB_FROM_NOWHERE)
			continue;
		if (n++ == 0) {
			kind = xb_entry_kind_name(e.id.kind);
			name = e.name;
		}
	}
	if (n == 0)
		return NULL;
	if (n == 1)
		return XB_TEXT_BAD(r, "table %s ends and does not give %s %s", r->l.name, kind, name);
	return xb_error_advise(
		XB_TEXT_BAD(r, "table %s ends and does not give %s %s, and %zu more", r->l.name, kind,
			    name, n - 1),
		"a line 'inherit TABLE' behind the table's name takes the rest from a built-in table");
}

/* "Process.htop" lies in "Process", whose size is known by that name. */
static struct xb_error *beyond(struct xb_text_reader *r, const struct xb_entry *size)
{
	size_t n = strlen(size->name);

	for (int f = 0; f < XB_F__COUNT; f++) {
		const char *name = xb_layout_field_name((enum xb_layout_field)f);
		struct xb_layout_place p = r->l.field[f];
		unsigned line =
			XB_MAX(r->line[XB_ENTRY_FIELD][f], r->line[XB_ENTRY_SIZE][size->id.index]);

		if (p.from == XB_FROM_NOWHERE || strncmp(name, size->name, n) != 0 || name[n] != '.' ||
		    p.offset + XB_MAX(p.width, 1U) <= size->value)
			continue;
		r->at = line != 0 ? line : r->at;
		return XB_TEXT_BAD(r, "field %s at %u with %u bytes lies beyond size %s, %llu", name,
				   p.offset, p.width, size->name, (unsigned long long)size->value);
	}
	return NULL;
}

struct xb_error *xb_text_finish(struct xb_text_reader *r)
{
	XB_TRY(missing(r));
	for (int s = 0; s < XB_S__COUNT; s++) {
		struct xb_entry e = xb_entry_of(&r->l, (struct xb_entry_id){ XB_ENTRY_SIZE, s });

		if (e.from != XB_FROM_NOWHERE)
			XB_TRY(beyond(r, &e));
	}
	return NULL;
}
