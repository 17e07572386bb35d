#include "tools/map_job.h"

#include "base/clock.h"
#include "out/perfmap_list.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void map_job_deinit(struct map_job *job)
{
	xb_jitlist_deinit(&job->list);
	xb_str_deinit(&job->text);
	xb_session_close(job->session);
}

static struct xb_error *format(struct map_job *job, struct xb_str *out)
{
	const struct xb_jitlist *list = &job->list;

	job->functions = job->fragments = 0;
	for (size_t i = 0; i < list->len; i++) {
		const struct xb_jitentry *e = list->entries[i];

		/* A module: its header, two ranges for each function, its footer. */
		if (e->fragments)
			job->fragments += e->n_ranges;
		else if (e->n_ranges > 2)
			job->functions += (e->n_ranges - 2) / 2;
	}
	return xb_perfmap_of_list(
		list, job->opts->replaced || job->kept_by_vm ? XB_PERFMAP_ALL : XB_PERFMAP_NEWEST, out,
		&job->stats);
}

struct xb_error *map_job_text(struct map_job *job, bool *ret_changed)
{
	xb_cleanup(xb_str_deinit) struct xb_str text = XB_STR_INIT;
	uint64_t start, read;

	start = xb_now_ns();
	if (job->list.len == 0)
		XB_TRY(xb_jitlist_read(job->session->vm, NULL, &job->list));
	read = xb_now_ns();
	XB_TRY(xb_codecheck(job->session->vm, &job->list, &job->check));
	if (job->writes == 0) {
		job->list_ns = read - start;
		job->check_ns = xb_now_ns() - read;
	}
	XB_TRY(format(job, &text));
	*ret_changed = job->writes == 0 || text.len != job->text.len ||
		       (text.len > 0 && memcmp(text.data, job->text.data, text.len) != 0);
	if (*ret_changed) {
		xb_str_deinit(&job->text);
		job->text = text;
		text = (struct xb_str)XB_STR_INIT;
	}
	return NULL;
}

struct xb_perfmap_target map_job_target(const struct map_job *job)
{
	const struct xb_proc_status *p = &job->process;

	return (struct xb_perfmap_target){ job->session->proc.pid, p->ns_pid, p->euid, p->gid };
}

struct xb_error *map_job_write(struct map_job *job)
{
	const char *text = xb_str_get(&job->text);
	size_t len = job->text.len;
	pid_t pid = job->session->proc.pid;
	struct xb_perfmap_target target = map_job_target(job);

	if (job->to_stdout)
		xb_sink_write(&job->run->out, text, len);
	else if (job->opts->output != NULL)
		XB_TRY(xb_perfmap_write_to(job->path, text, len));
	else if (job->opts->inside)
		XB_TRY(xb_perfmap_write_in_root(&target, text, len));
	else
		XB_TRY(xb_perfmap_write(NULL, pid, job->process.euid, text, len));
	job->writes++;
	if (job->took_ns == 0)
		job->took_ns = xb_now_ns() - job->started_ns;
	return NULL;
}

/* Until the VM has ended, the interval is over or a signal came.  True: the VM has ended. */
static bool wait_a_while(const struct map_job *job)
{
	const struct xb_proc_handle *h = &job->session->proc;
	struct pollfd fd = { .fd = h->pidfd, .events = POLLIN }; /* -1 is ignored by poll() */
	struct timespec t = { .tv_sec = (time_t)(job->opts->interval_ns / 1000000000),
			      .tv_nsec = (long)(job->opts->interval_ns % 1000000000) };

	(void)ppoll(&fd, 1, &t, NULL);
	return !xb_target_alive(h);
}

static struct xb_error *look_again(struct map_job *job)
{
	bool stale, changed = false;

	XB_TRY(xb_jitlist_is_stale(job->session->vm, &job->list, &stale));
	if (!stale)
		return NULL;
	XB_TRY(map_job_text(job, &changed));
	if (!changed)
		return NULL;
	XB_TRY(map_job_write(job));
	map_job_say(job, "%s: %zu lines, %zu functions", job->path, job->stats.lines, job->functions);
	return NULL;
}

struct xb_error *map_job_watch(struct map_job *job)
{
	while (!xb_tool_interrupted()) {
		struct xb_error *err;

		if (wait_a_while(job)) {
			map_job_say(job, "process %d has ended; its map stays at %s",
				    (int)job->session->proc.pid, job->path);
			return NULL;
		}
		if (xb_tool_interrupted())
			return NULL;
		err = xb_session_explain(job->session, look_again(job));
		if (err != NULL && xb_error_code(err) != XB_ERR_GONE)
			return err;
		xb_error_destroy(err); /* gone: said on the next round */
	}
	return NULL;
}
