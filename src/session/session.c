#include "session/session.h"

#include "os/access.h"
#include "os/find.h"

#include <errno.h>
#include <stdlib.h>

enum { EXIT_MS = 200 };

void xb_session_close(struct xb_session *s)
{
	if (s == NULL)
		return;
	xb_vm_detach(s->vm);
	xb_loaded_destroy(s->loaded);
	xb_mem_destroy(s->mem);
	xb_target_close(&s->proc);
	xb_arena_deinit(&s->maps_arena);
	xb_arena_deinit(&s->arena);
	free(s);
}

/* It goes a while before the process is gone for the kernel; what was read then made no sense. */
static bool has_no_memory(pid_t pid)
{
	struct xb_error *err = xb_access_check_memory(pid);
	bool none = err != NULL && xb_error_code(err) == XB_ERR_GONE;

	xb_error_destroy(err);
	return none;
}

/*
 * Why an executable that is no emulator was taken for one: most likely it has the name.  Then somebody meant a VM, which
 * is not supported, rather than any process.
 */
static struct xb_error *explain_name(const struct xb_session *s, struct xb_error *err)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_proc_status status;
	const char *exe = "its program";
	struct xb_error *unknown = xb_proc_status(s->proc.pid, &status);
	bool deleted;

	if (unknown == NULL && xb_find_is_beam_name(status.comm)) {
		unknown = xb_proc_exe(s->proc.pid, &arena, &exe, &deleted);
		xb_error_destroy(err);
		err = xb_error_advise(
			xb_errorf(
				XB_ERR_UNSUPPORTED,
				"process %d calls itself %s, but %s is no Erlang VM that we know: it holds no "
				"\"Erlang/OTP\" version banner",
				(int)s->proc.pid, status.comm, exe),
			"erlang-inspect --list shows the Erlang VMs there are");
	}
	xb_error_destroy(unknown);
	return err;
}

struct xb_error *xb_session_explain(const struct xb_session *s, struct xb_error *err)
{
	if (err == NULL || s->proc.pid == 0)
		return err;
	if (!xb_target_alive(&s->proc) ||
	    (xb_error_code(err) != XB_ERR_NOT_BEAM && has_no_memory(s->proc.pid))) {
		xb_error_destroy(err);
		return xb_errorf(XB_ERR_GONE, "process %d exited while it was read", (int)s->proc.pid);
	}
	if (xb_error_code(err) == XB_ERR_PERM && xb_error_advice(err) == NULL) {
		xb_error_destroy(err);
		return xb_access_explain(s->proc.pid, XB_ACCESS_MEMORY, EPERM);
	}
	if (xb_error_code(err) == XB_ERR_NOT_BEAM)
		return explain_name(s, err);
	if (xb_error_code(err) == XB_ERR_NO_LAYOUT && xb_error_advice(err) == NULL)
		return xb_error_advise(err, "a newer version of these tools may know this release");
	return err;
}

struct xb_error *xb_session_refresh_maps(struct xb_session *s)
{
	/* The set of images keeps nothing of the maps, so the old ones can go. */
	xb_arena_reset(&s->maps_arena);
	XB_TRY(xb_proc_maps(s->proc.pid, &s->maps_arena, &s->maps));
	return xb_loaded_refresh(s->loaded, &s->maps);
}

/* What the VM knows is the thread's number in its own pid namespace. */
static pid_t our_tid(const struct xb_tasks *tasks, pid_t ns_tid)
{
	for (size_t i = 0; i < tasks->len && ns_tid != 0; i++) {
		if (tasks->tasks[i].ns_tid == ns_tid)
			return tasks->tasks[i].tid;
	}
	return 0;
}

static struct xb_error *match_threads(struct xb_session *s)
{
	pid_t *tids;
	size_t n = 0;

	XB_TRY(xb_proc_tasks(s->proc.pid, &s->arena, &s->tasks));
	xb_proc_ns_tids(s->proc.pid, &s->tasks);
	XB_TRY(xb_sched_read(s->vm, &s->arena, &s->scheds));
	tids = xb_arena_array(&s->arena, s->tasks.len + 1, sizeof(*tids));
	if (tids == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < s->tasks.len; i++) {
		if (s->tasks.tasks[i].ns_tid != 0)
			tids[n++] = s->tasks.tasks[i].ns_tid;
	}
	s->scheds_matched = xb_sched_match(s->vm, &s->scheds, tids, n);
	for (size_t i = 0; i < s->scheds.n; i++)
		s->scheds.list[i].tid = our_tid(&s->tasks, s->scheds.list[i].tid);
	return NULL;
}

/* Only a build-id tells one build from another; the cache is written when it could have told more. */
static struct xb_error *attach_vm(struct xb_session *s, const struct xb_session_opts *opts,
				  struct xb_vm_source *source)
{
	const struct xb_session_cache *cache = opts->cache;
	struct xb_root_hints old = { 0 }, hints;
	char build_id[XB_BUILD_ID_TEXT];
	size_t n;

	xb_identify_build(source->image, build_id);
	if (cache != NULL && build_id[0] != '\0' && cache->load(cache->arg, build_id, &old))
		source->hints = &old;
	XB_TRY(xb_vm_attach(source, &s->vm));
	if (cache == NULL || build_id[0] == '\0' ||
	    (source->hints != NULL && s->vm->roots.stale_hints == 0))
		return NULL;
	XB_TRY(xb_vm_hints(s->vm, source, &hints, &n));
	if (n > 0)
		cache->save(cache->arg, build_id, &hints);
	return NULL;
}

static struct xb_error *attach(struct xb_session *s, const struct xb_session_opts *opts)
{
	struct xb_loaded_opts lo = { .pid = s->proc.pid, .debug_dir = opts->debug_dir };
	struct xb_vm_source source = { .log = opts->log,
				       .use_dwarf = true,
				       .layout = opts->layout,
				       .trial = opts->trial,
				       .thorough = opts->thorough,
				       .without = opts->without };

	XB_TRY(xb_mem_live(s->proc.pid, &s->mem));
	lo.mem = s->mem;
	XB_TRY(xb_loaded_create(&lo, &s->loaded));
	XB_TRY(xb_session_refresh_maps(s));
	s->main = xb_loaded_main(s->loaded);
	if (s->main == NULL && xb_target_exits_within(&s->proc, EXIT_MS))
		return xb_errorf(XB_ERR_GONE, "process %d exited while it was read", (int)s->proc.pid);
	if (s->main == NULL)
		return xb_errorf(XB_ERR_NOT_BEAM,
				 "process %d has no program mapped, so it is no Erlang VM",
				 (int)s->proc.pid);
	/* What may not be read looks empty, and would be taken for a build that nobody knows. */
	XB_TRY(xb_access_check_memory(s->proc.pid));
	XB_TRY(xb_object_image(s->main, &source.image));
	XB_TRY(xb_object_symbols(s->main, &source.symbols));
	XB_TRY(xb_object_bias(s->main, &source.bias));
	source.mem = s->mem;
	XB_TRY(attach_vm(s, opts, &source));
	return match_threads(s);
}

struct xb_error *xb_session_open(const struct xb_session_opts *opts, struct xb_session **ret)
{
	struct xb_session *s = calloc(1, sizeof(*s));
	struct xb_error *err;
	pid_t pid = 0;

	if (s == NULL)
		return xb_error_nomem();
	s->proc = (struct xb_proc_handle)XB_PROC_HANDLE_NONE;
	err = xb_find_target(&s->arena, opts->target, &pid, &s->how);
	if (err == NULL)
		err = xb_target_open(pid, &s->proc);
	if (err == NULL)
		err = xb_session_explain(s, attach(s, opts));
	if (err != NULL) {
		xb_session_close(s);
		return err;
	}
	*ret = s;
	return NULL;
}
