/*
 * Folded stacks, the input of flame-graph tools: frames from the root joined with ';', a blank, a
 * count. An atom may hold ';', a newline or anything else; those become Erlang's own \xNN escapes,
 * which inside a quoted atom still spell the same atom.
 */
#ifndef XB_OUT_FOLDED_H
#define XB_OUT_FOLDED_H

#include "base/base.h"
#include "out/sink.h"

struct xb_folded {
	struct xb_sink *sink;
	size_t frames; /* of the line being written */
};

/** @sink is borrowed. */
void xb_folded_init(struct xb_folded *f, struct xb_sink *sink);

/** The next frame, root first.  A blank at either end is escaped, an empty frame becomes "[]". */
void xb_folded_frame(struct xb_folded *f, const char *bytes, size_t len);

/** End of the stack, seen @count times.  A stack without frames becomes "[no frames]". */
void xb_folded_end(struct xb_folded *f, uint64_t count);

#endif
