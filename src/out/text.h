/*
 * Text of the target made safe to show.  An atom may hold any character: a newline would forge a row,
 * an escape sequence would drive the user's terminal, a direction override would make a name read as
 * another.
 */
#ifndef XB_OUT_TEXT_H
#define XB_OUT_TEXT_H

#include "base/base.h"
#include "base/str.h"

/**
 * Append @len bytes.  Valid printable UTF-8 passes; controls, line separators and direction overrides
 * become Erlang's escapes (\x1b, \x{202e}), bytes that are not UTF-8 become \xNN.
 */
void xb_text_safe(struct xb_str *to, const char *bytes, size_t len);

/** Terminal columns taken by UTF-8 text: wide characters two, combining ones none.  Cost: O(len). */
size_t xb_text_width(const char *bytes, size_t len);

#endif
