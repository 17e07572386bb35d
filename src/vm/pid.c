/*
 * Pids as terms.
 *
 * Up to OTP 25 an id is pix << 32 | data28 << 4 | 3 and prints as data28's low 15 bits and the rest.
 * From 26 on it is pixdata60 << 4 | 3, where the slot is in the low bits and data interleaves so that
 * small numbers stay small: erts/emulator/beam/erl_ptab.h:erts_ptab_id2data(), erl_term.h:_GET_PID_NUM,
 * _GET_PID_SER.
 */
#include "vm/process.h"

#include "vm/vm.h"

enum { TAG_BITS = 4 };

uint32_t xb_proc_slot(const struct xb_vm *vm, uint64_t id)
{
	if (vm->layout.konst[XB_K_PID_SCHEME] == 28)
		return (uint32_t)(id >> 32);
	return (uint32_t)((id >> TAG_BITS) & vm->roots.proc_pix_mask);
}

bool xb_proc_pid_parts(const struct xb_vm *vm, uint64_t id, uint32_t *num, uint32_t *serial)
{
	const struct xb_roots *r = &vm->roots;
	uint64_t pixdata = id >> TAG_BITS, data;

	if ((id & 0xf) != vm->layout.konst[XB_K_TAG_PID])
		return false;
	if (vm->layout.konst[XB_K_PID_SCHEME] == 28) {
		*num = (uint32_t)(pixdata & 0x7fff);
		*serial = (uint32_t)((pixdata & 0xfffffff) >> 15);
		return true;
	}
	data = (pixdata & ~r->proc_pix_mask) | ((pixdata >> r->proc_cl_shift) & r->proc_cl_mask) |
	       ((pixdata & r->proc_cli_mask) << r->proc_cli_shift);
	*num = (uint32_t)(data & 0xfffffff);
	*serial = (uint32_t)(data >> 28);
	return true;
}

void xb_proc_write_id(const struct xb_vm *vm, uint64_t id, struct xb_str *out)
{
	uint32_t num, serial;

	if (!xb_proc_pid_parts(vm, id, &num, &serial)) {
		xb_str_addf(out, "#Pid<0x%llx>", (unsigned long long)id);
		return;
	}
	xb_str_add(out, "<0.");
	xb_str_addu(out, num);
	xb_str_addc(out, '.');
	xb_str_addu(out, serial);
	xb_str_addc(out, '>');
}
