/*
 * The atom table.
 *
 *   erts_atom_table (IndexTable)           seg_table[i >> 10] -> segment of 1024 Atom*
 *     .seg_table ───────────────►  [ seg 0 | seg 1 | … ] ──► [ Atom* × 1024 ] ──► Atom { index, len,
 * name }
 *
 * Written only when an atom is created; an atom never moves or dies, so what was read once stays true
 * and is cached by segments.  Mirrors erts/emulator/beam/atom.c:atom_tab(),
 * index.h:erts_index_lookup().  OTP 28+ keep the name in a binary term (Atom.u.bin) instead of a byte
 * pointer: the layout says which.
 */
#ifndef XB_VM_ATOM_H
#define XB_VM_ATOM_H

#include "base/error.h"
#include "base/str.h"

struct xb_vm;
struct xb_atoms;

struct xb_atom_text {
	const char *name; /* UTF-8 as stored, not NUL-terminated; valid as long as the VM object */
	size_t len;       /* bytes, at most 1020 (255 characters) */
};

/** The cache of @vm; nothing is read yet. */
XB_NODISCARD struct xb_error *xb_atoms_create(struct xb_vm *vm, struct xb_atoms **ret);
void xb_atoms_destroy(struct xb_atoms *atoms);

/** Number of atoms now in the table (one remote read). */
XB_NODISCARD struct xb_error *xb_atoms_count(struct xb_vm *vm, uint32_t *ret);

/**
 * Name of the atom with index @index.
 * @return false when there is no such atom or its memory cannot be read: show the index instead.
 * Cost: a table lookup; the first atom of a segment of 1024 reads that segment (about 0.4 ms).
 */
bool xb_atom_get(struct xb_vm *vm, uint32_t index, struct xb_atom_text *ret);

/** Index of an atom term, or false when @term is no atom. */
bool xb_atom_index(const struct xb_vm *vm, xb_term term, uint32_t *ret);

/**
 * Append the atom as Erlang's ~tw writes it: quoted where needed, control characters escaped.
 * Mirrors lib/stdlib/src/io_lib.erl:write_atom/1, quote_atom/2.  An unreadable atom becomes
 * "#Atom<INDEX>".
 */
void xb_atom_write(struct xb_vm *vm, uint32_t index, struct xb_str *out);

/** The same for a name at hand. */
void xb_atom_write_text(struct xb_atom_text text, struct xb_str *out);

#endif
