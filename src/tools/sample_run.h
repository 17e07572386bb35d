/* The modes of erlang-sample, and what they share. */
#ifndef XB_TOOLS_SAMPLE_RUN_H
#define XB_TOOLS_SAMPLE_RUN_H

#include "out/report.h"
#include "sample/backend.h"
#include "tools/sample_opts.h"
#include "view/collect.h"

/* A sampling run from the opened target to the counted profile. */
struct sample_ctx {
	struct xb_tool_run *run;
	const struct sample_opts *opts;
	struct xb_session *session;
	struct xb_mixer *mixer;
	struct xb_profile *profile;
	struct xb_source source;
	enum xb_backend backend;  /* the one in use */
	const char *backend_note; /* why not a better one, or NULL */
	struct xb_collect_result result;
};

/** Open the target.  Errors: those of xb_session_open(). */
XB_NODISCARD struct xb_error *sample_open(struct xb_tool_run *run, struct xb_session **ret);

/** Open the source, the mixer and an empty profile for @c->session; @period_ns of CPU time between samples. */
XB_NODISCARD struct xb_error *sample_prepare(struct sample_ctx *c, uint64_t period_ns);

/** Sample for the time the user asked for, with a status line. */
XB_NODISCARD struct xb_error *sample_collect(struct sample_ctx *c);

/** xb_tool_interrupted() as xb_collect() asks it. */
bool sample_interrupted(void *arg);

/** Everything but the run itself; accepts a zeroed context. */
void sample_close(struct sample_ctx *c);

/** Open, sample as the user asked, @show, close; what most modes are. */
XB_NODISCARD struct xb_error *sample_run_with(struct xb_tool_run *run,
					      struct xb_error *(*show)(struct sample_ctx *c));

/** The same for a target that is open already; takes over @s. */
XB_NODISCARD struct xb_error *sample_run_on(struct xb_tool_run *run, struct xb_session *s,
					    struct xb_error *(*show)(struct sample_ctx *c));

/** The facts every report of a sampling run states: what was looked at, and how far to trust it. */
void sample_target_facts(struct xb_report *r, const struct xb_session *s);
void sample_layout_health(struct xb_report *r, const struct xb_layout *l);
void sample_health_facts(struct xb_report *r, const struct sample_ctx *c);

/** How the interpreter's c_p, E and I were found; nothing on a JIT unless registers were forced. */
void sample_vars_health(struct xb_report *r, const struct sample_ctx *c);

/** The same in sentences, for --verbose. */
void sample_log_vars(const struct sample_ctx *c);

/** INCOMPLETE, naming the register, when one that the user forced plainly is the wrong one; else NULL. */
XB_NODISCARD struct xb_error *sample_forced_verdict(const struct sample_ctx *c);

/** What the vote on register roles came to: used, and where it contradicts the table. */
void sample_roles_health(struct xb_report *r, const struct sample_ctx *c);

/** The distribution of delays, for --skid-summary; text only (JSON has the same numbers in health). */
void sample_print_skid(const struct sample_ctx *c, struct xb_sink *to);

/** INCOMPLETE when the target exited before the time was over, or a forced register was wrong; else NULL. */
XB_NODISCARD struct xb_error *sample_verdict(const struct sample_ctx *c);

/* What some modes print of a finished run. */
XB_NODISCARD struct xb_error *sample_show_top(struct sample_ctx *c);
XB_NODISCARD struct xb_error *sample_show_registers(struct sample_ctx *c);

/* One function for each mode. */
XB_NODISCARD struct xb_error *sample_run_top(struct xb_tool_run *run);
XB_NODISCARD struct xb_error *sample_run_registers(struct xb_tool_run *run);
XB_NODISCARD struct xb_error *sample_run_distinct(struct xb_tool_run *run);
XB_NODISCARD struct xb_error *sample_run_blame(struct xb_tool_run *run);
XB_NODISCARD struct xb_error *sample_run_blame_list(struct xb_tool_run *run);
XB_NODISCARD struct xb_error *sample_run_pstack(struct xb_tool_run *run);
XB_NODISCARD struct xb_error *sample_run_stacks(struct xb_tool_run *run);

#endif
