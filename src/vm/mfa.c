#include "vm/mfa.h"

#include "base/rd.h"
#include "vm/atom.h"

bool xb_mfa_decode(const struct xb_vm *vm, const void *bytes, struct xb_mfa *ret)
{
	uint64_t arity = xb_load64(bytes, 16);
	struct xb_mfa mfa = { 0 };

	if (!xb_atom_index(vm, (xb_term){ xb_load64(bytes, 0) }, &mfa.module) ||
	    !xb_atom_index(vm, (xb_term){ xb_load64(bytes, 8) }, &mfa.function) || arity > XB_MAX_ARITY)
		return false;
	mfa.arity = (uint32_t)arity;
	*ret = mfa;
	return true;
}

void xb_mfa_write(struct xb_vm *vm, struct xb_mfa mfa, struct xb_str *out)
{
	xb_atom_write(vm, mfa.module, out);
	xb_str_addc(out, ':');
	xb_atom_write(vm, mfa.function, out);
	xb_str_addf(out, "/%u", mfa.arity);
}
