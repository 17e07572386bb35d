/*
 * Stacks of samples whose Erlang stack was copied with them.
 *
 *	c_p->stop or the E that C code kept ──► somewhere in the copied piece ──► frames, all of the sample's own instant
 *
 * What was not copied, because the stack is larger than a record or E is not where the program expected it, is left to be
 * read later like that of any other source.
 */
#include "sample/mixed_impl.h"

enum { CALL_BYTES = 32 }; /* of the longest instruction of the interpreter that calls */

xb_addr xb_mixer_current(const struct xb_mixer *m, struct mixed_item *it)
{
	const struct xb_frozen *f = it->raw->frozen;
	xb_addr c_p;

	if (it->out.sched == NULL)
		return 0;
	if (f != NULL)
		return f->proc;
	c_p = xb_sched_current(m->vm, it->out.sched);
	it->out.proc_later = c_p != 0;
	return c_p;
}

/*
 * The interpreter keeps a slot for a return address at the top of every frame and writes it when the function calls:
 * while the function itself runs, what is there is left over from its last call, or from the one it is about to make.
 * Such an address is behind I, or right after it.  One further on is that of a call that has not been made yet, so it is the
 * caller's: the function called itself and has no frame.  Code that the compiler moved about would look the same, so that
 * is not called exact.
 */
static size_t own_slot(struct xb_mixer *m, struct mixed_item *it, xb_addr I, const uint64_t *words,
		       size_t n)
{
	const struct xb_function *f = I == 0 ? NULL : xb_code_find(m->vm, I, NULL);
	xb_addr ra = n == 0 ? 0 : words[0];

	if (f == NULL || !xb_stack_is_return(m->vm, ra) || xb_code_find(m->vm, ra - 1, NULL) != f)
		return 0;
	if (I + CALL_BYTES >= ra) {
		/* In the middle of a call: that is all there is to it. */
		if (it->between && I < ra) {
			it->between = false;
			m->stats.between--;
		}
		return 1;
	}
	m->stats.between += !it->between;
	it->between = true;
	return 0;
}

bool xb_mixer_frozen(struct xb_mixer *m, struct mixed_item *it)
{
	const struct xb_frozen *f = it->raw->frozen;
	const uint64_t *words;
	struct xb_rec rec;
	xb_addr E;
	size_t n;

	if (f == NULL || f->proc == 0 || it->out.proc != f->proc)
		return true;
	rec = (struct xb_rec){ &m->vm->layout, f->proc_bytes, f->proc_len };
	it->out.proc_id = xb_rec_get(&rec, XB_F_Process_id);
	if (it->want == MIXED_DONE || it->want == MIXED_REST)
		return true;
	E = it->want == MIXED_E && !f->moving ? it->E : xb_rec_get(&rec, XB_F_Process_stop);
	if (E % 8 != 0 || E < f->e_addr || E - f->e_addr > f->e_len) {
		m->stats.not_frozen++;
		return true;
	}
	words = (const uint64_t *)(const void *)(f->e_stack + (E - f->e_addr));
	n = (f->e_len - (size_t)(E - f->e_addr)) / 8;
	/* The stack is in a block nobody knows the end of: without its first frame it may be anything. */
	if (!xb_mixer_has_root(m, words, n) &&
	    (f->moving || E + n * 8 != xb_rec_get(&rec, XB_F_Process_hend))) {
		m->stats.not_frozen++;
		return true;
	}
	m->stats.frozen++;
	if (it->want == MIXED_SAVED_ALL || it->below == 0) {
		xb_addr pc = it->want == MIXED_SAVED_ALL ? xb_rec_get(&rec, XB_F_Process_i) : it->pc;
		size_t own =
			it->want == MIXED_SAVED_ALL || m->has_jit ? 0 : own_slot(m, it, pc, words, n);

		it->want = MIXED_DONE;
		return xb_mixer_erlang(m, it, pc, words + own, n - own, it->between);
	}
	it->want = MIXED_DONE;
	return xb_mixer_erlang_below(m, it, E, words, n);
}
