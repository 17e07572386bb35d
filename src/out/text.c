#include "out/text.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <wchar.h>

static bool is_unsafe(uint32_t cp)
{
	return xb_utf8_is_control(cp) || cp == 0x2028 || cp == 0x2029 || cp == 0x200e || cp == 0x200f ||
	       (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

void xb_text_safe(struct xb_str *to, const char *bytes, size_t len)
{
	size_t plain = 0, at = 0;

	while (at < len) {
		uint32_t cp = 0;
		size_t n = xb_utf8_decode(bytes + at, len - at, &cp);

		if (n > 0 && !is_unsafe(cp)) {
			at += n;
			continue;
		}
		xb_str_addn(to, bytes + plain, at - plain);
		if (n == 0) {
			cp = (unsigned char)bytes[at];
			n = 1;
		}
		if (cp < 0x100)
			xb_str_addf(to, "\\x%02" PRIx32, cp);
		else
			xb_str_addf(to, "\\x{%" PRIx32 "}", cp);
		at += n;
		plain = at;
	}
	xb_str_addn(to, bytes + plain, at - plain);
}

size_t xb_text_width(const char *bytes, size_t len)
{
	size_t width = 0, at = 0;

	while (at < len) {
		uint32_t cp = 0;
		size_t n = xb_utf8_decode(bytes + at, len - at, &cp);
		int w = n == 0 ? 1 : wcwidth((wchar_t)cp);

		/* In the C locale wcwidth() knows no character beyond ASCII; one column is the best
		 * guess. */
		width += w < 0 ? 1 : (size_t)w;
		at += n == 0 ? 1 : n;
	}
	return width;
}
