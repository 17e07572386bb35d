/* What erlang-write-perf-map does, in pieces: making the text, placing it, keeping it current, telling about it. */
#ifndef XB_TOOLS_MAP_JOB_H
#define XB_TOOLS_MAP_JOB_H

#include "out/perfmap.h"
#include "out/perfmap_file.h"
#include "session/session.h"
#include "tools/map_opts.h"
#include "vm/codecheck.h"
#include "vm/jitlist.h"

struct map_job {
	struct xb_tool_run *run;
	const struct map_opts *opts;
	struct xb_session *session;
	struct xb_proc_status process;
	const char *path;              /* what is written, for people and programs */
	bool kept_by_vm;               /* the VM itself keeps the file at the place where perf looks */
	struct xb_perfmap_inner inner; /* in the target's mount namespace, when that is not ours */
	bool to_stdout;

	struct xb_jitlist list;
	struct xb_codecheck check;
	struct xb_str text; /* the map as it was written last */
	struct xb_perfmap_stats stats;
	size_t functions, fragments;
	uint64_t started_ns;
	uint64_t attach_ns, list_ns, check_ns, took_ns; /* phases of the first map; took: all of it */
	unsigned writes;
};

/**
 * Read the VM's code anew as far as it changed and make the text of the map.
 * @ret_changed: it differs from the one before.  Errors of xb_codecheck(), NOMEM.
 */
XB_NODISCARD struct xb_error *map_job_text(struct map_job *job, bool *ret_changed);

/** The target as one who writes its map sees it. */
struct xb_perfmap_target map_job_target(const struct map_job *job);

/** Put job->text where it belongs. */
XB_NODISCARD struct xb_error *map_job_write(struct map_job *job);

/** Stay and rewrite on change until the VM ends or the user says stop; neither is an error. */
XB_NODISCARD struct xb_error *map_job_watch(struct map_job *job);

/** What was done: a sentence and a health line on standard error, or JSON on standard output. */
XB_NODISCARD struct xb_error *map_job_report(struct map_job *job);

/** One sentence on standard error unless --quiet or --json. */
void map_job_say(const struct map_job *job, const char *fmt, ...) XB_PRINTF(2, 3);

/** Whether the map is less than it claims: INCOMPLETE with the reason, or NULL.  Differences are logged. */
XB_NODISCARD struct xb_error *map_job_verdict(struct map_job *job);

void map_job_deinit(struct map_job *job);

/** --fix-perf-data: all of it. */
XB_NODISCARD struct xb_error *map_fix_run(struct xb_tool_run *run);

/** Everything else: the run function of the tool. */
XB_NODISCARD struct xb_error *map_run(struct xb_tool_run *run);

#endif
