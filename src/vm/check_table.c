/* Checks on the two tables everything else is found through: processes and atoms. */
#include "base/rd.h"
#include "vm/atom.h"
#include "vm/check_impl.h"
#include "vm/process.h"
#include "vm/vm.h"

#include <string.h>

enum {
	ATOMS = 64,
	ATOM_SEGMENTS = 4,
	SEG_ATOMS = 1024,
	TABLE_BYTES = 512, /* every field of ErtsPTab asked for lies in front of this */
};

struct xb_error *xb_check_ptab_shape(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	const struct xb_roots *t = &vm->roots;
	unsigned char bytes[TABLE_BYTES];
	struct xb_rec rec = { &vm->layout, bytes, sizeof(bytes) };

	XB_TRY(xb_mem_read(vm->mem, t->at[XB_ROOT_PROC_TABLE].addr, bytes, sizeof(bytes)));
	r->tested = 1;
	r->failed = t->proc_max < 1024 || t->proc_max > 1U << 27 ||
		    (t->proc_max & (t->proc_max - 1)) != 0 || t->proc_pix_mask != t->proc_max - 1 ||
		    t->proc_tab == 0 || t->proc_tab % 64 != 0 ||
		    xb_rec_get(&rec, XB_F_ErtsPTab_element_size) != vm->layout.size[XB_S_Process];
	return NULL;
}

/*
 * The count includes a few that are being created or freed, and a busy VM moves between the readings; but a table of
 * 40 processes may not be off by 40.
 */
struct xb_error *xb_check_ptab_count(struct xb_check_ctx *c, struct xb_check_result *r)
{
	uint32_t before, after;
	size_t slack;

	XB_TRY(xb_proc_count(c->vm, &before));
	XB_TRY(xb_check_sample(c));
	XB_TRY(xb_proc_count(c->vm, &after));
	slack = 8 + c->occupied / 8;
	r->tested = 1;
	r->failed = c->occupied == 0 || c->occupied + slack < XB_MIN(before, after) ||
		    c->occupied > XB_MAX(before, after) + slack;
	return NULL;
}

/*
 * The placeholder of a slot that is being filled is a structure outside the table whose id is a pid that no table can
 * hold.  erts/emulator/beam/erl_process.c:erts_init_process(), erts_invalid_process
 */
struct xb_error *xb_check_invalid_element(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	xb_addr at = vm->roots.proc_invalid;
	uint64_t id = 0;

	r->tested = 1;
	r->failed = at == 0 || at % 8 != 0 ||
		    xb_mem_try(vm->mem, at + xb_layout_at(&vm->layout, XB_F_Process_id), &id, 8) < 8 ||
		    (id & 0xf) != vm->layout.konst[XB_K_TAG_PID] || xb_proc_is(vm, at);
	return NULL;
}

/* The name that the table was made with: erts/emulator/beam/atom.c:init_atom_table() */
static bool is_atom_table(struct xb_vm *vm)
{
	static const char want[] = "atom_tab";
	xb_addr table = vm->roots.at[XB_ROOT_ATOM_TABLE].addr, name = 0;
	char text[sizeof(want)] = "";

	return xb_mem_try(vm->mem, table + xb_layout_at(&vm->layout, XB_F_Hash_name), &name, 8) == 8 &&
	       xb_mem_try(vm->mem, name, text, sizeof(want)) == sizeof(want) &&
	       memcmp(text, want, sizeof(want)) == 0;
}

/*
 * The first atoms of every release are false, true and '_' (erts/emulator/beam/atom.names); the others looked at are
 * spread over a few segments, which are read whole.  xb_atom_get() itself refuses an Atom that does not carry its own
 * index.
 */
struct xb_error *xb_check_atom_text(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	static const char *const first[] = { "false", "true", "_" };
	uint32_t n, now, step = SEG_ATOMS * ATOM_SEGMENTS / ATOMS, seg_step;
	struct xb_atom_text text;

	r->tested++;
	r->failed += !is_atom_table(vm);
	XB_TRY(xb_atoms_count(vm, &n));
	for (uint32_t i = 0; i < XB_ARRAY_LEN(first); i++, r->tested++) {
		if (!xb_atom_get(vm, i, &text) || text.len != strlen(first[i]) ||
		    memcmp(text.name, first[i], text.len) != 0)
			r->failed++;
	}
	/* More than an emulator is built with, and fewer than its limit allows: then the newest must be there, though
	 * one may be in the making. */
	r->tested++;
	if (n < 500 || n > UINT32_MAX >> 6) {
		r->failed++;
		return NULL;
	}
	seg_step = XB_MAX((n / SEG_ATOMS + ATOM_SEGMENTS - 1) / ATOM_SEGMENTS, 1U) * SEG_ATOMS;
	for (uint32_t seg = 0; seg < n; seg += seg_step) {
		for (uint32_t i = seg; i < XB_MIN(seg + SEG_ATOMS, n - 1); i += step, r->tested++)
			r->failed += !xb_atom_get(vm, i, &text);
	}
	r->tested += 2;
	r->failed += !xb_atom_get(vm, n - 2, &text);
	/* Nor is there one beyond the last, but for those that were made since. */
	if (xb_atom_get(vm, n + 1, &text)) {
		XB_TRY(xb_atoms_count(vm, &now));
		r->failed += now <= n + 1;
	}
	return NULL;
}

static bool same_structure(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");

	return strncmp(a, b, n + 1) == 0;
}

/*
 * Says nothing of the VM, only of the layout: two fields that hold the same number today (how many code ranges there
 * are, and for how many there is room) cannot be told apart by looking.  Optional fields may be members of a union.
 */
struct xb_error *xb_check_disjoint_fields(struct xb_check_ctx *c, struct xb_check_result *r)
{
	const struct xb_layout *l = &c->vm->layout;

	for (int i = 0; i < XB_F__COUNT; i++) {
		const char *a = xb_layout_field_name((enum xb_layout_field)i);
		struct xb_layout_place p = l->field[i];

		if (p.from == XB_FROM_NOWHERE || !xb_layout_field_must((enum xb_layout_field)i))
			continue;
		r->tested++;
		for (int k = 0; k < XB_F__COUNT; k++) {
			const char *b = xb_layout_field_name((enum xb_layout_field)k);
			struct xb_layout_place q = l->field[k];

			if (k != i && q.from != XB_FROM_NOWHERE && same_structure(a, b) &&
			    p.offset < q.offset + XB_MAX(q.width, 1U) &&
			    q.offset < p.offset + XB_MAX(p.width, 1U))
				return xb_errorf(XB_ERR_MISMATCH, "%s at %u and %s at %u overlap", a,
						 p.offset, b, q.offset);
		}
	}
	return NULL;
}
