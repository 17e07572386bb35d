/*
 * Where samples come from.
 *
 * A source interrupts the threads of one target at a steady rate and hands out what it saw: raw
 * registers and stack bytes, never names.  perf events (sample/perf.h) and timed polling
 * (sample/poll.h) are sources; the caller cannot tell them apart except by what they fill in.
 *
 *	open → start → { wait → drain }* → stop → drain → destroy
 *
 * Nothing here stops, attaches to or writes the target, and drain allocates nothing.
 */
#ifndef XB_SAMPLE_SOURCE_H
#define XB_SAMPLE_SOURCE_H

#include "base/error.h"
#include "elf/regs.h"

#include <sys/types.h>

struct xb_frozen;

/* One thread at one instant.  Pointers are valid during the callback only. */
struct xb_raw_sample {
	pid_t tid;
	uint32_t cpu;
	uint64_t time_ns;    /* CLOCK_MONOTONIC */
	uint64_t ip;         /* where the thread was; a kernel address when @kernel_mode */
	uint64_t period_ns;  /* how much time this sample stands for */
	bool kernel_mode;    /* interrupted inside the kernel; @regs is still the user state */
	struct xb_regs regs; /* user registers; valid == 0 from sources that have none */
	size_t n_kernel_ips; /* kernel call chain, innermost first; 0 unless asked for and allowed */
	const uint64_t *kernel_ips;
	xb_addr stack_addr; /* user stack bytes start at the sampled rsp … */
	size_t stack_len;   /* … and end where the copy was full or a page was never touched */
	const unsigned char *stack;
	const struct xb_frozen *frozen; /* what else was copied at that instant, or NULL */
};

/* A process as it was when a sample of it was taken. */
struct xb_frozen {
	xb_addr proc; /* Process structure, 0: the thread ran no process */
	const unsigned char *proc_bytes;
	size_t proc_len;
	xb_addr e_addr; /* the Erlang stack, or more than it: it may begin further up */
	const unsigned char *e_stack;
	size_t e_len;
	bool moving; /* half way through a collection: the stack is where c_p->stop says, which is in no heap */
};

enum xb_event_kind {
	XB_EVENT_LOST,     /* @lost samples did not fit into the ring */
	XB_EVENT_THROTTLE, /* the kernel slows the event down: it took too much time */
	XB_EVENT_UNTHROTTLE,
	XB_EVENT_MAP,          /* a new executable mapping */
	XB_EVENT_THREAD_START, /* @tid began, started by @by_tid */
	XB_EVENT_THREAD_EXIT,
	XB_EVENT_COMM, /* @tid has a new name */
	XB_EVENT_EXEC, /* the target became another program: everything known is void */
};

/* Everything that is not a sample.  Pointers are valid during the callback only. */
struct xb_source_event {
	enum xb_event_kind kind;
	pid_t tid; /* 0 where it means nothing */
	pid_t by_tid;
	uint64_t time_ns; /* CLOCK_MONOTONIC, 0 when unknown */
	uint64_t lost;
	struct {
		xb_addr addr;
		uint64_t len, pgoff;
		uint32_t prot;    /* PROT_* */
		const char *file; /* "//anon" for anonymous memory; NUL-terminated, untrusted */
	} map;
	const char *comm;
};

/*
 * Who takes samples.  An error ends the drain and is returned by it; what the callback was given is
 * consumed all the same.  Order is by time within one CPU only: sort by time_ns where it matters.
 */
struct xb_taker {
	void *arg;
	struct xb_error *(*samples)(void *arg, const struct xb_raw_sample *samples, size_t n);
	struct xb_error *(*event)(void *arg, const struct xb_source_event *event); /* or NULL */
};

/* Counted since start; every number a report needs to say how far it can be trusted. */
struct xb_source_stats {
	uint64_t samples;       /* delivered */
	uint64_t cpu_ns;        /* CPU time of the target by the kernel's count, known after stop; the
				 * periods of all samples add up to about this when none are missing
				 * (perf: per thread or CPU only; 0: not known) */
	uint64_t lost;          /* dropped by the kernel because a ring was full */
	uint64_t throttled;     /* times the kernel slowed us down: the rate is not what was asked */
	uint64_t bad_records;   /* damaged; what followed them in the ring was skipped */
	uint64_t other_records; /* of a kind this source does not know */
	uint64_t foreign;       /* samples of other processes, dropped (per-CPU mode) */
	uint64_t bytes;         /* taken out of the rings */
	uint64_t overruns;      /* poll: ticks that came too late and were left out */
	uint64_t not_covered;   /* threads or CPUs that appeared and cannot be sampled */
	bool kernel_excluded;   /* samples in kernel mode were refused: they are missing, not zero */
	size_t threads, fds, rings, ring_bytes; /* as opened; bytes of one ring */
	const char *mode;                       /* how the source is attached, one phrase */
};

/* Why a wait ended; 0 is the timeout. */
enum xb_wake {
	XB_WAKE_DATA = 1,   /* a ring is a quarter full, or a sample came (xb_perf_options.wake_each) */
	XB_WAKE_EXIT = 2,   /* the target exited; drain once more */
	XB_WAKE_CALLER = 4, /* the caller's fd is readable */
	XB_WAKE_SIGNAL = 8, /* a signal handler ran */
};

struct xb_source_ops {
	const char *name; /* "bpf", "perf", "poll": for reports */
	bool freezes;     /* samples hold all there is to know: letting them wait makes nothing older */
	struct xb_error *(*start)(void *self);
	struct xb_error *(*drain)(void *self, const struct xb_taker *sink);
	struct xb_error *(*wait)(void *self, int timeout_ms, int caller_fd, unsigned *ret_why);
	struct xb_error *(*stop)(void *self);
	void (*stats)(void *self, struct xb_source_stats *ret);
	void (*destroy)(void *self);
};

struct xb_source {
	const struct xb_source_ops *ops;
	void *self;
};

/** Begin sampling.  Cost: perf: one system call per thread and CPU. */
XB_NODISCARD static inline struct xb_error *xb_source_start(struct xb_source *s)
{
	return s->ops->start(s->self);
}

/** Hand over everything seen so far; returns at once when there is nothing.  Bounded: what arrives
 * meanwhile waits for the next drain. */
XB_NODISCARD static inline struct xb_error *xb_source_drain(struct xb_source *s,
							    const struct xb_taker *sink)
{
	return s->ops->drain(s->self, sink);
}

/** Sleep until a drain is worth it, the target exits, @caller_fd (-1: none) is readable, a signal comes
 * or @timeout_ms pass.  @ret_why: bits of enum xb_wake. */
XB_NODISCARD static inline struct xb_error *xb_source_wait(struct xb_source *s, int timeout_ms,
							   int caller_fd, unsigned *ret_why)
{
	return s->ops->wait(s->self, timeout_ms, caller_fd, ret_why);
}

/** End sampling.  What is still in the rings can be drained afterwards; counts are final then. */
XB_NODISCARD static inline struct xb_error *xb_source_stop(struct xb_source *s)
{
	return s->ops->stop(s->self);
}

static inline void xb_source_stats(const struct xb_source *s, struct xb_source_stats *ret)
{
	s->ops->stats(s->self, ret);
}

/** Safe on a zeroed source, and twice. */
static inline void xb_source_destroy(struct xb_source *s)
{
	if (s->ops != NULL)
		s->ops->destroy(s->self);
	*s = (struct xb_source){ 0 };
}

#endif
