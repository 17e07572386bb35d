#include "session/system.h"

#include "elf/image.h"
#include "vm/atom.h"
#include "vm/code.h"
#include "vm/process.h"

#include <stdlib.h>
#include <string.h>

static enum xb_thread_role role_of_kind(enum xb_sched_kind kind)
{
	return kind == XB_SCHED_NORMAL      ? XB_THREAD_SCHEDULER
	       : kind == XB_SCHED_DIRTY_CPU ? XB_THREAD_DIRTY_CPU
					    : XB_THREAD_DIRTY_IO;
}

/* The process may be gone before it is read: then the scheduler just shows none. */
static bool name_running(struct xb_session *s, struct xb_arena *arena, struct xb_system_thread *t)
{
	xb_addr current = xb_sched_current(s->vm, t->sched);
	struct xb_str text = XB_STR_INIT;
	struct xb_proc p;

	if (current == 0 || !xb_proc_is(s->vm, current) || !xb_proc_at(s->vm, current, &p))
		return true;
	xb_proc_write_id(s->vm, p.id, &text);
	t->pid = xb_arena_strndup(arena, xb_str_get(&text), text.len);
	xb_str_clear(&text);
	xb_proc_write_label(s->vm, &p, &text);
	t->process = xb_arena_strndup(arena, xb_str_get(&text), text.len);
	xb_str_deinit(&text);
	return t->pid != NULL && t->process != NULL;
}

static const struct xb_sched *sched_of(const struct xb_session *s, pid_t tid)
{
	for (size_t i = 0; i < s->scheds.n; i++) {
		if (s->scheds.list[i].tid == tid)
			return &s->scheds.list[i];
	}
	return NULL;
}

static int by_role(const void *a, const void *b)
{
	const struct xb_system_thread *x = a, *y = b;

	if ((x->sched == NULL) != (y->sched == NULL))
		return x->sched == NULL ? 1 : -1;
	if (x->sched != NULL && x->sched != y->sched)
		return x->sched < y->sched ? -1 : 1; /* of one array, in the VM's order */
	return x->task.tid < y->task.tid ? -1 : x->task.tid > y->task.tid;
}

static struct xb_error *gather_threads(struct xb_session *s, struct xb_arena *arena,
				       struct xb_system *y)
{
	struct xb_tasks tasks;

	XB_TRY(xb_proc_tasks(s->proc.pid, arena, &tasks));
	y->threads = xb_arena_array(arena, tasks.len + 1, sizeof(*y->threads));
	if (y->threads == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < tasks.len; i++) {
		struct xb_system_thread *t = &y->threads[y->n_threads++];

		t->task = tasks.tasks[i];
		t->sched = sched_of(s, t->task.tid);
		t->role = xb_thread_role_of(t->task.comm, &t->no);
		/* What the VM's memory says is proof, a name is not. */
		if (t->sched != NULL) {
			t->role = role_of_kind(t->sched->kind);
			t->no = (int)t->sched->no;
		} else if (t->task.tid == s->proc.pid) {
			t->role = XB_THREAD_MAIN;
			t->no = -1;
		}
		if (t->sched != NULL && !name_running(s, arena, t))
			return xb_error_nomem();
	}
	qsort(y->threads, y->n_threads, sizeof(*y->threads), by_role);
	return NULL;
}

static bool has_dwarf(const struct xb_image *img)
{
	struct xb_section sec;

	for (size_t i = 1, n = img == NULL ? 0 : xb_image_section_count(img); i < n; i++) {
		if (xb_image_section_at(img, i, &sec) && sec.size > 0 &&
		    (strcmp(sec.name, ".debug_info") == 0 || strcmp(sec.name, ".zdebug_info") == 0))
			return true;
	}
	return false;
}

static struct xb_error *gather_files(struct xb_session *s, struct xb_system *y)
{
	struct xb_symbols *symbols;
	struct xb_image *image;

	XB_TRY(xb_object_image(s->main, &image));
	XB_TRY(xb_object_symbols(s->main, &symbols));
	y->debug_image = xb_symbols_debug_image(symbols);
	y->has_dwarf = has_dwarf(image) || has_dwarf(y->debug_image);
	return NULL;
}

struct xb_error *xb_system_gather(struct xb_session *s, struct xb_arena *arena, struct xb_system *ret)
{
	struct xb_system y = { .process_limit = s->vm->roots.proc_max };
	const struct xb_module *m;

	XB_TRY(xb_proc_about(s->proc.pid, arena, &y.os));
	XB_TRY(gather_threads(s, arena, &y));
	XB_TRY(gather_files(s, &y));
	XB_TRY(xb_proc_count(s->vm, &y.processes));
	XB_TRY(xb_atoms_count(s->vm, &y.atoms));
	m = xb_code_modules(s->vm, &y.modules);
	for (size_t i = 0; i < y.modules; i++)
		y.code_bytes += m[i].end - m[i].start;
	*ret = y;
	return NULL;
}
