/*
 * Where E is while C code runs, by the place in JIT code that the call returns to.
 *
 * erts/emulator/beam/jit/x86/beam_asm.hpp: emit_enter_runtime<Spec>() either stores E in c_p->stop (Spec has eStack;
 * always with frame pointers) or keeps it in rbp; emit_leave_runtime() takes it back from there.  So the first
 * instruction after the return address that writes rsp tells.
 */
#ifndef XB_SAMPLE_SITE_H
#define XB_SAMPLE_SITE_H

#include "base/error.h"
#include "vm/vm.h"

enum xb_site_rule {
	XB_SITE_UNKNOWN, /* no such instruction within reach */
	XB_SITE_SAVED,   /* E is in the register that E_saved names */
	XB_SITE_STOP,    /* E is c_p->stop */
};

struct xb_sites;

/** Cost: a disassembler.  Errors: NOMEM, UNSUPPORTED. */
XB_NODISCARD struct xb_error *xb_sites_create(struct xb_vm *vm, struct xb_sites **ret);
void xb_sites_destroy(struct xb_sites *s);

/** Rule of the place @ra; decoded once, then a hash lookup.  Cost of the first time: a read and about 20 us. */
enum xb_site_rule xb_sites_rule(struct xb_sites *s, xb_addr ra);

/** Code was replaced: places must be decoded again. */
void xb_sites_forget(struct xb_sites *s);

#endif
