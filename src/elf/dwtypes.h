/*
 * Offsets, sizes, constants and addresses as the DWARF of a build tells them.
 *
 * One pass over the units answers many questions at once.  C repeats a structure in every unit that
 * includes its header, and nothing forces the copies to agree; all of them are looked at, and a name
 * with two different answers is a conflict, never the first one found.
 */
#ifndef XB_ELF_DWTYPES_H
#define XB_ELF_DWTYPES_H

#include "base/arena.h"
#include "base/error.h"

#include <elfutils/libdw.h>

enum xb_dwtypes_kind {
	/* "Process", "struct process", "union foo": size of a type.  "Process.common.id": a member of
	 * it, through structures held by value; members of unnamed structs and unions are named as in
	 * C.  A bare name may be a typedef or a tag.  value: offset in bytes, width: bytes, the whole
	 * of an array. */
	XB_DWTYPES_TYPE,
	/* "ERTS_SCHED_NORMAL".  value: the constant (a negative one as int64_t). */
	XB_DWTYPES_ENUMERATOR,
	/* "erts_proc", or "erl_process.c:debug_level" when several files have one.  Variables of file
	 * scope, static or not.  value: address in the file (the caller adds the bias), width: size, 0
	 * when not known. */
	XB_DWTYPES_VARIABLE,
};

enum xb_dwtypes_status {
	XB_DWTYPES_ABSENT, /* the file does not know the name */
	XB_DWTYPES_FOUND,
	XB_DWTYPES_CONFLICT, /* the file knows several, and they differ */
	XB_DWTYPES_REFUSED,  /* known, but no answer in bytes: a bit field, thread-local, optimised out,
				… */
};

/* One question; the first two fields are the caller's. */
struct xb_dwtypes_want {
	enum xb_dwtypes_kind kind;
	const char *name;
	enum xb_dwtypes_status status;
	uint64_t value, width;
	const char *why; /* one sentence unless FOUND; in the arena or static */
};

/**
 * Answer @n questions.  Every status is set.
 *
 * @param dw     Borrowed.
 * @param arena  Owns the @why sentences.
 * @return NULL; USAGE for a malformed name, naming it; BAD_FILE when @dw holds no unit; NOMEM.
 * Cost: one pass over the top level of every unit: about 0.1 s per 10 MB of .debug_info.
 */
XB_NODISCARD struct xb_error *xb_dwtypes_resolve(Dwarf *dw, struct xb_dwtypes_want *wants, size_t n,
						 struct xb_arena *arena);

#endif
