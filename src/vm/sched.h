/*
 * Schedulers: what every thread of the VM that runs Erlang processes is doing.
 *
 *   *erts_aligned_scheduler_data ──► ErtsSchedulerData[erts_no_schedulers]          sizeof rounded to
 * 64 apart *erts_aligned_dirty_cpu_scheduler_data, *erts_aligned_dirty_io_scheduler_data   likewise
 *
 * current_process changes every few microseconds on a busy VM.  Mirrors
 * erts/emulator/beam/erl_process.h.
 */
#ifndef XB_VM_SCHED_H
#define XB_VM_SCHED_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/types.h>

struct xb_vm;

enum {
	XB_SCHED_ALIGN = 64,      /* ErtsAlignedSchedulerData is padded to a cache line */
	XB_SCHED_MAX = 1024,      /* of one kind: ERTS_MAX_NO_OF_SCHEDULERS */
	XB_SCHED_QUEUE_FLAGS = 7, /* bits of a Process's or scheduler's run_queue that are no address */
};

enum xb_sched_kind { XB_SCHED_NORMAL, XB_SCHED_DIRTY_CPU, XB_SCHED_DIRTY_IO };

struct xb_sched {
	enum xb_sched_kind kind;
	uint32_t no;       /* 1… within its kind */
	xb_addr addr;      /* of the ErtsSchedulerData */
	xb_addr registers; /* ErtsSchedulerRegisters (JIT): the top of the C stack that Erlang code
			      calls on; 0 none */
	xb_addr current;   /* Process it runs now, 0 when it runs none */
	xb_addr pthread;   /* pthread_t of its thread */
	pid_t tid;         /* kernel thread, 0 until xb_sched_match() */
};

struct xb_scheds {
	struct xb_sched *list; /* normal, dirty CPU, dirty IO */
	size_t n, n_normal, n_dirty_cpu, n_dirty_io;
};

/** Bytes from one ErtsSchedulerData to the next of its kind. */
uint64_t xb_sched_stride(const struct xb_vm *vm);

/** Every scheduler.  Cost: one batched read.  The list belongs to @arena. */
XB_NODISCARD struct xb_error *xb_sched_read(struct xb_vm *vm, struct xb_arena *arena,
					    struct xb_scheds *ret);

/**
 * Find each scheduler's kernel thread: the C library keeps the thread id inside its thread descriptor
 * (what pthread_t points to), at an offset that is searched for, since it must hold a different one of
 * @tids for every scheduler.
 * @return how many schedulers were matched (all or none).
 */
size_t xb_sched_match(struct xb_vm *vm, struct xb_scheds *scheds, const pid_t *tids, size_t n_tids);

/** The Process a scheduler runs at this moment, 0 for none or unreadable.  One read of 8 bytes. */
xb_addr xb_sched_current(struct xb_vm *vm, const struct xb_sched *s);

/** "scheduler", "dirty_cpu_scheduler", "dirty_io_scheduler". */
const char *xb_sched_kind_name(enum xb_sched_kind kind);

#endif
