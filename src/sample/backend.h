/* Which source samples come from: the best that is permitted. */
#ifndef XB_SAMPLE_BACKEND_H
#define XB_SAMPLE_BACKEND_H

#include "sample/perf.h"
#include "session/session.h"

/* In the order in which they are tried: each tells less and needs less privilege than the one before. */
enum xb_backend {
	XB_BACKEND_AUTO,
	XB_BACKEND_BPF, /* sample/bpf.h: every stack is of the instant of its sample */
	XB_BACKEND_PERF, /* sample/perf.h: so are those on the machine stack, the rest is read afterwards */
	XB_BACKEND_POLL, /* sample/poll.h: everything is read, by a timer */
	XB_BACKEND__COUNT,
};

/** "auto", "bpf", "perf", "poll"; static. */
const char *xb_backend_name(enum xb_backend b);

/**
 * Open @which, or with AUTO the first that works.
 * @param options   As for xb_perf_open(); what a backend has no use for is ignored.
 * @param ret_used  The one in use; AUTO when there is none.
 * @param why_not   Receives why better ones are not used, one sentence each behind "; "; NULL: not asked.
 * @return NULL; GONE, USAGE at once, else what the last one said.
 */
XB_NODISCARD struct xb_error *xb_backend_open(struct xb_session *s, enum xb_backend which,
					      const struct xb_perf_options *options,
					      struct xb_source *ret, enum xb_backend *ret_used,
					      struct xb_str *why_not);

#endif
