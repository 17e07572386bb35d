#include "vm/atom.h"

#include "base/rd.h"
#include "base/vec.h"
#include "mem/gather.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	SEG_BITS = 10, /* INDEX_PAGE_SHIFT, erts/emulator/beam/index.h */
	SEG_ATOMS = 1 << SEG_BITS,
	SEG_BYTES = 8 * SEG_ATOMS,
	MAX_ATOM_BYTES = 4 * 255, /* MAX_ATOM_SZ_LIMIT */
	MAX_ATOM_STRUCT = 64,
};

/* One segment as it was when first needed; slots that were empty then are asked for again later. */
struct segment {
	struct xb_atom_text text[SEG_ATOMS];
	uint32_t had; /* atoms below this index of the segment were all read */
};

struct xb_atoms {
	struct segment **seg;
	size_t n_seg, cap;
	struct xb_arena names;
};

struct xb_error *xb_atoms_create(struct xb_vm *vm, struct xb_atoms **ret)
{
	struct xb_atoms *a = calloc(1, sizeof(*a));

	(void)vm;
	if (a == NULL)
		return xb_error_nomem();
	*ret = a;
	return NULL;
}

void xb_atoms_destroy(struct xb_atoms *atoms)
{
	if (atoms == NULL)
		return;
	for (size_t i = 0; i < atoms->n_seg; i++)
		free(atoms->seg[i]);
	free(atoms->seg);
	xb_arena_deinit(&atoms->names);
	free(atoms);
}

struct xb_error *xb_atoms_count(struct xb_vm *vm, uint32_t *ret)
{
	xb_addr table = vm->roots.at[XB_ROOT_ATOM_TABLE].addr;

	return xb_error_wrap(
		xb_mem_u32(vm->mem, table + xb_layout_at(&vm->layout, XB_F_IndexTable_entries), ret),
		"atom table");
}

bool xb_atom_index(const struct xb_vm *vm, xb_term term, uint32_t *ret)
{
	if ((term.w & 0x3f) != vm->layout.konst[XB_K_TAG_ATOM] || term.w >> 6 > UINT32_MAX)
		return false;
	*ret = (uint32_t)(term.w >> 6);
	return true;
}

/* What is kept of an Atom structure between the two batches of reads. */
struct pending {
	uint32_t slot;
	uint32_t len;
	xb_addr bytes; /* where the name is */
};

/* What the name is behind: the bytes, or a binary term, whose pointer carries tag bits (2 boxed, and the literal tag). */
static xb_addr name_address(const struct xb_rec *atom)
{
	if (xb_layout_has(atom->layout, XB_F_Atom_bin))
		return xb_rec_get(atom, XB_F_Atom_bin) & ~(uint64_t)7;
	return xb_rec_get(atom, XB_F_Atom_name);
}

/*
 * Where the bytes of a binary are: a heap binary is thing word, size, bytes; a longer one refers to them, and its address
 * carries flags (ErlSubBits, erts/emulator/beam/erl_bits.h).  0 for anything else.
 */
static xb_addr binary_bytes(const struct xb_layout *l, xb_addr at, const unsigned char *words)
{
	enum { FLAGS = 3, SUBTAG_SHIFT = 2, SUBTAG_MASK = 0xf };
	uint64_t subtag = xb_load64(words, 0) >> SUBTAG_SHIFT & SUBTAG_MASK;

	if (subtag == l->konst[XB_K_SUBTAG_HEAP_BIN])
		return at + 16;
	if (l->has_konst[XB_K_SUBTAG_SUB_BITS] && subtag == l->konst[XB_K_SUBTAG_SUB_BITS])
		return (xb_load64(words, 8) & ~(uint64_t)FLAGS) + xb_load64(words, 16) / 8;
	return 0;
}

/* From the binaries of @todo to their bytes; returns how many are left. */
static size_t resolve_binaries(struct xb_vm *vm, struct pending *todo, size_t n)
{
	enum { WORDS = 3 };
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	uint64_t(*words)[WORDS] = calloc(n + 1, sizeof(*words));
	struct xb_error *err = io == NULL || words == NULL ? xb_error_nomem() : NULL;
	size_t kept = 0;

	for (size_t i = 0; err == NULL && i < n; i++)
		io[i] = (struct xb_io){ .addr = todo[i].bytes, .len = sizeof(*words), .buf = words[i] };
	if (err == NULL)
		err = xb_mem_gather(vm->mem, io, n);
	for (size_t i = 0; err == NULL && i < n; i++) {
		xb_addr at =
			io[i].got < io[i].len ? 0 : binary_bytes(&vm->layout, io[i].addr, io[i].buf);

		if (at == 0)
			continue;
		todo[kept] = todo[i];
		todo[kept++].bytes = at;
	}
	xb_error_destroy(err);
	free(io);
	free(words);
	return kept;
}

/* Read the Atom structures behind @ptrs; fills @todo for those that look like what they claim to be. */
static size_t read_structs(struct xb_vm *vm, uint32_t seg_no, const uint64_t *ptrs, uint32_t from,
			   struct pending *todo)
{
	static const size_t size = MAX_ATOM_STRUCT;
	const struct xb_layout *l = &vm->layout;
	struct xb_io *io = calloc(SEG_ATOMS, sizeof(*io));
	unsigned char *buf = malloc(SEG_ATOMS * size);
	struct xb_error *err;
	size_t n = 0, found = 0;

	if (io == NULL || buf == NULL)
		goto out;
	for (uint32_t i = from; i < SEG_ATOMS && ptrs[i] != 0; i++, n++)
		io[n] = (struct xb_io){ .addr = ptrs[i], .len = 40, .buf = buf + n * size };
	err = xb_mem_gather(vm->mem, io, n);
	if (err != NULL) {
		xb_error_destroy(err);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		struct xb_rec atom = { l, io[i].buf, io[i].len };
		uint32_t index = (uint32_t)xb_rec_get(&atom, XB_F_Atom_index);
		uint32_t len = (uint32_t)xb_rec_get(&atom, XB_F_Atom_len);

		if (io[i].got < io[i].len || len > MAX_ATOM_BYTES ||
		    index != (seg_no << SEG_BITS) + from + i)
			continue;
		todo[found++] = (struct pending){ from + (uint32_t)i, len, name_address(&atom) };
	}
out:
	free(io);
	free(buf);
	return found;
}

/* Drop what is known already: behind an atom that could not be read there may be some that could. */
static size_t only_new(const struct segment *seg, struct pending *todo, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (seg->text[todo[i].slot].name == NULL)
			todo[kept++] = todo[i];
	}
	return kept;
}

/* Read the names themselves into the arena. */
static void read_names(struct xb_vm *vm, struct segment *seg, const struct pending *todo, size_t n)
{
	struct xb_io *io = calloc(n == 0 ? 1 : n, sizeof(*io));
	struct xb_error *err;

	if (io == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		char *bytes = xb_arena_alloc(&vm->atoms->names, todo[i].len);

		if (bytes == NULL) {
			n = i;
			break;
		}
		io[i] = (struct xb_io){ .addr = todo[i].bytes, .len = todo[i].len, .buf = bytes };
	}
	err = xb_mem_gather(vm->mem, io, n);
	for (size_t i = 0; err == NULL && i < n; i++) {
		if (io[i].got == io[i].len)
			seg->text[todo[i].slot] = (struct xb_atom_text){ io[i].buf, io[i].len };
	}
	xb_error_destroy(err);
	free(io);
}

/*
 * (Re)load a segment from the first slot that could not be read last time: it was empty, or the VM was
 * just filling it (the pointer can be seen before the index behind it).
 */
static void load_segment(struct xb_vm *vm, uint32_t seg_no, struct segment *seg)
{
	xb_addr table = vm->roots.at[XB_ROOT_ATOM_TABLE].addr, seg_table, addr;
	uint64_t *ptrs = malloc(SEG_BYTES);
	struct pending *todo = malloc(SEG_ATOMS * sizeof(*todo));
	xb_addr at = table + xb_layout_at(&vm->layout, XB_F_IndexTable_seg_table);
	size_t n;

	if (ptrs == NULL || todo == NULL)
		goto out;
	if (xb_mem_try(vm->mem, at, &seg_table, 8) < 8 ||
	    xb_mem_try(vm->mem, seg_table + 8 * (uint64_t)seg_no, &addr, 8) < 8 || addr == 0 ||
	    xb_mem_try(vm->mem, addr, ptrs, SEG_BYTES) < SEG_BYTES)
		goto out;
	n = read_structs(vm, seg_no, ptrs, seg->had, todo);
	n = only_new(seg, todo, n);
	if (xb_layout_has(&vm->layout, XB_F_Atom_bin))
		n = resolve_binaries(vm, todo, n);
	read_names(vm, seg, todo, n);
	while (seg->had < SEG_ATOMS && seg->text[seg->had].name != NULL)
		seg->had++;
out:
	free(ptrs);
	free(todo);
}

static struct segment *segment_of(struct xb_vm *vm, uint32_t seg_no)
{
	struct xb_atoms *a = vm->atoms;
	uint32_t count;
	struct xb_error *err;

	if (seg_no < a->n_seg && a->seg[seg_no] != NULL)
		return a->seg[seg_no];
	err = xb_atoms_count(vm, &count);
	if (err != NULL) {
		xb_error_destroy(err);
		return NULL;
	}
	/* The bound: a wild index of a torn read must not make us allocate. */
	if (seg_no > count >> SEG_BITS)
		return NULL;
	if (seg_no >= a->cap) {
		size_t old = a->cap;
		struct segment **grown =
			xb_vec_grow(a->seg, &a->cap, (size_t)seg_no + 1, sizeof(struct segment *));

		if (grown == NULL)
			return NULL;
		memset(grown + old, 0, (a->cap - old) * sizeof(struct segment *));
		a->seg = grown;
	}
	a->n_seg = XB_MAX(a->n_seg, (size_t)seg_no + 1);
	a->seg[seg_no] = calloc(1, sizeof(struct segment));
	return a->seg[seg_no];
}

bool xb_atom_get(struct xb_vm *vm, uint32_t index, struct xb_atom_text *ret)
{
	struct segment *seg = segment_of(vm, index >> SEG_BITS);
	uint32_t slot = index & (SEG_ATOMS - 1);

	if (seg == NULL)
		return false;
	if (seg->text[slot].name == NULL)
		load_segment(vm, index >> SEG_BITS, seg);
	if (seg->text[slot].name == NULL)
		return false;
	*ret = seg->text[slot];
	return true;
}
