/* One value of one option: from text to the field it fills. */
#ifndef XB_CLI_OPTVALUE_H
#define XB_CLI_OPTVALUE_H

#include "cli/opt.h"

/**
 * Convert @value (NULL for flags) and store it at @opt->at in @into.
 * @return NULL; USAGE naming the option and what it accepts; NOMEM.
 */
XB_NODISCARD struct xb_error *xb_opt_store(struct xb_arena *arena, const struct xb_opt *opt, void *into,
					   const char *value);

#endif
