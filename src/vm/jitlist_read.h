/* Reading the gdb JIT list: its nodes, then the text of each; used by vm/jitlist.c only. */
#ifndef XB_VM_JITLIST_READ_H
#define XB_VM_JITLIST_READ_H

#include "base/vec.h"
#include "vm/jitlist.h"

enum { XB_JITNODE_BYTES = 32 }; /* sizeof(struct jit_code_entry) */

struct xb_jitnode {
	xb_addr addr, next, symfile;
	uint64_t size;
};

XB_VEC(xb_jitnodes, struct xb_jitnode);

/* How a walk ended. */
enum xb_jitwalk_end {
	XB_JITWALK_WHOLE,  /* at @stop, or at the end of the list when there is no @stop */
	XB_JITWALK_MISSED, /* at the end of the list, without meeting @stop */
	XB_JITWALK_TORN,   /* at something that is no entry, or that leads elsewhere */
	XB_JITWALK_LIMIT,
};

/** Append the nodes from @first down to @stop (0: to the end), newest first, @limit at most.  GONE, PERM, NOMEM. */
XB_NODISCARD struct xb_error *xb_jitlist_walk(struct xb_vm *vm, xb_addr first, xb_addr stop,
					      size_t limit, struct xb_jitnodes *ret,
					      enum xb_jitwalk_end *ret_end);

/** Read the text of @nodes and append them to the entries of @list, which is cut when its budget does not allow for
 * all.  GONE, PERM, NOMEM; then @list may hold a part of them. */
XB_NODISCARD struct xb_error *xb_jitlist_append(struct xb_vm *vm, struct xb_jitlist *list,
						const struct xb_jitnodes *nodes);

#endif
