#include "sample/poll.h"
struct xb_error *xb_poll_open(pid_t pid, uint64_t period_ns, struct xb_source *ret)
{
	(void)pid;(void)period_ns;(void)ret;
	return xb_error_nomem();
}
