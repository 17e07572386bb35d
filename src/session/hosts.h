/* Every Erlang VM of this host, as far as it shows itself from outside: nothing of its memory is read. */
#ifndef XB_SESSION_HOSTS_H
#define XB_SESSION_HOSTS_H

#include "os/about.h"
#include "vm/identify.h"

struct xb_host_vm {
	pid_t pid;
	struct xb_proc_about os;
	struct xb_identity id; /* only when @identified */
	bool identified;       /* the executable could be read, and is an emulator */
	size_t schedulers;     /* threads that are normal schedulers */
};

struct xb_host_vms {
	struct xb_host_vm *list; /* ascending pid */
	size_t len;
	size_t unidentified; /* those whose executable we may not read */
};

/**
 * List them; strings live in @arena.  VMs that exit meanwhile are left out, and so are programs that have
 * no more of a VM than the name.
 * @return NULL, NOMEM, or what /proc says.  Cost: about a millisecond for each VM: its executable is read.
 */
XB_NODISCARD struct xb_error *xb_host_list(struct xb_arena *arena, struct xb_host_vms *ret);

#endif
