#include "layout/threads.h"

#include <string.h>

enum { COMM_BYTES = 15, MAX_DIGITS = 5 };

/* '#' stands for the number. */
static const struct {
	const char *name;
	enum xb_thread_role role;
} names[] = {
	/* up to OTP 25 */
	{ "#_scheduler", XB_THREAD_SCHEDULER },
	{ "#_dirty_cpu_scheduler", XB_THREAD_DIRTY_CPU },
	{ "#_dirty_io_scheduler", XB_THREAD_DIRTY_IO },
	{ "#_poller", XB_THREAD_POLL },
	{ "#_aux", XB_THREAD_AUX },
	{ "aux", XB_THREAD_AUX },
	{ "async_#", XB_THREAD_ASYNC },
	{ "sys_sig_dispatcher", XB_THREAD_SIGNALS },
	{ "sys_msg_dispatcher", XB_THREAD_MESSAGES },
	/* OTP 26 and later */
	{ "erts_sched_#", XB_THREAD_SCHEDULER },
	{ "erts_dcpus_#", XB_THREAD_DIRTY_CPU },
	{ "erts_dios_#", XB_THREAD_DIRTY_IO },
	{ "erts_poll_#", XB_THREAD_POLL },
	{ "erts_aux_#", XB_THREAD_AUX },
	{ "erts_async_#", XB_THREAD_ASYNC },
	{ "erts_ssig_disp", XB_THREAD_SIGNALS },
	{ "erts_smsg_disp", XB_THREAD_MESSAGES },
};

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

	for (size_t i = 0; i < XB_ARRAY_LEN(names) && role == XB_THREAD_OTHER; i++) {
		if (matches(comm, names[i].name, &no))
			role = names[i].role;
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
