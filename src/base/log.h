/* Where library code says what it is doing: a callback owned by the tool.  The library itself never
 * prints. */
#ifndef XB_BASE_LOG_H
#define XB_BASE_LOG_H

#include "base/base.h"

enum xb_log_level { XB_LOG_WARN, XB_LOG_INFO, XB_LOG_DEBUG };

struct xb_log {
	/* One line without newline.  NULL: nobody listens. */
	void (*sink)(void *arg, enum xb_log_level level, const char *line);
	void *arg;
	enum xb_log_level max; /* more talkative levels are dropped before formatting */
};

/** @log may be NULL. */
void xb_logf(const struct xb_log *log, enum xb_log_level level, const char *fmt, ...) XB_PRINTF(3, 4);

#endif
