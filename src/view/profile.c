#include "view/profile.h"

#include "vm/code.h"

#include <stdlib.h>
#include <string.h>

enum {
	MAX_POOL = 4 << 20,     /* frame ids of all stacks: 16 MiB */
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

/* --- naming --- */

static uint32_t function_id(struct xb_profile *p, const struct xb_frame_name *name)
{
	uint64_t hash = xb_hash_bytes(name->name, strlen(name->name)) * 31 +
			xb_hash_bytes(name->module, strlen(name->module)) + (uint64_t)name->kind;

	/* Probe by re-hashing: two functions whose hashes collide get different keys. */
	for (;; hash = xb_hash_u64(hash) + 1) {
		uint64_t *at = xb_map_at(&p->function_of, hash);
		struct xb_pfunction f = { .kind = name->kind,
					  .known = name->known && !name->ambiguous };

		if (at == NULL)
			return UINT32_MAX;
		if (*at != 0) {
			const struct xb_pfunction *have = &p->functions.data[*at - 1];

			if (have->kind == name->kind && have->known == f.known &&
			    strcmp(have->name, name->name) == 0 &&
			    strcmp(have->module, name->module) == 0)
				return (uint32_t)(*at - 1);
			continue;
		}
		f.name = xb_arena_strndup(&p->arena, name->name, strlen(name->name));
		f.module = xb_arena_strndup(&p->arena, name->module, strlen(name->module));
		if (f.name == NULL || f.module == NULL || !xb_pfunctions_push(&p->functions, f))
			return UINT32_MAX;
		*at = p->functions.len;
		return (uint32_t)(p->functions.len - 1);
	}
}

/* File names repeat: one copy each. */
static const char *keep_file(struct xb_profile *p, const char *file)
{
	static const char none[] = "";
	uint64_t hash = xb_hash_bytes(file, strlen(file)) ^ UINT64_C(0x66696c65);
	uint64_t *at;

	if (*file == '\0')
		return none;
	for (;; hash = xb_hash_u64(hash) + 1) {
		const char *have;

		at = xb_map_at(&p->function_of, hash);
		if (at == NULL)
			return none;
		if (*at == 0) {
			have = xb_arena_strndup(&p->arena, file, strlen(file));
			*at = have == NULL ? 0 : (uintptr_t)have;
			return have == NULL ? none : have;
		}
		/* Indices of functions are small, pointers are not. */
		if (*at < 1U << 30)
			continue;
		have = (const char *)(uintptr_t)*at; // NOLINT(performance-no-int-to-ptr)
		if (strcmp(have, file) == 0)
			return have;
	}
}

static struct xb_error *name_pending(struct xb_profile *p)
{
	for (; p->named < p->frames.len; p->named++) {
		struct xb_pframe *f = &p->frames.data[p->named];
		struct xb_frame_name name;

		xb_namer_frame(p->namer, f->word, &name);
		p->ambiguous += name.ambiguous;
		f->function = function_id(p, &name);
		if (f->function == UINT32_MAX)
			return xb_error_nomem();
		f->line = name.line;
		f->file = keep_file(p, name.file);
	}
	return NULL;
}

/* --- interning --- */

static uint32_t frame_id(struct xb_profile *p, uint64_t word)
{
	uint64_t *at = xb_map_at(&p->frame_of, word);

	if (at == NULL)
		return UINT32_MAX;
	if (*at == 0) {
		if (!xb_pframes_push(
			    &p->frames,
			    (struct xb_pframe){ .word = word, .function = UINT32_MAX, .file = "" }))
			return UINT32_MAX;
		*at = p->frames.len;
	}
	return (uint32_t)(*at - 1);
}

/* The stack whose frame ids are the last @n of the pool; they are taken off again when it is known. */
static uint32_t stack_id(struct xb_profile *p, uint32_t n, bool rooted, bool cut)
{
	uint32_t first = (uint32_t)p->pool.len - n;
	uint64_t hash = xb_hash_bytes(p->pool.data + first, n * sizeof(uint32_t)) * 4 +
			(rooted ? 2 : 0) + (cut ? 1 : 0);

	for (;; hash = xb_hash_u64(hash) + 1) {
		uint64_t *at = xb_map_at(&p->stack_of, hash);
		const struct xb_pstack *have;

		if (at == NULL)
			return UINT32_MAX;
		if (*at == 0) {
			if (!xb_pstacks_push(&p->stacks, (struct xb_pstack){ first, n, rooted, cut }))
				return UINT32_MAX;
			*at = p->stacks.len;
			return (uint32_t)(p->stacks.len - 1);
		}
		have = &p->stacks.data[*at - 1];
		if (have->n == n && have->rooted == rooted && have->cut == cut &&
		    (n == 0 || memcmp(p->pool.data + have->first, p->pool.data + first,
				      n * sizeof(uint32_t)) == 0)) {
			p->pool.len = first;
			return (uint32_t)(*at - 1);
		}
	}
}

static uint32_t process_id(struct xb_profile *p, const struct xb_mixed *m)
{
	struct xb_pprocess new = { .id = m->proc_id };
	struct xb_str text = XB_STR_INIT;
	uint64_t *at;

	if (m->proc == 0)
		return XB_PROFILE_NO_PROCESS;
	/* On a normal scheduler a process asked for later may be another one: better none than a wrong one. */
	if (m->process == NULL || m->proc_id == 0 ||
	    (m->proc_later && m->mode == XB_MIXED_IN_C && m->sched != NULL &&
	     m->sched->kind == XB_SCHED_NORMAL))
		return XB_PROFILE_GONE;
	at = xb_map_at(&p->process_of, m->proc_id);
	if (at == NULL)
		return XB_PROFILE_GONE;
	if (*at != 0)
		return (uint32_t)(*at - 1);
	xb_proc_write_id(p->s->vm, m->proc_id, &text);
	new.pid = xb_arena_strndup(&p->arena, xb_str_get(&text), text.len);
	xb_str_clear(&text);
	xb_proc_write_label(p->s->vm, m->process, &text);
	new.label = xb_arena_strndup(&p->arena, xb_str_get(&text), text.len);
	xb_str_clear(&text);
	if (m->process->has_initial)
		xb_mfa_write(p->s->vm, m->process->initial, &text);
	new.initial = xb_arena_strndup(&p->arena, xb_str_get(&text), text.len);
	new.has_name = m->process->has_name;
	xb_str_deinit(&text);
	if (new.pid == NULL || new.label == NULL || new.initial == NULL ||
	    !xb_pprocesses_push(&p->processes, new))
		return XB_PROFILE_GONE;
	*at = p->processes.len;
	return (uint32_t)(p->processes.len - 1);
}

static const char *thread_name(const struct xb_profile *p, pid_t tid)
{
	for (size_t i = 0; i < p->s->tasks.len; i++) {
		if (p->s->tasks.tasks[i].tid == tid)
			return p->s->tasks.tasks[i].comm;
	}
	return "new thread";
}

static uint32_t thread_id(struct xb_profile *p, const struct xb_mixed *m)
{
	uint64_t *at = xb_map_at(&p->thread_of, (uint64_t)m->tid);
	struct xb_pthread new = { .tid = m->tid };

	if (at == NULL)
		return 0;
	if (*at != 0)
		return (uint32_t)(*at - 1);
	new.label = m->sched == NULL
			    ? xb_arena_printf(&p->arena, "%s", thread_name(p, m->tid))
			    : xb_arena_printf(&p->arena, "%s %u", xb_sched_kind_name(m->sched->kind),
					      m->sched->no);
	if (new.label == NULL || !xb_pthreads_push(&p->threads, new))
		return 0;
	*at = p->threads.len;
	return (uint32_t)(p->threads.len - 1);
}

static void note_skid(struct xb_profile *p, const struct xb_mixed *m)
{
	unsigned bucket = m->delay_ns == 0 ? 0 : 63U - (unsigned)__builtin_clzll(m->delay_ns);

	p->skid.bucket[XB_MIN(bucket, (unsigned)XB_ARRAY_LEN(p->skid.bucket) - 1)]++;
	p->skid.n++;
	p->skid.still_on += m->still_on;
	p->skid.worst_ns = XB_MAX(p->skid.worst_ns, m->delay_ns);
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
	size_t before = p->pool.len;

	p->samples++;
	p->broken += m->broken;
	if (before + m->n > MAX_POOL || !xb_u32s_reserve(&p->pool, before + m->n)) {
		p->overflow++;
		return NULL;
	}
	for (size_t i = 0; i < m->n; i++) {
		uint32_t id = frame_id(p, m->frames[i]);

		if (id == UINT32_MAX)
			return xb_error_nomem();
		p->pool.data[p->pool.len++] = id;
	}
	c.stack = stack_id(p, (uint32_t)m->n, m->rooted, m->cut);
	if (c.stack == UINT32_MAX)
		return xb_error_nomem();
	c.process = process_id(p, m);
	c.thread = thread_id(p, m);
	if (!count(p, &c))
		p->overflow++;
	if (m->proc != 0) {
		p->erlang++;
		p->exact += c.exact;
		p->rooted += m->rooted;
		/* What is not exact for another reason was not read at another moment. */
		if (!c.exact && m->delay_ns > 0)
			note_skid(p, m);
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
	XB_TRY(name_pending(p));
	XB_TRY(xb_code_refresh(p->s->vm, &changed));
	if (!changed)
		return NULL;
	XB_TRY(xb_code_load_all(p->s->vm));
	xb_mixer_code_changed(p->mixer);
	xb_map_clear(&p->frame_of);
	p->code_changes++;
	p->window = true;
	return NULL;
}

struct xb_error *xb_profile_after(struct xb_profile *p)
{
	if (!p->window)
		return NULL;
	XB_TRY(name_pending(p));
	xb_map_clear(&p->frame_of);
	xb_code_drop_retired(p->s->vm);
	p->window = false;
	return NULL;
}

struct xb_error *xb_profile_finish(struct xb_profile *p)
{
	return name_pending(p);
}

uint64_t xb_skid_quantile(const struct xb_skid *skid, double share)
{
	uint64_t want = (uint64_t)((double)skid->n * share + 0.5), sum = 0;

	for (size_t i = 0; skid->n > 0 && i < XB_ARRAY_LEN(skid->bucket); i++) {
		sum += skid->bucket[i];
		/* The upper end of the bucket, but never more than was seen. */
		if (sum >= want)
			return XB_MIN((UINT64_C(2) << i) - 1, skid->worst_ns);
	}
	return skid->worst_ns;
}
