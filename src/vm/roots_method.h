/* The methods behind vm/roots.c: each asks one kind of evidence where a root is; nobody else includes this. */
#ifndef XB_VM_ROOTS_METHOD_H
#define XB_VM_ROOTS_METHOD_H

#include "vm/jitlist.h"
#include "vm/roots_find.h"
#include "vm/sched.h"

/* What one method says of one root; all zero: nothing. */
struct xb_opinion {
	xb_addr addr;
	unsigned source;  /* the bit of the method */
	bool is_value;    /* @addr is what the variable would hold */
	bool only_agrees; /* one of several places: it can confirm another method, but decide nothing */
	const char *via;  /* static, or NULL */
};

enum { XB_SCHED_HITS = 8 };

/* Where the data points to something that is an array of schedulers, for each kind. */
struct xb_sched_places {
	xb_addr at[XB_SCHED_DIRTY_IO + 1][XB_SCHED_HITS];
	size_t hits[XB_SCHED_DIRTY_IO + 1];
};

/* One search for all roots: what a method has looked up stays for the next root. */
struct xb_search {
	struct xb_vm *vm;
	const struct xb_vm_source *source;
	struct xb_finder *f;
	struct xb_jitlist list; /* when @list_state is LIST_READ */
	enum { XB_LIST_UNTRIED, XB_LIST_NONE, XB_LIST_READ } list_state;
	bool scheds_scanned;
	struct xb_sched_places scheds;
	bool distrusted[XB_ROOT__COUNT]; /* the cache was wrong about it */
	bool exit_known;                 /* the next two are */
	xb_addr exit;                    /* what processes return to in the end; 0: they do not agree */
	int frame_layout;                /* as processes have it; -1: nothing tells */
};

/* All of them: *@ret untouched where there is nothing to say.  Errors: those of reading, never what the VM holds. */
#define XB_ASK(method)                                                                                 \
	XB_NODISCARD struct xb_error *xb_ask_##method(struct xb_search *s, enum xb_root_id id,         \
						      struct xb_opinion *ret)

XB_ASK(symbol); /* roots_ask.c, as the next three */
XB_ASK(cache);
XB_ASK(scan);
XB_ASK(operands);
XB_ASK(links);      /* roots_links.c, roots_sched.c */
XB_ASK(neighbours); /* roots_sched.c */
XB_ASK(count);      /* roots_sched.c */
XB_ASK(jitlist);    /* roots_jit.c */
XB_ASK(jit_code);   /* roots_jit.c */
XB_ASK(processes);  /* roots_proc.c */

/** The list of JIT code, read once; NULL when there is none or it cannot be read yet.  Errors: NOMEM, GONE, PERM. */
XB_NODISCARD struct xb_error *xb_search_jitlist(struct xb_search *s, const struct xb_jitlist **ret);

/** Forget what was looked up: the VM moved on. */
void xb_search_forget(struct xb_search *s);

/**
 * Where the data points to an array of schedulers of @kind: @expected when it is among several, else the one that the
 * pointers to dirty ones lie beside, else the first.  *@hits other than 1 decide nothing.
 * Cost: one batched read of what all pointers of the data lead to.
 */
XB_NODISCARD struct xb_error *xb_scan_schedulers(struct xb_search *s, enum xb_sched_kind kind,
						 xb_addr expected, xb_addr *ret, size_t *hits);

/** How many schedulers of @kind there are in a row from @base on; 0: none.  Cost: one batched read for 64 of them. */
XB_NODISCARD struct xb_error *xb_sched_run(struct xb_vm *vm, xb_addr base, enum xb_sched_kind kind,
					   uint64_t *ret);

/** The part of xb_ask_links() that is about schedulers and run queues. */
XB_NODISCARD struct xb_error *xb_links_to_schedulers(struct xb_search *s, enum xb_root_id id,
						     struct xb_opinion *ret);

/** Addresses of the first processes of the table, @max at most. */
size_t xb_some_processes(struct xb_vm *vm, xb_addr *ret, size_t max);

/** Whether @stub is code of the JIT's own with one of the names of the root in front of it. */
bool xb_is_stub(struct xb_vm *vm, enum xb_root_id id, xb_addr stub);

/** Whether what @o says can be: by content, see vm/roots_sound.c.  @value: what it holds.  Reading fails: false. */
bool xb_root_is_sound(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o,
		      uint64_t value);

#endif
