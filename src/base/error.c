#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xb_error {
	enum xb_err_code code;
	char *message;
	char *advice;
};

/* Static, so that running out of memory can always be reported; destroying it does nothing. */
static struct xb_error nomem = {
	.code = XB_ERR_NOMEM,
	.message = (char[]){ "out of memory" },
};

struct xb_error *xb_error_nomem(void)
{
	return &nomem;
}

/* Takes ownership of @message, which may be NULL. */
static struct xb_error *error_take(enum xb_err_code code, char *message)
{
	struct xb_error *err;

	if (message == NULL)
		return &nomem;
	err = calloc(1, sizeof(*err));
	if (err == NULL) {
		free(message);
		return &nomem;
	}
	err->code = code;
	err->message = message;
	return err;
}

XB_PRINTF(1, 0) static char *vformat(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		return NULL;
	return s;
}

struct xb_error *xb_errorf(enum xb_err_code code, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vformat(fmt, ap);
	va_end(ap);
	return error_take(code, s);
}

static enum xb_err_code code_of_errno(int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return XB_ERR_PERM;
	case ESRCH:
		return XB_ERR_GONE;
	case ENOMEM:
		return XB_ERR_NOMEM;
	default:
		return XB_ERR_SYS;
	}
}

struct xb_error *xb_error_sys(int err, const char *fmt, ...)
{
	va_list ap;
	char *context, *full = NULL;

	va_start(ap, fmt);
	context = vformat(fmt, ap);
	va_end(ap);
	if (context == NULL)
		return &nomem;
	if (asprintf(&full, "%s: %s", context, strerror(err)) < 0)
		full = NULL;
	free(context);
	return error_take(code_of_errno(err), full);
}

struct xb_error *xb_error_wrap(struct xb_error *err, const char *fmt, ...)
{
	va_list ap;
	char *context, *full = NULL;

	if (err == NULL || err == &nomem)
		return err;
	va_start(ap, fmt);
	context = vformat(fmt, ap);
	va_end(ap);
	if (context == NULL)
		return err;
	if (asprintf(&full, "%s: %s", context, err->message) >= 0) {
		free(err->message);
		err->message = full;
	}
	free(context);
	return err;
}

struct xb_error *xb_error_advise(struct xb_error *err, const char *fmt, ...)
{
	va_list ap;
	char *s;

	if (err == NULL || err == &nomem)
		return err;
	va_start(ap, fmt);
	s = vformat(fmt, ap);
	va_end(ap);
	if (s != NULL) {
		free(err->advice);
		err->advice = s;
	}
	return err;
}

enum xb_err_code xb_error_code(const struct xb_error *err)
{
	return err->code;
}

const char *xb_error_message(const struct xb_error *err)
{
	return err->message;
}

const char *xb_error_advice(const struct xb_error *err)
{
	return err->advice;
}

void xb_error_destroy(struct xb_error *err)
{
	if (err == NULL || err == &nomem)
		return;
	free(err->message);
	free(err->advice);
	free(err);
}
