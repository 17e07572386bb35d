#include "layout/threads.h"

#include <string.h>

enum { COMM_BYTES = 15, MAX_DIGITS = 5 };

/* Whether @comm is @pattern with a number in place of '#', cut or not. */
static bool matches(const char *comm, const char *pattern, int *no)
{
	size_t i = 0;

	*no = -1;
	for (; *pattern != '\0'; pattern++) {
		/* The kernel cut the rest. */
		if (i == COMM_BYTES && comm[i] == '\0')
			return true;
		if (*pattern == '#') {
			size_t digits = strspn(comm + i, "0123456789");

			if (digits == 0 || digits > MAX_DIGITS)
				return false;
			*no = 0;
			for (size_t end = i + digits; i < end; i++)
				*no = *no * 10 + (comm[i] - '0');
		} else if (comm[i] == *pattern) {
			i++;
		} else {
			return false;
		}
	}
	return comm[i] == '\0';
}

enum xb_thread_role xb_thread_role_of(const char *comm, int *ret_no)
{
	enum xb_thread_role role = XB_THREAD_OTHER;
	int no = -1;

	for (size_t i = 0; i < xb_thread_n_names && role == XB_THREAD_OTHER; i++) {
		if (matches(comm, xb_thread_names[i].name, &no))
			role = xb_thread_names[i].role;
	}
	if (role == XB_THREAD_OTHER)
		no = -1;
	if (ret_no != NULL)
		*ret_no = no;
	return role;
}

const char *xb_thread_role_name(enum xb_thread_role role)
{
	static const char *const text[] = {
		[XB_THREAD_OTHER] = "other",
		[XB_THREAD_MAIN] = "main",
		[XB_THREAD_SCHEDULER] = "scheduler",
		[XB_THREAD_DIRTY_CPU] = "dirty_cpu_scheduler",
		[XB_THREAD_DIRTY_IO] = "dirty_io_scheduler",
		[XB_THREAD_POLL] = "poll",
		[XB_THREAD_AUX] = "aux",
		[XB_THREAD_ASYNC] = "async",
		[XB_THREAD_SIGNALS] = "signal_dispatcher",
		[XB_THREAD_MESSAGES] = "message_dispatcher",
	};

	return text[role];
}
