#include "out/tty.h"

#include "base/str.h"
#include "base/utf8.h"
#include "out/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const palette[] = {
	[XB_ROLE_NONE] = NULL,         [XB_ROLE_ERLANG] = "\033[32m", [XB_ROLE_NATIVE] = "\033[33m",
	[XB_ROLE_KERNEL] = "\033[31m", [XB_ROLE_PROCESS] = "\033[1m", [XB_ROLE_PATH] = "\033[2m",
	[XB_ROLE_HEAD] = "\033[4m",    [XB_ROLE_WARN] = "\033[35m",
};

static bool env_is(const char *name, const char *value)
{
	const char *v = getenv(name);

	return v != NULL && strcmp(v, value) == 0;
}

static bool env_set(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && v[0] != '\0';
}

static bool want_color(bool is_terminal, bool no_color)
{
	if (no_color || env_set("NO_COLOR"))
		return false;
	if (env_set("CLICOLOR_FORCE") && !env_is("CLICOLOR_FORCE", "0"))
		return true;
	return is_terminal && !env_is("CLICOLOR", "0") && !env_is("TERM", "dumb");
}

static unsigned columns(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

void xb_tty_init(struct xb_tty *tty, FILE *file, bool no_color)
{
	int fd = fileno(file);

	*tty = (struct xb_tty){ 0 };
	tty->is_terminal = fd >= 0 && isatty(fd) == 1;
	tty->color = want_color(tty->is_terminal, no_color);
	if (tty->is_terminal)
		tty->width = columns(fd);
}

void xb_tty_write(const struct xb_tty *tty, struct xb_sink *to, enum xb_role role, const char *bytes,
		  size_t len)
{
	const char *look = tty != NULL && tty->color && len > 0 ? palette[role] : NULL;

	if (look != NULL)
		xb_sink_puts(to, look);
	xb_sink_write(to, bytes, len);
	if (look != NULL)
		xb_sink_puts(to, "\033[0m");
}

void xb_status_init(struct xb_status *status, bool quiet)
{
	*status = (struct xb_status){ 0 };
	status->on = !quiet && isatty(STDERR_FILENO) == 1 && !env_is("TERM", "dumb");
	if (status->on)
		status->width = columns(STDERR_FILENO);
}

/* Longest prefix of @s that fits @width columns, never splitting a character. */
static size_t fitting(const char *s, size_t len, size_t width)
{
	size_t at = 0;

	while (at < len) {
		uint32_t cp = 0;
		size_t n = xb_utf8_decode(s + at, len - at, &cp);

		if (n == 0 || xb_text_width(s, at + n) > width)
			break;
		at += n;
	}
	return at;
}

void xb_status_set(struct xb_status *status, const char *fmt, ...)
{
	char line[512];
	struct xb_str safe = XB_STR_INIT;
	size_t len;
	va_list ap;

	if (!status->on)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	xb_text_safe(&safe, line, strlen(line));
	/* The last column stays free: filling it would make some terminals scroll. */
	len = fitting(xb_str_get(&safe), safe.len, status->width > 1 ? status->width - 1 : 79);
	(void)fprintf(stderr, "\r\033[K%.*s", (int)len, xb_str_get(&safe));
	(void)fflush(stderr);
	status->shown = true;
	xb_str_deinit(&safe);
}

void xb_status_clear(struct xb_status *status)
{
	if (!status->shown)
		return;
	(void)fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	status->shown = false;
}
