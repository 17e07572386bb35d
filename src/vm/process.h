/*
 * Processes.
 *
 *   erts_proc (ErtsPTab) .tab ──► [ 0 | &invalid | Process* | … ]   max slots
 *                                                    └─► Process { id, reg, htop, stop, heap, hend, i,
 * … }
 *
 * Everything is read in batches of up to 1,024 processes: slots, structures, what they point to and the
 * stacks, then the structures again.  A process that did not move between its two readings is
 * consistent whatever the VM did meanwhile (grade A).  Mirrors erts/emulator/beam/erl_ptab.h,
 * erl_process.h and, for the status, erl_process.c:erts_process_state2status().
 */
#ifndef XB_VM_PROCESS_H
#define XB_VM_PROCESS_H

#include "base/error.h"
#include "vm/mfa.h"
#include "vm/stack.h"

struct xb_vm;

enum xb_proc_state {
	XB_PROC_WAITING,
	XB_PROC_RUNNABLE,
	XB_PROC_RUNNING,
	XB_PROC_GARBAGE_COLLECTING,
	XB_PROC_SUSPENDED,
	XB_PROC_EXITING,
	XB_PROC_FREE,
};

enum xb_grade {
	XB_GRADE_PARKED,  /* A: not running, unchanged across the read */
	XB_GRADE_CHANGED, /* B: changed while it was read, retries used up */
	XB_GRADE_RUNNING, /* C: running: its structure is not where its state is */
};

/* One process as it was read.  Sizes are words of 8 bytes. */
struct xb_proc {
	xb_addr addr; /* of the Process structure */
	uint64_t id;  /* the pid term */
	uint32_t slot;
	enum xb_proc_state status;
	enum xb_grade grade;
	bool has_name, has_current;
	uint32_t name;         /* atom index of the registered name */
	struct xb_mfa initial; /* module 0, function 0: unknown */
	bool has_initial;
	struct xb_mfa current; /* what the VM noted for a BIF or NIF; else look up i */
	xb_addr i;             /* where it resumes */
	xb_addr htop, stop, heap, hend;
	uint64_t heap_words, old_heap_words, stack_words;
	uint64_t reductions;
	uint64_t messages; /* queued, inner and outer */
	uint32_t state;
};

/* Counts of one pass. */
struct xb_proc_stats {
	uint64_t seen;       /* handed out */
	uint64_t torn;       /* slots whose structure made no sense when read: exited meanwhile */
	uint64_t retried;    /* changed while read, read again */
	uint64_t changed;    /* still changing after the last retry (grade B) */
	uint64_t running;    /* grade C */
	uint64_t stacks_cut; /* stacks longer than the bound */
};

/**
 * @p is valid during the call.  @stack is the whole stack where one was asked for and could be read,
 * else n is 0. Returning false ends the pass.
 */
typedef bool (*xb_proc_fn)(void *arg, const struct xb_proc *p, const struct xb_stack *stack);

enum { XB_PROC_STACKS = 1 }; /* flags */

/**
 * Every process, in slot order.
 * Cost: about 1 us a process with stacks; memory of one batch (1 MiB and the stacks of 1,024 processes,
 * at most 64 K words each).
 */
XB_NODISCARD struct xb_error *xb_proc_each(struct xb_vm *vm, unsigned flags, xb_proc_fn fn, void *arg,
					   struct xb_proc_stats *ret);

/** The process whose structure is at @addr (from a scheduler or a register); GONE-free: false when
 * there is none. */
bool xb_proc_at(struct xb_vm *vm, xb_addr addr, struct xb_proc *ret);

/**
 * The same for @n structures at once: @ok[i] says whether @ret[i] is one.
 * @return NULL, NOMEM, GONE, PERM.  Cost: two batched reads, three when some are inside a BIF or NIF.
 */
XB_NODISCARD struct xb_error *xb_proc_read_at(struct xb_vm *vm, const xb_addr *addrs, size_t n,
					      struct xb_proc *ret, bool *ok);

/** Whether @addr is the structure of a living process: its id points back to it through the table.  Two
 * reads. */
bool xb_proc_is(struct xb_vm *vm, xb_addr addr);

/** Number of processes by the VM's own count (one read). */
XB_NODISCARD struct xb_error *xb_proc_count(struct xb_vm *vm, uint32_t *ret);

/** Slot a pid term belongs to.  erts/emulator/beam/erl_ptab.h:erts_ptab_id2pix(). */
uint32_t xb_proc_slot(const struct xb_vm *vm, uint64_t id);

/** Append "<0.NUM.SERIAL>". */
void xb_proc_write_id(const struct xb_vm *vm, uint64_t id, struct xb_str *out);

/** The numbers of a pid; false when @id is no pid of this node. */
bool xb_proc_pid_parts(const struct xb_vm *vm, uint64_t id, uint32_t *num, uint32_t *serial);

/** "waiting", "running" … as process_info/2 spells it; static. */
const char *xb_proc_state_name(enum xb_proc_state status);

/**
 * What names the process to a human: its registered name, else "m:f/a" of its initial call, else its
 * pid.
 */
void xb_proc_write_label(struct xb_vm *vm, const struct xb_proc *p, struct xb_str *out);

#endif
