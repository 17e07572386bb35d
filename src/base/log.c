#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void xb_logf(const struct xb_log *log, enum xb_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (log == NULL || log->sink == NULL || level > log->max)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log->sink(log->arg, level, line);
}
