#include "view/namer.h"

#include "view/kallsyms.h"
#include "vm/atom.h"

#include <stdlib.h>

struct xb_namer {
	struct xb_session *s;
	const struct xb_jitlist *jit;
	struct xb_kallsyms *kernel; /* loaded when the first kernel frame is named */
	struct xb_str name, module;
};

struct xb_error *xb_namer_create(struct xb_session *s, const struct xb_jitlist *jit,
				 struct xb_namer **ret)
{
	struct xb_namer *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return xb_error_nomem();
	n->s = s;
	n->jit = jit;
	*ret = n;
	return NULL;
}

void xb_namer_destroy(struct xb_namer *n)
{
	if (n == NULL)
		return;
	xb_kallsyms_destroy(n->kernel);
	xb_str_deinit(&n->name);
	xb_str_deinit(&n->module);
	free(n);
}

static void address_only(struct xb_namer *n, xb_addr addr, const char *module,
			 struct xb_frame_name *ret)
{
	xb_str_addf(&n->name, "0x%llx", (unsigned long long)addr);
	xb_str_add(&n->module, module);
	ret->known = false;
}

void xb_namer_erlang(struct xb_namer *n, xb_addr pc, struct xb_frame_name *ret)
{
	struct xb_vm *vm = n->s->vm;
	const struct xb_module *module = NULL, *old_module = NULL;
	const struct xb_function *f = xb_code_find(vm, pc, &module);
	const struct xb_function *old = xb_code_find_retired(vm, pc, &old_module);
	struct xb_line line;

	xb_str_clear(&n->name);
	xb_str_clear(&n->module);
	*ret = (struct xb_frame_name){ .kind = XB_MIXED_ERLANG, .known = true, .file = "" };
	/* Both the module that went and the one that came hold the address: the sample may be of either.  Or of one that
	 * came and went since the look before, when that is long ago. */
	ret->ambiguous = f != NULL && (old != NULL ? !xb_mfa_equal(f->mfa, old->mfa) : module->second);
	if (f == NULL) {
		f = old;
		module = old_module;
	}
	if (f == NULL) {
		address_only(n, pc, "[unresolved]", ret);
	} else {
		xb_mfa_write(vm, f->mfa, &n->name);
		xb_atom_write(vm, f->mfa.module, &n->module);
		if (xb_code_line(module, f, pc, &line)) {
			ret->line = line.line;
			ret->file = line.file;
		}
	}
	ret->name = xb_str_get(&n->name);
	ret->module = xb_str_get(&n->module);
}

static void native(struct xb_namer *n, xb_addr pc, struct xb_frame_name *ret)
{
	struct xb_loaded_name found;

	if (xb_loaded_name(n->s->loaded, pc, &found)) {
		xb_str_add(&n->name, found.name);
		xb_str_add(&n->module, found.object);
	} else {
		address_only(n, pc, "[unresolved]", ret);
	}
}

static void kernel(struct xb_namer *n, xb_addr pc, struct xb_frame_name *ret)
{
	const char *name;

	if (n->kernel == NULL)
		n->kernel = xb_kallsyms_load();
	name = xb_kallsyms_name(n->kernel, pc);
	if (name != NULL)
		xb_str_add(&n->name, name);
	else
		address_only(n, pc, "", ret);
	xb_str_clear(&n->module);
	xb_str_add(&n->module, "[kernel]");
}

static void fragment(struct xb_namer *n, xb_addr pc, struct xb_frame_name *ret)
{
	const struct xb_jitrange *r = n->jit == NULL ? NULL : xb_jitlist_fragment(n->jit, pc);

	if (r != NULL) {
		xb_str_add(&n->name, r->name);
		xb_str_add(&n->module, "[fragments]");
	} else {
		address_only(n, pc, "[unresolved]", ret);
	}
}

void xb_namer_frame(struct xb_namer *n, uint64_t frame, struct xb_frame_name *ret)
{
	xb_addr pc = xb_mixed_frame_addr(frame);
	enum xb_mixed_kind kind = xb_mixed_frame_kind(frame);

	if (kind == XB_MIXED_ERLANG) {
		xb_namer_erlang(n, pc, ret);
		return;
	}
	xb_str_clear(&n->name);
	xb_str_clear(&n->module);
	*ret = (struct xb_frame_name){ .kind = kind, .known = true, .file = "" };
	if (kind == XB_MIXED_NATIVE)
		native(n, pc, ret);
	else if (kind == XB_MIXED_KERNEL)
		kernel(n, pc, ret);
	else
		fragment(n, pc, ret);
	ret->name = xb_str_get(&n->name);
	ret->module = xb_str_get(&n->module);
}
