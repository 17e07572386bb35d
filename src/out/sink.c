#include "out/sink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

void xb_sink_to_file(struct xb_sink *s, FILE *file, const char *name)
{
	*s = (struct xb_sink){ .file = file, .name = name };
}

void xb_sink_to_memory(struct xb_sink *s)
{
	*s = (struct xb_sink){ .name = "memory" };
}

void xb_sink_write_slow(struct xb_sink *s, const void *bytes, size_t n)
{
	if (s->err != 0 || n == 0)
		return;
	if (s->file == NULL) {
		xb_str_addn(&s->text, bytes, n);
		if (s->text.oom)
			s->err = ENOMEM;
	} else {
		errno = 0;
		if (fwrite(bytes, 1, n, s->file) != n)
			s->err = errno != 0 ? errno : EIO;
	}
	if (s->err == 0)
		s->written += n;
}

void xb_sink_pad(struct xb_sink *s, size_t spaces)
{
	static const char blank[] = "                                ";

	while (spaces > 0) {
		size_t n = XB_MIN(spaces, sizeof(blank) - 1);

		xb_sink_write(s, blank, n);
		spaces -= n;
	}
}

void xb_sink_printf(struct xb_sink *s, const char *fmt, ...)
{
	char small[256], *big = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		xb_sink_write(s, small, (size_t)n);
		return;
	}
	va_start(ap, fmt);
	n = vasprintf(&big, fmt, ap);
	va_end(ap);
	if (n < 0) {
		if (s->err == 0)
			s->err = ENOMEM;
		return;
	}
	xb_sink_write(s, big, (size_t)n);
	free(big);
}

const char *xb_sink_text(const struct xb_sink *s)
{
	return xb_str_get(&s->text);
}

bool xb_sink_failed(const struct xb_sink *s)
{
	return s->err != 0;
}

struct xb_error *xb_sink_finish(struct xb_sink *s)
{
	if (s->file != NULL && s->err == 0) {
		errno = 0;
		if (fflush(s->file) != 0 || ferror(s->file))
			s->err = errno != 0 ? errno : EIO;
	}
	if (s->err == 0 || s->err == EPIPE)
		return NULL;
	if (s->err == ENOSPC || s->err == EDQUOT)
		return xb_error_advise(
			xb_error_sys(s->err, "cannot write all of the result to %s", s->name),
			"free some space there or write somewhere else with --output");
	return xb_error_sys(s->err, "cannot write the result to %s", s->name);
}

void xb_sink_deinit(struct xb_sink *s)
{
	xb_str_deinit(&s->text);
}
