#include "vm/process.h"

#include "base/rd.h"
#include "vm/atom.h"
#include "vm/process_batch.h"
#include "vm/vm.h"

#include <stdlib.h>

static enum xb_proc_state status_of(const struct xb_layout *l, uint32_t state)
{
	const uint64_t *k = l->konst;

#define BIT(name) (state & (1U << k[XB_K_BIT_##name]))
	if (BIT(FREE))
		return XB_PROC_FREE;
	if (BIT(EXITING))
		return XB_PROC_EXITING;
	if (BIT(GC))
		return XB_PROC_GARBAGE_COLLECTING;
	if (BIT(SUSPENDED))
		return XB_PROC_SUSPENDED;
	if (BIT(RUNNING) || BIT(RUNNING_SYS) || BIT(DIRTY_RUNNING) || BIT(DIRTY_RUNNING_SYS))
		return XB_PROC_RUNNING;
	if (BIT(ACTIVE) || BIT(ACTIVE_SYS) || BIT(DIRTY_ACTIVE_SYS))
		return XB_PROC_RUNNABLE;
	return XB_PROC_WAITING;
#undef BIT
}

const char *xb_proc_state_name(enum xb_proc_state status)
{
	static const char *const names[] = {
		[XB_PROC_WAITING] = "waiting",     [XB_PROC_RUNNABLE] = "runnable",
		[XB_PROC_RUNNING] = "running",     [XB_PROC_GARBAGE_COLLECTING] = "garbage_collecting",
		[XB_PROC_SUSPENDED] = "suspended", [XB_PROC_EXITING] = "exiting",
		[XB_PROC_FREE] = "free",
	};

	return names[status];
}

/* On a scheduler right now, so that stop, htop and i in the structure are stale. */
static bool on_scheduler(const struct xb_layout *l, uint32_t state)
{
	const uint64_t *k = l->konst;

	/* A process on a dirty scheduler is fully swapped out: its structure is true. */
	return (state & (1U << k[XB_K_BIT_RUNNING] | 1U << k[XB_K_BIT_RUNNING_SYS])) != 0;
}

bool xb_proc_decode(struct xb_vm *vm, xb_addr addr, uint32_t slot, const unsigned char *bytes,
		    size_t len, struct xb_proc *ret)
{
	const struct xb_layout *l = &vm->layout;
	struct xb_rec rec = { l, bytes, len };
	struct xb_proc p = { .addr = addr, .slot = slot };
	uint64_t old_heap = xb_rec_get(&rec, XB_F_Process_old_heap);
	uint64_t old_hend = xb_rec_get(&rec, XB_F_Process_old_hend);

	p.id = xb_rec_get(&rec, XB_F_Process_id);
	if ((p.id & 0xf) != l->konst[XB_K_TAG_PID] || xb_proc_slot(vm, p.id) != slot)
		return false;
	p.state = (uint32_t)xb_rec_get(&rec, XB_F_Process_state);
	p.status = status_of(l, p.state);
	p.grade = on_scheduler(l, p.state) ? XB_GRADE_RUNNING : XB_GRADE_PARKED;
	p.i = xb_rec_get(&rec, XB_F_Process_i);
	p.htop = xb_rec_get(&rec, XB_F_Process_htop);
	p.stop = xb_rec_get(&rec, XB_F_Process_stop);
	p.heap = xb_rec_get(&rec, XB_F_Process_heap);
	p.hend = xb_rec_get(&rec, XB_F_Process_hend);
	p.heap_words = xb_rec_get(&rec, XB_F_Process_heap_sz);
	if (old_heap != 0 && old_hend > old_heap)
		p.old_heap_words = (old_hend - old_heap) / 8;
	if (p.stop <= p.hend && p.stop >= p.heap && p.stop % 8 == 0)
		p.stack_words = (p.hend - p.stop) / 8;
	p.reductions = xb_rec_get(&rec, XB_F_Process_reds);
	/* The parts may be negative where lengths are kept as offsets; their sum is not. */
	p.messages = xb_rec_get(&rec, XB_F_Process_msgq_len) +
		     xb_rec_get(&rec, XB_F_Process_msgq_offs) + xb_rec_get(&rec, XB_F_Process_inq_len);
	if (p.messages >> 63 != 0)
		p.messages = 0;
	p.has_initial = xb_layout_at(l, XB_F_Process_initial) + XB_MFA_BYTES <= len &&
			xb_mfa_decode(vm, bytes + xb_layout_at(l, XB_F_Process_initial), &p.initial);
	*ret = p;
	return true;
}

bool xb_proc_same(const struct xb_layout *l, const unsigned char *a, const unsigned char *b, size_t len)
{
	static const enum xb_layout_field watched[] = {
		XB_F_Process_id,   XB_F_Process_i,    XB_F_Process_htop, XB_F_Process_stop,
		XB_F_Process_heap, XB_F_Process_hend, XB_F_Process_reds, XB_F_Process_state,
	};
	struct xb_rec ra = { l, a, len }, rb = { l, b, len };

	for (size_t i = 0; i < XB_ARRAY_LEN(watched); i++) {
		if (xb_rec_get(&ra, watched[i]) != xb_rec_get(&rb, watched[i]))
			return false;
	}
	return true;
}

struct xb_error *xb_proc_count(struct xb_vm *vm, uint32_t *ret)
{
	xb_addr table = vm->roots.at[XB_ROOT_PROC_TABLE].addr;

	return xb_error_wrap(
		xb_mem_u32(vm->mem, table + xb_layout_at(&vm->layout, XB_F_ErtsPTab_count), ret),
		"process table");
}

bool xb_proc_is(struct xb_vm *vm, xb_addr addr)
{
	uint64_t id, at;
	uint32_t slot;

	if (addr == 0 || (addr & 7) != 0 || xb_mem_try(vm->mem, addr, &id, 8) < 8 ||
	    (id & 0xf) != vm->layout.konst[XB_K_TAG_PID])
		return false;
	slot = xb_proc_slot(vm, id);
	return slot < vm->roots.proc_max &&
	       xb_mem_try(vm->mem, vm->roots.proc_tab + 8 * (uint64_t)slot, &at, 8) == 8 && at == addr;
}

/* A registered name as the value of a map: 1 for none. */
static uint64_t pack_name(const struct xb_proc *p)
{
	return p->has_name ? (uint64_t)p->name + 2 : 1;
}

static bool known_name(const struct xb_map *names, struct xb_proc *p)
{
	const uint64_t *known = names == NULL ? NULL : xb_map_get(names, p->id);

	if (known == NULL)
		return false;
	p->has_name = *known > 1;
	p->name = p->has_name ? (uint32_t)(*known - 2) : 0;
	return true;
}

/*
 * What the structures point to: registered names and current functions, one batch for all.  With @names neither is
 * read of processes that are in it, and the others are added.
 */
static struct xb_error *read_pointed(struct xb_vm *vm, const unsigned char *bytes, size_t len, size_t n,
				     struct xb_map *names, struct xb_proc *list, const bool *ok)
{
	const struct xb_layout *l = &vm->layout;
	struct xb_io *io = calloc(2 * n + 1, sizeof(*io));
	struct pointed {
		uint64_t name;
		unsigned char mfa[XB_MFA_BYTES];
	} *pointed = calloc(n + 1, sizeof(*pointed));
	struct xb_error *err = io == NULL || pointed == NULL ? xb_error_nomem() : NULL;
	size_t n_io = 0;

	for (size_t i = 0; err == NULL && i < n; i++) {
		struct xb_rec rec = { l, bytes + i * len, len };
		uint64_t reg = xb_rec_get(&rec, XB_F_Process_reg),
			 current = xb_rec_get(&rec, XB_F_Process_current);

		if (!ok[i] || known_name(names, &list[i]))
			continue;
		if (reg != 0)
			io[n_io++] = (struct xb_io){ .addr = reg + xb_layout_at(l, XB_F_RegProc_name),
						     .len = 8,
						     .buf = &pointed[i].name };
		if (current != 0)
			io[n_io++] = (struct xb_io){ .addr = current,
						     .len = XB_MFA_BYTES,
						     .buf = pointed[i].mfa };
	}
	if (err == NULL && n_io > 0)
		err = xb_mem_readv(vm->mem, io, n_io);
	/* What could not be read stayed zero, which is neither an atom nor an MFA. */
	for (size_t i = 0; err == NULL && i < n; i++) {
		if (!ok[i] || known_name(names, &list[i]))
			continue;
		list[i].has_name = xb_atom_index(vm, (xb_term){ pointed[i].name }, &list[i].name);
		list[i].has_current = xb_mfa_decode(vm, pointed[i].mfa, &list[i].current);
		if (names != NULL && !xb_map_put(names, list[i].id, pack_name(&list[i])))
			err = xb_error_nomem();
	}
	free(io);
	free(pointed);
	return err;
}

struct xb_error *xb_proc_read_at(struct xb_vm *vm, const xb_addr *addrs, size_t n, struct xb_map *names,
				 struct xb_proc *ret, bool *ok)
{
	size_t len = XB_MIN(vm->layout.size[XB_S_Process], XB_PROC_MAX_BYTES);
	unsigned char *bytes = calloc(n + 1, len);
	struct xb_io *io = calloc(n + 1, sizeof(*io));
	struct xb_error *err = bytes == NULL || io == NULL ? xb_error_nomem() : NULL;

	for (size_t i = 0; err == NULL && i < n; i++)
		io[i] = (struct xb_io){ .addr = addrs[i], .len = len, .buf = bytes + i * len };
	if (err == NULL)
		err = xb_mem_readv(vm->mem, io, n);
	for (size_t i = 0; err == NULL && i < n; i++) {
		struct xb_rec rec = { &vm->layout, io[i].buf, len };

		ok[i] = io[i].got == len &&
			xb_proc_decode(vm, addrs[i],
				       xb_proc_slot(vm, xb_rec_get(&rec, XB_F_Process_id)), io[i].buf,
				       len, &ret[i]);
	}
	if (err == NULL)
		err = read_pointed(vm, bytes, len, n, names, ret, ok);
	free(bytes);
	free(io);
	return err;
}

bool xb_proc_at(struct xb_vm *vm, xb_addr addr, struct xb_proc *ret)
{
	bool ok = false;
	struct xb_error *err = xb_proc_read_at(vm, &addr, 1, NULL, ret, &ok);

	xb_error_destroy(err);
	return err == NULL && ok;
}

void xb_proc_write_label(struct xb_vm *vm, const struct xb_proc *p, struct xb_str *out)
{
	if (p->has_name)
		xb_atom_write(vm, p->name, out);
	else if (p->has_initial)
		xb_mfa_write(vm, p->initial, out);
	else
		xb_proc_write_id(vm, p->id, out);
}
