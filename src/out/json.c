#include "out/json.h"

#include "base/utf8.h"
#include "out/units.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Levels 0 (the report) and 1 (rows) put each item on its own line. */
#define LINE_DEPTH 2

/* Nearly all keys and texts fit, with quotes and what stands around them. */
enum { PIECE = 96 };

void xb_json_init(struct xb_json *j, struct xb_sink *sink)
{
	*j = (struct xb_json){ .sink = sink };
}

static void new_line(struct xb_json *j, unsigned depth)
{
	xb_sink_putc(j->sink, '\n');
	xb_sink_pad(j->sink, (size_t)depth * 2);
}

/*
 * Comma and line break before an item of the current container; inside rows @piece takes what is written instead.
 * Returns its length.
 */
static size_t separate(struct xb_json *j, char piece[2])
{
	bool *filled;

	if (j->depth == 0)
		return 0;
	filled = &j->level[j->depth - 1].filled;
	if (j->depth > LINE_DEPTH) {
		size_t n = *filled ? 2 : 0;

		piece[0] = ',';
		piece[1] = ' ';
		*filled = true;
		return n;
	}
	if (*filled)
		xb_sink_putc(j->sink, ',');
	new_line(j, j->depth);
	*filled = true;
	return 0;
}

static void before_value(struct xb_json *j)
{
	char piece[2];
	size_t n;

	if (j->keyed) {
		j->keyed = false;
		return;
	}
	xb_assert(j->depth == 0 || !j->level[j->depth - 1].object);
	n = separate(j, piece);
	if (n > 0)
		xb_sink_write(j->sink, piece, n);
}

static void begin(struct xb_json *j, bool object)
{
	before_value(j);
	xb_assert(j->depth < XB_JSON_DEPTH);
	j->level[j->depth].object = object;
	j->level[j->depth].filled = false;
	j->depth++;
	xb_sink_putc(j->sink, object ? '{' : '[');
}

static void end(struct xb_json *j, bool object)
{
	xb_assert(j->depth > 0 && j->level[j->depth - 1].object == object && !j->keyed);
	j->depth--;
	if (j->level[j->depth].filled && j->depth < LINE_DEPTH)
		new_line(j, j->depth);
	xb_sink_putc(j->sink, object ? '}' : ']');
}

/* As if inside the containers of a row, below the levels that take lines of their own. */
void xb_json_init_inner(struct xb_json *j, struct xb_sink *sink)
{
	*j = (struct xb_json){ .sink = sink, .depth = LINE_DEPTH + 1 };
}

void xb_json_raw(struct xb_json *j, const char *bytes, size_t len)
{
	before_value(j);
	xb_sink_write(j->sink, bytes, len);
}

void xb_json_object_begin(struct xb_json *j)
{
	begin(j, true);
}

void xb_json_object_end(struct xb_json *j)
{
	end(j, true);
}

void xb_json_array_begin(struct xb_json *j)
{
	begin(j, false);
}

void xb_json_array_end(struct xb_json *j)
{
	end(j, false);
}

static void escape_control(struct xb_sink *sink, uint32_t cp)
{
	switch (cp) {
	case '\n':
		xb_sink_puts(sink, "\\n");
		break;
	case '\t':
		xb_sink_puts(sink, "\\t");
		break;
	case '\r':
		xb_sink_puts(sink, "\\r");
		break;
	default:
		xb_sink_printf(sink, "\\u%04" PRIx32, cp);
		break;
	}
}

/* What nearly all text is made of. */
static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/*
 * Short plain text with its quotes, as one piece in front of which @at bytes are already; the length of all of it, or 0
 * when the text is long or not plain.
 */
static size_t short_quoted(char piece[PIECE], size_t at, const char *s, size_t len)
{
	if (len > PIECE - at - 4)
		return 0;
	piece[at++] = '"';
	for (size_t i = 0; i < len; i++) {
		if (!is_plain(s[i]))
			return 0;
		piece[at++] = s[i];
	}
	piece[at++] = '"';
	return at;
}

static void quoted(struct xb_json *j, const char *s, size_t len)
{
	size_t plain = 0; /* start of bytes that go out unchanged */
	size_t at = 0;

	xb_sink_putc(j->sink, '"');
	while (at < len) {
		uint32_t cp = 0;
		size_t n;

		if (is_plain(s[at])) {
			at++;
			continue;
		}
		n = xb_utf8_decode(s + at, len - at, &cp);
		if (n > 0 && !xb_utf8_is_control(cp) && cp != '"' && cp != '\\') {
			at += n;
			continue;
		}
		xb_sink_write(j->sink, s + plain, at - plain);
		if (n == 0) {
			xb_sink_puts(j->sink, XB_UTF8_REPLACEMENT);
			n = 1;
		} else if (xb_utf8_is_control(cp)) {
			escape_control(j->sink, cp);
		} else {
			xb_sink_putc(j->sink, '\\');
			xb_sink_putc(j->sink, (char)cp);
		}
		at += n;
		plain = at;
	}
	xb_sink_write(j->sink, s + plain, at - plain);
	xb_sink_putc(j->sink, '"');
}

void xb_json_key(struct xb_json *j, const char *key)
{
	char piece[PIECE];
	size_t before, n, len = strlen(key);

	xb_assert(j->depth > 0 && j->level[j->depth - 1].object && !j->keyed);
	before = separate(j, piece);
	n = short_quoted(piece, before, key, len);
	if (n > 0) {
		piece[n++] = ':';
		piece[n++] = ' ';
		xb_sink_write(j->sink, piece, n);
	} else {
		xb_sink_write(j->sink, piece, before);
		quoted(j, key, len);
		xb_sink_puts(j->sink, ": ");
	}
	j->keyed = true;
}

void xb_json_key_ready(struct xb_json *j, const char *piece, size_t len)
{
	char before[2];
	size_t skip;

	xb_assert(j->depth > 0 && j->level[j->depth - 1].object && !j->keyed);
	/* @piece begins with the comma that the first key of an object, and one on a line of its own, has not. */
	skip = sizeof(before) - separate(j, before);
	xb_sink_write(j->sink, piece + skip, len - skip);
	j->keyed = true;
}

void xb_json_string(struct xb_json *j, const char *bytes, size_t len)
{
	char piece[PIECE];
	size_t n;

	before_value(j);
	n = short_quoted(piece, 0, bytes, len);
	if (n > 0)
		xb_sink_write(j->sink, piece, n);
	else
		quoted(j, bytes, len);
}

void xb_json_text(struct xb_json *j, const char *text)
{
	xb_json_string(j, text, strlen(text));
}

void xb_json_u64(struct xb_json *j, uint64_t v)
{
	char digits[20], *p = digits + sizeof(digits);

	before_value(j);
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	xb_sink_write(j->sink, p, (size_t)(digits + sizeof(digits) - p));
}

void xb_json_i64(struct xb_json *j, int64_t v)
{
	before_value(j);
	xb_sink_printf(j->sink, "%" PRId64, v);
}

void xb_json_double(struct xb_json *j, double v, unsigned digits)
{
	char text[XB_UNITS_MAX];

	before_value(j);
	xb_sink_puts(j->sink, isfinite(v) ? xb_units_fixed(v, digits, text) : "null");
}

void xb_json_bool(struct xb_json *j, bool v)
{
	before_value(j);
	xb_sink_puts(j->sink, v ? "true" : "false");
}

void xb_json_null(struct xb_json *j)
{
	before_value(j);
	xb_sink_puts(j->sink, "null");
}

void xb_json_finish(struct xb_json *j)
{
	xb_assert(j->depth == 0 && !j->keyed);
	xb_sink_putc(j->sink, '\n');
}
