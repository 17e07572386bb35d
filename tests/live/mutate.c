/*
 * mutate PID: the mutation test on a living VM.  One TAP line for each "must" field of its layout, moved up and down by
 * one word; the zoo (tests/vm) has processes and modules in every state that the checks need to see.
 */
#include "mutate.h"
#include "session/session.h"

#include <stdio.h>

/* Nothing in memory tells these from what they should be: always zero, as the field itself is in most processes. */
static bool is_silent(enum xb_layout_field f, int shift)
{
	return shift == -8 && (f == XB_F_Process_msgq_len || f == XB_F_Process_scheduler_data);
}

static bool try_one(const struct xb_session *s, enum xb_layout_field f, int shift, int n)
{
	struct mutation m;

	mutate_field(s->vm, f, shift, &m);
	(void)printf("%sok %d - %s %+d is refused by name\n", m.detected && m.named ? "" : "not ", n,
		     xb_layout_field_name(f), shift);
	if (!m.detected || !m.named)
		(void)printf("# %s\n", m.why[0] != '\0' ? m.why : "every check passed");
	return m.detected && m.named;
}

int main(int argc, char **argv)
{
	struct xb_session_opts opts = { .target = argc > 1 ? argv[1] : NULL };
	struct xb_session *s = NULL;
	struct xb_error *err = xb_session_open(&opts, &s);
	int n = 0, good = 0;

	if (err != NULL) {
		(void)printf("Bail out! %s\n", xb_error_message(err));
		xb_error_destroy(err);
		return 1;
	}
	for (int f = 0; f < XB_F__COUNT; f++) {
		enum xb_layout_field field = (enum xb_layout_field)f;

		if (!xb_layout_field_must(field) || !xb_layout_has(&s->vm->layout, field))
			continue;
		good += try_one(s, field, 8, ++n);
		if (xb_layout_at(&s->vm->layout, field) < 8)
			continue;
		if (is_silent(field, -8))
			(void)printf("# %s -8 cannot be told: that word is always zero too\n",
				     xb_layout_field_name(field));
		else
			good += try_one(s, field, -8, ++n);
	}
	(void)printf("1..%d\n# %d of %d mutations detected and named\n", n, good, n);
	xb_session_close(s);
	return good == n ? 0 : 1;
}
