/* Between the parts of the mixer: mixed.c (batches), mixed_native.c (C frames), mixed_later.c (reads afterwards). */
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
	xb_addr pc;     /* Erlang pc known without the stack (interpreter's I); 0 none */
	xb_addr caller; /* Erlang caller known exactly though its return address is on the stack; 0 none */
	uint32_t proc;            /* index into mixer.procs, UINT32_MAX none */
	size_t words_at, n_words; /* in mixer.words, after the read */
	bool read;                /* those words are the stack */
};

/* A process met in this batch. */
struct mixed_proc {
	xb_addr addr;
	struct xb_proc p;
	bool ok;
};

XB_VEC(mixed_items, struct mixed_item);
XB_VEC(mixed_procs, struct mixed_proc);

struct xb_mixer {
	struct xb_session *s;
	struct xb_vm *vm;
	struct xb_mixer_opts opts;
	struct xb_mixer_stats stats;
	struct xb_sites *sites;
	struct xb_jitlist jit; /* empty: interpreter */
	bool has_jit;
	struct xb_map sched_of_tid;         /* tid -> index in s->scheds.list, plus one */
	xb_addr *c_stack_low;               /* of each scheduler: where its C stack ends */
	struct xb_map cfi_of;               /* object pointer -> struct xb_cfi * */
	xb_addr loop_start[4], loop_end[4]; /* pieces of process_main() of the interpreter */
	size_t n_loops;
	/* Of the batch. */
	struct mixed_items items;
	struct mixed_procs procs;
	struct xb_map proc_index; /* address -> index in procs, plus one */
	struct xb_words frames, words;
	struct xb_frames scratch;
};

/** Whether @pc is native code that stands for Erlang: a module's, or a shared fragment's. */
bool xb_mixer_is_jit(const struct xb_mixer *m, xb_addr pc);

/**
 * Have the pages of the C stack of scheduler @i mapped, as far as samples look.  The kernel's copy of a stack ends at the
 * first page the thread never touched, and a C function with a large array leaves such pages between itself and its
 * callers.  Reading one maps the kernel's page of zeros there; that is no write, and no memory.
 */
void xb_mixer_map_c_stack(struct xb_mixer *m, size_t i);

/** Whether @pc is in the interpreter loop. */
bool xb_mixer_is_loop(const struct xb_mixer *m, xb_addr pc);

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

/** Index of the process at @addr in m->procs, added when new; UINT32_MAX for no process or out of memory. */
uint32_t xb_mixer_proc(struct xb_mixer *m, xb_addr addr);

/** Read all processes and stacks that the items of this batch still need, and finish their frames. */
XB_NODISCARD struct xb_error *xb_mixer_read_later(struct xb_mixer *m);

#endif
