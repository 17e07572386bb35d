#include "vm/literal.h"

#include "base/rd.h"
#include "base/str.h"
#include "base/utf8.h"
#include "vm/atom.h"
#include "vm/vm.h"

#include <stdlib.h>

enum { BLOCK = 1024, CONS_BYTES = 16 };

static void add_utf8(uint32_t c, struct xb_str *s)
{
	if (c < 0x80) {
		xb_str_addc(s, (char)c);
		return;
	}
	if (c >= 0x10000)
		xb_str_addc(s, (char)(0xf0 | c >> 18));
	if (c >= 0x800)
		xb_str_addc(s, (char)((c >= 0x10000 ? 0x80 : 0xe0) |
				      ((c >> 12) & (c >= 0x10000 ? 0x3f : 0xf))));
	xb_str_addc(s, (char)((c >= 0x800 ? 0x80 : 0xc0) | ((c >> 6) & (c >= 0x800 ? 0x3f : 0x1f))));
	xb_str_addc(s, (char)(0x80 | (c & 0x3f)));
}

/* A cons cell from the block read last, or from a new block: the loader lays the cells of a string side
 * by side. */
static bool cons_at(struct xb_vm *vm, xb_addr addr, unsigned char *block, xb_addr *base, size_t *have,
		    uint64_t cell[2])
{
	if (addr < *base || addr - *base > *have || *have - (addr - *base) < CONS_BYTES) {
		*base = addr;
		*have = xb_mem_try(vm->mem, addr, block, BLOCK);
		if (*have < CONS_BYTES)
			return false;
	}
	cell[0] = xb_load64(block, (size_t)(addr - *base));
	cell[1] = xb_load64(block, (size_t)(addr - *base) + 8);
	return true;
}

static bool is_utf8(const char *s, size_t len)
{
	for (size_t n; len > 0; s += n, len -= n) {
		uint32_t c;

		n = xb_utf8_decode(s, len, &c);
		if (n == 0)
			return false;
	}
	return true;
}

static const char *text_of(struct xb_vm *vm, xb_term term, size_t max_chars, bool bytes,
			   struct xb_arena *arena)
{
	struct xb_str s = XB_STR_INIT;
	unsigned char block[BLOCK];
	xb_addr base = 0;
	size_t have = 0;
	uint32_t atom;
	struct xb_atom_text text;
	const char *ret = NULL;

	if (xb_atom_index(vm, term, &atom)) {
		if (!xb_atom_get(vm, atom, &text))
			return NULL;
		return xb_arena_strndup(arena, text.name, text.len);
	}
	for (size_t n = 0; (term.w & 3) == 1 && n < max_chars; n++) {
		uint64_t cell[2];

		if (!cons_at(vm, term.w & ~(uint64_t)7, block, &base, &have, cell) ||
		    (cell[0] & 0xf) != vm->layout.konst[XB_K_TAG_SMALL] ||
		    cell[0] >> 4 > (bytes ? 0xff : 0x10ffff))
			goto out;
		if (bytes)
			xb_str_addc(&s, (char)(cell[0] >> 4));
		else
			add_utf8((uint32_t)(cell[0] >> 4), &s);
		term.w = cell[1];
	}
	if (term.w == vm->layout.konst[XB_K_TAG_NIL] && !s.oom &&
	    (!bytes || is_utf8(xb_str_get(&s), s.len)))
		ret = xb_arena_strndup(arena, xb_str_get(&s), s.len);
out:
	xb_str_deinit(&s);
	return ret;
}

const char *xb_literal_text(struct xb_vm *vm, xb_term term, size_t max_chars, struct xb_arena *arena)
{
	return text_of(vm, term, max_chars, false, arena);
}

const char *xb_literal_utf8(struct xb_vm *vm, xb_term term, size_t max_bytes, struct xb_arena *arena)
{
	return text_of(vm, term, max_bytes, true, arena);
}
