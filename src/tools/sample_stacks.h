/* --process and --all: between sample_stacks.c (which processes) and sample_stacks_write.c (what is said of them). */
#ifndef XB_TOOLS_SAMPLE_STACKS_H
#define XB_TOOLS_SAMPLE_STACKS_H

#include "tools/sample_run.h"

#include "base/map.h"
#include "out/json.h"

struct stacks {
	struct xb_tool_run *run;
	const struct sample_opts *opts;
	struct xb_session *session;
	struct xb_namer *namer;
	struct xb_frames frames;
	struct xb_map frame_texts; /* pc -> struct rendered * in the arena */
	struct xb_map mfas;        /* module, function, arity -> likewise */
	size_t n_rendered;         /* bytes of both */
	struct xb_sink page;       /* what is not written yet */
	struct xb_sink frame;      /* one, while it is rendered */
	struct xb_str text;
	struct xb_report report;
	struct xb_json json;
	uint64_t shown, n_frames, unresolved, not_rooted;
	struct xb_error *err;
};

/** Write what was gathered.  False: out of memory (k->err), or nobody reads any more. */
bool stacks_flush(struct stacks *k);

/** One process and its frames, as far as the user wants them.  False as stacks_flush(). */
bool stacks_write(struct stacks *k, const struct xb_proc *p, const struct xb_stack_scan *scan);

#endif
