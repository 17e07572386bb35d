#include "vm/roots.h"

#include "base/rd.h"
#include "elf/symbols.h"
#include "vm/roots_find.h"
#include "vm/roots_hidden.h"
#include "vm/vm.h"

#include <string.h>

enum { AGAIN = 8 };

/*
 * The knowledge: what each root is called, which exported functions refer to it, and what shape it has.
 * @width is that of a variable whose value is read at attach, 0 for a table.
 */
static const struct root_spec specs[XB_ROOT__COUNT] = {
	[XB_ROOT_PROC_TABLE] = { .name = "process table",
				 .symbol = "erts_proc",
				 .mine = { "erts_pid2proc_opt", "erts_proc_lookup_raw_inc_refc",
					   "enif_is_process_alive" },
				 .looks = xb_looks_like_proc_table,
				 .parts = { XB_F_ErtsPTab_tab, XB_F_ErtsPTab_pix_mask },
				 .n_parts = 2,
				 .align = 64,
				 .need = true },
	[XB_ROOT_ATOM_TABLE] = { .name = "atom table",
				 .symbol = "erts_atom_table",
				 .mine = { "erts_atom_get", "enif_get_atom" },
				 .looks = xb_looks_like_atom_table,
				 .parts = { XB_F_IndexTable_seg_table, XB_F_IndexTable_entries },
				 .n_parts = 2,
				 .align = 8,
				 .need = true },
	[XB_ROOT_RANGES] = { .name = "code ranges",
			     .symbol = "r",
			     .file = "beam_ranges.c",
			     .mine = { "erts_lookup_function_info", "erts_end_staging_ranges",
				       "erts_update_ranges" },
			     .looks = xb_looks_like_ranges,
			     .is_beside = xb_ranges_beside_index,
			     .align = 8,
			     .need = true },
	[XB_ROOT_MODULE_TABLES] = { .name = "module tables",
				    .symbol = "module_tables",
				    .file = "module.c",
				    .mine = { "erts_get_module", "module_code" },
				    .looks = xb_looks_like_module_tables,
				    .align = 8,
				    .need = true },
	[XB_ROOT_CODE_INDEX] = { .name = "code index",
				 .symbol = "the_active_code_index",
				 .width = 4,
				 .is_live = true,
				 .need = true },
	[XB_ROOT_SCHEDULERS] = { .name = "schedulers",
				 .symbol = "erts_aligned_scheduler_data",
				 .width = 8,
				 .need = true },
	[XB_ROOT_DIRTY_CPU_SCHEDULERS] = { .name = "dirty CPU schedulers",
					   .symbol = "erts_aligned_dirty_cpu_scheduler_data",
					   .width = 8,
					   .need = true },
	[XB_ROOT_DIRTY_IO_SCHEDULERS] = { .name = "dirty IO schedulers",
					  .symbol = "erts_aligned_dirty_io_scheduler_data",
					  .width = 8,
					  .need = true },
	[XB_ROOT_N_SCHEDULERS] = { .name = "number of schedulers",
				   .symbol = "erts_no_schedulers",
				   .width = 8,
				   .need = true },
	[XB_ROOT_N_DIRTY_CPU_SCHEDULERS] = { .name = "number of dirty CPU schedulers",
					     .symbol = "erts_no_dirty_cpu_schedulers",
					     .width = 8,
					     .need = true },
	[XB_ROOT_N_DIRTY_IO_SCHEDULERS] = { .name = "number of dirty IO schedulers",
					    .symbol = "erts_no_dirty_io_schedulers",
					    .width = 8,
					    .need = true },
	[XB_ROOT_JIT_DESCRIPTOR] = { .name = "JIT descriptor",
				     .symbol = "__jit_debug_descriptor",
				     .looks = xb_looks_like_jit_descriptor,
				     .points = xb_jit_descriptor_points,
				     .align = 8,
				     .jit_only = true,
				     .need = true },
	[XB_ROOT_FRAME_LAYOUT] = { .name = "frame layout",
				   .symbol = "erts_frame_layout",
				   .width = 4,
				   .jit_only = true,
				   .need = true },
	[XB_ROOT_NORMAL_EXIT] = { .name = "normal exit",
				  .symbol = "beam_normal_exit",
				  .other = "beam_apply", /* up to OTP 23: { apply, normal exit } */
				  .other_at = 8,
				  .is_stub = true,
				  .width = 8,
				  .need = true },
	[XB_ROOT_RETURN_TRACE] = { .name = "return trace",
				   .symbol = "beam_return_trace",
				   .is_stub = true,
				   .width = 8,
				   .need = true },
	[XB_ROOT_EXCEPTION_TRACE] = { .name = "exception trace",
				      .symbol = "beam_exception_trace",
				      .is_stub = true,
				      .width = 8,
				      .need = true },
	[XB_ROOT_TIME_TRACE] = { .name = "time trace",
				 .symbol = "beam_return_time_trace",
				 .other = "beam_call_trace_return", /* OTP 26 and later */
				 .is_stub = true,
				 .width = 8,
				 .need = true },
	[XB_ROOT_RETURN_TO_TRACE] = { .name = "return-to trace",
				      .symbol = "beam_return_to_trace",
				      .is_stub = true,
				      .width = 8,
				      .need = true },
};

const char *xb_root_name(enum xb_root_id id)
{
	return specs[id].name;
}

void xb_root_write_sources(unsigned sources, struct xb_str *out)
{
	static const char *const names[] = { "symtab", "debug file", "gnu_debugdata",
					     "dynsym", "operands",   "scan",
					     "links",  "neighbours", "JIT list" };
	bool first = true;

	for (size_t i = 0; i < XB_ARRAY_LEN(names); i++) {
		if ((sources & 1U << i) == 0)
			continue;
		xb_str_addf(out, "%s%s", first ? "" : "+", names[i]);
		first = false;
	}
	if (first)
		xb_str_add(out, "not found");
}

/* enum xb_symbol_source and the first four bits of enum xb_root_source are in the same order. */
static xb_addr by_symbol(const struct xb_vm_source *source, const struct root_spec *spec,
			 unsigned *sources)
{
	const struct xb_symbol *s =
		spec->file != NULL ? xb_symbols_find_in(source->symbols, spec->file, spec->symbol)
				   : xb_symbols_find(source->symbols, spec->symbol);

	if (s != NULL) {
		*sources |= 1U << s->source;
		return source->bias + s->vaddr;
	}
	if (spec->other != NULL)
		s = xb_symbols_find(source->symbols, spec->other);
	if (s == NULL)
		return 0;
	*sources |= 1U << s->source;
	return source->bias + s->vaddr + spec->other_at;
}

struct xb_error *xb_roots_proc_table(const struct xb_vm_source *source, xb_addr *ret)
{
	unsigned sources = 0;

	*ret = by_symbol(source, &specs[XB_ROOT_PROC_TABLE], &sources);
	if (*ret == 0) {
		const struct xb_symbol *none;

		return xb_error_wrap(
			xb_symbols_need(source->symbols, specs[XB_ROOT_PROC_TABLE].symbol, &none),
			"process table");
	}
	return NULL;
}

struct xb_error *xb_roots_scan_proc_table(struct xb_vm *vm, const struct xb_vm_source *source,
					  xb_addr *ret)
{
	struct xb_finder *f;
	size_t hits;

	XB_TRY(xb_finder_create(vm, source, &f));
	*ret = xb_finder_scan(f, &specs[XB_ROOT_PROC_TABLE], 0, &hits);
	if (hits != 1)
		*ret = 0;
	xb_finder_destroy(f);
	return NULL;
}

static struct xb_error *try_one(struct xb_finder *f, const struct xb_vm_source *source,
				enum xb_root_id id, struct xb_root *ret)
{
	const struct root_spec *spec = &specs[id];
	struct xb_root root = { 0 };
	xb_addr scanned = 0, mined = 0;
	size_t hits = 0;

	root.addr = by_symbol(source, spec, &root.sources);
	if (spec->looks != NULL) {
		if (root.addr != 0 && !spec->looks(f, root.addr))
			return xb_errorf(XB_ERR_MISMATCH,
					 "%s: what is at the symbol %s does not look like one",
					 spec->name, spec->symbol);
		scanned = xb_finder_scan(f, spec, root.addr, &hits);
		if (root.addr == 0)
			mined = xb_finder_mine(f, spec, &root.via);
	}
	if (mined != 0 && hits == 1 && scanned != mined)
		return xb_errorf(
			XB_ERR_MISMATCH, "%s: the operands of %s say 0x%llx, a scan of the data 0x%llx",
			spec->name, root.via, (unsigned long long)mined, (unsigned long long)scanned);
	if (root.addr != 0 && hits == 1 && scanned != root.addr)
		return xb_errorf(XB_ERR_MISMATCH,
				 "%s: the symbol says 0x%llx, a scan of the data 0x%llx", spec->name,
				 (unsigned long long)root.addr, (unsigned long long)scanned);
	if (mined != 0) {
		root.addr = mined;
		root.sources |= XB_ROOT_BY_OPERANDS;
	}
	/* A scan decides alone only where it is unambiguous; otherwise it can confirm. */
	if (root.addr == 0 && hits == 1)
		root.addr = scanned;
	if (root.addr != 0 && scanned == root.addr)
		root.sources |= XB_ROOT_BY_SCAN;
	*ret = root;
	return NULL;
}

/* What contradicts itself may have been changed between two reads: looked at again before it counts. */
static struct xb_error *find_one(struct xb_finder *f, const struct xb_vm_source *source,
				 enum xb_root_id id, struct xb_root *ret)
{
	struct xb_error *err = try_one(f, source, id, ret);

	for (int i = 0; i < AGAIN && (err != NULL ? xb_error_code(err) == XB_ERR_MISMATCH
						  : specs[id].looks != NULL && ret->addr == 0);
	     i++) {
		xb_error_destroy(err);
		xb_finder_refresh(f);
		err = try_one(f, source, id, ret);
	}
	return err;
}

static struct xb_error *read_value(struct xb_vm *vm, enum xb_root_id id)
{
	uint64_t v = 0;

	if (vm->roots.at[id].is_value ||
	    (specs[id].is_stub && vm->layout.konst[XB_K_STUBS_IN_PLACE] == 1)) {
		vm->roots.value[id] = vm->roots.at[id].addr;
		return NULL;
	}
	if (specs[id].width == 0 || specs[id].is_live || vm->roots.at[id].addr == 0)
		return NULL;
	XB_TRY(xb_error_wrap(xb_mem_read(vm->mem, vm->roots.at[id].addr, &v, specs[id].width), "%s",
			     specs[id].name));
	vm->roots.value[id] = v;
	return NULL;
}

struct xb_error *xb_roots_read(struct xb_vm *vm)
{
	struct xb_roots *r = &vm->roots;
	unsigned char bytes[512];
	struct xb_rec rec = { &vm->layout, bytes, sizeof(bytes) };

	XB_TRY(xb_error_wrap(xb_mem_read(vm->mem, r->at[XB_ROOT_PROC_TABLE].addr, bytes, sizeof(bytes)),
			     "process table"));
	r->proc_tab = xb_rec_get(&rec, XB_F_ErtsPTab_tab);
	r->proc_max = (uint32_t)xb_rec_get(&rec, XB_F_ErtsPTab_max);
	r->proc_invalid = xb_rec_get(&rec, XB_F_ErtsPTab_invalid_element);
	r->proc_pix_mask = xb_rec_get(&rec, XB_F_ErtsPTab_pix_mask);
	r->proc_cl_mask = xb_rec_get(&rec, XB_F_ErtsPTab_pix_cl_mask);
	r->proc_cli_mask = xb_rec_get(&rec, XB_F_ErtsPTab_pix_cli_mask);
	/* A shift by more bits than a word has is none at all. */
	r->proc_cl_shift = (unsigned)xb_rec_get(&rec, XB_F_ErtsPTab_pix_cl_shift) % 64;
	r->proc_cli_shift = (unsigned)xb_rec_get(&rec, XB_F_ErtsPTab_pix_cli_shift) % 64;
	return NULL;
}

/* Builds without frame pointers have no variable for it: the frame layout is a constant (erl_vm.h). */
static bool is_absent(const struct xb_vm *vm, enum xb_root_id id)
{
	return (specs[id].jit_only && vm->id.flavor != XB_FLAVOR_JIT) ||
	       (id == XB_ROOT_FRAME_LAYOUT && !xb_layout_has(&vm->layout, XB_F_Process_frame_pointer));
}

struct xb_error *xb_roots_find(struct xb_vm *vm, const struct xb_vm_source *source)
{
	struct xb_hidden_roots hidden = { 0 };
	struct xb_error *err;
	struct xb_finder *f;

	XB_TRY(xb_finder_create(vm, source, &f));
	err = NULL;
	for (int id = 0; err == NULL && id < XB_ROOT__COUNT; id++) {
		if (is_absent(vm, (enum xb_root_id)id))
			continue;
		err = find_one(f, source, (enum xb_root_id)id, &vm->roots.at[id]);
		if (err == NULL && vm->roots.at[id].addr == 0)
			err = xb_error_wrap(
				xb_roots_hidden(vm, f, &hidden, (enum xb_root_id)id, &vm->roots.at[id]),
				"%s", specs[id].name);
		if (err == NULL && vm->roots.at[id].addr == 0 && specs[id].need) {
			const struct xb_symbol *none;

			err = xb_error_wrap(xb_symbols_need(source->symbols, specs[id].symbol, &none),
					    "%s", specs[id].name);
		}
		if (err == NULL)
			err = read_value(vm, (enum xb_root_id)id);
	}
	xb_finder_destroy(f);
	if (err == NULL)
		err = xb_roots_read(vm);
	if (err == NULL)
		vm->id.frame_pointers = vm->roots.value[XB_ROOT_FRAME_LAYOUT] == 1;
	return err;
}
