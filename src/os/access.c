#include "os/access.h"
struct xb_error *xb_access_explain_perf(pid_t pid, int err)
{
	return xb_error_sys(err, "cannot sample process %d", (int)pid);
}
