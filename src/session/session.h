/*
 * A live process as an Erlang VM: from a pid to memory, images, symbols and an attached struct xb_vm.
 *
 * This is the only place that knows both what a process is and what a VM is.  A core or a snapshot will get an opener
 * of its own; what is above uses the parts and does not ask where they came from.
 */
#ifndef XB_SESSION_SESSION_H
#define XB_SESSION_SESSION_H

#include "base/arena.h"
#include "base/log.h"
#include "elf/loaded.h"
#include "os/procfs.h"
#include "os/target.h"
#include "vm/sched.h"
#include "vm/vm.h"

/* Where what was found out about a build is kept for the next time; nothing that it gives is trusted. */
struct xb_session_cache {
	void *arg;
	/* False: nothing is known of the build. */
	bool (*load)(void *arg, const char *build_id, struct xb_root_hints *ret);
	void (*save)(void *arg, const char *build_id, const struct xb_root_hints *hints);
};

struct xb_session_opts {
	const char *target;    /* pid or node name; NULL: the only VM there is */
	const char *debug_dir; /* extra directory for separate debug files, or NULL */
	const struct xb_log *log;
	const struct xb_layout *layout;       /* the user's, or NULL; lives as long as the session */
	struct xb_vm_trial *trial;            /* as in struct xb_vm_source, or NULL */
	bool thorough;                        /* ask every method for every root of the VM */
	unsigned without;                     /* methods not to ask: enum xb_root_source; for tests */
	const struct xb_session_cache *cache; /* used during the call only; NULL: none */
};

struct xb_session {
	struct xb_arena arena;
	struct xb_proc_handle proc;
	const char *how; /* which target was taken and why, when it was not named by pid */
	struct xb_mem *mem;
	struct xb_maps maps; /* as of the last refresh */
	struct xb_arena maps_arena;
	struct xb_loaded *loaded; /* every image of the process */
	struct xb_object *main;   /* the emulator */
	struct xb_vm *vm;
	struct xb_tasks tasks;
	struct xb_scheds scheds; /* matched with kernel threads where that was possible */
	size_t scheds_matched;
};

/**
 * Find, open and attach.
 * @return NULL, or: USAGE (no such node, several VMs), GONE, PERM (the advice names the rule and the fix), NOT_BEAM,
 *         or what xb_vm_attach() says.
 * Cost: 5-15 ms.  Nothing in the target changes.
 */
XB_NODISCARD struct xb_error *xb_session_open(const struct xb_session_opts *opts,
					      struct xb_session **ret);

/** Accepts NULL. */
void xb_session_close(struct xb_session *s);

static inline void xb_session_cleanup(struct xb_session **s)
{
	xb_session_close(*s);
}

/** Read the maps again and tell the set of images; for libraries loaded since.  Cost: 0.1-1 ms. */
XB_NODISCARD struct xb_error *xb_session_refresh_maps(struct xb_session *s);

/**
 * Turn an error into what it most likely is: a fault or a refusal of a process that is no more becomes GONE, a refusal
 * of a living one names the rule of the kernel.  Consumes @err; NULL stays NULL.
 */
XB_NODISCARD struct xb_error *xb_session_explain(const struct xb_session *s, struct xb_error *err);

#endif
