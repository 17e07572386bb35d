/* Checks on loaded code: ranges, module headers, line tables, and the module table that must say the same. */
#include "base/rd.h"
#include "mem/gather.h"
#include "vm/atom.h"
#include "vm/check_impl.h"
#include "vm/code.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	MODULES = 8,          /* whose functions and lines are read */
	MIN_MODULES = 10,     /* erts preloads more than that before the first process runs */
	MAX_RANGES = 1 << 20, /* modules */
	CODE_INDICES = 3,
	MD5_BYTES = 16,
};

/* Which of the modules are looked at closely. */
static size_t stride(size_t n)
{
	return n / MODULES + 1;
}

/* The words that { modules, n, allocated, mid } of the active index speak of. */
static bool ranges_in_order(struct xb_vm *vm, const struct xb_rec *rec)
{
	uint64_t n = xb_rec_get(rec, XB_F_ranges_n), mid = xb_rec_get(rec, XB_F_ranges_mid);
	uint64_t allocated = xb_rec_get(rec, XB_F_ranges_allocated), prev = 1;
	xb_addr modules = xb_rec_get(rec, XB_F_ranges_modules);
	uint64_t *words;
	bool ok;

	if (n < MIN_MODULES || n > allocated || allocated > MAX_RANGES || modules % 8 != 0 ||
	    mid < modules || mid >= modules + 16 * n || (mid - modules) % 16 != 0)
		return false;
	words = malloc(n * 16);
	ok = words != NULL && xb_mem_try(vm->mem, modules, words, n * 16) == n * 16;
	/* A purged range is empty, but stays where it was. */
	for (size_t i = 0; ok && i < n; i++) {
		ok = words[2 * i] >= prev && words[2 * i + 1] >= words[2 * i];
		prev = words[2 * i + 1];
	}
	free(words);
	return ok;
}

struct xb_error *xb_check_code_ranges(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	uint64_t size = vm->layout.size[XB_S_ranges];
	unsigned char bytes[CODE_INDICES * 64];
	uint32_t active = 0;
	size_t n;

	r->tested = 1;
	XB_TRY(xb_mem_u32(vm->mem, vm->roots.at[XB_ROOT_CODE_INDEX].addr, &active));
	if (active >= CODE_INDICES || size > sizeof(bytes) / CODE_INDICES) {
		r->failed = 1;
		return NULL;
	}
	XB_TRY(xb_mem_read(vm->mem, vm->roots.at[XB_ROOT_RANGES].addr, bytes, size * CODE_INDICES));
	r->failed = !ranges_in_order(vm, &(struct xb_rec){ &vm->layout, bytes + active * size, size });
	XB_TRY(xb_code_refresh(vm, NULL));
	(void)xb_code_modules(vm, &n);
	r->failed |= n < MIN_MODULES;
	return NULL;
}

/* Every module has a checksum that it shares with none but another instance of itself. */
static uint32_t count_without_md5(struct xb_vm *vm)
{
	static const unsigned char zero[MD5_BYTES];
	const struct xb_module *m;
	uint32_t bad = 0;
	size_t n;

	m = xb_code_modules(vm, &n);
	for (size_t i = 0; i < n; i++)
		bad += memcmp(m[i].md5, zero, MD5_BYTES) == 0;
	return bad;
}

/* All functions of a module name the same module, and follow each other. */
static bool functions_agree(const struct xb_module *m)
{
	for (uint32_t k = 1; k < m->n_functions; k++) {
		if (m->functions[k].mfa.module != m->functions[0].mfa.module ||
		    m->functions[k].start != m->functions[k - 1].end)
			return false;
	}
	return m->n_functions > 0;
}

/*
 * A module whose functions make sense, but not its lines, is left to the next check.  The code follows the table of
 * functions: the first one begins behind its end.
 */
struct xb_error *xb_check_code_header(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	struct xb_module *m;
	size_t n;

	m = xb_code_modules(vm, &n);
	for (size_t i = 0; i < n; i += stride(n), r->tested++) {
		xb_addr table = m[i].start + xb_layout_at(&vm->layout, XB_F_BeamCodeHeader_functions);
		xb_addr end = 0;

		(void)xb_code_load(vm, &m[i]);
		if (!functions_agree(&m[i]) ||
		    m[i].functions[0].start < table + 8 * ((uint64_t)m[i].n_functions + 1) ||
		    xb_mem_try(vm->mem, table + 8 * (uint64_t)m[i].n_functions, &end, 8) < 8 ||
		    end != m[i].functions[m[i].n_functions - 1].end)
			r->failed++;
	}
	r->tested += (uint32_t)n;
	r->failed += count_without_md5(vm);
	return NULL;
}

/* The parts of a line table lie one behind the other: function table, rows, locations. */
static bool parts_in_order(struct xb_vm *vm, const struct xb_module *m)
{
	const struct xb_layout *l = &vm->layout;
	xb_addr table = 0, func_tab, rows[2] = { 0, 0 }, locs = 0;

	if (xb_mem_try(vm->mem, m->start + xb_layout_at(l, XB_F_BeamCodeHeader_line_table), &table, 8) <
	    8)
		return false;
	func_tab = table + xb_layout_at(l, XB_F_LineTab_func_tab);
	return xb_mem_try(vm->mem, func_tab, &rows[0], 8) == 8 &&
	       xb_mem_try(vm->mem, func_tab + 8 * (uint64_t)m->n_functions, &rows[1], 8) == 8 &&
	       xb_mem_try(vm->mem, table + xb_layout_at(l, XB_F_LineTab_loc_tab), &locs, 8) == 8 &&
	       rows[0] >= func_tab + 8 * ((uint64_t)m->n_functions + 1) && rows[1] >= rows[0] &&
	       locs > rows[1];
}

static bool rows_in_order(const struct xb_module *m)
{
	for (uint32_t k = 0; k < m->n_lines; k++) {
		if (m->line_pc[k] > m->line_pc[k + 1] || m->line_pc[k] < m->start ||
		    m->line_pc[k + 1] > m->end || m->line_loc[k] >> 24 >= m->n_files)
			return false;
	}
	return m->n_files > 0 && m->files[0] != NULL && m->files[0][0] != '\0';
}

struct xb_error *xb_check_line_rows(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	struct xb_module *m;
	size_t n, with_lines = 0;

	m = xb_code_modules(vm, &n);
	for (size_t i = 0; i < n; i += stride(n)) {
		r->tested++;
		if (m[i].broken)
			r->failed++;
		else if (m[i].n_lines > 0)
			r->failed += !parts_in_order(vm, &m[i]) || !rows_in_order(&m[i]);
		with_lines += m[i].n_lines > 0;
	}
	/* OTP itself is compiled with lines; without any, the pointer to the table was not one. */
	r->failed += with_lines == 0;
	return NULL;
}

/*
 * The code of module @name is exactly one of the ranges, or there is none (deleted, or never loaded); where its
 * functions were read, they have the same name.
 */
static bool is_code_of(struct xb_vm *vm, uint32_t name, xb_addr code, uint64_t length)
{
	const struct xb_module *m;
	size_t n, lo = 0, hi;

	if (code == 0)
		return true;
	m = xb_code_modules(vm, &n);
	for (hi = n; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (m[mid].start < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && m[lo].start == code && m[lo].end == code + length &&
	       (!m[lo].loaded || m[lo].functions[0].mfa.module == name);
}

static bool module_agrees(struct xb_vm *vm, const struct xb_rec *rec)
{
	uint32_t name = (uint32_t)xb_rec_get(rec, XB_F_Module_module);
	struct xb_atom_text text;

	return xb_atom_get(vm, name, &text) &&
	       is_code_of(vm, name, xb_rec_get(rec, XB_F_Module_curr_code),
			  xb_rec_get(rec, XB_F_Module_curr_length)) &&
	       is_code_of(vm, name, xb_rec_get(rec, XB_F_Module_old_code),
			  xb_rec_get(rec, XB_F_Module_old_length));
}

enum { TABLE_STRIDE = 128, SEG = 1024, MODULE_BYTES = 256 };

/* Addresses of the entries in the first segment of the active table: 1,024 modules are plenty. */
static struct xb_error *module_entries(struct xb_vm *vm, uint64_t at[SEG], uint32_t *ret_n)
{
	const struct xb_layout *l = &vm->layout;
	uint32_t active, entries;
	xb_addr table, seg, ptr;

	XB_TRY(xb_mem_u32(vm->mem, vm->roots.at[XB_ROOT_CODE_INDEX].addr, &active));
	table = vm->roots.at[XB_ROOT_MODULE_TABLES].addr +
		(uint64_t)(active % CODE_INDICES) * TABLE_STRIDE;
	XB_TRY(xb_mem_u32(vm->mem, table + xb_layout_at(l, XB_F_IndexTable_entries), &entries));
	XB_TRY(xb_mem_u64(vm->mem, table + xb_layout_at(l, XB_F_IndexTable_seg_table), &seg));
	XB_TRY(xb_mem_u64(vm->mem, seg, &ptr));
	entries = XB_MIN(entries, (uint32_t)SEG);
	XB_TRY(xb_mem_read(vm->mem, ptr, at, 8 * (size_t)entries));
	*ret_n = entries;
	return NULL;
}

static struct xb_error *judge_modules(struct xb_vm *vm, const uint64_t *at, uint32_t n,
				      struct xb_check_result *r)
{
	size_t len = XB_MIN(vm->layout.size[XB_S_Module], (uint64_t)MODULE_BYTES);
	unsigned char *bytes = malloc(n * len + 1);
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	struct xb_error *err = NULL;

	if (bytes == NULL || io == NULL) {
		err = xb_error_nomem();
		goto out;
	}
	for (uint32_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = at[i], .len = len, .buf = bytes + i * len };
	err = xb_mem_gather(vm->mem, io, n);
	for (uint32_t i = 0; err == NULL && i < n; i++, r->tested++) {
		if (io[i].got < len ||
		    !module_agrees(vm, &(struct xb_rec){ &vm->layout, io[i].buf, len }))
			r->failed++;
	}
out:
	free(bytes);
	free(io);
	return err;
}

/* Current and old code are two of the same structure; a module rarely has old code that could tell. */
static bool instances_agree(const struct xb_layout *l)
{
	return xb_layout_at(l, XB_F_Module_curr_length) - xb_layout_at(l, XB_F_Module_curr_code) ==
	       xb_layout_at(l, XB_F_Module_old_length) - xb_layout_at(l, XB_F_Module_old_code);
}

struct xb_error *xb_check_module_table(struct xb_check_ctx *c, struct xb_check_result *r)
{
	uint64_t *at = calloc(SEG, sizeof(*at));
	struct xb_error *err = at == NULL ? xb_error_nomem() : NULL;
	uint32_t n = 0;

	if (err == NULL)
		err = module_entries(c->vm, at, &n);
	if (err == NULL)
		err = judge_modules(c->vm, at, n, r);
	r->failed += err == NULL && (n < MIN_MODULES || !instances_agree(&c->vm->layout));
	free(at);
	return err;
}
