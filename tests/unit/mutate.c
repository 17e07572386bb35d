#include "mutate.h"

#include "vm/atom.h"
#include "vm/check.h"
#include "vm/code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct xb_error *try_checks(struct xb_vm *vm)
{
	XB_TRY(xb_atoms_create(vm, &vm->atoms));
	XB_TRY(xb_code_create(vm, &vm->code));
	XB_TRY(xb_roots_read(vm));
	return xb_check_all(vm, NULL);
}

void mutate_field(const struct xb_vm *good, enum xb_layout_field field, int shift, struct mutation *ret)
{
	struct xb_vm *vm = calloc(1, sizeof(*vm));
	struct mutation m = { .field = field, .shift = shift };
	struct xb_error *err;

	if (vm == NULL)
		abort();
	vm->mem = good->mem;
	vm->layout = good->layout;
	vm->id = good->id;
	vm->roots = good->roots;
	vm->layout.field[field].offset += (uint32_t)shift;
	err = try_checks(vm);
	if (err != NULL) {
		m.detected = xb_error_code(err) == XB_ERR_MISMATCH;
		m.named = strstr(xb_error_message(err), xb_layout_field_name(field)) != NULL;
		(void)snprintf(m.why, sizeof(m.why), "%s", xb_error_message(err));
	}
	xb_error_destroy(err);
	xb_vm_detach(vm);
	*ret = m;
}
