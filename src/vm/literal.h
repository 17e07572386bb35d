/* Constants the loader put into literal areas, as far as naming code needs them. */
#ifndef XB_VM_LITERAL_H
#define XB_VM_LITERAL_H

#include "base/arena.h"
#include "base/base.h"

struct xb_vm;

/**
 * Text of a term that is an atom or a proper list of characters, as UTF-8 in @arena.
 * @max_chars bounds the walk (a cycle or garbage ends there).  NULL when the term is neither, is
 * longer, or cannot be read.  Literal areas are only freed when their module is purged.
 */
const char *xb_literal_text(struct xb_vm *vm, xb_term term, size_t max_chars, struct xb_arena *arena);

/** The same for a list whose elements are the bytes of a UTF-8 text; NULL also when they are not. */
const char *xb_literal_utf8(struct xb_vm *vm, xb_term term, size_t max_bytes, struct xb_arena *arena);

#endif
