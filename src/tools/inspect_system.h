/*
 * erlang-inspect system.
 *
 * Rows, schema "extrospect.inspect.system": one object for each section, { "section", "items" }.  Items are
 *   vm, process, layout   facts   { name, value, unit }: value is text, a number, true/false or null; unit is
 *                                 "bytes", "ns" or null
 *   arguments             { index, argument }
 *   namespaces            { kind, inode, same_as_ours }
 *   schedulers            { kind, number, tid, thread, state, pid, process, address, registers }
 *   threads               { role, number, tid, thread, state }: all that are no schedulers
 *   roots                 { root, address, value, sources, methods, agreement, contradicted_by, contradicting_value,
 *                           via }: methods counts those that know nothing of each other
 *   checks                { check, tested, failed, promise }
 */
#ifndef XB_TOOLS_INSPECT_SYSTEM_H
#define XB_TOOLS_INSPECT_SYSTEM_H

#include "out/table.h"
#include "session/system.h"

/** Add the sections to @rows, made by inspect_system_init().  False: out of memory. */
XB_NODISCARD bool inspect_system_rows(const struct xb_session *s, const struct xb_system *y,
				      struct xb_table *rows);

/** An empty list of sections in @arena. */
void inspect_system_init(struct xb_table *rows, struct xb_arena *arena);

#endif
