#include "view/profile_priv.h"
#include "vm/code.h"

#include <stdlib.h>

enum {
	MAX_COUNTERS = 1 << 18, /* 8 MiB */
};

struct xb_error *xb_profile_create(struct xb_session *s, struct xb_mixer *mixer,
				   struct xb_profile **ret)
{
	struct xb_profile *p = calloc(1, sizeof(*p));
	struct xb_error *err;

	if (p == NULL)
		return xb_error_nomem();
	p->s = s;
	p->mixer = mixer;
	err = xb_namer_create(s, xb_mixer_jitlist(mixer), &p->namer);
	if (err == NULL)
		err = xb_code_load_all(s->vm);
	if (err != NULL) {
		xb_profile_destroy(p);
		return err;
	}
	*ret = p;
	return NULL;
}

void xb_profile_destroy(struct xb_profile *p)
{
	struct xb_map *maps[] = { &p->frame_of,   &p->stack_of,  &p->function_of,
				  &p->process_of, &p->thread_of, &p->counter_of };

	if (p == NULL)
		return;
	for (size_t i = 0; i < XB_ARRAY_LEN(maps); i++)
		xb_map_deinit(maps[i]);
	xb_pfunctions_deinit(&p->functions);
	xb_pframes_deinit(&p->frames);
	xb_pstacks_deinit(&p->stacks);
	xb_pprocesses_deinit(&p->processes);
	xb_pthreads_deinit(&p->threads);
	xb_pcounters_deinit(&p->counters);
	xb_u32s_deinit(&p->pool);
	xb_namer_destroy(p->namer);
	xb_arena_deinit(&p->arena);
	free(p);
}

static bool count(struct xb_profile *p, const struct xb_pcounter *c)
{
	uint64_t key = xb_hash_u64((uint64_t)c->stack << 32 | c->process) ^
		       xb_hash_u64((uint64_t)c->thread << 20 | (uint64_t)c->cpu << 5 |
				   (uint64_t)c->mode << 1 | c->exact);

	for (;; key = xb_hash_u64(key) + 1) {
		uint64_t *at = xb_map_at(&p->counter_of, key);
		struct xb_pcounter *have;

		if (at == NULL)
			return false;
		if (*at == 0) {
			if (p->counters.len >= MAX_COUNTERS || !xb_pcounters_push(&p->counters, *c))
				return false;
			*at = p->counters.len;
			return true;
		}
		have = &p->counters.data[*at - 1];
		if (have->stack == c->stack && have->process == c->process &&
		    have->thread == c->thread && have->cpu == c->cpu && have->mode == c->mode &&
		    have->exact == c->exact) {
			have->count++;
			return true;
		}
	}
}

struct xb_error *xb_profile_add(void *profile, const struct xb_mixed *m)
{
	struct xb_profile *p = profile;
	struct xb_pcounter c = {
		.cpu = m->cpu, .mode = m->mode, .exact = xb_mixed_is_exact(m), .count = 1
	};

	p->samples++;
	p->broken += m->broken;
	c.stack = xb_profile_stack(p, m);
	if (c.stack == XB_PROFILE_NO_ROOM) {
		p->overflow++;
		return NULL;
	}
	if (c.stack == XB_PROFILE_NO_MEMORY)
		return xb_error_nomem();
	c.process = xb_profile_process(p, m);
	c.thread = xb_profile_thread(p, m);
	if (!count(p, &c))
		p->overflow++;
	if (m->proc != 0) {
		p->erlang++;
		p->exact += c.exact;
		p->rooted += m->rooted;
		/* What is not exact for another reason was not read at another moment. */
		if (!c.exact && m->delay_ns > 0)
			xb_skid_add(&p->skid, m->delay_ns, m->still_on);
	}
	return NULL;
}

/* --- code changes --- */

struct xb_error *xb_profile_before(struct xb_profile *p)
{
	bool stale, changed = false;

	XB_TRY(xb_code_is_stale(p->s->vm, &stale));
	if (!stale)
		return NULL;
	XB_TRY(xb_profile_name_pending(p));
	XB_TRY(xb_code_refresh(p->s->vm, &changed));
	if (!changed)
		return NULL;
	XB_TRY(xb_code_load_all(p->s->vm));
	xb_mixer_code_changed(p->mixer);
	xb_profile_forget_words(p);
	p->code_changes++;
	p->window = true;
	return NULL;
}

struct xb_error *xb_profile_after(struct xb_profile *p)
{
	if (!p->window)
		return NULL;
	XB_TRY(xb_profile_name_pending(p));
	xb_profile_forget_words(p);
	xb_code_drop_retired(p->s->vm);
	p->window = false;
	return NULL;
}

struct xb_error *xb_profile_finish(struct xb_profile *p)
{
	return xb_profile_name_pending(p);
}
