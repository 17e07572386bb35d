/* Growable text.  An allocation failure is remembered (oom) and reported once, at the end. */
#ifndef XB_BASE_STR_H
#define XB_BASE_STR_H

#include "base/base.h"

struct xb_str {
	char *data; /* NUL-terminated once anything was added; NULL before */
	size_t len, cap;
	bool oom; /* something was lost; nothing is added any more */
};

#define XB_STR_INIT                                                                                    \
	{                                                                                              \
		0                                                                                      \
	}

/** Append text, @n bytes, one byte, a number, formatted text.  After a failure they do nothing. */
void xb_str_add(struct xb_str *s, const char *text);
void xb_str_addn(struct xb_str *s, const char *bytes, size_t n);
void xb_str_addc(struct xb_str *s, char c);
void xb_str_addu(struct xb_str *s, uint64_t decimal);
void xb_str_addf(struct xb_str *s, const char *fmt, ...) XB_PRINTF(2, 3);

/** The text, "" while empty.  Borrowed until the next change. */
const char *xb_str_get(const struct xb_str *s);

/** The text, now the caller's to free(); NULL when out of memory.  @s is empty afterwards. */
char *xb_str_take(struct xb_str *s);

void xb_str_clear(struct xb_str *s);
void xb_str_deinit(struct xb_str *s);

#endif
