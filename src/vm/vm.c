#include "vm/vm.h"

#include "elf/dwfile.h"
#include "layout/banner.h"
#include "layout/from_dwarf.h"
#include "vm/atom.h"
#include "vm/check.h"
#include "vm/code.h"
#include "vm/roots_find.h"

#include <stdlib.h>
#include <string.h>

static const char *flavor_text(enum xb_flavor flavor)
{
	return flavor == XB_FLAVOR_JIT ? "JIT" : "interpreter";
}

struct size_source {
	const struct xb_vm_source *source;
	struct xb_finder *finder;
	xb_addr proc_table; /* 0: no symbol tells */
};

/* sizeof(Process) as the running VM states it, read where a candidate layout says. */
static uint64_t process_size(void *arg, const struct xb_layout *l)
{
	const struct size_source *s = arg;
	uint64_t size = 0;

	/* Without a symbol there is only the question whether there is a table for such processes. */
	if (s->proc_table == 0) {
		xb_finder_use(s->finder, l);
		return xb_roots_guess_proc_table(s->finder, s->source) == 0 ? 0 : l->size[XB_S_Process];
	}
	(void)xb_mem_try(s->source->mem, s->proc_table + xb_layout_at(l, XB_F_ErtsPTab_element_size),
			 &size, 8);
	return size;
}

/* What the user says, if it is for such a VM at all; the checks judge it like any other. */
static struct xb_error *take_layout(struct xb_vm *vm, const struct xb_layout *l)
{
	if (l->release != vm->id.otp || l->flavor != vm->id.flavor)
		return xb_errorf(
			XB_ERR_NO_LAYOUT,
			"layout %s from %s is for OTP %u with the %s; this VM is OTP %u with the %s",
			l->name, l->file == NULL ? "the table" : l->file, l->release,
			flavor_text(l->flavor), vm->id.otp, flavor_text(vm->id.flavor));
	if (l->banner != NULL && !xb_banner_is(vm->id.banner, l->banner))
		return xb_errorf(
			XB_ERR_NO_LAYOUT,
			"layout %s from %s is for builds whose banner shows '%s'; this VM's is %s",
			l->name, l->file == NULL ? "the table" : l->file, l->banner, vm->id.banner);
	vm->layout = *l;
	return NULL;
}

/*
 * The target's own debug information is asked first: it knows builds that no table describes.  The table of the release
 * is needed all the same, for what debug information does not tell.
 */
static struct xb_error *choose_layout(struct xb_vm *vm, const struct xb_vm_source *source,
				      struct xb_finder *finder)
{
	struct size_source size = { .source = source, .finder = finder };
	Dwarf *dw = source->use_dwarf ? xb_dwfile_open(source->image, source->symbols) : NULL;
	struct xb_error *err = xb_roots_proc_table(source, &size.proc_table);
	bool fits = true;

	if (err != NULL && xb_error_code(err) == XB_ERR_NO_SYMBOL) {
		xb_error_destroy(err);
		err = NULL;
	}
	vm->id.has_dwarf = dw != NULL;
	if (err == NULL && source->layout != NULL) {
		err = take_layout(vm, source->layout);
	} else if (err == NULL && dw != NULL) {
		err = xb_layout_base(vm->id.otp, vm->id.flavor, vm->id.banner, process_size, &size,
				     &vm->layout, &fits);
		if (err == NULL)
			err = xb_error_wrap(xb_layout_from_dwarf(dw, fits, source->log, &vm->layout),
					    "debug information");
		/* A file without units, and a table for this build: as if there were no file. */
		if (err != NULL && fits && xb_error_code(err) == XB_ERR_BAD_FILE) {
			xb_logf(source->log, XB_LOG_WARN, "%s; the table of the release is used",
				xb_error_message(err));
			xb_error_destroy(err);
			err = NULL;
		}
	} else if (err == NULL) {
		err = xb_layout_for(vm->id.otp, vm->id.flavor, vm->id.banner, process_size, &size,
				    &vm->layout);
	}
	if (dw != NULL)
		(void)dwarf_end(dw);
	/* The banner alone does not tell: what it says of it changed its meaning between releases. */
	vm->id.native_stack = err == NULL && vm->layout.konst[XB_K_NATIVE_STACK] == 1;
	return err;
}

/* Roots that are known by their shape, in the order they are looked for, and the structures that make it up. */
static const struct {
	enum xb_root_id root;
	const char *parts[4];
} shaped[] = {
	{ XB_ROOT_PROC_TABLE, { "ErtsPTab." } },
	{ XB_ROOT_ATOM_TABLE, { "Hash.", "IndexTable." } },
	{ XB_ROOT_RANGES, { "ranges." } },
	{ XB_ROOT_MODULE_TABLES, { "Hash.", "IndexTable." } },
	{ XB_ROOT_PORT_TABLE, { "ErtsPTab." } },
	{ XB_ROOT_REGISTRY, { "Hash.", "RegProc." } },
	{ XB_ROOT_DIRTY_CPU_SCHEDULERS, { "ErtsSchedulerData." } },
	{ XB_ROOT_DIRTY_IO_SCHEDULERS, { "ErtsSchedulerData." } },
	/* Of a VM without symbols: found from the processes. */
	{ XB_ROOT_SCHEDULERS,
	  { "ErtsPTab.tab", "Process.run_queue", "ErtsRunQueue.", "ErtsSchedulerData." } },
};

static void write_parts(const struct xb_layout *l, const char *const parts[4], struct xb_str *out)
{
	for (int i = 0; i < XB_F__COUNT; i++) {
		const char *name = xb_layout_field_name((enum xb_layout_field)i);

		for (size_t k = 0; k < 4 && parts[k] != NULL; k++) {
			if (strncmp(name, parts[k], strlen(parts[k])) == 0 &&
			    l->field[i].from != XB_FROM_NOWHERE)
				xb_str_addf(out, "%s%s at %u", out->len == 0 ? "" : ", ", name,
					    l->field[i].offset);
		}
	}
}

/* With a layout that somebody wrote, what cannot be found is most likely looked for in the wrong shape. */
static struct xb_error *doubt_layout(const struct xb_vm *vm, struct xb_error *err)
{
	struct xb_str parts = XB_STR_INIT;
	size_t i = 0;

	if (err == NULL || vm->layout.file == NULL ||
	    (xb_error_code(err) != XB_ERR_MISMATCH && xb_error_code(err) != XB_ERR_NO_SYMBOL))
		return err;
	while (i < XB_ARRAY_LEN(shaped) && shaped[i].root != vm->roots.failed)
		i++;
	if (i == XB_ARRAY_LEN(shaped))
		return err;
	write_parts(&vm->layout, shaped[i].parts, &parts);
	err = xb_error_advise(
		xb_error_wrap(err, "layout %s from %s (%s)", vm->layout.name, vm->layout.file,
			      xb_str_get(&parts)),
		"%s is not about this build, or the VM hides where this is: try without --layout",
		vm->layout.file);
	xb_str_deinit(&parts);
	return err;
}

static struct xb_error *attach(struct xb_vm *vm, const struct xb_vm_source *source)
{
	xb_cleanup(xb_finder_cleanup) struct xb_finder *finder = NULL;

	XB_TRY(xb_identify(source->image, &vm->id));
	XB_TRY(xb_finder_create(source, &finder));
	XB_TRY(choose_layout(vm, source, finder));
	if (source->trial != NULL) {
		source->trial->layout = vm->layout;
		source->trial->chosen = true;
	}
	xb_finder_use(finder, &vm->layout);
	XB_TRY(xb_atoms_create(vm, &vm->atoms));
	XB_TRY(xb_code_create(vm, &vm->code));
	XB_TRY(doubt_layout(vm, xb_roots_find(vm, source, finder)));
	return xb_check_all(vm, &vm->checks);
}

static bool copy_checks(const struct xb_check_results *from, struct xb_check_results *to)
{
	for (size_t i = 0; i < from->len; i++) {
		if (!xb_check_results_push(to, from->data[i]))
			return false;
	}
	return true;
}

struct xb_error *xb_vm_hints(const struct xb_vm *vm, const struct xb_vm_source *source,
			     struct xb_root_hints *ret, size_t *n)
{
	xb_cleanup(xb_finder_cleanup) struct xb_finder *finder = NULL;

	XB_TRY(xb_finder_create(source, &finder));
	*n = xb_roots_to_hints(vm, source, finder, ret);
	return NULL;
}

struct xb_error *xb_vm_attach(const struct xb_vm_source *source, struct xb_vm **ret)
{
	struct xb_vm *vm = calloc(1, sizeof(*vm));
	struct xb_error *err;

	if (vm == NULL)
		return xb_error_nomem();
	vm->mem = source->mem;
	vm->log = source->log;
	err = attach(vm, source);
	if (source->trial != NULL && !copy_checks(&vm->checks, &source->trial->checks) && err == NULL)
		err = xb_error_nomem();
	if (err != NULL) {
		xb_vm_detach(vm);
		return err;
	}
	*ret = vm;
	return NULL;
}

void xb_vm_detach(struct xb_vm *vm)
{
	if (vm == NULL)
		return;
	xb_atoms_destroy(vm->atoms);
	xb_code_destroy(vm->code);
	xb_check_results_deinit(&vm->checks);
	xb_arena_deinit(&vm->arena);
	free(vm);
}
