#include "sample/backend.h"

#include "sample/bpf.h"
#include "sample/poll.h"

const char *xb_backend_name(enum xb_backend b)
{
	static const char *const names[] = { "auto", "bpf", "perf", "poll" };

	return names[b];
}

static struct xb_error *open_one(struct xb_session *s, enum xb_backend which,
				 const struct xb_perf_options *options, struct xb_source *ret)
{
	if (which == XB_BACKEND_BPF)
		return xb_bpf_open(s, options, ret);
	if (which == XB_BACKEND_PERF)
		return xb_perf_open(s->proc.pid, options, ret);
	return xb_poll_open(s->proc.pid, options->period_ns, ret);
}

/* Perf events instead of frozen samples are usual; to be without them is not. */
static void tell(const struct xb_log *log, enum xb_backend which, const struct xb_error *err)
{
	const char *advice = xb_error_advice(err);

	if (which == XB_BACKEND_BPF)
		xb_logf(log, XB_LOG_INFO, "samples are not frozen by BPF: %s%s%s",
			xb_error_message(err), advice == NULL ? "" : "; ",
			advice == NULL ? "" : advice);
	else
		xb_logf(log, XB_LOG_WARN,
			"no perf events (%s); falling back to timed remote reads, whose stacks are not exact%s%s",
			xb_error_message(err),
			advice == NULL ? "" : "; to have perf events: ", advice == NULL ? "" : advice);
}

struct xb_error *xb_backend_open(struct xb_session *s, enum xb_backend which,
				 const struct xb_perf_options *options, struct xb_source *ret,
				 enum xb_backend *ret_used, struct xb_str *why_not)
{
	enum xb_backend b = which == XB_BACKEND_AUTO ? XB_BACKEND_BPF : which;

	*ret_used = XB_BACKEND_AUTO;
	for (;; b++) {
		struct xb_error *err = open_one(s, b, options, ret);

		if (err == NULL) {
			*ret_used = b;
			return NULL;
		}
		if (which != XB_BACKEND_AUTO || b == XB_BACKEND_POLL ||
		    xb_error_code(err) == XB_ERR_GONE || xb_error_code(err) == XB_ERR_USAGE)
			return err;
		tell(options->log, b, err);
		if (why_not != NULL)
			xb_str_addf(why_not, "%s%s", xb_str_get(why_not)[0] == '\0' ? "" : "; ",
				    xb_error_message(err));
		xb_error_destroy(err);
	}
}
