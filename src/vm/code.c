#include "vm/code.h"

#include "base/clock.h"
#include "base/rd.h"
#include "base/vec.h"
#include "vm/atom.h"
#include "vm/code_parse.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_MODULES = 1 << 20,
	CODE_INDICES = 3, /* ERTS_NUM_CODE_IX */
	MAX_MODULE_BYTES = 64 << 20,
	LONG_AGO_NS = 40000000,
};

/* What tells one state of the VM's code from another. */
struct code_state {
	uint32_t active;
	xb_addr modules;
	uint64_t n;
	xb_addr jit_first; /* newest entry of the gdb JIT list; 0 without one */
};

struct xb_code {
	struct code_state state;
	uint64_t state_ns; /* when that was last seen to hold */
	struct xb_module *modules;
	size_t n_modules;
	struct xb_module
		*retired; /* gone since the refresh before the last; only those that had been read */
	size_t n_retired;
	size_t broken;
};

struct xb_error *xb_code_create(struct xb_vm *vm, struct xb_code **ret)
{
	struct xb_code *c = calloc(1, sizeof(*c));

	(void)vm;
	if (c == NULL)
		return xb_error_nomem();
	*ret = c;
	return NULL;
}

static void drop(struct xb_module *modules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		xb_module_deinit(&modules[i]);
	free(modules);
}

void xb_code_destroy(struct xb_code *code)
{
	if (code == NULL)
		return;
	drop(code->modules, code->n_modules);
	drop(code->retired, code->n_retired);
	free(code);
}

static struct xb_error *read_state(struct xb_vm *vm, struct code_state *ret)
{
	const struct xb_layout *l = &vm->layout;
	uint64_t size = l->size[XB_S_ranges];
	unsigned char all[256];
	struct code_state s = { 0 };
	struct xb_rec rec;
	xb_addr jit = vm->roots.at[XB_ROOT_JIT_DESCRIPTOR].addr;
	struct xb_io io[3] = {
		{ .addr = vm->roots.at[XB_ROOT_CODE_INDEX].addr, .len = 4, .buf = &s.active },
		{ .addr = vm->roots.at[XB_ROOT_RANGES].addr, .len = size * CODE_INDICES, .buf = all },
		{ .addr = jit + 16, .len = 8, .buf = &s.jit_first },
	};

	if (size > sizeof(all) / CODE_INDICES)
		return xb_errorf(XB_ERR_MISMATCH, "struct ranges of %llu bytes is too large",
				 (unsigned long long)size);
	XB_TRY(xb_mem_readv(vm->mem, io, jit == 0 ? 2 : 3));
	if (io[0].got < 4 || io[1].got < io[1].len)
		return xb_errorf(XB_ERR_FAULT, "cannot read the VM's code ranges");
	if (s.active >= CODE_INDICES)
		return xb_errorf(XB_ERR_MISMATCH,
				 "the active code index is %u, it can only be 0, 1 or 2", s.active);
	rec = (struct xb_rec){ l, all + s.active * size, size };
	s.modules = xb_rec_get(&rec, XB_F_ranges_modules);
	s.n = xb_rec_get(&rec, XB_F_ranges_n);
	if (s.n > MAX_MODULES)
		return xb_errorf(XB_ERR_MISMATCH, "%llu loaded modules cannot be",
				 (unsigned long long)s.n);
	*ret = s;
	return NULL;
}

static bool same_state(const struct code_state *a, const struct code_state *b)
{
	return a->active == b->active && a->modules == b->modules && a->n == b->n &&
	       a->jit_first == b->jit_first;
}

struct xb_error *xb_code_is_stale(struct xb_vm *vm, bool *ret)
{
	struct code_state now;

	XB_TRY(read_state(vm, &now));
	*ret = !same_state(&now, &vm->code->state);
	if (!*ret)
		vm->code->state_ns = xb_now_ns();
	return NULL;
}

/* Range { start, end }, sorted; a purged one has end == start. */
static struct xb_error *read_ranges(struct xb_vm *vm, const struct code_state *s,
				    struct xb_module **ret, size_t *ret_n)
{
	size_t n = (size_t)s->n, kept = 0;
	struct xb_module *modules = calloc(n + 1, sizeof(*modules));
	uint64_t *words = malloc(n * 16 + 16);
	struct xb_error *err = NULL;

	if (modules == NULL || words == NULL)
		err = xb_error_nomem();
	else
		err = xb_mem_read(vm->mem, s->modules, words, n * 16);
	for (size_t i = 0; err == NULL && i < n; i++) {
		xb_addr start = words[2 * i], end = words[2 * i + 1];

		if (start == end)
			continue;
		if (start > end || end - start > MAX_MODULE_BYTES ||
		    (kept > 0 && start < modules[kept - 1].end))
			err = xb_errorf(XB_ERR_MISMATCH,
					"code range %zu (0x%llx to 0x%llx) is out of order", i,
					(unsigned long long)start, (unsigned long long)end);
		else
			modules[kept++] = (struct xb_module){ .start = start, .end = end };
	}
	free(words);
	if (err != NULL) {
		free(modules);
		return err;
	}
	*ret = modules;
	*ret_n = kept;
	return NULL;
}

static struct xb_module *among(struct xb_module *modules, size_t n, xb_addr pc)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (modules[mid].end <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && modules[lo].start <= pc ? &modules[lo] : NULL;
}

static struct xb_module *module_at(const struct xb_code *c, xb_addr pc)
{
	return among(c->modules, c->n_modules, pc);
}

/* Move what was read of module instances that are still there into the new array. */
static size_t keep_known(struct xb_vm *vm, struct xb_module *modules, size_t n, bool watched)
{
	/* Loading a module takes a few milliseconds, so that in a short time its memory cannot have been another's. */
	bool long_ago = watched && xb_now_ns() - vm->code->state_ns > LONG_AGO_NS;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct xb_module *old = module_at(vm->code, modules[i].start);

		if (old == NULL || old->start != modules[i].start || old->end != modules[i].end ||
		    (old->loaded && memcmp(old->md5, modules[i].md5, sizeof(old->md5)) != 0)) {
			modules[i].second = long_ago;
			continue;
		}
		kept++;
		if (!old->loaded)
			continue;
		modules[i] = *old;
		*old = (struct xb_module){ .start = old->start, .end = old->end };
	}
	return kept;
}

struct xb_error *xb_code_refresh(struct xb_vm *vm, bool *changed)
{
	struct xb_code *c = vm->code;
	struct xb_module *modules;
	struct code_state s, again;
	size_t n, kept;

	/* The array is re-used two loads later: read until the state around the read did not move. */
	for (int tries = 0;; tries++) {
		XB_TRY(read_state(vm, &s));
		XB_TRY(read_ranges(vm, &s, &modules, &n));
		XB_TRY(read_state(vm, &again));
		if (same_state(&s, &again) || tries == 8)
			break;
		free(modules);
	}
	xb_module_read_md5s(vm, modules, n);
	kept = keep_known(vm, modules, n, changed != NULL);
	if (changed != NULL)
		*changed = kept != n || n != c->n_modules;
	/* What was not kept is what went away; entries whose contents moved to the new array are empty now. */
	drop(c->retired, c->n_retired);
	c->n_retired = 0;
	for (size_t i = 0; i < c->n_modules; i++) {
		if (c->modules[i].loaded)
			c->modules[c->n_retired++] = c->modules[i];
		else
			xb_module_deinit(&c->modules[i]);
	}
	c->retired = c->modules;
	c->modules = modules;
	c->n_modules = n;
	c->state = s;
	c->state_ns = xb_now_ns();
	return NULL;
}

bool xb_code_load(struct xb_vm *vm, struct xb_module *m)
{
	if (!m->loaded && !m->broken && !xb_module_parse(vm, m)) {
		m->broken = true;
		vm->code->broken++;
	}
	return !m->broken;
}

struct xb_error *xb_code_load_all(struct xb_vm *vm)
{
	for (size_t i = 0; i < vm->code->n_modules; i++)
		(void)xb_code_load(vm, &vm->code->modules[i]);
	return NULL;
}

static const struct xb_function *function_at(const struct xb_module *m, xb_addr pc)
{
	size_t lo = 0, hi = m->n_functions;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->functions[mid].end <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n_functions && m->functions[lo].start <= pc ? &m->functions[lo] : NULL;
}

const struct xb_function *xb_code_find(struct xb_vm *vm, xb_addr pc, const struct xb_module **module)
{
	struct xb_module *m = module_at(vm->code, pc);

	if (m == NULL || !xb_code_load(vm, m))
		return NULL;
	if (module != NULL)
		*module = m;
	return function_at(m, pc);
}

const struct xb_function *xb_code_find_retired(const struct xb_vm *vm, xb_addr pc,
					       const struct xb_module **module)
{
	struct xb_module *m = among(vm->code->retired, vm->code->n_retired, pc);

	if (m == NULL)
		return NULL;
	if (module != NULL)
		*module = m;
	return function_at(m, pc);
}

bool xb_code_line(const struct xb_module *module, const struct xb_function *f, xb_addr pc,
		  struct xb_line *ret)
{
	size_t lo = f->first_line, hi = lo + f->n_lines;
	uint32_t loc;

	/* Row i covers [line_pc[i], line_pc[i + 1]). */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (module->line_pc[mid + 1] <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == f->first_line + (size_t)f->n_lines || module->line_pc[lo] > pc)
		return false;
	loc = module->line_loc[lo];
	if (loc == 0)
		return false;
	ret->line = loc & 0xffffff;
	ret->file = loc >> 24 < module->n_files ? module->files[loc >> 24] : "";
	return true;
}

void xb_code_drop_retired(struct xb_vm *vm)
{
	drop(vm->code->retired, vm->code->n_retired);
	vm->code->retired = NULL;
	vm->code->n_retired = 0;
	for (size_t i = 0; i < vm->code->n_modules; i++)
		vm->code->modules[i].second = false;
}

bool xb_code_holds(const struct xb_vm *vm, xb_addr pc)
{
	return module_at(vm->code, pc) != NULL;
}

struct xb_module *xb_code_modules(struct xb_vm *vm, size_t *n)
{
	*n = vm->code->n_modules;
	return vm->code->modules;
}

size_t xb_code_broken(const struct xb_vm *vm)
{
	return vm->code->broken;
}
