/* Names of kernel functions, from /proc/kallsyms; empty where the kernel hides addresses. */
#ifndef XB_VIEW_KALLSYMS_H
#define XB_VIEW_KALLSYMS_H

#include "base/base.h"

struct xb_kallsyms;

/** Never NULL unless out of memory.  Cost: 100 ms for 200,000 symbols. */
struct xb_kallsyms *xb_kallsyms_load(void);

/** Accepts NULL. */
void xb_kallsyms_destroy(struct xb_kallsyms *k);

/** The function that holds @addr, or NULL.  @k may be NULL.  Lives as long as @k. */
const char *xb_kallsyms_name(const struct xb_kallsyms *k, xb_addr addr);

#endif
