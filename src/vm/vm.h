/*
 * One Erlang VM, seen through its memory.
 *
 * A struct xb_vm is attached to memory (live process, later core or snapshot), the image of the
 * emulator and a layout that the checks of vm/check.h proved on this very VM.  Everything long-lived
 * hangs off it and dies with it.  Several may exist at once.  Not thread safe: one thread uses one
 * struct xb_vm.
 */
#ifndef XB_VM_VM_H
#define XB_VM_VM_H

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "layout/layout.h"
#include "mem/mem.h"
#include "vm/check.h"
#include "vm/identify.h"
#include "vm/roots.h"

struct xb_atoms;
struct xb_code;

struct xb_vm {
	struct xb_mem *mem;       /* borrowed */
	const struct xb_log *log; /* borrowed, may be NULL */
	struct xb_layout layout;
	struct xb_identity id;
	struct xb_roots roots;
	struct xb_atoms *atoms;
	struct xb_code *code;
	struct xb_check_results checks; /* what proved the layout at attach */
	struct xb_arena arena;          /* what lives as long as the VM object */
};

/* What attaching found out of the layout, for whoever tells of it; filled as far as it came, also on error. */
struct xb_vm_trial {
	bool chosen; /* @layout is what was tried */
	struct xb_layout layout;
	struct xb_check_results checks; /* those run, the violated one last; the caller's to deinit */
};

/* What attaching needs to know of the emulator's executable. */
struct xb_vm_source {
	struct xb_mem *mem;
	const struct xb_log *log;
	struct xb_image *image;         /* the emulator; borrowed, must outlive the VM object */
	struct xb_symbols *symbols;     /* of the image; borrowed */
	xb_addr bias;                   /* add to an ELF vaddr for the live address */
	bool use_dwarf;                 /* read the layout from debug information where there is any */
	const struct xb_layout *layout; /* take this one and look for no other, or NULL; its texts are
					   borrowed as long as the VM object */
	struct xb_vm_trial *trial;      /* or NULL; zeroed by the caller */
	bool thorough;                  /* ask every method for every root, also where two agree */
	unsigned without;               /* enum xb_root_source: methods not to ask; for tests */
	const struct xb_root_hints
		*hints; /* where the roots of this build may be; not trusted; or NULL */
};

/**
 * Identify the VM, find its roots, choose and prove its layout.
 *
 * @return NULL, or: NOT_BEAM (no emulator), NO_LAYOUT (unknown release, flavor or build options,
 * or a layout given for another VM), NO_SYMBOL (a root was not found; the sentence lists the sources tried), MISMATCH (a live check
 * failed; the sentence names the field and the check), GONE, PERM. Cost: 3-10 ms; independent of the
 * number of processes.
 */
XB_NODISCARD struct xb_error *xb_vm_attach(const struct xb_vm_source *source, struct xb_vm **ret);

/** What to give as hints for the next VM of this build.  Cost: one read of the writable data.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_vm_hints(const struct xb_vm *vm, const struct xb_vm_source *source,
					  struct xb_root_hints *ret, size_t *n);

/** Accepts NULL. */
void xb_vm_detach(struct xb_vm *vm);

static inline void xb_vm_cleanup(struct xb_vm **vm)
{
	xb_vm_detach(*vm);
}

#endif
