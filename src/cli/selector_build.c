#include "cli/selector_build.h"

#include "base/num.h"
#include "base/utf8.h"
#include "out/text.h"

#include <stdlib.h>
#include <string.h>

/* The text on one line and a caret below the place, in terminal columns. */
static char *picture(const struct xb_selector_build *b, struct xb_selector_span where)
{
	xb_cleanup(xb_str_deinit) struct xb_str before = XB_STR_INIT, marked = XB_STR_INIT,
						all = XB_STR_INIT;
	size_t columns, wide;

	xb_text_safe(&before, b->text, where.first);
	xb_text_safe(&marked, b->text + where.first, where.last - where.first);
	columns = xb_text_width(xb_str_get(&before), before.len);
	wide = xb_text_width(xb_str_get(&marked), marked.len);
	xb_str_addf(&all, "  %s%s", xb_str_get(&before), xb_str_get(&marked));
	xb_text_safe(&all, b->text + where.last, b->len - where.last);
	xb_str_addf(&all, "\n  %*s^", (int)columns, "");
	for (size_t i = 1; i < wide; i++)
		xb_str_addc(&all, '~');
	return xb_str_take(&all);
}

void xb_selector_fail(struct xb_selector_build *b, struct xb_selector_span where, const char *what)
{
	char *text;

	if (b->err != NULL)
		return;
	where.last = XB_MIN(where.last, b->len);
	where.first = XB_MIN(where.first, where.last);
	b->err = xb_errorf(XB_ERR_USAGE, "%s, at character %zu", what,
			   xb_text_width(b->text, where.first) + 1);
	text = picture(b, where);
	if (text != NULL)
		b->err = xb_error_advise(b->err, "%s", text);
	free(text);
}

bool xb_selector_add(struct xb_selector_build *b, struct xb_selector_span where,
		     const struct xb_selector *item)
{
	struct xb_selector *copy;

	if (b->count == XB_SELECTOR_LIST_MAX) {
		xb_selector_fail(b, where, "too many alternatives in one expression");
		return false;
	}
	copy = xb_arena_alloc(b->arena, sizeof(*copy));
	if (copy == NULL) {
		b->err = b->err != NULL ? b->err : xb_error_nomem();
		return false;
	}
	*copy = *item;
	copy->next = NULL;
	if (b->last == NULL)
		b->first = copy;
	else
		b->last->next = copy;
	b->last = copy;
	b->count++;
	return true;
}

/* Characters of UTF-8 text. */
static size_t characters(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

static bool keep(struct xb_selector_build *b, struct xb_selector_span where, const char *s, size_t len,
		 struct xb_selector_atom *ret)
{
	char *copy;

	if (characters(s, len) > XB_SELECTOR_ATOM_MAX) {
		xb_selector_fail(b, where, "no name is longer than 255 characters");
		return false;
	}
	copy = xb_arena_strndup(b->arena, s, len);
	if (copy == NULL) {
		b->err = b->err != NULL ? b->err : xb_error_nomem();
		return false;
	}
	*ret = (struct xb_selector_atom){ copy, len };
	return true;
}

bool xb_selector_bare(struct xb_selector_build *b, struct xb_selector_span where,
		      struct xb_selector_atom *ret)
{
	return keep(b, where, b->text + where.first, where.last - where.first, ret);
}

bool xb_selector_alias(struct xb_selector_build *b, struct xb_selector_span where,
		       struct xb_selector_atom *ret)
{
	static const char prefix[] = "Elixir.";
	xb_cleanup(xb_str_deinit) struct xb_str full = XB_STR_INIT;
	const char *s = b->text + where.first;
	size_t len = where.last - where.first;

	if (strncmp(s, prefix, strlen(prefix)) != 0)
		xb_str_add(&full, prefix);
	xb_str_addn(&full, s, len);
	if (full.oom) {
		b->err = b->err != NULL ? b->err : xb_error_nomem();
		return false;
	}
	return keep(b, where, xb_str_get(&full), full.len, ret);
}

/* The escape behind the backslash at @s[0]; returns the bytes taken, 0 when it is none Erlang has. */
static size_t escape(const char *s, size_t len, uint32_t *ret)
{
	static const char letters[] = "bdefnrstv0";
	static const char values[] = { '\b', 0x7f, 0x1b, '\f', '\n', '\r', ' ', '\t', '\v' };
	uint64_t n = 0;
	size_t digits = 0;

	if (len < 2)
		return 0;
	while (digits < 3 && 1 + digits < len && s[1 + digits] >= '0' && s[1 + digits] <= '7')
		n = n * 8 + (uint64_t)(s[1 + digits++] - '0');
	if (digits > 0) {
		*ret = (uint32_t)n;
		return 1 + digits;
	}
	if (s[1] == 'x' && len > 3 && s[2] == '{') {
		const char *end = memchr(s + 3, '}', len - 3);

		if (end == NULL || end - (s + 3) > 6 || !xb_num_hex(s + 3, (size_t)(end - (s + 3)), &n))
			return 0;
		*ret = (uint32_t)n;
		return (size_t)(end + 1 - s);
	}
	if (s[1] == 'x') {
		if (len < 4 || !xb_num_hex(s + 2, 2, &n))
			return 0;
		*ret = (uint32_t)n;
		return 4;
	}
	if (s[1] == '^') {
		if (len < 3 || s[2] < '@' || s[2] > '_')
			return 0;
		*ret = (uint32_t)(s[2] - '@');
		return 3;
	}
	for (size_t i = 0; i < sizeof(values); i++) {
		if (letters[i] == s[1]) {
			*ret = (uint32_t)values[i];
			return 2;
		}
	}
	digits = xb_utf8_decode(s + 1, len - 1, ret); /* any other character stands for itself */
	return digits == 0 ? 0 : 1 + digits;
}

bool xb_selector_quoted(struct xb_selector_build *b, struct xb_selector_span where,
			struct xb_selector_atom *ret)
{
	xb_cleanup(xb_str_deinit) struct xb_str text = XB_STR_INIT;
	size_t at = where.first + 1, end = where.last - 1;

	while (at < end) {
		char bytes[XB_UTF8_MAX];
		uint32_t cp = 0;
		size_t n, size;

		if (b->text[at] != '\\') {
			xb_str_addc(&text, b->text[at++]);
			continue;
		}
		n = escape(b->text + at, end - at, &cp);
		size = n == 0 ? 0 : xb_utf8_encode(cp, bytes);
		if (size == 0) {
			xb_selector_fail(
				b,
				(struct xb_selector_span){ at, XB_MIN(at + XB_MAX(n, (size_t)2), end) },
				"this escape stands for no character");
			return false;
		}
		xb_str_addn(&text, bytes, size);
		at += n;
	}
	if (text.oom) {
		b->err = b->err != NULL ? b->err : xb_error_nomem();
		return false;
	}
	return keep(b, where, xb_str_get(&text), text.len, ret);
}

bool xb_selector_pid(struct xb_selector_build *b, struct xb_selector_span where, uint32_t ret[3])
{
	size_t at = where.first, parts = 0;

	while (at < where.last) {
		char digits[11]; /* as many as 2^32 - 1 has, and one */
		size_t len = strspn(b->text + at, "0123456789");
		uint64_t n = 0;

		if (parts == 3 || len >= sizeof(digits))
			break;
		memcpy(digits, b->text + at, len);
		digits[len] = '\0';
		if (!xb_num_u64(digits, UINT32_MAX, &n))
			break;
		ret[parts++] = (uint32_t)n;
		at += len;
		if (at < where.last)
			at++; /* the dot */
	}
	if (parts == 3 && at == where.last)
		return true;
	xb_selector_fail(b, where, "a process id has three numbers, as in <0.80.0>");
	return false;
}

bool xb_selector_arity(struct xb_selector_build *b, struct xb_selector_span where, uint32_t *ret)
{
	size_t len = where.last - where.first;
	char digits[4];
	uint64_t n;

	if (len < sizeof(digits)) {
		memcpy(digits, b->text + where.first, len);
		digits[len] = '\0';
		if (xb_num_u64(digits, 255, &n)) {
			*ret = (uint32_t)n;
			return true;
		}
	}
	xb_selector_fail(b, where, "an arity is a number from 0 to 255");
	return false;
}
