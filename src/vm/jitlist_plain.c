/*
 * One entry of the gdb JIT list as OTP 24 makes it (beam_asm.cpp: update_gdb_jit_info(), beamasm_init_gdb_jit_info()).
 * Packed one behind the other without alignment; no lines, addresses are absolute:
 *
 *   0   u64 0               8   pointer, 0: beam_normal_exit is not made yet; 16 bytes in all: the emulator
 *   0   u64 ranges          8   u64 base       16  u64 code size   24  name, NUL
 *   ...  { u64 start, u64 end, name, NUL }     ranges times, up to the very end
 */
#include "base/rd.h"
#include "vm/jitlist_parse.h"

#include <stdlib.h>
#include <string.h>

enum {
	EMULATOR_BYTES = 16,
	NAME_AT = 24,
	RANGE_HEAD = 16,
	MIN_RANGE = RANGE_HEAD + 1, /* with an empty name */
};

/* The NUL-terminated text at @at, which moves behind it; NULL when it does not end. */
static const char *text_at(const unsigned char *bytes, size_t len, size_t *at, uint32_t *ret_len)
{
	const unsigned char *start = bytes + *at, *end;

	end = *at < len ? memchr(start, '\0', len - *at) : NULL;
	if (end == NULL || end - start > UINT16_MAX)
		return NULL;
	*ret_len = (uint32_t)(end - start);
	*at += *ret_len + 1;
	return (const char *)start;
}

bool xb_jitentry_parse_plain(struct xb_jitentry *e, const void *bytes, size_t len)
{
	static const char module_head[] = "::codeHeader";
	struct xb_jitrange *ranges;
	size_t at = NAME_AT;
	uint64_t n, size;
	xb_addr base, end;
	uint32_t name_len;
	const char *name;

	e->kind = XB_JITENTRY_BROKEN;
	if (len == EMULATOR_BYTES && xb_load64(bytes, 0) == 0) {
		e->kind = XB_JITENTRY_EMULATOR;
		return true;
	}
	name = len < NAME_AT ? NULL : text_at(bytes, len, &at, &name_len);
	if (name == NULL)
		return true;
	n = xb_load64(bytes, 0);
	base = xb_load64(bytes, 8);
	size = xb_load64(bytes, 16);
	/* A range takes at least its own size, so the count cannot make us allocate more than there is. */
	if (n > (len - at) / MIN_RANGE || size > UINT32_MAX || __builtin_add_overflow(base, size, &end))
		return true;
	ranges = malloc((size_t)n * sizeof(*ranges) + 1);
	if (ranges == NULL)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		struct xb_jitrange r = { 0 };
		bool whole = len - at >= MIN_RANGE;

		if (whole) {
			r.start = xb_load64(bytes, at);
			r.end = xb_load64(bytes, at + 8);
			at += RANGE_HEAD;
			r.name = text_at(bytes, len, &at, &r.name_len);
		}
		if (r.name == NULL || r.start < base || r.start > r.end || r.end > end) {
			free(ranges);
			return true;
		}
		ranges[i] = r;
	}
	if (at != len) {
		free(ranges);
		return true;
	}
	e->kind = XB_JITENTRY_MODULE;
	e->name = name;
	e->name_len = name_len;
	e->base = base;
	e->code_size = (uint32_t)size;
	e->storage = e->ranges = ranges;
	e->n_ranges = (uint32_t)n;
	/* A module's own ranges start with its header; those of the fragments, also called "global", do not. */
	e->fragments = strcmp(name, "global") == 0 && n > 0 &&
		       (ranges[0].name_len < sizeof(module_head) - 1 ||
			strcmp(ranges[0].name + ranges[0].name_len - (sizeof(module_head) - 1),
			       module_head) != 0);
	e->own = e->fragments || strcmp(name, "erts_beamasm") == 0;
	return true;
}
