/*
 * What the threads of a VM are for, by the names it gives them.
 *
 * Names are cut by the kernel at 15 bytes and were changed in OTP 26: "1_dirty_io_sche" and "erts_dios_1" are the
 * same role.  The names are data: tables/threads.tab.  They are the last resort: which thread is a scheduler the VM's
 * memory tells (vm/sched.h), and a name may be anybody's.
 */
#ifndef XB_LAYOUT_THREADS_H
#define XB_LAYOUT_THREADS_H

#include "base/base.h"

enum xb_thread_role {
	XB_THREAD_OTHER, /* drivers, NIFs and the C library start threads too */
	XB_THREAD_MAIN,
	XB_THREAD_SCHEDULER,
	XB_THREAD_DIRTY_CPU,
	XB_THREAD_DIRTY_IO,
	XB_THREAD_POLL,
	XB_THREAD_AUX,
	XB_THREAD_ASYNC,
	XB_THREAD_SIGNALS,  /* sys_sig_dispatcher */
	XB_THREAD_MESSAGES, /* sys_msg_dispatcher */
};

/* A row of the table. */
struct xb_thread_name {
	const char *name; /* '#' stands for a number */
	enum xb_thread_role role;
};

extern const struct xb_thread_name xb_thread_names[];
extern const size_t xb_thread_n_names;

/**
 * Role of the thread called @comm; never XB_THREAD_MAIN, which has no name of its own.
 * @param ret_no  May be NULL; the number in the name, as the VM counts, or -1.
 */
enum xb_thread_role xb_thread_role_of(const char *comm, int *ret_no);

/** "scheduler", "dirty_cpu_scheduler", "poll", …; static. */
const char *xb_thread_role_name(enum xb_thread_role role);

#endif
