#include "base/clock.h"
#include "os/find.h"
#include "tools/attach.h"
#include "tools/map_job.h"

#include <stdio.h>
#include <string.h>

/* Told from the executable alone: whatever else keeps us from attaching to an interpreter does not matter. */
static struct xb_error *identify(const char *target, struct xb_arena *arena, pid_t *ret_pid,
				 struct xb_identity *ret)
{
	xb_cleanup(xb_loaded_cleanup) struct xb_loaded *loaded = NULL;
	struct xb_loaded_opts opts = { 0 };
	struct xb_object *program;
	struct xb_image *image;
	struct xb_maps maps;
	const char *how;

	XB_TRY(xb_find_target(arena, target, ret_pid, &how));
	opts.pid = *ret_pid;
	XB_TRY(xb_proc_maps(*ret_pid, arena, &maps));
	XB_TRY(xb_loaded_create(&opts, &loaded));
	XB_TRY(xb_loaded_refresh(loaded, &maps));
	program = xb_loaded_main(loaded);
	if (program == NULL)
		return xb_errorf(XB_ERR_NOT_BEAM, "no program");
	XB_TRY(xb_object_image(program, &image));
	return xb_identify(image, ret);
}

static struct xb_error *interpreter(pid_t pid)
{
	return xb_errorf(XB_ERR_UNSUPPORTED,
			 "nothing to map: process %d runs the interpreter, which makes no machine code",
			 (int)pid);
}

/* @err kept us from attaching. */
static struct xb_error *explain(struct map_job *job, const char *target, struct xb_error *err)
{
	struct xb_identity id = { 0 };
	struct xb_error *unknown;
	pid_t pid = 0;

	if (xb_tool_exit_code(err) != XB_EXIT_UNSUPPORTED)
		return err;
	unknown = identify(target, &job->run->arena, &pid, &id);
	if (unknown != NULL || id.flavor == XB_FLAVOR_JIT) {
		xb_error_destroy(unknown);
		return err;
	}
	xb_error_destroy(err);
	return interpreter(pid);
}

static struct xb_error *open_session(struct map_job *job)
{
	const struct map_opts *o = job->opts;
	const char *text = NULL;
	struct xb_error *err =
		tool_attach(job->run, &o->target_opts, &o->target, false, NULL, &text, &job->session);

	if (err != NULL)
		return explain(job, text, err);
	job->attach_ns = xb_now_ns() - job->started_ns;
	XB_TRY(xb_session_explain(job->session, xb_proc_status(job->session->proc.pid, &job->process)));
	if (job->session->vm->id.flavor != XB_FLAVOR_JIT)
		return interpreter(job->session->proc.pid);
	return NULL;
}

/* Where the map goes, and whether the VM keeps that very file itself. */
static struct xb_error *find_place(struct map_job *job)
{
	const struct map_opts *o = job->opts;
	pid_t pid = job->session->proc.pid, named = o->inside ? job->process.ns_pid : pid;
	const char *dir = XB_PERFMAP_DIR;

	job->to_stdout = o->output != NULL && strcmp(o->output, "-") == 0;
	if (o->inside) {
		dir = xb_arena_printf(&job->run->arena, "/proc/%d/root%s", (int)pid, XB_PERFMAP_DIR);
		if (dir == NULL)
			return xb_error_nomem();
	}
	/* Also with --output: a VM that keeps a map gets the same lines from us as from itself. */
	XB_TRY(xb_perfmap_kept_by_target(dir, pid, named, &job->kept_by_vm));
	if (!o->inside) {
		struct xb_perfmap_target target = map_job_target(job);

		XB_TRY(xb_perfmap_inner(&target, &job->inner));
		job->kept_by_vm |= job->inner.kept;
	}
	if (o->output == NULL && job->inner.kept) {
		job->path = xb_arena_printf(&job->run->arena, "%s in the mount namespace of process %d",
					    job->inner.path, (int)pid);
		return job->path == NULL ? xb_error_nomem() : NULL;
	}
	if (o->output == NULL)
		return xb_perfmap_path(dir, named, &job->run->arena, &job->path);
	job->path = job->to_stdout ? "standard output" : o->output;
	return NULL;
}

static struct xb_error *write_map(struct map_job *job)
{
	bool changed;

	if (job->kept_by_vm && job->opts->output == NULL) {
		map_job_say(job,
			    "nothing to do: the VM keeps %s itself (it was started with +JPperf); "
			    "--output writes another file",
			    job->path);
		return map_job_report(job);
	}
	XB_TRY(xb_session_explain(job->session, map_job_text(job, &changed)));
	XB_TRY(map_job_write(job));
	if (job->inner.exists && !job->inner.kept && job->opts->output == NULL)
		xb_logf(&job->run->log, XB_LOG_WARN,
			"%s in the mount namespace of process %d (of uid %u) hides this map from perf while the "
			"process lives: remove it there, or replace it with --inside-target",
			job->inner.path, (int)job->session->proc.pid, job->inner.owner);
	if (!job->run->common.json)
		XB_TRY(map_job_report(job));
	if (job->opts->watch)
		XB_TRY(map_job_watch(job));
	if (job->run->common.json)
		XB_TRY(map_job_report(job));
	return map_job_verdict(job);
}

struct xb_error *map_run(struct xb_tool_run *run)
{
	struct map_job job = { .run = run, .opts = run->opts, .started_ns = xb_now_ns() };
	struct xb_error *err;

	if (job.opts->fix_perf_data != NULL)
		return map_fix_run(run);
	err = open_session(&job);
	if (err == NULL)
		err = find_place(&job);
	if (err == NULL)
		err = write_map(&job);
	map_job_deinit(&job);
	return err;
}
