/*
 * One module instance: BeamCodeHeader, ErtsCodeInfo of every function, BeamCodeLineTab.
 *
 * All of it lies in the module's own code area, which is read in one block; what a pointer inside it
 * says is believed only if it stays in the area (functions) or is bounded (line table, file names).
 * Mirrors erts/emulator/beam/beam_code.h and utils.c:erts_build_mfa_item().
 */
#include "vm/code_parse.h"

#include "base/rd.h"
#include "vm/atom.h"
#include "vm/literal.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_FUNCTIONS = 1 << 20,
	MAX_LINES = 1 << 22,
	MAX_FILES = 255, /* LOC_FILE is 8 bits wide */
	MAX_FILE_NAME = 4096,
};

/* The module's code area, copied. */
struct area {
	struct xb_vm *vm;
	xb_addr start;
	unsigned char *bytes;
	size_t len;
};

/* Copy of [addr, addr + len) from the area, or from the target when it lies elsewhere. */
static bool fetch(const struct area *a, xb_addr addr, void *buf, size_t len)
{
	if (addr >= a->start && addr - a->start <= a->len && len <= a->len - (addr - a->start)) {
		memcpy(buf, a->bytes + (addr - a->start), len);
		return true;
	}
	return xb_mem_try(a->vm->mem, addr, buf, len) == len;
}

static bool parse_functions(const struct area *a, struct xb_module *m)
{
	const struct xb_layout *l = &a->vm->layout;
	uint64_t n, at;

	if (!fetch(a, a->start + xb_layout_at(l, XB_F_BeamCodeHeader_num_functions), &n, 8) || n == 0 ||
	    n > MAX_FUNCTIONS || (n + 1) * 8 > a->len)
		return false;
	m->functions = xb_arena_array(&m->arena, n, sizeof(*m->functions));
	if (m->functions == NULL)
		return false;
	at = a->start + xb_layout_at(l, XB_F_BeamCodeHeader_functions);
	for (uint64_t k = 0; k < n; k++) {
		struct xb_function *f = &m->functions[k];
		unsigned char mfa[XB_MFA_BYTES];
		uint64_t bounds[2];

		if (!fetch(a, at + 8 * k, bounds, sizeof(bounds)) || bounds[0] < a->start ||
		    bounds[0] >= bounds[1] || bounds[1] > m->end ||
		    !fetch(a, bounds[0] + xb_layout_at(l, XB_F_CodeInfo_mfa), mfa, sizeof(mfa)) ||
		    !xb_mfa_decode(a->vm, mfa, &f->mfa))
			return false;
		f->start = bounds[0];
		f->end = bounds[1];
	}
	m->n_functions = (uint32_t)n;
	return true;
}

static bool read_rows(const struct area *a, struct xb_module *m, xb_addr loc_tab, uint32_t loc_size,
		      xb_addr rows)
{
	uint32_t n = m->n_lines;

	m->line_pc = xb_arena_array(&m->arena, (size_t)n + 1, 8);
	m->line_loc = xb_arena_array(&m->arena, (size_t)n + 1, 4);
	if (m->line_pc == NULL || m->line_loc == NULL ||
	    !fetch(a, rows, m->line_pc, ((size_t)n + 1) * 8) ||
	    !fetch(a, loc_tab, m->line_loc, (size_t)n * loc_size))
		return false;
	/* Widen 2-byte locations in place, from the end. */
	for (uint32_t i = n; loc_size == 2 && i-- > 0;)
		m->line_loc[i] = xb_load16(m->line_loc, 2 * (size_t)i);
	return true;
}

/*
 * File names are atoms or lists of characters.  Number 0 is what the loader makes of the module's name, and stands for
 * an empty name as well (beam_file.c:parse_line_chunk()); of a name within Latin-1 it is a list of UTF-8 bytes
 * (erl_unicode.c:erts_atom_to_string()).  Up to OTP 23 number 0 is not in the list (FILES_FROM 1): it is the module's name
 * with ".erl" (beam_load.c:erts_build_mfa_item()).
 */
static void read_files(const struct area *a, struct xb_module *m, xb_addr fname_ptr)
{
	uint64_t terms[MAX_FILES + 1];
	uint32_t from = (uint32_t)a->vm->layout.konst[XB_K_FILES_FROM], max = 0;
	struct xb_atom_text own;

	for (uint32_t i = 0; i < m->n_lines; i++) {
		if (m->line_loc[i] != 0)
			max = XB_MAX(max, m->line_loc[i] >> 24);
	}
	m->files = xb_arena_array(&m->arena, (size_t)max + 1, sizeof(*m->files));
	if (m->files == NULL || !fetch(a, fname_ptr, terms + from, ((size_t)max + 1 - from) * 8))
		return;
	m->n_files = max + 1;
	if (from > 0 && xb_atom_get(a->vm, m->functions[0].mfa.module, &own))
		m->files[0] = xb_arena_printf(&m->arena, "%.*s.erl", (int)own.len, own.name);
	if (m->files[0] == NULL)
		m->files[0] = "";
	for (uint32_t i = from; i <= max; i++) {
		xb_term term = { terms[i] };

		m->files[i] = from > 0 || terms[i] != terms[0]
				      ? NULL
				      : xb_literal_utf8(a->vm, term, MAX_FILE_NAME, &m->arena);
		if (m->files[i] == NULL)
			m->files[i] = xb_literal_text(a->vm, term, MAX_FILE_NAME, &m->arena);
		if (m->files[i] == NULL)
			m->files[i] = "";
	}
}

/* A module without a line table is fine: compiled or loaded without line information. */
static bool parse_lines(const struct area *a, struct xb_module *m)
{
	const struct xb_layout *l = &a->vm->layout;
	xb_addr table, tab_at, func_tab[2], fname_ptr, loc_tab;
	uint32_t loc_size;
	uint64_t *starts;

	if (!fetch(a, a->start + xb_layout_at(l, XB_F_BeamCodeHeader_line_table), &table, 8))
		return false;
	if (table == 0)
		return true;
	tab_at = table + xb_layout_at(l, XB_F_LineTab_func_tab);
	if (!fetch(a, tab_at, &func_tab[0], 8) ||
	    !fetch(a, tab_at + 8 * (uint64_t)m->n_functions, &func_tab[1], 8) ||
	    !fetch(a, table + xb_layout_at(l, XB_F_LineTab_fname_ptr), &fname_ptr, 8) ||
	    !fetch(a, table + xb_layout_at(l, XB_F_LineTab_loc_tab), &loc_tab, 8) ||
	    !fetch(a, table + xb_layout_at(l, XB_F_LineTab_loc_size), &loc_size, 4))
		return false;
	if (func_tab[0] > func_tab[1] || (func_tab[1] - func_tab[0]) / 8 > MAX_LINES ||
	    (loc_size != 2 && loc_size != 4))
		return false;
	m->n_lines = (uint32_t)((func_tab[1] - func_tab[0]) / 8);
	starts = malloc(((size_t)m->n_functions + 1) * 8);
	if (starts == NULL || !fetch(a, tab_at, starts, ((size_t)m->n_functions + 1) * 8) ||
	    !read_rows(a, m, loc_tab, loc_size, func_tab[0])) {
		free(starts);
		return false;
	}
	for (uint32_t k = 0; k < m->n_functions; k++) {
		struct xb_function *f = &m->functions[k];

		if (starts[k] < func_tab[0] || starts[k] > starts[k + 1] || starts[k + 1] > func_tab[1])
			continue;
		f->first_line = (uint32_t)((starts[k] - func_tab[0]) / 8);
		f->n_lines = (uint32_t)((starts[k + 1] - starts[k]) / 8);
	}
	free(starts);
	read_files(a, m, fname_ptr);
	return true;
}

bool xb_module_parse(struct xb_vm *vm, struct xb_module *m)
{
	struct area a = { .vm = vm, .start = m->start };
	size_t size = (size_t)(m->end - m->start);
	bool ok;

	a.bytes = malloc(size);
	if (a.bytes == NULL)
		return false;
	a.len = xb_mem_try(vm->mem, m->start, a.bytes, size);
	ok = parse_functions(&a, m) && parse_lines(&a, m);
	free(a.bytes);
	m->loaded = ok;
	return ok;
}

bool xb_module_parse_functions(struct xb_vm *vm, struct xb_module *m)
{
	struct area a = { .vm = vm, .start = m->start };
	size_t size = (size_t)(m->end - m->start);
	bool ok;

	a.bytes = malloc(size);
	if (a.bytes == NULL)
		return false;
	a.len = xb_mem_try(vm->mem, m->start, a.bytes, size);
	ok = parse_functions(&a, m);
	free(a.bytes);
	return ok;
}

void xb_module_read_md5s(struct xb_vm *vm, struct xb_module *modules, size_t n)
{
	uint32_t at = xb_layout_at(&vm->layout, XB_F_BeamCodeHeader_md5_ptr);
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	uint64_t *ptr = calloc(n + 1, sizeof(*ptr));
	struct xb_error *err = NULL;

	if (io == NULL || ptr == NULL)
		goto out;
	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = modules[i].start + at, .len = 8, .buf = &ptr[i] };
	err = xb_mem_readv(vm->mem, io, n);
	for (size_t i = 0; err == NULL && i < n; i++)
		io[i] = (struct xb_io){ .addr = ptr[i],
					.len = sizeof(modules[i].md5),
					.buf = modules[i].md5 };
	if (err == NULL)
		err = xb_mem_readv(vm->mem, io, n);
out:
	xb_error_destroy(err);
	free(io);
	free(ptr);
}

void xb_module_deinit(struct xb_module *m)
{
	xb_arena_deinit(&m->arena);
}
