/*
 * What the roots look like.  A shape must be strict enough that nothing else in the VM's writable data
 * has it (found by scanning four releases), and cheap: the first comparison refuses nearly every
 * address.
 */
#include "vm/roots_find.h"

#include "layout/layout.h"

#include <string.h>

static uint64_t field(struct xb_finder *f, xb_addr base, enum xb_layout_field id)
{
	struct xb_layout_place p = xb_finder_layout(f)->field[id];
	uint64_t w = xb_finder_word(f, base + p.offset);

	return p.width == 4 ? (uint32_t)w : w;
}

/* ErtsPTab: a power of two slots and the mask that goes with it, an aligned table, elements of one of
 * two kinds. */
static uint64_t ptab_element(struct xb_finder *f, xb_addr addr)
{
	uint64_t max = field(f, addr, XB_F_ErtsPTab_max), tab;

	if (max < 1024 || max > 1U << 27 || (max & (max - 1)) != 0)
		return 0;
	tab = field(f, addr, XB_F_ErtsPTab_tab);
	return field(f, addr, XB_F_ErtsPTab_pix_mask) == max - 1 && tab != 0 && tab % 64 == 0
		       ? field(f, addr, XB_F_ErtsPTab_element_size)
		       : 0;
}

bool xb_looks_like_proc_table(struct xb_finder *f, xb_addr addr)
{
	uint64_t size = ptab_element(f, addr);

	return size != 0 && size == xb_finder_layout(f)->size[XB_S_Process];
}

/* The other one: what stands for an element that is being made has the id of a port. */
bool xb_looks_like_port_table(struct xb_finder *f, xb_addr addr)
{
	enum { TAG_MASK = 0xf, SMALLEST = 200, LARGEST = 4096 };
	uint64_t size = ptab_element(f, addr);
	xb_addr invalid;

	if (size < SMALLEST || size > LARGEST || size == xb_finder_layout(f)->size[XB_S_Process])
		return false;
	invalid = field(f, addr, XB_F_ErtsPTab_invalid_element);
	return invalid != 0 && invalid % 8 == 0 &&
	       (xb_finder_remote(f, invalid)[0] & TAG_MASK) ==
		       xb_finder_layout(f)->konst[XB_K_TAG_PORT];
}

/* A Hash, perhaps at the start of an IndexTable, whose name is the literal @name (linkers merge tails: only the
 * text counts). */
static bool named_table(struct xb_finder *f, xb_addr addr, const char *name)
{
	const char *text = xb_finder_literal(
		f, xb_finder_word(f, addr + xb_layout_at(xb_finder_layout(f), XB_F_Hash_name)),
		strlen(name) + 1);

	return text != NULL && strcmp(text, name) == 0;
}

bool xb_looks_like_atom_table(struct xb_finder *f, xb_addr addr)
{
	uint64_t entries = field(f, addr, XB_F_IndexTable_entries),
		 seg = field(f, addr, XB_F_IndexTable_seg_table);

	/* The emulator's list of what it allocates has the same name in it; what is around that points into the image. */
	return entries > 100 && entries < 1U << 30 && xb_finder_is_pointer(f, seg) &&
	       named_table(f, addr, "atom_tab");
}

/* A plain Hash: made once, of some buckets. */
bool xb_looks_like_registry(struct xb_finder *f, xb_addr addr)
{
	uint64_t bucket;

	if (!named_table(f, addr, "process_reg"))
		return false;
	bucket = field(f, addr, XB_F_Hash_bucket);
	return xb_finder_is_pointer(f, bucket) && field(f, addr, XB_F_Hash_shift) < 64;
}

/* module_tables[3], 128 bytes apart: all three were given the same literal as their name. */
bool xb_looks_like_module_tables(struct xb_finder *f, xb_addr addr)
{
	enum { STRIDE = 128 };
	uint64_t seg = field(f, addr, XB_F_IndexTable_seg_table), name = field(f, addr, XB_F_Hash_name);

	return xb_finder_is_pointer(f, seg) && name != 0 &&
	       field(f, addr + STRIDE, XB_F_Hash_name) == name &&
	       field(f, addr + 2 * (xb_addr)STRIDE, XB_F_Hash_name) == name &&
	       named_table(f, addr, "module_code");
}

enum { FEWEST_MODULES = 10, MOST_MODULES = 1 << 20 }; /* the first: a VM preloads more */

static bool one_ranges(struct xb_finder *f, xb_addr addr)
{
	uint64_t modules = field(f, addr, XB_F_ranges_modules), n, allocated, mid;

	if (modules < 4096 || modules % 8 != 0)
		return false;
	n = field(f, addr, XB_F_ranges_n);
	allocated = field(f, addr, XB_F_ranges_allocated);
	mid = field(f, addr, XB_F_ranges_mid);
	return n >= FEWEST_MODULES && n <= allocated && allocated < MOST_MODULES && mid >= modules &&
	       mid < modules + 16 * n && (mid - modules) % 16 == 0;
}

/* One that is just being made for the next code index, or was never used. */
static bool unfinished_ranges(struct xb_finder *f, xb_addr addr)
{
	uint64_t modules = field(f, addr, XB_F_ranges_modules), mid = field(f, addr, XB_F_ranges_mid);

	return (modules == 0 || (modules >= 4096 && modules % 8 == 0 && modules >> 47 == 0)) &&
	       (mid == 0 || (mid >= 4096 && mid % 8 == 0 && mid >> 47 == 0)) &&
	       field(f, addr, XB_F_ranges_n) < MOST_MODULES &&
	       field(f, addr, XB_F_ranges_allocated) < MOST_MODULES;
}

/* struct ranges r[3]: one in use, one before it, one in the making. */
bool xb_looks_like_ranges(struct xb_finder *f, xb_addr addr)
{
	uint64_t size = xb_finder_layout(f)->size[XB_S_ranges];
	bool is_full[3];
	int full = 0;

	for (uint64_t i = 0; i < 3; i++) {
		is_full[i] = one_ranges(f, addr + i * size);
		full += is_full[i];
	}
	if (full == 0)
		return false;
	for (uint64_t i = 0; i < 3; i++) {
		if (!is_full[i] && !unfinished_ranges(f, addr + i * size))
			return false;
	}
	return full >= 2 || xb_finder_word(f, addr) != 0;
}

bool xb_ranges_beside_index(struct xb_finder *f, xb_addr addr)
{
	const struct xb_layout *l = xb_finder_layout(f);
	xb_addr active, staging;

	if (!l->has_konst[XB_K_CODE_INDEX_AFTER_RANGES])
		return false;
	active = xb_finder_half(f, addr + l->konst[XB_K_CODE_INDEX_AFTER_RANGES]);
	staging = xb_finder_half(f, addr + l->konst[XB_K_CODE_INDEX_AFTER_RANGES] - 4);
	return active <= 2 && staging <= 2 && active != staging;
}

/* { u32 version 1, u32 action 0…2, relevant entry, first entry } */
xb_addr xb_jit_descriptor_points(struct xb_finder *f, xb_addr addr)
{
	uint64_t head = xb_finder_word(f, addr), relevant, first;

	if ((uint32_t)head != 1 || head >> 32 > 2)
		return 0;
	relevant = xb_finder_word(f, addr + 8);
	first = xb_finder_word(f, addr + 16);
	return xb_finder_is_pointer(f, first) && (relevant == 0 || xb_finder_is_pointer(f, relevant))
		       ? first
		       : 0;
}

/*
 * First entry: { next, prev, symfile, size }, where the next one's prev leads back; there are many, as every module is
 * one.  The first one's own prev may be anything: OTP 25 does not set it.
 */
bool xb_looks_like_jit_descriptor(struct xb_finder *f, xb_addr addr)
{
	xb_addr first = xb_jit_descriptor_points(f, addr), next, symfile;
	const uint64_t *entry;

	if (first == 0)
		return false;
	entry = xb_finder_remote(f, first);
	next = entry[0];
	symfile = entry[2];
	return symfile != 0 && xb_finder_is_pointer(f, next) && xb_finder_remote(f, next)[1] == first;
}
