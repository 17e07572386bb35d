/* erlang-layout dump: a layout table from the debug information of a file. */
#ifndef XB_TOOLS_LAYOUT_DUMP_H
#define XB_TOOLS_LAYOUT_DUMP_H

#include "tools/layout_opts.h"

/**
 * Read the file of --from-dwarf and print the table.
 * @return NULL, or: SYS, PERM, BAD_FILE (no ELF file, or damaged debug information), NOT_BEAM (no version banner and no
 *         --base), NO_LAYOUT (no debug information, or not all that is needed in it), USAGE (--base).
 * Cost: about 0.1 s per 10 MB of .debug_info.
 */
XB_NODISCARD struct xb_error *layout_dump(struct xb_tool_run *run);

#endif
