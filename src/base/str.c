#include "base/str.h"

#include "base/vec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct xb_str *s, size_t more)
{
	size_t need;

	if (s->oom)
		return false;
	if (__builtin_add_overflow(s->len, more, &need) || __builtin_add_overflow(need, 1, &need)) {
		s->oom = true;
		return false;
	}
	if (need > s->cap) {
		char *grown = xb_vec_grow(s->data, &s->cap, need, 1);

		if (grown == NULL) {
			s->oom = true;
			return false;
		}
		s->data = grown;
	}
	return true;
}

void xb_str_addn(struct xb_str *s, const char *bytes, size_t n)
{
	if (!reserve(s, n))
		return;
	if (n > 0)
		memcpy(s->data + s->len, bytes, n);
	s->len += n;
	s->data[s->len] = '\0';
}

void xb_str_add(struct xb_str *s, const char *text)
{
	xb_str_addn(s, text, strlen(text));
}

void xb_str_addc(struct xb_str *s, char c)
{
	xb_str_addn(s, &c, 1);
}

void xb_str_addu(struct xb_str *s, uint64_t decimal)
{
	char digits[20], *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + decimal % 10);
		decimal /= 10;
	} while (decimal > 0);
	xb_str_addn(s, p, (size_t)(digits + sizeof(digits) - p));
}

void xb_str_addf(struct xb_str *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(s, (size_t)n)) {
		s->oom = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(s->data + s->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)n;
}

const char *xb_str_get(const struct xb_str *s)
{
	return s->data == NULL ? "" : s->data;
}

char *xb_str_take(struct xb_str *s)
{
	char *text = NULL;

	if (!s->oom)
		text = s->data != NULL ? s->data : strdup("");
	else
		free(s->data);
	*s = (struct xb_str)XB_STR_INIT;
	return text;
}

void xb_str_clear(struct xb_str *s)
{
	s->len = 0;
	s->oom = false;
	if (s->data != NULL)
		s->data[0] = '\0';
}

void xb_str_deinit(struct xb_str *s)
{
	free(s->data);
	*s = (struct xb_str)XB_STR_INIT;
}
