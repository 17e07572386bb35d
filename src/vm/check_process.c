/*
 * Checks on process structures.  Up to 256 processes spread over the table are looked at; one that
 * breaks a rule is read again up to three times, since it may have been running or exiting while it was
 * copied.
 */
#include "base/rd.h"
#include "vm/atom.h"
#include "vm/check_impl.h"
#include "vm/code.h"
#include "vm/process.h"
#include "vm/process_batch.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

enum { AGAIN = 3, BATCH = 64 };

struct subject {
	struct xb_vm *vm;
	xb_addr addr;
	uint32_t slot;
	struct xb_rec rec;
};

/* A rule holds for a process, or does not; what it cannot judge (running, exiting) it lets pass. */
typedef bool (*rule_fn)(const struct subject *s);

static uint64_t get(const struct subject *s, enum xb_layout_field f)
{
	return xb_rec_get(&s->rec, f);
}

static bool has_bit(const struct subject *s, enum xb_layout_const bit)
{
	return (get(s, XB_F_Process_state) & (uint64_t)1 << s->vm->layout.konst[bit]) != 0;
}

/* Its structure is out of date while it runs, and being taken apart while it exits. */
static bool in_motion(const struct subject *s)
{
	return has_bit(s, XB_K_BIT_RUNNING) || has_bit(s, XB_K_BIT_RUNNING_SYS) ||
	       has_bit(s, XB_K_BIT_GC) || has_bit(s, XB_K_BIT_EXITING) || has_bit(s, XB_K_BIT_FREE);
}

static bool still_there(const struct subject *s)
{
	xb_addr now = 0;

	(void)xb_mem_try(s->vm->mem, s->vm->roots.proc_tab + 8 * (uint64_t)s->slot, &now, 8);
	return now == s->addr;
}

static bool holds(struct xb_vm *vm, xb_addr addr, uint32_t slot, rule_fn rule)
{
	unsigned char bytes[XB_PROC_MAX_BYTES];
	size_t len = XB_MIN(vm->layout.size[XB_S_Process], sizeof(bytes));
	struct subject s = { vm, addr, slot, { &vm->layout, bytes, len } };

	for (int i = 0; i < AGAIN; i++) {
		if (!still_there(&s))
			return true;
		if (xb_mem_try(vm->mem, addr, bytes, len) == len && rule(&s))
			return true;
	}
	return !still_there(&s);
}

/* Two passes over the slots: count the occupied ones, then take every k-th. */
struct xb_error *xb_check_sample(struct xb_check_ctx *c)
{
	const struct xb_roots *roots = &c->vm->roots;
	size_t bytes = (size_t)roots->proc_max * 8, seen = 0, step;
	uint64_t *slots = malloc(bytes);
	struct xb_error *err;

	if (slots == NULL)
		return xb_error_nomem();
	err = xb_error_wrap(xb_mem_read(c->vm->mem, roots->proc_tab, slots, bytes), "process table");
	c->occupied = c->n = 0;
	for (uint32_t i = 0; err == NULL && i < roots->proc_max; i++)
		c->occupied += slots[i] != 0 && slots[i] != roots->proc_invalid;
	step = c->occupied / XB_CHECK_SAMPLE + 1;
	for (uint32_t i = 0; err == NULL && i < roots->proc_max && c->n < XB_CHECK_SAMPLE; i++) {
		if (slots[i] == 0 || slots[i] == roots->proc_invalid || seen++ % step != 0)
			continue;
		c->sample[c->n].addr = slots[i];
		c->sample[c->n++].slot = i;
	}
	free(slots);
	return err;
}

/* The first look at a process comes from a batched read; only one that breaks the rule is looked at alone. */
static void each(struct xb_check_ctx *c, struct xb_check_result *r, rule_fn rule)
{
	size_t len = XB_MIN(c->vm->layout.size[XB_S_Process], (size_t)XB_PROC_MAX_BYTES);
	unsigned char *bytes = calloc(BATCH, len + 1);

	for (size_t from = 0; from < c->n; from += BATCH) {
		size_t n = XB_MIN(c->n - from, (size_t)BATCH);
		struct xb_io io[BATCH] = { 0 };

		for (size_t i = 0; bytes != NULL && i < n; i++)
			io[i] = (struct xb_io){ .addr = c->sample[from + i].addr,
						.len = len,
						.buf = bytes + i * len };
		if (bytes != NULL)
			xb_error_destroy(xb_mem_readv(c->vm->mem, io, n));
		for (size_t i = 0; i < n; i++) {
			xb_addr addr = c->sample[from + i].addr;
			uint32_t slot = c->sample[from + i].slot;
			struct subject s = { c->vm, addr, slot, { &c->vm->layout, io[i].buf, len } };

			r->tested++;
			r->failed += !(bytes != NULL && io[i].got == len && rule(&s)) &&
				     !holds(c->vm, addr, slot, rule);
		}
	}
	free(bytes);
}

struct xb_error *xb_check_ptab_shape(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_vm *vm = c->vm;
	const struct xb_roots *t = &vm->roots;
	unsigned char bytes[512];
	struct xb_rec rec = { &vm->layout, bytes, sizeof(bytes) };

	XB_TRY(xb_mem_read(vm->mem, t->at[XB_ROOT_PROC_TABLE].addr, bytes, sizeof(bytes)));
	r->tested = 1;
	r->failed = t->proc_max < 1024 || t->proc_max > 1U << 27 ||
		    (t->proc_max & (t->proc_max - 1)) != 0 || t->proc_pix_mask != t->proc_max - 1 ||
		    t->proc_tab == 0 || t->proc_tab % 64 != 0 ||
		    xb_rec_get(&rec, XB_F_ErtsPTab_element_size) != vm->layout.size[XB_S_Process];
	return NULL;
}

/* The count includes a few that are being created or freed; a busy VM moves between the two readings.
 */
struct xb_error *xb_check_ptab_count(struct xb_check_ctx *c, struct xb_check_result *r)
{
	uint32_t before, after;
	size_t slack;

	XB_TRY(xb_proc_count(c->vm, &before));
	XB_TRY(xb_check_sample(c));
	XB_TRY(xb_proc_count(c->vm, &after));
	slack = 64 + c->occupied / 8;
	r->tested = 1;
	r->failed = c->occupied + slack < XB_MIN(before, after) ||
		    c->occupied > XB_MAX(before, after) + slack;
	return NULL;
}

static bool id_slot(const struct subject *s)
{
	uint64_t id = get(s, XB_F_Process_id);

	return (id & 0xf) == s->vm->layout.konst[XB_K_TAG_PID] && xb_proc_slot(s->vm, id) == s->slot;
}

static bool heap_order(const struct subject *s)
{
	uint64_t heap = get(s, XB_F_Process_heap), htop = get(s, XB_F_Process_htop);
	uint64_t stop = get(s, XB_F_Process_stop), hend = get(s, XB_F_Process_hend);

	if (in_motion(s))
		return true;
	return heap != 0 && heap % 8 == 0 && heap <= htop && htop <= stop && stop <= hend &&
	       stop % 8 == 0 && hend - heap == 8 * get(s, XB_F_Process_heap_sz);
}

static bool old_heap(const struct subject *s)
{
	uint64_t start = get(s, XB_F_Process_old_heap), end = get(s, XB_F_Process_old_hend);

	if (in_motion(s))
		return true;
	return (start == 0 && end == 0) || (start % 8 == 0 && start < end && (end - start) >> 40 == 0);
}

static unsigned priority(const struct subject *s, unsigned which)
{
	return (unsigned)(get(s, XB_F_Process_state) >>
			  (s->vm->layout.konst[XB_K_BIT_PRIO_SHIFT] + 2 * which)) &
	       3;
}

/* Bit 31 is never used; system tasks may raise the active priority (0 is max) above the user's, never
 * lower it. */
static bool state_flags(const struct subject *s)
{
	return get(s, XB_F_Process_state) >> 31 == 0 && priority(s, 0) <= priority(s, 1) &&
	       !(has_bit(s, XB_K_BIT_FREE) && has_bit(s, XB_K_BIT_RUNNING) && has_bit(s, XB_K_BIT_GC));
}

enum { PRIORITY_NORMAL = 2 };

static bool is_normal(const struct subject *s)
{
	return priority(s, 0) == PRIORITY_NORMAL && priority(s, 1) == PRIORITY_NORMAL;
}

static bool initial_mfa(const struct subject *s)
{
	struct xb_mfa mfa;
	struct xb_str text = XB_STR_INIT;
	uint32_t at = xb_layout_at(&s->vm->layout, XB_F_Process_initial);
	bool ok;

	if ((size_t)at + XB_MFA_BYTES > s->rec.len || !xb_mfa_decode(s->vm, s->rec.bytes + at, &mfa))
		return false;
	xb_mfa_write(s->vm, mfa, &text);
	ok = strstr(xb_str_get(&text), "#Atom<") == NULL;
	xb_str_deinit(&text);
	return ok;
}

static bool reg_round_trip(const struct subject *s)
{
	const struct xb_layout *l = &s->vm->layout;
	uint64_t reg = get(s, XB_F_Process_reg), back = 0, name = 0;
	uint32_t atom;

	if (reg == 0 || in_motion(s))
		return true;
	return reg % 8 == 0 &&
	       xb_mem_try(s->vm->mem, reg + xb_layout_at(l, XB_F_RegProc_p), &back, 8) == 8 &&
	       back == s->addr &&
	       xb_mem_try(s->vm->mem, reg + xb_layout_at(l, XB_F_RegProc_name), &name, 8) == 8 &&
	       xb_atom_index(s->vm, (xb_term){ name }, &atom);
}

static bool current_mfa(const struct subject *s)
{
	uint64_t at = get(s, XB_F_Process_current);
	unsigned char bytes[XB_MFA_BYTES];
	struct xb_mfa mfa;

	if (at == 0 || in_motion(s))
		return true;
	return xb_mem_try(s->vm->mem, at, bytes, sizeof(bytes)) == sizeof(bytes) &&
	       xb_mfa_decode(s->vm, bytes, &mfa);
}

static bool reductions(const struct subject *s)
{
	int64_t fcalls = (int32_t)get(s, XB_F_Process_fcalls);

	return get(s, XB_F_Process_reds) >> 56 == 0 && fcalls > -(1 << 24) && fcalls < 1 << 24;
}

static bool queue_len(const struct subject *s)
{
	int64_t sum = (int64_t)(get(s, XB_F_Process_msgq_len) + get(s, XB_F_Process_inq_len));

	return in_motion(s) || (sum >= 0 && sum < (int64_t)1 << 40);
}

static bool i_in_code(const struct subject *s)
{
	uint64_t i = get(s, XB_F_Process_i), state = get(s, XB_F_Process_state);

	/* A process that has not run yet, or that sleeps in a stub of the VM (hibernation, traps),
	 * resumes outside modules. */
	(void)state;
	if (in_motion(s) || i == 0)
		return true;
	return xb_code_holds(s->vm, i) || get(s, XB_F_Process_current) != 0;
}

/* A word that is always zero would pass as a state: most processes of any node have normal priority. */
struct xb_error *xb_check_state_flags(struct xb_check_ctx *c, struct xb_check_result *r)
{
	struct xb_check_result normal = { 0 };

	each(c, r, state_flags);
	each(c, &normal, is_normal);
	if (normal.failed * 2 > normal.tested)
		r->failed += normal.failed;
	return NULL;
}

#define PROCESS_CHECK(name)                                                                            \
	struct xb_error *xb_check_##name(struct xb_check_ctx *c, struct xb_check_result *r)            \
	{                                                                                              \
		each(c, r, name);                                                                      \
		return NULL;                                                                           \
	}

PROCESS_CHECK(id_slot)
PROCESS_CHECK(heap_order)
PROCESS_CHECK(old_heap)
PROCESS_CHECK(initial_mfa)
PROCESS_CHECK(reg_round_trip)
PROCESS_CHECK(current_mfa)
PROCESS_CHECK(reductions)
PROCESS_CHECK(queue_len)
PROCESS_CHECK(i_in_code)
