#include "vm/atom.h"
#include "vm/check_impl.h"
#include "vm/code.h"
#include "vm/vm.h"

#include <string.h>

enum { ATOMS = 64, MODULES = 8 };

/*
 * The first atoms of every release are false, true and '_' (erts/emulator/beam/atom.names); the others
 * looked at are spread over the table.  xb_atom_get() itself refuses an Atom that does not carry its
 * own index.
 */
struct xb_error *xb_check_atom_text(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	static const char *const first[] = { "false", "true", "_" };
	struct xb_atom_text text;
	uint32_t n;

	XB_TRY(xb_atoms_count(vm, &n));
	for (uint32_t i = 0; i < XB_ARRAY_LEN(first); i++, r->tested++) {
		if (!xb_atom_get(vm, i, &text) || text.len != strlen(first[i]) ||
		    memcmp(text.name, first[i], text.len) != 0)
			r->failed++;
	}
	/* The newest atom may be in the making: stay one short. */
	for (uint32_t i = 3; n > 4 && i < n - 1; i += n / ATOMS + 1, r->tested++)
		r->failed += !xb_atom_get(vm, i, &text);
	return NULL;
}

/* xb_code_refresh() refuses ranges out of order; here: there are some, and the preloaded ones among
 * them. */
struct xb_error *xb_check_code_ranges(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	size_t n;

	XB_TRY(xb_code_refresh(vm, NULL));
	(void)xb_code_modules(vm, &n);
	r->tested = 1;
	r->failed = n < 10; /* erts preloads more than that before the first process runs */
	return NULL;
}

struct xb_error *xb_check_code_header(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	struct xb_module *m;
	size_t n;

	m = xb_code_modules(vm, &n);
	for (size_t i = 0; i < n; i += n / MODULES + 1, r->tested++) {
		if (!xb_code_load(vm, &m[i])) {
			bool stale = false;

			/* It may have been purged since the ranges were read. */
			XB_TRY(xb_code_is_stale(vm, &stale));
			r->failed += !stale;
			continue;
		}
		/* All functions of a module name the same module. */
		for (uint32_t k = 1; k < m[i].n_functions; k++) {
			if (m[i].functions[k].mfa.module != m[i].functions[0].mfa.module) {
				r->failed++;
				break;
			}
		}
	}
	return NULL;
}

struct xb_error *xb_check_line_rows(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	struct xb_module *m;
	size_t n;

	m = xb_code_modules(vm, &n);
	for (size_t i = 0; i < n; i += n / MODULES + 1) {
		bool ok = true;

		if (!m[i].loaded || m[i].n_lines == 0)
			continue;
		r->tested++;
		for (uint32_t k = 0; k < m[i].n_lines; k++)
			ok &= m[i].line_pc[k] <= m[i].line_pc[k + 1] && m[i].line_pc[k] >= m[i].start &&
			      m[i].line_pc[k + 1] <= m[i].end && m[i].line_loc[k] >> 24 < m[i].n_files;
		for (uint32_t k = 0; k < m[i].n_files; k++)
			ok &= m[i].files[k] != NULL;
		ok &= m[i].files[0][0] != '\0';
		r->failed += !ok;
	}
	return NULL;
}

/* Module *seg_table[i >> 10][i & 1023]: its current instance must be one of the code ranges. */
struct xb_error *xb_check_module_table(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	const struct xb_layout *l = &vm->layout;
	enum { TABLE_STRIDE = 128, SEG = 1024 };
	uint32_t active, entries;
	xb_addr table, seg, ptr;

	XB_TRY(xb_mem_u32(vm->mem, vm->roots.at[XB_ROOT_CODE_INDEX].addr, &active));
	table = vm->roots.at[XB_ROOT_MODULE_TABLES].addr + (uint64_t)(active % 3) * TABLE_STRIDE;
	XB_TRY(xb_mem_u32(vm->mem, table + xb_layout_at(l, XB_F_IndexTable_entries), &entries));
	XB_TRY(xb_mem_u64(vm->mem, table + xb_layout_at(l, XB_F_IndexTable_seg_table), &seg));
	XB_TRY(xb_mem_u64(vm->mem, seg, &ptr));
	for (uint32_t i = 0; i < XB_MIN(entries, (uint32_t)SEG); i += entries / 32 + 1) {
		unsigned char bytes[256];
		struct xb_rec rec = { l, bytes, XB_MIN(l->size[XB_S_Module], sizeof(bytes)) };
		xb_addr at, code;
		struct xb_atom_text name;

		if (xb_mem_try(vm->mem, ptr + 8 * (uint64_t)i, &at, 8) < 8 || at == 0 ||
		    xb_mem_try(vm->mem, at, bytes, rec.len) < rec.len)
			continue;
		code = xb_rec_get(&rec, XB_F_Module_curr_code);
		r->tested++;
		if (!xb_atom_get(vm, (uint32_t)xb_rec_get(&rec, XB_F_Module_module), &name))
			r->failed++;
		else if (code != 0 &&
			 (!xb_code_holds(vm, code) ||
			  !xb_code_holds(vm, code + xb_rec_get(&rec, XB_F_Module_curr_length) - 1)))
			r->failed++;
	}
	return NULL;
}
