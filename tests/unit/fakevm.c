#include "xbtest.h"

#include "fakemem.h"
#include "fakevm.h"

#include "vm/atom.h"
#include "vm/code.h"

#include <stdio.h>
#include <stdlib.h>

static xb_addr take(struct fakevm *f, size_t size, size_t align)
{
	size_t at = xb_align_up(f->memory->used, align);

	assert_true(at + size <= FAKEMEM_SIZE);
	f->memory->used = at + size;
	return FAKEMEM_BASE + at;
}

static void put(struct fakevm *f, xb_addr addr, const void *bytes, size_t n)
{
	assert_true(addr >= FAKEMEM_BASE && addr - FAKEMEM_BASE + n <= f->memory->used);
	memcpy(f->memory->bytes + (addr - FAKEMEM_BASE), bytes, n);
}

void fakevm_put64(struct fakevm *f, xb_addr addr, uint64_t v)
{
	put(f, addr, &v, 8);
}

uint64_t fakevm_get64(struct fakevm *f, xb_addr addr)
{
	uint64_t v;

	memcpy(&v, f->memory->bytes + (addr - FAKEMEM_BASE), 8);
	return v;
}

/* Field @id of the structure at @base, in its width. */
static void set(struct fakevm *f, xb_addr base, enum xb_layout_field id, uint64_t v)
{
	struct xb_layout_place p = f->vm->layout.field[id];

	if (p.from != XB_FROM_NOWHERE)
		put(f, base + p.offset, &v, XB_MIN(p.width, sizeof(v)));
}

static uint64_t konst(const struct fakevm *f, enum xb_layout_const k)
{
	return f->vm->layout.konst[k];
}

uint64_t fakevm_atom(const struct fakevm *f, uint32_t index)
{
	return (uint64_t)index << 6 | konst(f, XB_K_TAG_ATOM);
}

static void atom_name(uint32_t i, char *buf, size_t size)
{
	static const char *const first[] = { "false", "true", "_" };

	(void)snprintf(buf, size, i < XB_ARRAY_LEN(first) ? "%s" : "atom%s%u",
		       i < XB_ARRAY_LEN(first) ? first[i] : "", i);
}

/* An IndexTable with one segment of pointers; returns the address of the first. */
static xb_addr index_table(struct fakevm *f, xb_addr table, const char *name, uint32_t entries)
{
	xb_addr seg_table = take(f, 8 * 64, 8), seg = take(f, 8 * 1024, 8);
	xb_addr text = take(f, strlen(name) + 1, 8);

	put(f, text, name, strlen(name) + 1);
	fakevm_put64(f, seg_table, seg);
	set(f, table, XB_F_Hash_name, text);
	set(f, table, XB_F_IndexTable_entries, entries);
	set(f, table, XB_F_IndexTable_seg_table, seg_table);
	return seg;
}

static void make_atoms(struct fakevm *f)
{
	xb_addr table = take(f, 256, 64), seg = index_table(f, table, "atom_tab", FAKE_ATOMS);

	for (uint32_t i = 0; i < FAKE_ATOMS; i++) {
		char name[32];
		xb_addr atom = take(f, 64, 8), text;

		atom_name(i, name, sizeof(name));
		text = take(f, strlen(name), 1);
		put(f, text, name, strlen(name));
		fakevm_put64(f, seg + 8 * (uint64_t)i, atom);
		set(f, atom, XB_F_Atom_index, i);
		set(f, atom, XB_F_Atom_len, strlen(name));
		set(f, atom, XB_F_Atom_name, text);
	}
	f->vm->roots.at[XB_ROOT_ATOM_TABLE].addr = table;
}

/* "mN.erl" as the loader lays out a string: cells side by side. */
static uint64_t string(struct fakevm *f, const char *text)
{
	size_t n = strlen(text);
	xb_addr at = take(f, 16 * n, 16);

	for (size_t i = 0; i < n; i++) {
		fakevm_put64(f, at + 16 * i,
			     (uint64_t)(unsigned char)text[i] << 4 | konst(f, XB_K_TAG_SMALL));
		fakevm_put64(f, at + 16 * i + 8,
			     i + 1 < n ? (at + 16 * (i + 1)) | 1 : konst(f, XB_K_TAG_NIL));
	}
	return at | 1;
}

static void line_table(struct fakevm *f, size_t m, xb_addr header, xb_addr end)
{
	const struct xb_layout *l = &f->vm->layout;
	enum { ROWS = FAKE_FUNCTIONS * FAKE_ROWS };
	xb_addr table = take(f, 4096, 8), func_tab = table + xb_layout_at(l, XB_F_LineTab_func_tab);
	xb_addr rows = func_tab + 8 * (FAKE_FUNCTIONS + 1), locs = rows + 8 * (ROWS + 1);
	xb_addr names = take(f, 8, 8);
	char text[32];

	(void)snprintf(text, sizeof(text), "m%zu.erl", m);
	fakevm_put64(f, names, string(f, text));
	set(f, header, XB_F_BeamCodeHeader_line_table, table);
	set(f, table, XB_F_LineTab_fname_ptr, names);
	set(f, table, XB_F_LineTab_loc_size, 2);
	set(f, table, XB_F_LineTab_loc_tab, locs);
	for (uint64_t k = 0; k <= FAKE_FUNCTIONS; k++)
		fakevm_put64(f, func_tab + 8 * k, rows + 8 * k * FAKE_ROWS);
	for (uint64_t k = 0; k < ROWS; k++) {
		uint16_t line = (uint16_t)(FAKE_LINE + k);

		fakevm_put64(f, rows + 8 * k, fakevm_pc(f, m, k / FAKE_ROWS, k % FAKE_ROWS) - 8);
		put(f, locs + 2 * k, &line, 2);
	}
	fakevm_put64(f, rows + 8 * ROWS, end);
}

xb_addr fakevm_pc(const struct fakevm *f, size_t m, size_t fn, size_t row)
{
	const struct xb_layout *l = &f->vm->layout;

	/* Behind the ErtsCodeInfo; a return address is looked up just before it. */
	return f->code[m] + fn * (FAKE_FUNCTION_BYTES + 64) + xb_layout_at(l, XB_F_CodeInfo_mfa) +
	       XB_MFA_BYTES + 16 + row * 16;
}

static void make_module(struct fakevm *f, size_t m)
{
	const struct xb_layout *l = &f->vm->layout;
	enum { STEP = FAKE_FUNCTION_BYTES + 64 };
	xb_addr functions, md5, end;

	f->module[m] = take(f, 4096, 4096);
	functions = f->module[m] + xb_layout_at(l, XB_F_BeamCodeHeader_functions);
	f->code[m] = xb_align_up(functions + 8 * (FAKE_FUNCTIONS + 1), 64);
	end = f->code[m] + FAKE_FUNCTIONS * STEP;
	set(f, f->module[m], XB_F_BeamCodeHeader_num_functions, FAKE_FUNCTIONS);
	md5 = take(f, 16, 8);
	fakevm_put64(f, md5, 0x1111 + m);
	set(f, f->module[m], XB_F_BeamCodeHeader_md5_ptr, md5);
	for (uint64_t k = 0; k <= FAKE_FUNCTIONS; k++) {
		xb_addr at = f->code[m] + k * STEP, mfa = at + xb_layout_at(l, XB_F_CodeInfo_mfa);

		fakevm_put64(f, functions + 8 * k, at);
		if (k == FAKE_FUNCTIONS)
			break;
		fakevm_put64(f, mfa, fakevm_atom(f, (uint32_t)(100 + m)));
		fakevm_put64(f, mfa + 8, fakevm_atom(f, (uint32_t)(200 + k)));
		fakevm_put64(f, mfa + 16, k);
	}
	line_table(f, m, f->module[m], end);
}

static void make_code(struct fakevm *f)
{
	const struct xb_layout *l = &f->vm->layout;
	enum { STRIDE = 128 };
	xb_addr ranges = take(f, 3 * l->size[XB_S_ranges], 64), list, index = take(f, 8, 8);
	xb_addr tables = take(f, 3 * STRIDE, 64), seg;
	uint64_t length = 0;

	for (size_t m = 0; m < FAKE_MODULES; m++)
		make_module(f, m);
	/* More room than ranges, and old numbers in it. */
	list = take(f, 16 * (FAKE_MODULES + 4), 16);
	for (uint64_t m = 0; m < FAKE_MODULES; m++) {
		length = f->code[m] - f->module[m] + FAKE_FUNCTIONS * (FAKE_FUNCTION_BYTES + 64);
		fakevm_put64(f, list + 16 * m, f->module[m]);
		fakevm_put64(f, list + 16 * m + 8, f->module[m] + length);
	}
	fakevm_put64(f, index, 1);
	set(f, ranges + l->size[XB_S_ranges], XB_F_ranges_modules, list);
	set(f, ranges + l->size[XB_S_ranges], XB_F_ranges_n, FAKE_MODULES);
	set(f, ranges + l->size[XB_S_ranges], XB_F_ranges_allocated, FAKE_MODULES + 4);
	set(f, ranges + l->size[XB_S_ranges], XB_F_ranges_mid, list + 16 * (FAKE_MODULES / 2));
	seg = index_table(f, tables + STRIDE, "module_code", FAKE_MODULES);
	/* The last module is there as old code of the one before it as well. */
	for (uint64_t m = 0; m < FAKE_MODULES; m++) {
		xb_addr module = take(f, l->size[XB_S_Module], 8);

		length = f->code[m] - f->module[m] + FAKE_FUNCTIONS * (FAKE_FUNCTION_BYTES + 64);
		fakevm_put64(f, seg + 8 * m, module);
		set(f, module, XB_F_Module_module, 100 + m);
		set(f, module, m % 2 == 0 ? XB_F_Module_curr_code : XB_F_Module_old_code, f->module[m]);
		set(f, module, m % 2 == 0 ? XB_F_Module_curr_length : XB_F_Module_old_length, length);
	}
	f->vm->roots.at[XB_ROOT_RANGES].addr = ranges;
	f->vm->roots.at[XB_ROOT_CODE_INDEX].addr = index;
	f->vm->roots.at[XB_ROOT_MODULE_TABLES].addr = tables;
}

static void make_schedulers(struct fakevm *f, enum xb_root_id array, enum xb_root_id count,
			    enum xb_layout_const type, xb_addr *ret_queue)
{
	const struct xb_layout *l = &f->vm->layout;
	uint64_t stride = xb_align_up(l->size[XB_S_ErtsSchedulerData], 64);
	xb_addr base = take(f, FAKE_SCHEDULERS * stride, 64), queue = 0;
	bool normal = type == XB_K_SCHED_NORMAL;

	for (uint64_t i = 0; i < FAKE_SCHEDULERS; i++) {
		xb_addr at = base + i * stride, thread = take(f, 4096, 64);

		if (normal || i == 0)
			queue = take(f, 1024, 64);
		if (normal)
			set(f, queue, XB_F_ErtsRunQueue_scheduler, at);
		if (normal)
			*ret_queue = queue;
		fakevm_put64(f, thread, thread);
		set(f, at, XB_F_ErtsSchedulerData_type, konst(f, type));
		set(f, at, normal ? XB_F_ErtsSchedulerData_no : XB_F_ErtsSchedulerData_dirty_no, i + 1);
		set(f, at, XB_F_ErtsSchedulerData_run_queue, queue);
		set(f, at, XB_F_ErtsSchedulerData_tid, thread);
		fakevm_put64(f, thread + 720, FAKE_TID + i + 100 * konst(f, type));
	}
	f->vm->roots.value[array] = base;
	f->vm->roots.value[count] = FAKE_SCHEDULERS;
}

enum { HEAP_WORDS = 233, DATA_WORDS = 20 };

static uint64_t pid_of(const struct fakevm *f, uint32_t slot, uint32_t number)
{
	if (konst(f, XB_K_PID_SCHEME) == 28)
		return (uint64_t)slot << 32 | (uint64_t)number << 4 | konst(f, XB_K_TAG_PID);
	return (uint64_t)slot << 4 | konst(f, XB_K_TAG_PID);
}

static void make_process(struct fakevm *f, size_t i, xb_addr queue)
{
	const struct xb_layout *l = &f->vm->layout;
	xb_addr p = take(f, l->size[XB_S_Process], 64), heap = take(f, 8 * HEAP_WORDS, 8);
	xb_addr initial = p + xb_layout_at(l, XB_F_Process_initial);
	uint32_t slot = (uint32_t)(8 * i);

	f->process[i] = p;
	set(f, p, XB_F_Process_id, pid_of(f, slot, (uint32_t)i));
	set(f, p, XB_F_Process_heap, heap);
	set(f, p, XB_F_Process_htop, heap + 8 * DATA_WORDS);
	set(f, p, XB_F_Process_stop, heap + 8 * (HEAP_WORDS - 1));
	set(f, p, XB_F_Process_hend, heap + 8 * HEAP_WORDS);
	set(f, p, XB_F_Process_heap_sz, HEAP_WORDS);
	fakevm_put64(f, heap + 8 * (HEAP_WORDS - 1), f->normal_exit);
	set(f, p, XB_F_Process_i, fakevm_pc(f, i % FAKE_MODULES, i % FAKE_FUNCTIONS, 0));
	set(f, p, XB_F_Process_reds, 1000 + i);
	set(f, p, XB_F_Process_fcalls, 3900);
	set(f, p, XB_F_Process_state, UINT64_C(0xa) << konst(f, XB_K_BIT_PRIO_SHIFT));
	set(f, p, XB_F_Process_run_queue, queue);
	set(f, p, XB_F_Process_inq_last, p + xb_layout_at(l, XB_F_Process_inq_first));
	/* Neighbours that are never zero in a VM: flags of the queue, and the parent. */
	fakevm_put64(f, p + xb_layout_at(l, XB_F_Process_msgq_len) + 8, 1);
	fakevm_put64(f, p + xb_layout_at(l, XB_F_Process_current) + 8, pid_of(f, 0, 0));
	fakevm_put64(f, initial, fakevm_atom(f, 100));
	fakevm_put64(f, initial + 8, fakevm_atom(f, (uint32_t)(200 + i % 4)));
	fakevm_put64(f, initial + 16, 2);
	if (i % 4 == 0) {
		xb_addr reg = take(f, 64, 8);

		set(f, reg, XB_F_RegProc_p, p);
		set(f, reg, XB_F_RegProc_name, fakevm_atom(f, (uint32_t)(300 + i)));
		set(f, p, XB_F_Process_reg, reg);
	}
	if (i % 4 == 1) {
		xb_addr old = take(f, 8 * 376, 8);

		set(f, p, XB_F_Process_old_heap, old);
		set(f, p, XB_F_Process_old_hend, old + 8 * 376);
		/* The word between them in every release: where the next free one is. */
		if (xb_layout_at(l, XB_F_Process_old_heap) ==
		    xb_layout_at(l, XB_F_Process_old_hend) + 16)
			fakevm_put64(f, p + xb_layout_at(l, XB_F_Process_old_hend) + 8, old + 8 * 100);
	}
	if (i % 4 == 2) {
		set(f, p, XB_F_Process_current, f->code[0] + xb_layout_at(l, XB_F_CodeInfo_mfa));
		set(f, p, XB_F_Process_msgq_first, take(f, 64, 8));
		set(f, p, XB_F_Process_msgq_len, 3);
	}
}

static void make_processes(struct fakevm *f, xb_addr queue)
{
	const struct xb_layout *l = &f->vm->layout;
	xb_addr table = take(f, 512, 64), tab = take(f, 8 * FAKE_SLOTS, 64);
	xb_addr invalid = take(f, l->size[XB_S_Process], 64);

	set(f, invalid, XB_F_Process_id, 0xfffffff0 | konst(f, XB_K_TAG_PID));
	set(f, table, XB_F_ErtsPTab_tab, tab);
	set(f, table, XB_F_ErtsPTab_max, FAKE_SLOTS);
	set(f, table, XB_F_ErtsPTab_pix_mask, FAKE_SLOTS - 1);
	set(f, table, XB_F_ErtsPTab_element_size, l->size[XB_S_Process]);
	set(f, table, XB_F_ErtsPTab_invalid_element, invalid);
	set(f, table, XB_F_ErtsPTab_count, FAKE_PROCESSES);
	f->vm->roots.at[XB_ROOT_PROC_TABLE].addr = table;
	for (size_t i = 0; i < FAKE_PROCESSES; i++) {
		make_process(f, i, queue);
		fakevm_put64(f, tab + 8 * 8 * (uint64_t)i, f->process[i]);
	}
	/* A slot that is being filled. */
	fakevm_put64(f, tab + 8 * (FAKE_SLOTS - 1), invalid);
}

void fakevm_stack(struct fakevm *f, size_t i, const uint64_t *words, size_t n)
{
	const struct xb_layout *l = &f->vm->layout;
	xb_addr hend = fakevm_get64(f, f->process[i] + xb_layout_at(l, XB_F_Process_hend));

	assert_true(n + DATA_WORDS < HEAP_WORDS);
	for (size_t k = 0; k < n; k++)
		fakevm_put64(f, hend - 8 * (n - k), words[k]);
	set(f, f->process[i], XB_F_Process_stop, hend - 8 * n);
}

/* Whatever the table says is what this VM was built with. */
static uint64_t any_size(void *arg, const struct xb_layout *l)
{
	(void)arg;
	return l->size[XB_S_Process];
}

void fakevm_create(struct fakevm *f, unsigned release, enum xb_flavor flavor)
{
	xb_addr queue = 0, none;

	*f = (struct fakevm){ .vm = calloc(1, sizeof(*f->vm)),
			      .memory = calloc(1, sizeof(*f->memory)) };
	assert_non_null(f->vm);
	assert_non_null(f->memory);
	f->memory->bytes = calloc(1, FAKEMEM_SIZE);
	assert_non_null(f->memory->bytes);
	assert_ok(xb_layout_for(release, flavor, NULL, any_size, NULL, &f->vm->layout));
	assert_ok(xb_mem_create(&fakemem_ops, f->memory, &f->vm->mem));
	f->vm->id.otp = release;
	f->vm->id.flavor = flavor;
	f->normal_exit = take(f, 64, 64);
	f->return_trace = take(f, 64, 64);
	f->vm->roots.value[XB_ROOT_NORMAL_EXIT] = f->normal_exit;
	f->vm->roots.value[XB_ROOT_RETURN_TRACE] = f->return_trace;
	make_atoms(f);
	make_code(f);
	make_schedulers(f, XB_ROOT_SCHEDULERS, XB_ROOT_N_SCHEDULERS, XB_K_SCHED_NORMAL, &queue);
	make_schedulers(f, XB_ROOT_DIRTY_CPU_SCHEDULERS, XB_ROOT_N_DIRTY_CPU_SCHEDULERS,
			XB_K_SCHED_DIRTY_CPU, &none);
	make_schedulers(f, XB_ROOT_DIRTY_IO_SCHEDULERS, XB_ROOT_N_DIRTY_IO_SCHEDULERS,
			XB_K_SCHED_DIRTY_IO, &none);
	make_processes(f, queue);
	assert_ok(xb_atoms_create(f->vm, &f->vm->atoms));
	assert_ok(xb_code_create(f->vm, &f->vm->code));
	assert_ok(xb_roots_read(f->vm));
}

void fakevm_destroy(struct fakevm *f)
{
	struct xb_mem *mem = f->vm->mem;

	xb_vm_detach(f->vm);
	xb_mem_destroy(mem);
}
