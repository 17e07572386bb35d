#include "view/pstack.h"

#include <stdlib.h>
#include <string.h>

enum { SLEEPER_STACK = 32 << 10 };

struct xb_error *xb_pstack_create(struct xb_session *s, bool wait_all, struct xb_pstack_set **ret)
{
	struct xb_pstack_set *p = calloc(1, sizeof(*p));

	if (p != NULL)
		p->entries = calloc(s->scheds.n + 1, sizeof(*p->entries));
	if (p == NULL || p->entries == NULL) {
		xb_pstack_destroy(p);
		return xb_error_nomem();
	}
	p->s = s;
	p->n = s->scheds.n;
	p->wait_all = wait_all;
	for (size_t i = 0; i < p->n; i++) {
		const struct xb_sched *d = &s->scheds.list[i];

		p->entries[i].sched = d;
		p->entries[i].wanted =
			wait_all ? d->kind == XB_SCHED_NORMAL : xb_sched_current(s->vm, d) != 0;
	}
	*ret = p;
	return NULL;
}

void xb_pstack_destroy(struct xb_pstack_set *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		free(p->entries[i].frames);
	free(p->entries);
	free(p);
}

static void keep(struct xb_pstack_entry *e, const struct xb_mixed *m)
{
	uint64_t *frames = malloc(m->n * sizeof(*frames) + 1);

	if (frames == NULL)
		return;
	memcpy(frames, m->frames, m->n * sizeof(*frames));
	free(e->frames);
	e->frames = frames;
	e->m = *m;
	e->m.frames = frames;
	e->has_process = m->process != NULL;
	if (m->process != NULL)
		e->process = *m->process;
	e->m.process = NULL;
}

bool xb_pstack_look(void *set, const struct xb_mixed *m)
{
	struct xb_pstack_set *p = set;
	bool all = true;

	for (size_t i = 0; i < p->n; i++) {
		struct xb_pstack_entry *e = &p->entries[i];

		/* The first whole stack stays: a later one may have been cut short. */
		if (e->sched == m->sched && m->proc != 0 && (!e->seen || (!e->m.rooted && m->rooted))) {
			keep(e, m);
			e->seen = true;
		}
		/* One that stopped running meanwhile is not waited for. */
		if (e->wanted && !e->seen)
			all &= !p->wait_all && xb_sched_current(p->s->vm, e->sched) == 0;
	}
	return all;
}

struct sleeper {
	struct xb_pstack_entry *entry;
};

static struct xb_error *take_sleeper(void *arg, const struct xb_mixed *m)
{
	struct sleeper *s = arg;

	keep(s->entry, m);
	s->entry->asleep = true;
	return NULL;
}

struct xb_error *xb_pstack_sleeping(struct xb_pstack_set *p, struct xb_mixer *mixer)
{
	unsigned char *bytes = malloc(SLEEPER_STACK);
	struct xb_error *err = bytes == NULL ? xb_error_nomem() : NULL;

	for (size_t i = 0; err == NULL && i < p->n; i++) {
		struct xb_pstack_entry *e = &p->entries[i];
		struct xb_raw_sample raw = { .tid = e->sched->tid, .stack = bytes };
		struct sleeper s = { .entry = e };
		xb_addr sp, pc;

		if (e->seen || e->sched->tid == 0 ||
		    !xb_proc_syscall(p->s->proc.pid, e->sched->tid, &sp, &pc))
			continue;
		raw.ip = pc;
		raw.stack_addr = sp;
		raw.stack_len = xb_mem_try(p->s->mem, sp, bytes, SLEEPER_STACK);
		xb_regs_set(&raw.regs, XB_REG_RIP, pc);
		xb_regs_set(&raw.regs, XB_REG_RSP, sp);
		err = xb_mixer_run(mixer, &raw, 1, take_sleeper, &s);
	}
	free(bytes);
	return err;
}
