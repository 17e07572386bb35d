/* Strict parsers for what a user types: the whole text must be the number. */
#ifndef XB_BASE_NUM_H
#define XB_BASE_NUM_H

#include "base/base.h"

/** Unsigned decimal, or hexadecimal after 0x.  False (and @ret untouched) on anything else or above
 * @max. */
XB_NODISCARD bool xb_num_u64(const char *text, uint64_t max, uint64_t *ret);

/** Hexadecimal without prefix, exactly the @len characters at @text. */
XB_NODISCARD bool xb_num_hex(const char *text, size_t len, uint64_t *ret);

/** A time span: a decimal number with ns, us, ms, s (default), m or h.  Nanoseconds; false above 2^62
 * ns. */
XB_NODISCARD bool xb_num_duration(const char *text, uint64_t *ret_ns);

/** A byte count: a number with B, K/KiB, M/MiB, G/GiB (powers of 1024). */
XB_NODISCARD bool xb_num_bytes(const char *text, uint64_t *ret_bytes);

#endif
