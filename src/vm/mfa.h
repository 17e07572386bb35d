/* Module, function and arity: ErtsCodeMFA, erts/emulator/beam/code_ix.h. */
#ifndef XB_VM_MFA_H
#define XB_VM_MFA_H

#include "base/base.h"
#include "base/str.h"

struct xb_vm;

enum { XB_MFA_BYTES = 24, XB_MAX_ARITY = 255 };

struct xb_mfa {
	uint32_t module, function; /* atom indices */
	uint32_t arity;
};

/** Decode the 24 bytes of an ErtsCodeMFA; false when they are none (no atoms, arity above 255). */
bool xb_mfa_decode(const struct xb_vm *vm, const void *bytes, struct xb_mfa *ret);

/** Append "module:function/arity" as Erlang writes it. */
void xb_mfa_write(struct xb_vm *vm, struct xb_mfa mfa, struct xb_str *out);

/** Append "module:function/arity" as the VM's own %T does, for comparing with names the VM made. */
void xb_mfa_spell(struct xb_vm *vm, struct xb_mfa mfa, struct xb_str *out);

static inline bool xb_mfa_equal(struct xb_mfa a, struct xb_mfa b)
{
	return a.module == b.module && a.function == b.function && a.arity == b.arity;
}

#endif
