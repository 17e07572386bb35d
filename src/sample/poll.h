/*
 * Samples without perf events: a clock of our own and the thread states of /proc.
 *
 * Where the kernel refuses perf events nothing can interrupt the target, so there are no registers and
 * no stack.  At every tick this source looks which threads are running (state R) and hands out one
 * sample for each: tid, cpu, time, and regs.valid == 0.  What such a thread was doing must be read from
 * the VM's own structures afterwards, and belongs to a slightly later moment than the tick.
 *
 * A thread that is runnable but waits for a CPU also shows R: on an overloaded machine this counts
 * demand, not CPU time.
 */
#ifndef XB_SAMPLE_POLL_H
#define XB_SAMPLE_POLL_H

#include "sample/source.h"

enum { XB_POLL_PERIOD_MIN_NS = 100000 };

/**
 * Open the threads of @pid.  The time between ticks varies by a quarter around @period_ns, so that
 * timers of the target are not in step with it.
 * @return NULL; USAGE below 100 us or above 1000 s, GONE, LIMIT (open files), PERM (hidden /proc).
 * Cost: two open files per thread; per tick about 1 us for a sleeping thread, 5 us for a running one.
 */
XB_NODISCARD struct xb_error *xb_poll_open(pid_t pid, uint64_t period_ns, struct xb_source *ret);

#endif
