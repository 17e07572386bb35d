/* What samples have in common, kept once: functions, frames, stacks, processes, threads. */
#include "view/profile_priv.h"

#include <string.h>

enum { MAX_POOL = 4 << 20 /* frame ids of all stacks: 16 MiB */ };

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

struct xb_error *xb_profile_name_pending(struct xb_profile *p)
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

void xb_profile_forget_words(struct xb_profile *p)
{
	xb_map_clear(&p->frame_of);
	xb_map_clear(&p->stack_of);
}

static uint32_t new_stack(struct xb_profile *p, const struct xb_mixed *m, uint64_t check)
{
	struct xb_pstack stack = { (uint32_t)p->pool.len, (uint32_t)m->n, m->rooted, m->cut, check };

	if (p->pool.len + m->n > MAX_POOL)
		return XB_PROFILE_NO_ROOM;
	if (!xb_u32s_reserve(&p->pool, p->pool.len + m->n))
		return XB_PROFILE_NO_MEMORY;
	for (size_t i = 0; i < m->n; i++) {
		uint32_t id = frame_id(p, m->frames[i]);

		if (id == UINT32_MAX)
			return XB_PROFILE_NO_MEMORY;
		p->pool.data[p->pool.len++] = id;
	}
	return xb_pstacks_push(&p->stacks, stack) ? (uint32_t)(p->stacks.len - 1)
						  : XB_PROFILE_NO_MEMORY;
}

/*
 * Known stacks are told by two independent hashes of their words, 128 bits, and not by comparing frames: most samples
 * have a stack that was seen before, and after a pause all of its frames have left the caches.
 */
uint32_t xb_profile_stack(struct xb_profile *p, const struct xb_mixed *m)
{
	uint64_t hash[2], key;
	uint32_t id;

	xb_hash_words_twice(m->frames, m->n, hash);
	key = hash[0] * 4 + (m->rooted ? 2U : 0U) + (m->cut ? 1U : 0U);
	for (;; key = xb_hash_u64(key) + 1) {
		const uint64_t *at = xb_map_get(&p->stack_of, key);
		const struct xb_pstack *have;

		if (at == NULL)
			break;
		have = &p->stacks.data[*at];
		if (have->check == hash[1] && have->n == m->n && have->rooted == m->rooted &&
		    have->cut == m->cut)
			return (uint32_t)*at;
	}
	id = new_stack(p, m, hash[1]);
	return id >= XB_PROFILE_NO_ROOM || xb_map_put(&p->stack_of, key, id) ? id
									     : XB_PROFILE_NO_MEMORY;
}

uint32_t xb_profile_process(struct xb_profile *p, const struct xb_mixed *m)
{
	struct xb_pprocess new = { .id = m->proc_id };
	struct xb_str text = XB_STR_INIT;
	uint64_t *at;

	if (m->proc == 0)
		return XB_PROFILE_NO_PROCESS;
	/* On a normal scheduler a process asked for later may be another one: better none than a wrong one. */
	if (m->proc_id == 0 || (m->proc_later && m->mode == XB_MIXED_IN_C && m->sched != NULL &&
				m->sched->kind == XB_SCHED_NORMAL))
		return XB_PROFILE_GONE;
	at = xb_map_at(&p->process_of, m->proc_id);
	if (at == NULL)
		return XB_PROFILE_GONE;
	if (*at != 0)
		return (uint32_t)(*at - 1);
	if (m->process == NULL)
		return XB_PROFILE_GONE;
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

uint32_t xb_profile_thread(struct xb_profile *p, const struct xb_mixed *m)
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
