#include "scribble_places.h"

#include "vm/atom.h"
#include "vm/code.h"
#include "vm/jitlist.h"
#include "vm/process.h"

#include <stdlib.h>
#include <string.h>

static void add_field(struct words *list, const struct xb_vm *vm, enum xb_root_id root,
		      enum xb_layout_field f, size_t width)
{
	if (vm->roots.at[root].addr != 0 && xb_layout_has(&vm->layout, f) &&
	    !words_push(list, (struct word){ xb_layout_field_name(f),
					     vm->roots.at[root].addr + xb_layout_at(&vm->layout, f),
					     width, false }))
		abort();
}

static void add_variable(struct words *list, const struct xb_vm *vm, enum xb_root_id root, size_t width)
{
	const struct xb_root *r = &vm->roots.at[root];

	if (r->addr != 0 && !r->is_value &&
	    !words_push(list, (struct word){ xb_root_name(root), r->addr, width,
					     root == XB_ROOT_CODE_INDEX }))
		abort();
}

void scribble_tables(struct xb_session *s, struct words *list)
{
	const struct xb_vm *vm = s->vm;
	uint64_t at = vm->roots.at[XB_ROOT_RANGES].addr, code_index = 0;

	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_tab, 8);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_max, 4);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_pix_mask, 4);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_element_size, 8);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_invalid_element, 8);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_count, 4);
	add_field(list, vm, XB_ROOT_ATOM_TABLE, XB_F_IndexTable_entries, 4);
	add_field(list, vm, XB_ROOT_ATOM_TABLE, XB_F_IndexTable_seg_table, 8);
	add_field(list, vm, XB_ROOT_MODULE_TABLES, XB_F_IndexTable_entries, 4);
	add_field(list, vm, XB_ROOT_MODULE_TABLES, XB_F_IndexTable_seg_table, 8);
	(void)xb_mem_try(s->mem, vm->roots.at[XB_ROOT_CODE_INDEX].addr, &code_index, 4);
	at += code_index % 3 * vm->layout.size[XB_S_ranges];
	for (size_t i = 0; i < 4; i++) {
		static const enum xb_layout_field f[] = { XB_F_ranges_modules, XB_F_ranges_n,
							  XB_F_ranges_allocated, XB_F_ranges_mid };

		if (!words_push(list, (struct word){ xb_layout_field_name(f[i]),
						     at + xb_layout_at(&vm->layout, f[i]), 8, false }))
			abort();
	}
	add_variable(list, vm, XB_ROOT_CODE_INDEX, 4);
	add_variable(list, vm, XB_ROOT_SCHEDULERS, 8);
	add_variable(list, vm, XB_ROOT_N_SCHEDULERS, 8);
	add_variable(list, vm, XB_ROOT_N_DIRTY_IO_SCHEDULERS, 8);
	add_variable(list, vm, XB_ROOT_NORMAL_EXIT, 8);
	add_variable(list, vm, XB_ROOT_FRAME_LAYOUT, 4);
}

static void add_region(struct regions *list, const char *name, xb_addr start, uint64_t bytes)
{
	if (start != 0 && bytes >= 8 &&
	    !regions_push(list, (struct region){ name, start & ~(xb_addr)7, (size_t)(bytes / 8) }))
		abort();
}

static bool add_process(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	add_region(arg, "a process", p->addr, 512);
	add_region(arg, "a stack", p->stop, stack->n * 8);
	return true;
}

void scribble_regions(struct xb_session *s, struct regions *list)
{
	struct xb_vm *vm = s->vm;
	struct xb_proc_stats stats;
	struct xb_jitlist jit = XB_JITLIST_INIT;
	uint64_t pointers[4] = { 0 };
	size_t n;
	struct xb_module *m = xb_code_modules(vm, &n);

	xb_error_destroy(xb_proc_each(vm, XB_PROC_STACKS, add_process, list, &stats));
	for (size_t i = 0; i < n; i++)
		add_region(list, "the header of a module", m[i].start, 256);
	for (int i = 0; i < XB_ROOT__COUNT; i++)
		add_region(list, "what is beside a root", vm->roots.at[i].addr, 256);
	for (int i = 0; i < 64; i++) {
		add_region(list, "the slots of the process table", vm->roots.proc_tab, 8 * 512);
		add_region(list, "the schedulers", vm->roots.value[XB_ROOT_SCHEDULERS], 2048);
	}
	(void)xb_mem_try(s->mem,
			 vm->roots.at[XB_ROOT_ATOM_TABLE].addr +
				 xb_layout_at(&vm->layout, XB_F_IndexTable_seg_table),
			 &pointers[0], 8);
	(void)xb_mem_try(s->mem, pointers[0], &pointers[1], 8);
	(void)xb_mem_try(s->mem, pointers[1] + 8 * 40, &pointers[2], 8);
	for (int i = 0; i < 64; i++) {
		add_region(list, "the segments of the atom table", pointers[0], 8 * 8);
		add_region(list, "atoms of a segment", pointers[1], 8 * 1024);
		add_region(list, "atoms", pointers[2], 1 << 14);
	}
	if (vm->id.flavor == XB_FLAVOR_JIT)
		xb_error_destroy(xb_jitlist_read(vm, NULL, &jit));
	for (size_t i = 0; i < jit.len; i++) {
		add_region(list, "an entry of the JIT list", jit.entries[i]->node, 32);
		add_region(list, "a symbol file of the JIT list", jit.entries[i]->symfile, 512);
	}
	xb_jitlist_deinit(&jit);
	for (size_t i = 0; i < s->maps.len; i++) {
		const struct xb_map_line *l = &s->maps.lines[i];

		/* Variables: many regions, so that they are chosen often. */
		for (int k = 0; l->write && strstr(l->path, "/beam") != NULL && k < 128; k++)
			add_region(list, "the emulator's data", l->start, l->end - l->start);
	}
}
