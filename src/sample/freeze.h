/*
 * The program that freezes a sample: at the instant of the interrupt, in the kernel, it copies what a stack is made of.
 *
 *	record   head with the user registers │ Process structure │ C stack │ Erlang stack │ kernel call chain
 *
 * Where the Erlang stack begins is not always known at that instant, since C code may have saved E somewhere on the C
 * stack.  So it is copied from the lowest address that can be it; who unwinds picks the right one.  All offsets come from
 * the checked layout when the program is made.
 */
#ifndef XB_SAMPLE_FREEZE_H
#define XB_SAMPLE_FREEZE_H

#include "base/error.h"
#include "elf/regs.h"
#include "layout/layout.h"
#include "sample/bpf_asm.h"

#include <sys/types.h>

enum {
	XB_FREEZE_C_MAX = 32 << 10, /* bytes copied of a C stack */
	XB_FREEZE_E_MAX = 64 << 10, /* and of an Erlang stack */
	XB_FREEZE_PROC_MAX = 2048,  /* largest Process structure */
	XB_FREEZE_KERNEL_MAX = 127 * 8,
	XB_FREEZE_SCRATCH = 104 << 10, /* where a record is put together */
	XB_FREEZE_REGS = 21,           /* words of struct pt_regs */
};

/* flags */
enum {
	XB_FREEZE_NO_PROC = 1,   /* the scheduler ran no process, or the thread is none */
	XB_FREEZE_BAD_PROC = 2,  /* there was one, but it could not be read */
	XB_FREEZE_MOVING = 4,    /* c_p->stop was not in the heap: half way through a collection */
	XB_FREEZE_ON_ERLANG = 8, /* rsp was not on the C stack */
	XB_FREEZE_E_HOLE = 16,   /* the Erlang stack was not all there */
	XB_FREEZE_STRANGER = 32, /* a thread nobody has told about yet */
};

/* The head of a record, as the program writes it. */
struct xb_freeze_head {
	uint64_t flags;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t pid_tgid, cpu, period_ns;
	uint64_t ip, cs;        /* what was interrupted, which may be the kernel */
	uint64_t proc;          /* Process structure, 0: none */
	uint64_t c_addr, c_len; /* from rsp, or from the page it is in */
	uint64_t e_addr, e_len;
	uint64_t k_len;   /* bytes of kernel call chain */
	uint64_t c_holes; /* pieces of the C stack that were never touched: zeros */
	uint64_t regs[XB_FREEZE_REGS];
};

/* What the program knows of a thread; value of the map, by thread id. */
struct xb_freeze_thread {
	uint64_t low, top; /* its C stack */
	uint64_t
		c_end; /* where the C stack ends for a sample with a process: below are the VM's registers */
	uint64_t current_at; /* ErtsSchedulerData.current_process, 0: no scheduler */
	uint64_t scan_end;   /* E may be among the words right below, 0: nowhere */
};

/* What the program counts; values of the map, in this order. */
enum { XB_FREEZE_N_LOST, XB_FREEZE_N_COUNTS };

struct xb_freeze_config {
	const struct xb_layout *layout;
	bool frame_pointers; /* the JIT's frame layout with rbp: E is always c_p->stop in C */
	bool kernel_chain;
	pid_t tgid;
	int scratch_fd, threads_fd, ring_fd, counts_fd;
};

/** Bytes of the copy of the Process structure. */
size_t xb_freeze_proc_bytes(const struct xb_layout *l);

/** Make the program.  Errors: LIMIT, UNSUPPORTED when the layout lacks what it needs. */
XB_NODISCARD struct xb_error *xb_freeze_program(const struct xb_freeze_config *c,
						struct xb_bpf_asm *ret);

/** User registers of a record. */
void xb_freeze_regs(const struct xb_freeze_head *h, struct xb_regs *ret);

#endif
