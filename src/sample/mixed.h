/*
 * From a raw sample to one stack: kernel, C and Erlang frames joined, down to the process's first frame.
 *
 *   rip in JIT code, rsp on the Erlang stack      the kernel's copy of the stack IS the Erlang stack: exact
 *   rip in C                                      C frames by CFI up to the JIT caller (exact), then E from rbp or
 *                                                 c_p->stop, then Erlang frames read afterwards: not exact, marked
 *   rip in process_main or C below it             the interpreter: c_p, E and I from what DWARF, the table or a search
 *                                                 say of the registers (exact), the stack read afterwards
 *   scheduling, polling, sleeping, other threads  C frames only; there is no Erlang process
 *
 * Which of rbp and c_p->stop holds E while C runs depends on the place the call was made from: the code that follows
 * the return address restores rsp from one or the other (erts/emulator/beam/jit/x86/beam_asm.hpp:emit_enter_runtime(),
 * emit_leave_runtime()).  It is decoded once for each place.
 *
 * Samples come in batches; what must be read from the target afterwards is read for the whole batch at once.
 */
#ifndef XB_SAMPLE_MIXED_H
#define XB_SAMPLE_MIXED_H

#include "sample/roles.h"
#include "sample/vars.h"
#include "sample/source.h"
#include "session/session.h"
#include "vm/jitlist.h"
#include "vm/process.h"

enum xb_mixed_kind {                    /* of a frame */
		     XB_MIXED_NATIVE,   /* C code: beam, libraries, NIFs */
		     XB_MIXED_ERLANG,   /* Erlang code */
		     XB_MIXED_FRAGMENT, /* code shared by all modules of a JIT */
		     XB_MIXED_KERNEL,
};

/*
 * A frame in one word, so that stacks hash and compare as words: the low 48 bits of the address to look up (a return
 * address is already moved back into its call), the kind in bits 56-58, and whether it was read after the sample.
 */
#define XB_MIXED_ADDR_MASK  ((UINT64_C(1) << 48) - 1)
#define XB_MIXED_KIND_SHIFT 56
#define XB_MIXED_LATER      (UINT64_C(1) << 63)

static inline uint64_t xb_mixed_frame(enum xb_mixed_kind kind, xb_addr pc, bool later)
{
	return (pc & XB_MIXED_ADDR_MASK) | (uint64_t)kind << XB_MIXED_KIND_SHIFT |
	       (later ? XB_MIXED_LATER : 0);
}

static inline enum xb_mixed_kind xb_mixed_frame_kind(uint64_t frame)
{
	return (enum xb_mixed_kind)(frame >> XB_MIXED_KIND_SHIFT & 7);
}

static inline xb_addr xb_mixed_frame_addr(uint64_t frame)
{
	xb_addr low = frame & XB_MIXED_ADDR_MASK;

	return xb_mixed_frame_kind(frame) == XB_MIXED_KERNEL ? low | ~XB_MIXED_ADDR_MASK : low;
}

enum xb_mixed_mode {                     /* of a sample */
		     XB_MIXED_IN_ERLANG, /* on the Erlang stack */
		     XB_MIXED_IN_C,      /* Erlang code called C */
		     XB_MIXED_SCHEDULING, /* a scheduler without a process: scheduling, polling, spinning, asleep */
		     XB_MIXED_OTHER, /* a thread that runs no Erlang */
		     XB_MIXED_BLIND, /* no registers (polled): the process's saved stack only */
};

struct xb_mixed {
	pid_t tid;
	uint32_t cpu;
	uint64_t period_ns;
	const struct xb_sched *sched; /* NULL for threads that are no schedulers */
	enum xb_mixed_mode mode;
	xb_addr proc;    /* Process structure, 0 for none */
	bool proc_later; /* the process is the one the scheduler ran when it was asked, after the sample */
	uint64_t proc_id; /* its pid term; 0: no process, or it was gone when it was asked */
	const struct xb_proc
		*process; /* as read after the sample; NULL: none, or gone; valid during the callback */
	const uint64_t *frames; /* innermost first; valid during the callback */
	size_t n;
	size_t n_exact; /* frames known from the instant of the sample; all of them in an exact stack */
	bool rooted;    /* reaches the first frame of the process, or of the thread */
	bool broken; /* C frames ended before any root or Erlang code: whom it belongs to is not known */
	bool doubtful; /* callers that are marked may be missing or one too many, even if there is none */
	bool cut;      /* deeper than the bound: the outermost frames are missing */
	uint64_t delay_ns; /* from the sample to the read of what is not exact; 0 when all is exact */
	bool still_on;     /* at that read the scheduler still ran the same process */
};

/**
 * Whether the whole stack is known from the instant of the sample.  Not so when something was read afterwards, even if
 * that brought no frame (the callers may have been gone by then), nor when it ends nowhere.
 */
static inline bool xb_mixed_is_exact(const struct xb_mixed *m)
{
	return m->n_exact == m->n && !m->doubtful && m->delay_ns == 0 && (m->rooted || m->cut);
}

/** "native", "erlang", "fragment", "kernel"; static. */
const char *xb_mixed_kind_name(enum xb_mixed_kind kind);

typedef struct xb_error *(*xb_mixed_fn)(void *arg, const struct xb_mixed *m);

/* Register roles a user forced; -1: as the layout says.  DWARF numbers. */
struct xb_mixed_force {
	int c_p, E, I;
};

struct xb_mixer_opts {
	size_t max_depth; /* frames of one stack */
	struct xb_mixed_force force;
	bool kernel_frames;
	bool all_vote; /* every sample in Erlang code votes on the roles of registers, not just a few */
};

struct xb_mixer_stats {
	uint64_t samples, jit, c, emu, scheduling, other, blind;
	uint64_t no_row;     /* C unwinding ended where no row covers the pc */
	uint64_t short_copy; /* C unwinding needed more stack than the kernel copied */
	uint64_t bad_step;
	uint64_t no_E;    /* the place does not say where E is: the lower bound c_p->stop was taken */
	uint64_t bad_c_p; /* the register is no process */
	uint64_t proc_later; /* samples whose process had to be asked for afterwards */
	uint64_t unreadable; /* an Erlang stack that could not be read afterwards */
	uint64_t frozen;     /* stacks copied with their sample, where rsp was not on them */
	uint64_t not_frozen; /* the copy did not hold the stack: read later */
	uint64_t between;    /* the interpreter was between two instructions: callers may be one off */
	uint64_t unwind_ns;  /* time spent unwinding and reading */
};

struct xb_mixer;

/** The session must outlive it.  Cost: reads the VM's JIT list for the shared fragments (a few ms). */
XB_NODISCARD struct xb_error *xb_mixer_create(struct xb_session *s, const struct xb_mixer_opts *opts,
					      struct xb_mixer **ret);
void xb_mixer_destroy(struct xb_mixer *m);

/**
 * Unwind a batch and hand every sample to @fn, in order.
 * Cost: 0.3-1 us for a sample in Erlang code, 1-5 us in C.
 */
XB_NODISCARD struct xb_error *xb_mixer_run(struct xb_mixer *m, const struct xb_raw_sample *samples,
					   size_t n, xb_mixed_fn fn, void *arg);

/** Counts since creation; borrowed. */
const struct xb_mixer_stats *xb_mixer_stats(const struct xb_mixer *m);

/**
 * How c_p, E and I were found: XB_VAR_COUNT of them.  On a JIT, where the table's registers are facts, only forced
 * ones are counted.
 */
const struct xb_var_stats *xb_mixer_vars(const struct xb_mixer *m);

/* In how many of the voting samples the debug information named what for a variable of the interpreter loop. */
struct xb_mixer_dwarf_said {
	uint32_t asked; /* 0: there is none */
	uint32_t reg[XB_ROLES_REGS], memory, elsewhere;
};

/* What is said of a role, by whom, and which register is used for it. */
struct xb_mixer_role {
	struct xb_roles_verdict vote;
	struct xb_mixer_dwarf_said dwarf;
	int table, used;          /* -1: none */
	bool forced;              /* @used is what the user forced */
	bool by_vote;             /* @used is the vote's, and not the table's */
	bool contradicted;        /* the vote plainly says that it is not @table's */
	bool forced_contradicted; /* or not the forced one */
};

/** State of a role after the samples so far. */
void xb_mixer_role_state(const struct xb_mixer *m, enum xb_layout_reg r, struct xb_mixer_role *ret);

/** How much of process_main() the debug information claims to know @var for, in percent; negative: there is none. */
double xb_mixer_dwarf_coverage(const struct xb_mixer *m, enum xb_var var);

/** Code was loaded or purged: what was learnt of call sites may be wrong now. */
void xb_mixer_code_changed(struct xb_mixer *m);

/** The JIT list read at creation, for the names of shared fragments; NULL for the interpreter.  Borrowed. */
const struct xb_jitlist *xb_mixer_jitlist(const struct xb_mixer *m);

#endif
