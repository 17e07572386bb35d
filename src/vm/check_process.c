/*
 * Rules for process structures.  Most say what no process may be; some fields are nearly always zero, as are their
 * neighbours, so that what the sample shows as a whole must bear them out too.
 */
#include "vm/atom.h"
#include "vm/check_impl.h"
#include "vm/code.h"
#include "vm/process.h"
#include "vm/vm.h"

enum {
	CONTEXT_REDS = 4000, /* erts/emulator/beam/erl_vm.h; 2,000 before OTP 20 */
	PRIORITY_NORMAL = 2,
	OUTERMOST_WORDS = 32, /* the first frame of many processes is smaller */
};

static uint64_t get(const struct xb_check_subject *s, enum xb_layout_field f)
{
	return xb_rec_get(&s->rec, f);
}

static bool has(const struct xb_check_subject *s, enum xb_layout_field f)
{
	return xb_layout_has(&s->vm->layout, f);
}

static bool has_bit(const struct xb_check_subject *s, enum xb_layout_const bit)
{
	return (get(s, XB_F_Process_state) & (uint64_t)1 << s->vm->layout.konst[bit]) != 0;
}

/* Its structure is out of date while it runs, and being taken apart while it exits. */
static bool in_motion(const struct xb_check_subject *s)
{
	return has_bit(s, XB_K_BIT_RUNNING) || has_bit(s, XB_K_BIT_RUNNING_SYS) ||
	       has_bit(s, XB_K_BIT_GC) || has_bit(s, XB_K_BIT_EXITING) || has_bit(s, XB_K_BIT_FREE) ||
	       has_bit(s, XB_K_BIT_DIRTY_RUNNING) || has_bit(s, XB_K_BIT_DIRTY_RUNNING_SYS);
}

static bool is_waiting(const struct xb_check_subject *s)
{
	return !in_motion(s) && !has_bit(s, XB_K_BIT_ACTIVE) && !has_bit(s, XB_K_BIT_ACTIVE_SYS) &&
	       !has_bit(s, XB_K_BIT_SUSPENDED);
}

/* The sample as a whole says no: one violation more, so that the check is run again before it counts. */
static void need(struct xb_check_result *r, bool borne_out)
{
	r->failed += !borne_out;
}

static bool id_slot(const struct xb_check_subject *s)
{
	uint64_t id = get(s, XB_F_Process_id);

	return (id & 0xf) == s->vm->layout.konst[XB_K_TAG_PID] && xb_proc_slot(s->vm, id) == s->slot;
}

struct xb_error *xb_check_id_slot(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, id_slot);
	return NULL;
}

static bool heap_order(const struct xb_check_subject *s)
{
	uint64_t heap = get(s, XB_F_Process_heap), htop = get(s, XB_F_Process_htop);
	uint64_t stop = get(s, XB_F_Process_stop), hend = get(s, XB_F_Process_hend);

	if (in_motion(s))
		return true;
	return heap != 0 && heap % 8 == 0 && htop % 8 == 0 && stop % 8 == 0 && heap <= htop &&
	       htop <= stop && stop <= hend && hend - heap == 8 * get(s, XB_F_Process_heap_sz);
}

static bool has_room(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_htop) < get(s, XB_F_Process_stop);
}

static bool has_stack(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_stop) < get(s, XB_F_Process_hend);
}

static bool has_data(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_heap) < get(s, XB_F_Process_htop);
}

/* Where the order allows equality, some process must show the difference, else one field stands for two. */
struct xb_error *xb_check_heap_order(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, heap_order);
	need(r, xb_check_count(c, has_room) > 0 && xb_check_count(c, has_stack) > 0 &&
			xb_check_count(c, has_data) > 0);
	return NULL;
}

/* Old heaps have one of a fixed series of sizes, in words: erts/emulator/beam/erl_gc.c:erts_init_gc(). */
static bool is_heap_size(uint64_t words)
{
	uint64_t a = 12, b = 38;

	for (int i = 1; b < words && i < 128; i++) {
		uint64_t next = i < 22 ? a + b + 1 : b + b / 5;

		a = b;
		b = next;
	}
	return words == a || words == b;
}

static bool old_heap(const struct xb_check_subject *s)
{
	uint64_t start = get(s, XB_F_Process_old_heap), end = get(s, XB_F_Process_old_hend);

	if (in_motion(s) || (start == 0 && end == 0))
		return true;
	return start != 0 && start % 8 == 0 && start < end && (end - start) >> 43 == 0 &&
	       (end - start) % 8 == 0;
}

static bool has_old_heap(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_old_heap) != 0;
}

static bool has_regular_old_heap(const struct xb_check_subject *s)
{
	return has_old_heap(s) &&
	       is_heap_size((get(s, XB_F_Process_old_hend) - get(s, XB_F_Process_old_heap)) / 8);
}

struct xb_error *xb_check_old_heap(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, old_heap);
	need(r, 2 * xb_check_count(c, has_regular_old_heap) >= xb_check_count(c, has_old_heap));
	return NULL;
}

static unsigned priority(const struct xb_check_subject *s, unsigned which)
{
	return (unsigned)(get(s, XB_F_Process_state) >>
			  (s->vm->layout.konst[XB_K_BIT_PRIO_SHIFT] + 2 * (uint64_t)which)) &
	       3;
}

/* Bit 31 is never used; system tasks may raise the active priority (0 is max) above the user's, never
 * lower it. */
static bool state_flags(const struct xb_check_subject *s)
{
	return get(s, XB_F_Process_state) >> 31 == 0 && priority(s, 0) <= priority(s, 1) &&
	       !(has_bit(s, XB_K_BIT_FREE) && has_bit(s, XB_K_BIT_RUNNING) && has_bit(s, XB_K_BIT_GC));
}

static bool is_normal(const struct xb_check_subject *s)
{
	return priority(s, 0) == PRIORITY_NORMAL && priority(s, 1) == PRIORITY_NORMAL;
}

/* A word that is always zero would pass as a state: most processes of any node have normal priority. */
struct xb_error *xb_check_state_flags(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, state_flags);
	need(r, 2 * xb_check_count(c, is_normal) >= c->n);
	return NULL;
}

/* Both atoms must have a text, not just the tag of one. */
static bool is_named(const struct xb_check_subject *s, const unsigned char *bytes)
{
	struct xb_atom_text text;
	struct xb_mfa mfa;

	return xb_mfa_decode(s->vm, bytes, &mfa) && xb_atom_get(s->vm, mfa.module, &text) &&
	       xb_atom_get(s->vm, mfa.function, &text);
}

static bool initial_mfa(const struct xb_check_subject *s)
{
	size_t at = xb_layout_at(&s->vm->layout, XB_F_Process_initial);

	return at + XB_MFA_BYTES <= s->rec.len && is_named(s, s->rec.bytes + at);
}

struct xb_error *xb_check_initial_mfa(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, initial_mfa);
	return NULL;
}

static bool is_registered(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_reg) != 0;
}

static bool reg_round_trip(const struct xb_check_subject *s)
{
	struct xb_atom_text text;
	uint32_t atom;

	if (!is_registered(s))
		return true;
	return get(s, XB_F_Process_reg) % 8 == 0 && xb_rec_get(&s->reg, XB_F_RegProc_p) == s->addr &&
	       xb_atom_index(s->vm, (xb_term){ xb_rec_get(&s->reg, XB_F_RegProc_name) }, &atom) &&
	       xb_atom_get(s->vm, atom, &text);
}

/* init registers itself before anything else runs, and no node lives without it. */
struct xb_error *xb_check_reg_round_trip(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, reg_round_trip);
	need(r, xb_check_count(c, is_registered) > 0);
	return NULL;
}

static bool current_mfa(const struct xb_check_subject *s)
{
	uint64_t at = get(s, XB_F_Process_current);

	if (at == 0 || in_motion(s))
		return true;
	return at % 8 == 0 && s->mfa_len == XB_MFA_BYTES && is_named(s, s->mfa);
}

struct xb_error *xb_check_current_mfa(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, current_mfa);
	return NULL;
}

static bool reductions(const struct xb_check_subject *s)
{
	int64_t fcalls = (int32_t)get(s, XB_F_Process_fcalls);

	return get(s, XB_F_Process_reds) >> 56 == 0 && fcalls > -(1 << 24) && fcalls < 1 << 24;
}

static bool has_run(const struct xb_check_subject *s)
{
	return is_waiting(s) && get(s, XB_F_Process_reds) > 0;
}

/* Beside the reductions lies the group leader, and small pids are small numbers too. */
static bool has_run_like_a_pid(const struct xb_check_subject *s)
{
	return has_run(s) && (get(s, XB_F_Process_reds) & 0xf) == s->vm->layout.konst[XB_K_TAG_PID];
}

/* Beside what is left lies the value of the last exception, which mostly is []. */
static bool has_reductions_left(const struct xb_check_subject *s)
{
	int64_t fcalls = (int32_t)get(s, XB_F_Process_fcalls);

	return is_waiting(s) && fcalls > 0 && fcalls <= CONTEXT_REDS &&
	       (uint64_t)fcalls != s->vm->layout.konst[XB_K_TAG_NIL];
}

/* Nobody comes to wait without having run, and few with the last of their reductions. */
struct xb_error *xb_check_reductions(struct xb_check_ctx *c, struct xb_check_result *r)
{
	size_t waiting = xb_check_count(c, is_waiting), ran = xb_check_count(c, has_run);

	xb_check_each(c, r, reductions);
	need(r, 2 * ran >= waiting && (ran == 0 || xb_check_count(c, has_run_like_a_pid) < ran) &&
			2 * xb_check_count(c, has_reductions_left) >= waiting);
	return NULL;
}

static bool has_empty_inner(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_msgq_first) == 0;
}

static bool has_empty_outer(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_inq_first) == 0;
}

static bool has_inner(const struct xb_check_subject *s)
{
	return !in_motion(s) && get(s, XB_F_Process_msgq_first) != 0;
}

static bool has_inner_length(const struct xb_check_subject *s)
{
	return has_inner(s) && get(s, XB_F_Process_msgq_len) != 0;
}

/* A queue without a first message has length 0; the end of an empty one points to its own beginning. */
static bool queue_len(const struct xb_check_subject *s)
{
	const struct xb_layout *l = &s->vm->layout;
	uint64_t inner = get(s, XB_F_Process_msgq_len), outer = get(s, XB_F_Process_inq_len);

	if (in_motion(s))
		return true;
	if (inner >> 40 != 0 || (has(s, XB_F_Process_msgq_first) && has_empty_inner(s) && inner != 0))
		return false;
	/* Where the outer length is kept as an offset, it may be negative; then nothing is said of it. */
	if (!has(s, XB_F_Process_inq_first) || !has(s, XB_F_Process_inq_last))
		return true;
	return !has_empty_outer(s) ||
	       (outer == 0 &&
		get(s, XB_F_Process_inq_last) == s->addr + xb_layout_at(l, XB_F_Process_inq_first));
}

struct xb_error *xb_check_queue_len(struct xb_check_ctx *c, struct xb_check_result *r)
{
	const struct xb_layout *l = &c->vm->layout;

	xb_check_each(c, r, queue_len);
	/* What is in the inner queue may be no message, but not in all processes that have something there. */
	if (xb_layout_has(l, XB_F_Process_msgq_first))
		need(r, xb_check_count(c, has_empty_inner) > 0 &&
				(xb_check_count(c, has_inner) == 0 ||
				 xb_check_count(c, has_inner_length) > 0));
	if (xb_layout_has(l, XB_F_Process_inq_first))
		need(r, xb_check_count(c, has_empty_outer) > 0);
	if (l->has_konst[XB_K_INQ_LEN_AFTER_LAST] && xb_layout_has(l, XB_F_Process_inq_last))
		need(r, xb_layout_at(l, XB_F_Process_inq_len) ==
				xb_layout_at(l, XB_F_Process_inq_last) +
					l->konst[XB_K_INQ_LEN_AFTER_LAST]);
	return NULL;
}

static bool is_in_code(const struct xb_check_subject *s)
{
	return !in_motion(s) && xb_code_holds(s->vm, get(s, XB_F_Process_i));
}

/* A process that has not run yet, or that sleeps in a stub of the VM (hibernation, traps), resumes outside modules. */
static bool i_in_code(const struct xb_check_subject *s)
{
	return in_motion(s) || get(s, XB_F_Process_i) == 0 || is_in_code(s) ||
	       get(s, XB_F_Process_current) != 0;
}

struct xb_error *xb_check_i_in_code(struct xb_check_ctx *c, struct xb_check_result *r)
{
	xb_check_each(c, r, i_in_code);
	need(r, xb_check_count(c, is_in_code) > 0);
	return NULL;
}

static bool is_waiting_with_stack(const struct xb_check_subject *s)
{
	return is_waiting(s) && has_stack(s);
}

/* Where it is in the frame depends on the kind of code: the last word of the stack, or in front of the frame's variables. */
static bool ends_at_normal_exit(const struct xb_check_subject *s)
{
	uint64_t words[OUTERMOST_WORDS], hend = get(s, XB_F_Process_hend);
	size_t n = (size_t)XB_MIN((hend - get(s, XB_F_Process_stop)) / 8, (uint64_t)OUTERMOST_WORDS);

	if (!is_waiting_with_stack(s) || xb_mem_try(s->vm->mem, hend - 8 * n, words, 8 * n) < 8 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (words[i] == s->vm->roots.value[XB_ROOT_NORMAL_EXIT])
			return true;
	}
	return false;
}

/* Without the right address no stack would ever be whole.  Some processes may have none on theirs; not most. */
struct xb_error *xb_check_first_frame(struct xb_check_ctx *c, struct xb_check_result *r)
{
	uint64_t exit = c->vm->roots.value[XB_ROOT_NORMAL_EXIT];

	r->tested = (uint32_t)xb_check_count(c, is_waiting_with_stack);
	/* A return address has no tag; anything else may be a term on many a stack. */
	need(r,
	     exit != 0 && (exit & 3) == 0 && 4 * xb_check_count(c, ends_at_normal_exit) >= r->tested);
	return NULL;
}
