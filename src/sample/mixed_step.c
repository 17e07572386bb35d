/*
 * Whether a sample in the interpreter loop caught it between two instructions.
 *
 *	*I ──► handler:  … write E or the word there … load I … jump to the next handler
 *
 * A call puts its return address on the stack before I moves on, a return takes it away: in between the stack belongs to
 * another function than I says, and one frame may be missing or there twice.  Either E is as it was when the handler that I
 * leads to began, or neither E nor I will change until the next one begins; all else is in between.
 */
#include "sample/mixed_loop.h"

enum {
	REACH = 1024,        /* bytes of a handler; those of calls and returns have less than 200 */
	MAX_KNOWN = 1 << 16, /* places remembered before all are forgotten */
};

/* Values of the map; 0 is not known. */
enum { SETTLED = 1, UNSETTLED };

/* Of a place, whatever I is: nothing changes any more until the next instruction begins. */
static bool settled(struct xb_mixer *m, xb_addr rip, int E, int I)
{
	uint64_t *known;
	bool is;

	if (m->loop->settled.len >= MAX_KNOWN)
		xb_map_clear(&m->loop->settled);
	known = xb_map_at(&m->loop->settled, rip);
	if (known != NULL && *known != 0)
		return *known == SETTLED;
	is = xb_sites_settled(m->sites, rip, E, I);
	if (known != NULL)
		*known = is ? SETTLED : UNSETTLED;
	return is;
}

/* Of a place and the handler that I leads to: E is as it was when that began. */
static bool kept(struct xb_mixer *m, xb_addr rip, xb_addr handler, int E)
{
	uint64_t *known, is;

	if (handler == 0 || rip < handler || rip - handler > REACH)
		return false;
	if (m->loop->kept.len >= MAX_KNOWN)
		xb_map_clear(&m->loop->kept);
	known = xb_map_at(&m->loop->kept, rip);
	if (known != NULL && *known >> 1 == handler)
		return (*known & 1) != 0;
	is = xb_sites_keeps(m->sites, handler, rip, E);
	if (known != NULL)
		*known = handler << 1 | is;
	return is != 0;
}

bool xb_mixer_between(struct xb_mixer *m, xb_addr rip, xb_addr I)
{
	int E = m->opts.force.E >= 0 ? m->opts.force.E : xb_mixer_reg(m, XB_R_E);
	int at = m->opts.force.I >= 0 ? m->opts.force.I : xb_mixer_reg(m, XB_R_I);

	return E < 0 || at < 0 || (!kept(m, rip, xb_loop_handler(m, I), E) && !settled(m, rip, E, at));
}
