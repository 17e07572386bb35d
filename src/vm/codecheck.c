/*
 * A module of n functions has 2n + 2 ranges in the list
 * (erts/emulator/beam/jit/beam_jit_common.cpp:register_metadata()):
 *
 *   m::codeHeader | f-CodeInfoPrologue | f | g-CodeInfoPrologue | g | … | m::codeFooter
 *   base          functions[0]               functions[1]             code_end        base + size
 *
 * The header's last pointer, functions[n], lies a few instructions behind code_end: past the trap for running off the
 * end.  The list counts that trap to the footer.  Since OTP 26 it lets the header end with the last pointer but one.
 */
#include "vm/codecheck.h"

#include "base/str.h"
#include "vm/code.h"
#include "vm/code_parse.h"
#include "vm/jitlist.h"
#include "vm/vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	TRIES = 3,
	VM_NAME_BUFFER = 1024, /* longer names end in it, with a NUL */
};

struct check {
	struct xb_vm *vm;
	const struct xb_jitlist *list;
	struct xb_codecheck *result;
	struct xb_str name; /* scratch */
};

XB_PRINTF(2, 3) static void differs(struct check *c, const char *fmt, ...)
{
	struct xb_codecheck *r = c->result;
	va_list ap;

	r->differing++;
	if (r->n_texts == XB_CODECHECK_TEXTS)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->text[r->n_texts++], XB_CODECHECK_TEXT, fmt, ap);
	va_end(ap);
}

/* Whether @range is called what c->name says, with @suffix behind it. */
static bool is_called(const struct check *c, const struct xb_jitrange *range, const char *suffix)
{
	size_t len = c->name.len, tail = strlen(suffix);

	if (range->name_len != len + tail || memcmp(range->name + len, suffix, tail) != 0)
		return false;
	if (len < VM_NAME_BUFFER)
		return memcmp(range->name, c->name.data, len) == 0;
	return memcmp(range->name, c->name.data, VM_NAME_BUFFER - 1) == 0 &&
	       range->name[VM_NAME_BUFFER - 1] == '\0';
}

/* c->name is that of @f.  Rows without a location are in the VM's table and not in the list. */
static void compare_lines(struct check *c, const struct xb_module *m, const struct xb_function *f,
			  const struct xb_jitrange *range)
{
	uint32_t k = 0;

	for (uint32_t i = f->first_line; i < f->first_line + f->n_lines; i++) {
		const struct xb_jitline *row = &range->lines[k];
		uint32_t loc = m->line_loc[i];
		const char *file;

		if (loc == 0 || m->line_pc[i] >= f->end)
			continue;
		c->result->lines_compared++;
		if (k == range->n_lines) {
			differs(c, "%s: the JIT list ends after %u line rows", xb_str_get(&c->name), k);
			return;
		}
		file = loc >> 24 < m->n_files ? m->files[loc >> 24] : "";
		if (row->pc != m->line_pc[i] || row->line != (loc & 0xffffff) ||
		    row->file_len != strlen(file) || memcmp(row->file, file, row->file_len) != 0)
			differs(c,
				"%s: 0x%llx is %s:%u in the line table, 0x%llx is %s:%u in the JIT list",
				xb_str_get(&c->name), (unsigned long long)m->line_pc[i], file,
				loc & 0xffffff, (unsigned long long)row->pc, row->file, row->line);
		k++;
	}
	if (k < range->n_lines)
		differs(c, "%s: the JIT list has %u line rows, the line table %u", xb_str_get(&c->name),
			range->n_lines, k);
}

static void compare_function(struct check *c, const struct xb_module *m, const struct xb_function *f,
			     const struct xb_jitrange *prologue, bool last)
{
	const struct xb_jitrange *code = prologue + 1, *footer = prologue + 2;
	bool ends = last ? code->end <= f->end && code->end == footer->start && f->end <= footer->end
			 : code->end == f->end;

	c->result->functions_compared++;
	xb_str_clear(&c->name);
	xb_mfa_spell(c->vm, f->mfa, &c->name);
	if (prologue->start != f->start || prologue->end != code->start || !ends)
		differs(c, "%s is 0x%llx to 0x%llx in the module, 0x%llx to 0x%llx in the JIT list",
			xb_str_get(&c->name), (unsigned long long)f->start, (unsigned long long)f->end,
			(unsigned long long)prologue->start, (unsigned long long)code->end);
	else if (!is_called(c, prologue, "-CodeInfoPrologue") || !is_called(c, code, ""))
		differs(c, "the function at 0x%llx is %s in the module, %s in the JIT list",
			(unsigned long long)f->start, xb_str_get(&c->name), code->name);
	else if (c->list->opts.lines)
		compare_lines(c, m, f, code);
}

static bool is_header(const struct check *c, const struct xb_module *m, const struct xb_jitrange *r)
{
	xb_addr functions = m->start + xb_layout_at(&c->vm->layout, XB_F_BeamCodeHeader_functions);

	return r->start == m->start &&
	       (r->end == m->functions[0].start || r->end == functions + 8 * (uint64_t)m->n_functions);
}

static void compare_module(struct check *c, const struct xb_module *m)
{
	const struct xb_jitentry *e = xb_jitlist_module(c->list, m->start);
	const struct xb_jitrange *last;

	if (e == NULL) {
		/* Of a list that is cut we have the newest entries only. */
		if (!c->list->cut)
			differs(c, "the module at 0x%llx is not in the JIT list",
				(unsigned long long)m->start);
		return;
	}
	if (e->n_ranges != 2 * (size_t)m->n_functions + 2) {
		differs(c, "%s has %u functions in the module, %u ranges in the JIT list", e->name,
			m->n_functions, e->n_ranges);
		return;
	}
	last = &e->ranges[e->n_ranges - 1];
	if (!is_header(c, m, &e->ranges[0]) || last->end != m->end)
		differs(c,
			"%s is 0x%llx to 0x%llx in the code ranges, 0x%llx to 0x%llx in the JIT list",
			e->name, (unsigned long long)m->start, (unsigned long long)m->end,
			(unsigned long long)e->ranges[0].start, (unsigned long long)last->end);
	for (uint32_t k = 0; k < m->n_functions; k++)
		compare_function(c, m, &m->functions[k], &e->ranges[1 + 2 * (size_t)k],
				 k + 1 == m->n_functions);
}

/* Line tables take most of the time to read: without line rows to compare they are left alone. */
static void check_module(struct check *c, struct xb_module *m)
{
	struct xb_module brief = { .start = m->start, .end = m->end };

	if (m->loaded || c->list->opts.lines) {
		if (xb_code_load(c->vm, m))
			compare_module(c, m);
		else
			c->result->unreadable++;
		return;
	}
	if (xb_module_parse_functions(c->vm, &brief))
		compare_module(c, &brief);
	else
		c->result->unreadable++;
	xb_module_deinit(&brief);
}

static void count_purged(struct check *c)
{
	for (size_t i = 0; i < c->list->len; i++) {
		const struct xb_jitentry *e = c->list->entries[i];

		if (e->kind == XB_JITENTRY_MODULE && !e->fragments &&
		    (xb_jitlist_module(c->list, e->base) != e || !xb_code_holds(c->vm, e->base)))
			c->result->purged++;
	}
}

static struct xb_error *check_once(struct xb_vm *vm, struct xb_jitlist *list, struct xb_codecheck *ret)
{
	struct check c = { .vm = vm, .list = list, .result = ret };
	struct xb_module *m;
	bool stale_list, stale_code, oom;

	/* The ranges first: a module is put on the list before it is put into the ranges. */
	XB_TRY(xb_code_refresh(vm, NULL));
	XB_TRY(xb_jitlist_update(vm, list, NULL));
	*ret = (struct xb_codecheck){ 0 };
	if (!xb_jitlist_emulator_agrees(vm, list))
		differs(&c,
			"the JIT list has beam_normal_exit at 0x%llx and frame layout %u, the VM 0x%llx and %d",
			(unsigned long long)list->normal_exit, list->frame_layout,
			(unsigned long long)vm->roots.value[XB_ROOT_NORMAL_EXIT],
			vm->id.frame_pointers);
	m = xb_code_modules(vm, &ret->modules);
	for (size_t i = 0; i < ret->modules; i++)
		check_module(&c, &m[i]);
	count_purged(&c);
	oom = c.name.oom;
	xb_str_deinit(&c.name);
	XB_TRY(xb_jitlist_is_stale(vm, list, &stale_list));
	XB_TRY(xb_code_is_stale(vm, &stale_code));
	ret->moving = stale_list || stale_code;
	return oom ? xb_error_nomem() : NULL;
}

struct xb_error *xb_codecheck(struct xb_vm *vm, struct xb_jitlist *list, struct xb_codecheck *ret)
{
	struct xb_codecheck result = { 0 };

	for (int i = 0; i < TRIES; i++) {
		XB_TRY(check_once(vm, list, &result));
		if (!result.moving || result.differing + result.unreadable == 0)
			break;
	}
	*ret = result;
	return NULL;
}
