/* Which rule of the kernel refuses us, and what would change it. */
#ifndef XB_OS_ACCESS_H
#define XB_OS_ACCESS_H

#include "base/error.h"

#include <sys/types.h>

XB_NODISCARD struct xb_error *xb_access_explain_perf(pid_t pid, int err);
#endif
