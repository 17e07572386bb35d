/*
 * One entry of the gdb JIT list (struct debug_info and what follows it).  Packed one behind the other without
 * alignment, lengths include the NUL:
 *
 *   0   u32 kind = 0   8   u32 frame layout   16  pointer beam_normal_exit
 *
 *   0   u32 kind = 1   8   u64 base   16  u32 ranges   20  u32 code size   24  u16 length, name   26…
 *   32 + length:  { u32 start, u32 end, u32 lines, u16 length, name } stride 16 + length    start, end from base
 *                   { u32 start, u32 line, u16 length, file }         stride 12 + length    lines times
 */
#include "vm/jitlist_parse.h"

#include "base/rd.h"

#include <stdlib.h>

enum {
	KIND_EMULATOR = 0,
	KIND_MODULE = 1,
	HEADER = 32, /* sizeof(struct debug_info) */
	NAME_AT = 26,
	RANGE_HEAD = 14, /* offsetof(struct range_info, name) */
	RANGE_SIZE = 16, /* sizeof(struct range_info) */
	LINE_HEAD = 10,
	LINE_SIZE = 12,
};

struct totals {
	size_t ranges, lines;
};

/* Name of @len bytes, NUL included, at data + @at; false unless all of it is there and ended. */
static bool is_text(const struct xb_rd *r, size_t at, size_t len)
{
	return len > 0 && at <= r->len && len <= r->len - at && r->data[at + len - 1] == '\0';
}

/* First pass: everything is where it must be.  Afterwards nothing needs to be checked again. */
static bool measure(struct xb_rd r, uint32_t n_ranges, uint32_t code_size, struct totals *ret)
{
	struct totals t = { .ranges = n_ranges };

	/* A range takes at least its own size, so the count cannot make us allocate more than there is. */
	if (n_ranges > (r.len - r.at) / RANGE_SIZE)
		return false;
	for (uint32_t i = 0; i < n_ranges; i++) {
		size_t at = r.at, len;
		const unsigned char *p = xb_rd_bytes(&r, RANGE_SIZE);
		uint32_t lines;

		if (p == NULL)
			return false;
		lines = xb_load32(p, 8);
		len = xb_load16(p, 12);
		xb_rd_skip(&r, len);
		if (r.bad || !is_text(&r, at + RANGE_HEAD, len) || xb_load32(p, 0) > xb_load32(p, 4) ||
		    xb_load32(p, 4) > code_size || lines > (r.len - r.at) / LINE_SIZE)
			return false;
		for (uint32_t k = 0; k < lines; k++) {
			at = r.at;
			p = xb_rd_bytes(&r, LINE_SIZE);
			if (p == NULL)
				return false;
			len = xb_load16(p, 8);
			xb_rd_skip(&r, len);
			if (r.bad || !is_text(&r, at + LINE_HEAD, len) || xb_load32(p, 0) > code_size)
				return false;
		}
		t.lines += lines;
	}
	*ret = t;
	return true;
}

/* Second pass, over what measure() found to be whole. */
static void fill(struct xb_jitentry *e, const unsigned char *p, struct xb_jitline *line, bool lines)
{
	for (uint32_t i = 0; i < e->n_ranges; i++) {
		struct xb_jitrange *range = &e->ranges[i];

		*range = (struct xb_jitrange){
			.start = e->base + xb_load32(p, 0),
			.end = e->base + xb_load32(p, 4),
			.name = (const char *)p + RANGE_HEAD,
			.name_len = xb_load16(p, 12) - 1U,
			.n_lines = xb_load32(p, 8),
			.lines = lines ? line : NULL,
		};
		p += RANGE_SIZE + xb_load16(p, 12);
		for (uint32_t k = 0; k < range->n_lines; k++) {
			if (lines)
				*line++ = (struct xb_jitline){
					.pc = e->base + xb_load32(p, 0),
					.line = xb_load32(p, 4),
					.file = (const char *)p + LINE_HEAD,
					.file_len = xb_load16(p, 8) - 1U,
				};
			p += LINE_SIZE + xb_load16(p, 8);
		}
	}
}

/* Every module's own blob starts with its header; that of the fragments, also called "global", has none. */
static bool are_fragments(const struct xb_jitentry *e)
{
	static const char header[] = "global::codeHeader";

	return e->name_len == 6 && memcmp(e->name, "global", 6) == 0 && e->n_ranges > 0 &&
	       (e->ranges[0].name_len != sizeof(header) - 1 ||
		memcmp(e->ranges[0].name, header, sizeof(header) - 1) != 0);
}

static bool parse_module(struct xb_jitentry *e, struct xb_rd r, bool lines)
{
	struct totals t;
	size_t name_len, range_bytes, line_bytes;
	xb_addr end;

	name_len = xb_load16(r.data, 24);
	if (!is_text(&r, NAME_AT, name_len))
		return true;
	e->base = xb_load64(r.data, 8);
	e->code_size = xb_load32(r.data, 20);
	r.at = HEADER;
	xb_rd_skip(&r, name_len);
	if (r.bad || __builtin_add_overflow(e->base, e->code_size, &end) ||
	    !measure(r, xb_load32(r.data, 16), e->code_size, &t))
		return true;
	range_bytes = t.ranges * sizeof(struct xb_jitrange);
	line_bytes = lines ? t.lines * sizeof(struct xb_jitline) : 0;
	e->storage = malloc(range_bytes + line_bytes + 1);
	if (e->storage == NULL)
		return false;
	e->kind = XB_JITENTRY_MODULE;
	e->name = (const char *)r.data + NAME_AT;
	e->name_len = (uint32_t)name_len - 1;
	e->ranges = e->storage;
	e->n_ranges = (uint32_t)t.ranges;
	fill(e, r.data + r.at, (struct xb_jitline *)(e->ranges + t.ranges), lines);
	e->fragments = are_fragments(e);
	/* Loaded like a module, but never entered among them: jit/beam_asm_module.cpp, beamasm_init(). */
	e->own = e->fragments || (e->name != NULL && strcmp(e->name, "erts_beamasm") == 0);
	return true;
}

bool xb_jitentry_parse(struct xb_jitentry *entry, const void *bytes, size_t len, bool lines,
		       uint32_t *ret_layout, xb_addr *ret_exit)
{
	struct xb_rd r = xb_rd_of(bytes, len);

	entry->kind = XB_JITENTRY_BROKEN;
	if (len < HEADER)
		return true;
	switch (xb_load32(bytes, 0)) {
	case KIND_MODULE:
		return parse_module(entry, r, lines);
	case KIND_EMULATOR:
		entry->kind = XB_JITENTRY_EMULATOR;
		*ret_layout = xb_load32(bytes, 8);
		*ret_exit = xb_load64(bytes, 16);
		return true;
	default:
		return true;
	}
}
