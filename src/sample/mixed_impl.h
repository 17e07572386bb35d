/* Between the parts of the mixer: mixed.c (batches), mixed_jit.c (native Erlang code), mixed_native.c (C frames),
 * mixed_loop.c (the interpreter), mixed_later.c (reads afterwards). */
#ifndef XB_SAMPLE_MIXED_IMPL_H
#define XB_SAMPLE_MIXED_IMPL_H

#include "base/map.h"
#include "base/vec.h"
#include "elf/cfi.h"
#include "elf/unwind.h"
#include "sample/mixed.h"
#include "sample/site.h"
#include "vm/jitlist.h"
#include "vm/process.h"

XB_VEC(xb_words, uint64_t);

/* How the Erlang stack of a pending sample is found once its process was read. */
enum mixed_want {
	MIXED_DONE,      /* nothing to read */
	MIXED_E,         /* E is known, the words are not */
	MIXED_STOP,      /* E is c_p->stop */
	MIXED_SAVED_ALL, /* the process is parked in its structure: pc is c_p->i, E is c_p->stop */
	MIXED_REST,      /* the copied stack ended above the first frame: the rest is at @E */
};

/* One sample on its way through a batch. */
struct mixed_item {
	const struct xb_raw_sample *raw;
	struct xb_mixed out;
	size_t first; /* index of its frames in mixer.frames; moved to the end when it grows */
	size_t n;
	enum mixed_want want;
	xb_addr E;
	xb_addr pc; /* Erlang pc known without the stack (interpreter's I); 0 none */
	xb_addr below; /* C code returns to this place of JIT code, or was about to; 0: no C code, or no JIT */
	xb_addr below_rbp; /* rbp there, 0: not known */
	bool between;      /* the innermost frame of the stack may be missing, or there twice */
	bool late;         /* even the outermost C call had to be asked for after the sample */
	xb_addr caller; /* Erlang caller known exactly though its return address is on the stack; 0 none */
	uint32_t proc;                    /* index into mixer.procs, UINT32_MAX none */
	size_t words_at, n_words;         /* in mixer.words, after the read */
	xb_addr read_from;                /* where they are in the target */
	const struct mixed_item *same_as; /* the item of this round whose words they are, else NULL */
	bool read;                        /* those words are the stack */
	bool whole;                       /* and its first frame is among them */
	bool judge_c_p, judge_E;          /* a forced register said so: see whether it is right */
};

/* A process met in this batch. */
struct mixed_proc {
	xb_addr addr;
	struct xb_proc p;
	bool ok;
	bool stale;       /* to be read again */
	size_t reads_for; /* in this round: the item for which its stack is read, plus one; 0 none */
};

XB_VEC(mixed_cfis, struct xb_cfi *); /* NULL: the image has none that can be used */
XB_VEC(mixed_items, struct mixed_item);
XB_VEC(mixed_procs, struct mixed_proc);

/* The heap of a process, for samples to be judged by. */
struct mixed_heap {
	xb_addr heap, htop, stop, hend; /* all 0: no process */
};

XB_VEC(mixed_heaps, struct mixed_heap);

/* The vote and what came of it. */
struct mixed_votes {
	struct xb_roles roles;
	struct xb_mixer_dwarf_said dwarf[XB_R__COUNT];
	uint32_t wait; /* samples until the next may vote */
	bool clear;    /* more ballots would hardly change a thing */
	/* Registers; -1: none. */
	int voted[XB_R__COUNT];    /* by the vote alone */
	int by_turns[XB_R__COUNT]; /* the other one that has the role */
	int used[XB_R__COUNT];     /* unless forced */
};

struct xb_mixer {
	struct xb_session *s;
	struct xb_vm *vm;
	struct xb_mixer_opts opts;
	struct xb_mixer_stats stats;
	struct xb_var_stats vars[XB_VAR_COUNT];
	struct xb_sites *sites;
	struct xb_jitlist jit; /* empty: interpreter */
	bool has_jit;
	bool on_c_stack;            /* the JIT has no native stack: its code uses rsp as C does */
	struct xb_map sched_of_tid; /* tid -> index in s->scheds.list, plus one */
	xb_addr *c_stack_low;       /* of each scheduler: where its C stack ends */
	struct xb_map cfi_of;       /* object pointer -> index in cfis, plus one */
	struct mixed_cfis cfis;
	struct mixed_loop *loop; /* of the interpreter, else NULL */
	struct mixed_votes *votes;
	/* Of the batch. */
	struct mixed_items items;
	struct mixed_procs procs;
	struct xb_map names;      /* of processes met before, as xb_proc_read_at() keeps them */
	struct xb_map proc_index; /* address -> index in procs, plus one */
	struct mixed_heaps heaps;
	struct xb_map heap_index; /* address -> index in heaps, plus one */
	struct xb_words frames, words;
	struct xb_frames scratch;
};

/** Whether @pc is native code that stands for Erlang: a module's, or a shared fragment's. */
bool xb_mixer_is_jit(const struct xb_mixer *m, xb_addr pc);

/** The register of a role: forced, else the one in use.  False when neither names one or its value is not known. */
bool xb_mixer_role(const struct xb_mixer *m, enum xb_layout_reg r, int forced,
		   const struct xb_regs *regs, xb_addr *ret);

/** Make @c_p the process of the item; none, and counted, when it cannot be one. */
void xb_mixer_set_proc(struct xb_mixer *m, struct mixed_item *it, xb_addr c_p);

/** rip in JIT code and rsp on the Erlang stack: the copied stack is what E points to.  False: out of memory. */
bool xb_mixer_in_erlang(struct xb_mixer *m, struct mixed_item *it);

/**
 * C code below a JIT: @regs is the state at the return into Erlang code, or (@exact) in JIT code that is on the C stack,
 * as all of it is without the native stack.  False: out of memory.
 */
bool xb_mixer_below_jit(struct xb_mixer *m, struct mixed_item *it, const struct xb_regs *regs,
			bool exact);

/** The heap of the process at @addr, as it is in this batch; zeros when there is none.  Three reads the first time. */
struct mixed_heap xb_mixer_heap(struct xb_mixer *m, xb_addr addr);

/* mixed_roles.c: which registers hold what. */
XB_NODISCARD struct xb_error *xb_mixer_votes_create(struct xb_mixer *m);
void xb_mixer_votes_destroy(struct xb_mixer *m);

/** Let some samples of the batch vote, and say which registers are used from now on. */
XB_NODISCARD struct xb_error *xb_mixer_vote(struct xb_mixer *m, const struct xb_raw_sample *samples,
					    size_t n);

/** A sample in C returns to code that takes E from @reg. */
void xb_mixer_place_vote(struct xb_mixer *m, int reg);

/** The register that the table says; -1 for none. */
int xb_mixer_table_reg(const struct xb_mixer *m, enum xb_layout_reg r);

/** The register of a role as it is used now; -1 for none. */
int xb_mixer_reg(const struct xb_mixer *m, enum xb_layout_reg r);

/* mixed_loop.c and mixed_vars.c, for the interpreter; all of them do nothing on a JIT. */
XB_NODISCARD struct xb_error *xb_mixer_loop_create(struct xb_mixer *m);
void xb_mixer_loop_destroy(struct xb_mixer *m);

/** Code came or went: what was an instruction may be none. */
void xb_mixer_loop_code_changed(struct xb_mixer *m);

/**
 * A sample in the interpreter loop, or in C called from it: @regs is the state in the loop, @exact says that its rip
 * is an instruction and no return address.  False: out of memory.
 */
bool xb_mixer_in_loop(struct xb_mixer *m, struct mixed_item *it, const struct xb_regs *regs,
		      bool exact);
/**
 * Have the pages of the C stack of scheduler @i mapped, as far as samples look.  The kernel's copy of a stack ends at the
 * first page the thread never touched, and a C function with a large array leaves such pages between itself and its
 * callers.  Reading one maps the kernel's page of zeros there; that is no write, and no memory.
 */
void xb_mixer_map_c_stack(struct xb_mixer *m, size_t i);

/** Whether a sample at @rip of the loop is between the instruction at @I and another: E and I may be out of step. */
bool xb_mixer_between(struct xb_mixer *m, xb_addr rip, xb_addr I);

/** Whether @pc is in the interpreter loop. */
bool xb_mixer_is_loop(const struct xb_mixer *m, xb_addr pc);

/** The call-frame row for @pc of the target; NULL for none.  Cost: reads an object's rows on first use. */
const struct xb_cfi_row *xb_mixer_row(struct xb_mixer *m, xb_addr pc);

/** Append a frame to the item being built (the last in m->frames).  False: out of memory. */
bool xb_mixer_push(struct xb_mixer *m, struct mixed_item *it, enum xb_mixed_kind kind, xb_addr pc,
		   bool later);

/**
 * C frames from @regs on, until Erlang code (@regs then is the state there) or the end.
 * @return true when Erlang code was reached; *@ended when the thread's first frame was.
 */
bool xb_mixer_native(struct xb_mixer *m, struct mixed_item *it, struct xb_regs *regs, bool *ended);

/**
 * Frames of Erlang stack words; @pc 0 for none.  Sets it->out.rooted.
 * @return false: out of memory.
 */
bool xb_mixer_erlang(struct xb_mixer *m, struct mixed_item *it, xb_addr pc, const uint64_t *words,
		     size_t n, bool later);

/**
 * The same for a stack of the very moment of the C frames above it, at @E: the frame of the function that called C is
 * known from its code.
 */
bool xb_mixer_erlang_below(struct xb_mixer *m, struct mixed_item *it, xb_addr E, const uint64_t *words,
			   size_t n);

/** The process that the item's scheduler runs: as it was at the sample, else asked now, which is noted. */
xb_addr xb_mixer_current(const struct xb_mixer *m, struct mixed_item *it);

/** mixed_frozen.c: finish the frames of the item from what was copied with it.  False: out of memory. */
bool xb_mixer_frozen(struct xb_mixer *m, struct mixed_item *it);

/** Index of the process at @addr in m->procs, added when new; UINT32_MAX for no process or out of memory. */
uint32_t xb_mixer_proc(struct xb_mixer *m, xb_addr addr);

/* Why stacks are read: the first time, because they are longer than a page, or because their process had moved. */
enum mixed_round { MIXED_ROUND_FIRST, MIXED_ROUND_LONGER, MIXED_ROUND_AGAIN };

/**
 * One round: read every stack that is not whole yet, those that several samples want once.  With @current, by index of
 * the scheduler and zeroed, also which process each scheduler runs whose samples are read afterwards.
 */
XB_NODISCARD struct xb_error *xb_mixer_read_round(struct xb_mixer *m, enum mixed_round round,
						  xb_addr *current);

/** Whether stack words hold the CP of the process's first frame. */
bool xb_mixer_has_root(const struct xb_mixer *m, const uint64_t *words, size_t n);

/** Whether nothing of the item's stack is left to be read. */
bool xb_mixer_is_whole(const struct mixed_item *it);

/** Read all processes and stacks that the items of this batch still need, and finish their frames. */
XB_NODISCARD struct xb_error *xb_mixer_read_later(struct xb_mixer *m);

#endif
