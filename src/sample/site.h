/*
 * What a place in JIT code tells of the stack: where E is while C code runs that returns to it, and how much of the
 * Erlang stack is its own frame.
 *
 * erts/emulator/beam/jit/x86/beam_asm.hpp: emit_enter_runtime<Spec>() either stores E in c_p->stop (Spec has eStack;
 * always with frame pointers) or keeps it in rbp; emit_leave_runtime() takes it back from there.  So the first
 * instruction after the return address that writes rsp tells.
 */
#ifndef XB_SAMPLE_SITE_H
#define XB_SAMPLE_SITE_H

#include "base/error.h"
#include "vm/code.h"
#include "vm/jitlist.h"
#include "vm/vm.h"

enum xb_site_rule {
	XB_SITE_UNKNOWN, /* no such instruction within reach */
	XB_SITE_SAVED,   /* E is in a register that C functions preserve */
	XB_SITE_STOP,    /* E is c_p->stop */
};

struct xb_sites;

/**
 * @reg  The register of each role of the layout, -1 for unknown ones; borrowed, and looked at again and again.
 * Cost: a disassembler.  Errors: NOMEM, UNSUPPORTED.
 */
XB_NODISCARD struct xb_error *xb_sites_create(struct xb_vm *vm, const int *reg, struct xb_sites **ret);
void xb_sites_destroy(struct xb_sites *s);

/**
 * Rule of the place @ra; decoded once, then a hash lookup.  @ret_saved receives the register (DWARF number) of SAVED, as
 * the code says itself.  Cost of the first time: a read and about 20 us.
 */
enum xb_site_rule xb_sites_rule(struct xb_sites *s, xb_addr ra, int *ret_saved);

/* Results of xb_sites_frame() that are no number of words. */
enum { XB_FRAME_UNKNOWN = -1, XB_FRAME_BY_RBP = -2 /* ends at the word rbp points to */ };

/**
 * How many words of the Erlang stack are the frame of @f at its instruction @pc: what lies between rsp and the return
 * address.  For a place that is returned to, @pc is the return address itself.
 * Cost: about 1 us an instruction for those not seen before on the way to a return, else a hash lookup.
 */
int32_t xb_sites_frame(struct xb_sites *s, const struct xb_function *f, const struct xb_jitlist *jit,
		       xb_addr pc);

/**
 * Whether code that runs from @from gets to @to on a straight way without writing the register @reg (DWARF number) or
 * the word it points to.
 * Cost: about 1 us an instruction; nothing is remembered.
 */
bool xb_sites_keeps(struct xb_sites *s, xb_addr from, xb_addr to, int reg);

/**
 * Whether code that runs from @from comes to a jump through a register or memory without writing @reg, @other or the
 * words they point to, and without calling.
 * Cost: about 1 us an instruction; nothing is remembered.
 */
bool xb_sites_settled(struct xb_sites *s, xb_addr from, int reg, int other);

/** Code was replaced: places must be decoded again. */
void xb_sites_forget(struct xb_sites *s);

#endif
