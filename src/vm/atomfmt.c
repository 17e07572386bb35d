/*
 * Atoms as Erlang writes them.  Mirrors lib/stdlib/src/io_lib.erl:quote_atom/2, write_atom_as_string
 * and erl_scan:reserved_word/1 (OTP 25).
 */
#include "vm/atom.h"

#include <string.h>

/* Decode one character; malformed bytes come back as themselves, one at a time. */
static uint32_t utf8_next(const unsigned char *p, size_t left, size_t *used)
{
	uint32_t c = p[0];
	size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	*used = 1;
	if (more == 0 || more >= left)
		return c;
	c &= 0x3fU >> more;
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return p[0];
		c = c << 6 | (p[i] & 0x3fU);
	}
	*used = more + 1;
	return c;
}

static bool lower(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7);
}

static bool name_char(uint32_t c)
{
	return lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@' ||
	       (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

static bool reserved(struct xb_atom_text t)
{
	static const char *const words[] = {
		"after", "and",  "andalso", "band",   "begin",   "bnot", "bor", "bsl",  "bsr",
		"bxor",  "case", "catch",   "cond",   "div",     "end",  "fun", "if",   "let",
		"not",   "of",   "or",      "orelse", "receive", "rem",  "try", "when", "xor",
	};

	for (size_t i = 0; i < XB_ARRAY_LEN(words); i++) {
		if (strlen(words[i]) == t.len && memcmp(words[i], t.name, t.len) == 0)
			return true;
	}
	return false;
}

static bool needs_quotes(struct xb_atom_text t)
{
	const unsigned char *p = (const unsigned char *)t.name;
	size_t used;

	if (t.len == 0 || reserved(t) || !lower(utf8_next(p, t.len, &used)))
		return true;
	for (size_t at = 0; at < t.len; at += used) {
		if (!name_char(utf8_next(p + at, t.len - at, &used)))
			return true;
	}
	return false;
}

/* One character inside quotes, io_lib:string_char/2 with unicode. */
static void quoted_char(uint32_t c, const char *bytes, size_t n, struct xb_str *out)
{
	static const char *const escapes[] = {
		['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",
		['\v'] = "\\v", ['\f'] = "\\f", ['\r'] = "\\r",
	};

	if (c == '\'' || c == '\\')
		xb_str_addf(out, "\\%c", (char)c);
	else if (c < XB_ARRAY_LEN(escapes) && escapes[c] != NULL)
		xb_str_add(out, escapes[c]);
	else if (c == 0x1b)
		xb_str_add(out, "\\e");
	else if (c == 0x7f)
		xb_str_add(out, "\\d");
	else if (c < 0x20 || (c >= 0x80 && c < 0xa0))
		xb_str_addf(out, "\\%03o", c);
	else
		xb_str_addn(out, bytes, n);
}

void xb_atom_write_text(struct xb_atom_text text, struct xb_str *out)
{
	const unsigned char *p = (const unsigned char *)text.name;
	size_t used;

	if (!needs_quotes(text)) {
		xb_str_addn(out, text.name, text.len);
		return;
	}
	xb_str_addc(out, '\'');
	for (size_t at = 0; at < text.len; at += used) {
		uint32_t c = utf8_next(p + at, text.len - at, &used);

		quoted_char(c, text.name + at, used, out);
	}
	xb_str_addc(out, '\'');
}

void xb_atom_write(struct xb_vm *vm, uint32_t index, struct xb_str *out)
{
	struct xb_atom_text text;

	if (xb_atom_get(vm, index, &text))
		xb_atom_write_text(text, out);
	else
		xb_str_addf(out, "#Atom<%u>", index);
}
