/*
 * Samples from perf events: the kernel interrupts the target's threads at a steady rate of their CPU
 * time and copies registers and the top of the stack into rings we read later.  Neither stops nor
 * attaches.
 *
 * How it is attached (enum xb_perf_mode): one event per thread and CPU, inherited by threads started
 * later, all events of a CPU writing into one ring.  That needs threads × CPUs file descriptors; where
 * the limit is lower there is one event and ring per thread (threads started later are missed and
 * counted), or one per CPU for all processes (needs CAP_PERFMON, disturbs everyone).
 *
 * Every event begins with a whole period, so a run misses about half a period per thread and CPU the
 * thread ran on; stats.cpu_ns tells how much CPU time there really was.
 *
 * Cost on the target: about 4 us a sample with 8 KiB of stack, 12 us with 64 KiB.
 */
#ifndef XB_SAMPLE_PERF_H
#define XB_SAMPLE_PERF_H

#include "base/log.h"
#include "sample/source.h"

enum xb_perf_mode {
	XB_PERF_AUTO,    /* the first that works, in this order */
	XB_PERF_INHERIT, /* thread × CPU */
	XB_PERF_THREAD,  /* thread */
	XB_PERF_CPU,     /* CPU, other processes dropped here */
};

struct xb_perf_options {
	uint64_t period_ns; /* of CPU time between two samples of a thread; 10 us … 1000 s */
	size_t stack_bytes; /* of user stack per sample: 0 … 65528, a multiple of 8 */
	bool user_only;     /* never ask for samples in kernel mode */
	bool wake_each; /* a wait ends with the first sample, not with a quarter of a ring: for low rates */
	bool kernel_stacks; /* with the kernel call chain, where allowed */
	int program_fd; /* BPF program that takes the samples instead of a ring (os/bpf.h), 0: none */
	size_t ring_bytes; /* of one ring, a power of two; 0: chosen from rate, stack size and limits */
	enum xb_perf_mode mode;
	const struct xb_log *log; /* or NULL */
};

/* The default holds what lies between the C functions with the largest frames and the scheduler's registers. */
enum {
	XB_PERF_STACK_MAX = 65528,
	XB_PERF_STACK_DEFAULT = 24 << 10,
	XB_PERF_PERIOD_MIN_NS = 10000,
};

/**
 * Attach to every thread of @pid, not sampling yet.  May raise our limit on open files.
 * @return NULL; USAGE (options), GONE, PERM with the rule that refuses and the way out, LIMIT (files),
 *         UNSUPPORTED (kernel without perf events).
 * Cost: about 5 us per thread and CPU.
 */
XB_NODISCARD struct xb_error *xb_perf_open(pid_t pid, const struct xb_perf_options *options,
					   struct xb_source *ret);

/** 1e9 / @hz; sampling at odd rates (99, 199, 997) keeps out of step with timers of the target. */
static inline uint64_t xb_perf_period_of_hz(uint32_t hz)
{
	return hz == 0 ? 0 : (1000000000ULL + hz / 2) / hz;
}

#endif
