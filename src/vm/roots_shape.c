/*
 * What the roots look like.  A shape must be strict enough that nothing else in the VM's writable data
 * has it (found by scanning four releases), and cheap: the first comparison refuses nearly every
 * address.
 */
#include "vm/roots_find.h"

#include "vm/vm.h"

#include <string.h>

/* Modules that may be loaded between the copy of the data and a look at the list. */
enum { MAX_NEWER_ENTRIES = 4096 };

static uint64_t field(struct xb_finder *f, xb_addr base, enum xb_layout_field id)
{
	struct xb_layout_place p = xb_finder_vm(f)->layout.field[id];
	uint64_t w = xb_finder_word(f, base + p.offset);

	return p.width == 4 ? (uint32_t)w : w;
}

/* ErtsPTab: a power of two slots and the mask that goes with it, an aligned table, elements of one of
 * two kinds. */
bool xb_looks_like_proc_table(struct xb_finder *f, xb_addr addr)
{
	struct xb_vm *vm = xb_finder_vm(f);
	uint64_t max = field(f, addr, XB_F_ErtsPTab_max), tab;

	if (max < 1024 || max > 1U << 27 || (max & (max - 1)) != 0)
		return false;
	tab = field(f, addr, XB_F_ErtsPTab_tab);
	return field(f, addr, XB_F_ErtsPTab_pix_mask) == max - 1 && tab != 0 && tab % 64 == 0 &&
	       field(f, addr, XB_F_ErtsPTab_element_size) == vm->layout.size[XB_S_Process];
}

/* A Hash at the start of an IndexTable whose name is the literal @name (linkers merge tails: only the
 * text counts). */
static bool named_table(struct xb_finder *f, xb_addr addr, const char *name)
{
	const char *text = xb_finder_literal(
		f, xb_finder_word(f, addr + xb_layout_at(&xb_finder_vm(f)->layout, XB_F_Hash_name)),
		strlen(name) + 1);

	return text != NULL && strcmp(text, name) == 0;
}

bool xb_looks_like_atom_table(struct xb_finder *f, xb_addr addr)
{
	uint64_t entries = field(f, addr, XB_F_IndexTable_entries),
		 seg = field(f, addr, XB_F_IndexTable_seg_table);

	return entries > 100 && entries < 1U << 30 && seg >= 4096 && seg % 8 == 0 && seg >> 47 == 0 &&
	       named_table(f, addr, "atom_tab");
}

/* module_tables[3], 128 bytes apart: the first is followed by two of the same name. */
bool xb_looks_like_module_tables(struct xb_finder *f, xb_addr addr)
{
	enum { STRIDE = 128 };
	uint64_t seg = field(f, addr, XB_F_IndexTable_seg_table);

	return seg >= 4096 && seg % 8 == 0 && seg >> 47 == 0 && named_table(f, addr, "module_code") &&
	       named_table(f, addr + STRIDE, "module_code") &&
	       named_table(f, addr + 2 * STRIDE, "module_code");
}

static bool one_ranges(struct xb_finder *f, xb_addr addr)
{
	uint64_t modules = field(f, addr, XB_F_ranges_modules), n = field(f, addr, XB_F_ranges_n);
	uint64_t allocated = field(f, addr, XB_F_ranges_allocated),
		 mid = field(f, addr, XB_F_ranges_mid);

	return modules >= 4096 && modules % 8 == 0 && n > 0 && n <= allocated && allocated < 1U << 20 &&
	       mid >= modules && mid < modules + 16 * n;
}

/* struct ranges r[3].  Early in the life of a VM the two spare ones may still be empty. */
bool xb_looks_like_ranges(struct xb_finder *f, xb_addr addr)
{
	uint64_t size = xb_finder_vm(f)->layout.size[XB_S_ranges];
	int full = 0;

	for (uint64_t i = 0; i < 3; i++) {
		xb_addr at = addr + i * size;

		if (one_ranges(f, at))
			full++;
		else if (xb_finder_word(f, at) != 0 || field(f, at, XB_F_ranges_n) != 0)
			return false;
		if (i == 0 && full == 0 && xb_finder_word(f, at) != 0)
			return false;
	}
	return full >= 2;
}

/*
 * Whether the entry that was first when the data was copied is, or has since become, part of the list: a VM that loads
 * code puts newer ones before it.
 */
static bool leads_the_list(struct xb_finder *f, xb_addr entry)
{
	for (unsigned newer = 0; newer < MAX_NEWER_ENTRIES; newer++) {
		xb_addr prev = xb_finder_word(f, entry + 8);

		if (prev == 0)
			return true;
		if (prev < 4096 || prev % 8 != 0 || prev >> 47 != 0 || xb_finder_word(f, prev) != entry)
			return false;
		entry = prev;
	}
	return false;
}

/* { u32 version 1, u32 action 0…2, relevant entry, first entry }, first entry: { next, prev 0, symfile,
 * size }. */
bool xb_looks_like_jit_descriptor(struct xb_finder *f, xb_addr addr)
{
	uint64_t head = xb_finder_word(f, addr), first, next;

	if ((uint32_t)head != 1 || head >> 32 > 2)
		return false;
	first = xb_finder_word(f, addr + 16);
	if (first < 4096 || first % 8 != 0 || first >> 47 != 0 || !leads_the_list(f, first))
		return false;
	next = xb_finder_word(f, first);
	return next >= 4096 && next % 8 == 0 && next >> 47 == 0 && xb_finder_word(f, next + 8) == first;
}
