/* A perf map from the VM's own list of compiled code. */
#ifndef XB_OUT_PERFMAP_LIST_H
#define XB_OUT_PERFMAP_LIST_H

#include "out/perfmap.h"
#include "vm/jitlist.h"

/** Append the map of every range of every entry, in the order the VM made them.  As xb_perfmap_format(). */
XB_NODISCARD struct xb_error *xb_perfmap_of_list(const struct xb_jitlist *list,
						 enum xb_perfmap_keep keep, struct xb_str *out,
						 struct xb_perfmap_stats *ret_stats);

#endif
