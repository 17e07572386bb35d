/* UTF-8, one code point at a time, strict: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef XB_BASE_UTF8_H
#define XB_BASE_UTF8_H

#include "base/base.h"

#define XB_UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define XB_UTF8_MAX         4

/**
 * The code point at @s, which holds @len bytes.  Returns how many bytes it takes, or 0 when @len is 0
 * or the bytes are not UTF-8 (then @ret is untouched and the caller goes on one byte further).
 */
size_t xb_utf8_decode(const char *s, size_t len, uint32_t *ret);

/** Writes @cp to @ret and returns the number of bytes, 0 for a surrogate or a value above U+10FFFF. */
size_t xb_utf8_encode(uint32_t cp, char ret[XB_UTF8_MAX]);

/** True for C0, DEL and C1 controls: what must not reach a terminal raw. */
bool xb_utf8_is_control(uint32_t cp);

#endif
