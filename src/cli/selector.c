#include "cli/selector.h"

#include "base/utf8.h"
#include "cli/selector_build.h"
#include "selector_parse.h"
#include "selector_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool check_text(struct xb_selector_build *b)
{
	if (b->len > XB_SELECTOR_TEXT_MAX) {
		b->err = xb_errorf(XB_ERR_USAGE, "the expression is longer than %d bytes",
				   XB_SELECTOR_TEXT_MAX);
		return false;
	}
	for (size_t at = 0; at < b->len;) {
		uint32_t cp;
		size_t n = xb_utf8_decode(b->text + at, b->len - at, &cp);

		if (n == 0) {
			xb_selector_fail(b, (struct xb_selector_span){ at, at + 1 },
					 "this is not UTF-8");
			return false;
		}
		at += n;
	}
	return true;
}

static struct xb_error *parse(const char *text, struct xb_arena *arena, bool function,
			      const struct xb_selector **ret)
{
	struct xb_selector_build b = {
		.text = text, .len = strlen(text), .arena = arena, .function = function
	};
	yyscan_t scanner;
	int status;

	if (!check_text(&b))
		return b.err;
	if (xb_selector_ylex_init_extra(&b, &scanner) != 0)
		return xb_error_nomem();
	if (xb_selector_y_scan_bytes(text, (int)b.len, scanner) == NULL) {
		(void)xb_selector_ylex_destroy(scanner);
		return xb_error_nomem();
	}
	status = xb_selector_yparse(scanner, &b);
	(void)xb_selector_ylex_destroy(scanner);
	if (b.err != NULL)
		return b.err;
	if (status != 0)
		return xb_error_nomem();
	*ret = b.first;
	return NULL;
}

struct xb_error *xb_selector_parse(const char *text, struct xb_arena *arena,
				   const struct xb_selector **ret)
{
	return parse(text, arena, false, ret);
}

struct xb_error *xb_selector_parse_function(const char *text, struct xb_arena *arena,
					    const struct xb_selector **ret)
{
	return parse(text, arena, true, ret);
}

bool xb_selector_atom_matches(const struct xb_selector_atom *atom, const char *bytes, size_t len)
{
	return atom->bytes == NULL ||
	       (atom->len == len && (len == 0 || memcmp(atom->bytes, bytes, len) == 0));
}

/* The next character if it is one Erlang allows in an atom without quotes. */
static size_t plain_char(const char *s, size_t len, bool first)
{
	uint32_t cp = 0;
	size_t n = xb_utf8_decode(s, len, &cp);
	bool lower = (cp >= 'a' && cp <= 'z') || (cp >= 0xdf && cp <= 0xff && cp != 0xf7);
	bool other = (cp >= 'A' && cp <= 'Z') || (cp >= '0' && cp <= '9') || cp == '_' || cp == '@' ||
		     (cp >= 0xc0 && cp <= 0xde && cp != 0xd7);

	return n > 0 && (lower || (!first && other)) ? n : 0;
}

static bool is_plain(const char *s, size_t len)
{
	/* Reserved words need quotes. */
	static const char *const words[] = { "after",   "and",   "andalso", "band", "begin", "bnot",
					     "bor",     "bsl",   "bsr",     "bxor", "case",  "catch",
					     "cond",    "div",   "else",    "end",  "fun",   "if",
					     "let",     "maybe", "not",     "of",   "or",    "orelse",
					     "receive", "rem",   "try",     "when", "xor" };
	size_t at = 0;

	while (at < len) {
		size_t n = plain_char(s + at, len - at, at == 0);

		if (n == 0)
			return false;
		at += n;
	}
	for (size_t i = 0; i < XB_ARRAY_LEN(words); i++) {
		if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
			return false;
	}
	return len > 0;
}

void xb_selector_print_atom(struct xb_str *to, const char *bytes, size_t len)
{
	if (is_plain(bytes, len)) {
		xb_str_addn(to, bytes, len);
		return;
	}
	xb_str_addc(to, '\'');
	for (size_t at = 0; at < len;) {
		uint32_t cp = (unsigned char)bytes[at];
		size_t n = xb_utf8_decode(bytes + at, len - at, &cp);

		if (n == 0 || xb_utf8_is_control(cp))
			xb_str_addf(to, "\\x{%" PRIx32 "}", cp);
		else if (cp == '\'' || cp == '\\')
			xb_str_addf(to, "\\%c", (int)cp);
		else
			xb_str_addn(to, bytes + at, n);
		at += n == 0 ? 1 : n;
	}
	xb_str_addc(to, '\'');
}

static void print_pattern(struct xb_str *to, const struct xb_selector_atom *atom)
{
	if (atom->bytes == NULL)
		xb_str_addc(to, '_');
	else
		xb_selector_print_atom(to, atom->bytes, atom->len);
}

static void print_one(struct xb_str *to, const struct xb_selector *s)
{
	switch (s->kind) {
	case XB_SELECTOR_PID:
		xb_str_addf(to, "<%" PRIu32 ".%" PRIu32 ".%" PRIu32 ">", s->pid[0], s->pid[1],
			    s->pid[2]);
		break;
	case XB_SELECTOR_NAME:
		xb_selector_print_atom(to, s->name.bytes, s->name.len);
		break;
	case XB_SELECTOR_NATIVE:
		xb_str_addn(to, s->name.bytes, s->name.len);
		break;
	case XB_SELECTOR_MFA:
		print_pattern(to, &s->module);
		xb_str_addc(to, ':');
		print_pattern(to, &s->function);
		if (s->arity == XB_SELECTOR_ANY_ARITY)
			xb_str_add(to, "/_");
		else
			xb_str_addf(to, "/%" PRIu32, s->arity);
		break;
	}
}

void xb_selector_print(struct xb_str *to, const struct xb_selector *list)
{
	for (; list != NULL; list = list->next) {
		print_one(to, list);
		if (list->next != NULL)
			xb_str_addc(to, ',');
	}
}
