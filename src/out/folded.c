#include "out/folded.h"

#include "base/str.h"
#include "out/text.h"

#include <errno.h>
#include <inttypes.h>

void xb_folded_init(struct xb_folded *f, struct xb_sink *sink)
{
	*f = (struct xb_folded){ .sink = sink };
}

void xb_folded_frame(struct xb_folded *f, const char *bytes, size_t len)
{
	struct xb_str safe = XB_STR_INIT;
	const char *s;

	if (f->frames++ > 0)
		xb_sink_putc(f->sink, ';');
	xb_text_safe(&safe, bytes, len);
	s = xb_str_get(&safe);
	for (size_t i = 0; i < safe.len; i++) {
		if (s[i] == ';' || (s[i] == ' ' && (i == 0 || i + 1 == safe.len)))
			xb_sink_printf(f->sink, "\\x%02x", (unsigned)s[i]);
		else
			xb_sink_putc(f->sink, s[i]);
	}
	if (safe.len == 0)
		xb_sink_puts(f->sink, "[]");
	if (safe.oom)
		f->sink->err = ENOMEM;
	xb_str_deinit(&safe);
}

void xb_folded_end(struct xb_folded *f, uint64_t count)
{
	if (f->frames == 0)
		xb_sink_puts(f->sink, "[no frames]");
	xb_sink_printf(f->sink, " %" PRIu64 "\n", count);
	f->frames = 0;
}
