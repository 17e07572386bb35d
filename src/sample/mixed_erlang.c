/* Erlang frames of a stack at hand. */
#include "sample/mixed_impl.h"

/*
 * The top of the stack of a sample is less orderly than that of a parked process: in a shared fragment the first word
 * is the return address into the module that called it, and for some fragments it is not aligned.
 */
static bool fragment_top(struct xb_mixer *m, struct mixed_item *it, const uint64_t *words, size_t n,
			 bool later, size_t *used)
{
	*used = 0;
	if (n == 0 || !xb_code_holds(m->vm, words[0] - 1))
		return true;
	*used = 1;
	return xb_mixer_push(m, it, XB_MIXED_ERLANG, words[0] - 1, later);
}

/*
 * When the caller is known already, its own return address comes first on a stack of the same moment: frames up to that
 * function are the ones already there, or of another moment.  Returns how many to leave out.
 */
static size_t known_caller(struct xb_mixer *m, const struct mixed_item *it)
{
	const struct xb_function *caller =
		it->caller == 0 ? NULL : xb_code_find(m->vm, it->caller, NULL);

	for (size_t i = 0; caller != NULL && i < m->scratch.len; i++) {
		if (xb_code_find(m->vm, m->scratch.data[i].pc, NULL) == caller)
			return i + 1;
	}
	return 0;
}

/*
 * Leave out the frame of the innermost function: a slot of it that was not written yet may hold an old return address.
 * @pc is where it is, or where it is returned to; @rsp is the address of the stack's first word.  False when it cannot be told how large that frame is, or when no
 * return address is behind it.
 */
static bool skip_own_frame(struct xb_mixer *m, xb_addr pc, xb_addr rsp, xb_addr rbp,
			   struct xb_stack *stack)
{
	const struct xb_function *f = xb_code_find(m->vm, pc, NULL);
	int32_t words = f == NULL ? XB_FRAME_UNKNOWN : xb_sites_frame(m->sites, f, &m->jit, pc);
	size_t n = (size_t)words, at;

	if (words == XB_FRAME_BY_RBP) {
		if (!m->vm->id.frame_pointers || rbp % 8 != 0 || rbp < rsp)
			return false;
		n = (size_t)((rbp - rsp) / 8);
	} else if (words < 0) {
		return false;
	}
	/* Beyond the copy: the rest is read later, and known to be whole only then. */
	if (n >= stack->n)
		return false;
	at = words == XB_FRAME_BY_RBP ? n + 1 : n;
	if (at >= stack->n || !xb_stack_is_return(m->vm, stack->words[at]))
		return false;
	stack->words += n;
	stack->n -= n;
	return true;
}

/* Frames of what is left of a stack, behind those that are known already. */
static bool callers(struct xb_mixer *m, struct mixed_item *it, const struct xb_stack *stack, bool later,
		    bool skip_known)
{
	struct xb_stack_scan scan;

	it->out.doubtful |= later;
	m->scratch.len = 0;
	if (!xb_stack_frames(m->vm, stack, &m->scratch, &scan))
		return false;
	for (size_t i = skip_known ? known_caller(m, it) : 0; i < m->scratch.len; i++) {
		if (!xb_mixer_push(m, it, XB_MIXED_ERLANG, m->scratch.data[i].pc, later))
			return false;
	}
	it->out.rooted = scan.rooted;
	return true;
}

bool xb_mixer_erlang(struct xb_mixer *m, struct mixed_item *it, xb_addr pc, const uint64_t *words,
		     size_t n, bool later)
{
	struct xb_stack stack = { words, n, 0 };
	bool in_fragment = pc != 0 && !xb_code_holds(m->vm, pc) && m->has_jit;
	size_t used = 0;
	xb_addr inner = pc;

	if (pc != 0 && !xb_mixer_push(m, it, in_fragment ? XB_MIXED_FRAGMENT : XB_MIXED_ERLANG, pc,
				      later && it->want == MIXED_SAVED_ALL))
		return false;
	if (in_fragment && !fragment_top(m, it, words, n, later, &used))
		return false;
	if (used > 0)
		inner = words[0];
	stack.words += used;
	stack.n -= used;
	/* Callers of a frame of unknown size are as doubtful as those that were read afterwards. */
	if (m->has_jit && !later && pc != 0 &&
	    !skip_own_frame(m, inner, it->raw->stack_addr + used * 8, it->raw->regs.r[XB_REG_RBP],
			    &stack))
		later = true;
	return callers(m, it, &stack, later, true);
}

bool xb_mixer_erlang_below(struct xb_mixer *m, struct mixed_item *it, xb_addr E, const uint64_t *words,
			   size_t n)
{
	struct xb_stack stack = { words, n, 0 };
	xb_addr ra = it->below;
	size_t used = 0;
	bool skipped;

	if (!xb_code_holds(m->vm, ra - 1)) {
		/* A light BIF's fragment has named the caller already. */
		if (it->caller != 0)
			used = n > 0 && xb_code_holds(m->vm, words[0] - 1);
		else if (!fragment_top(m, it, words, n, false, &used))
			return false;
	}
	if (used > 0)
		ra = words[0];
	stack.words += used;
	stack.n -= used;
	skipped = skip_own_frame(m, ra, E + used * 8, it->below_rbp, &stack);
	return callers(m, it, &stack, !skipped, !skipped);
}
