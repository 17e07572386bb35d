/*
 * What a build says in its version banner of the options that move fields.
 *
 *   Erlang/OTP 25%s [erts-13.1.5] [source] [64-bit] … [lock-counting] [jit:ns%s]      "jit:ns lock-counting"
 *
 * Mirrors the format in erts/emulator/beam/erl_bif_info.c:erts_system_version[].
 */
#ifndef XB_LAYOUT_BANNER_H
#define XB_LAYOUT_BANNER_H

#include "base/str.h"

/** Whether @word is one that says how fields lie: "jit", "jit:ns", "lock-counting", … */
bool xb_banner_knows(const char *word);

/** Append those words that @banner has in brackets, separated by blanks. */
void xb_banner_write(const char *banner, struct xb_str *out);

/** Whether @banner has exactly those of the known words that @words (separated by blanks) holds. */
bool xb_banner_is(const char *banner, const char *words);

/** The same of the words that say where the Erlang stack of a JIT is: no size tells that. */
bool xb_banner_same_stack(const char *banner, const char *words);

#endif
