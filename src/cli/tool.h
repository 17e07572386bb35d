/*
 * What every tool's main() does the same way: read the options, run, say what went wrong in one
 * sentence and a way out, and turn it into an exit code.  Nothing here knows the VM.
 */
#ifndef XB_CLI_TOOL_H
#define XB_CLI_TOOL_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/opt.h"
#include "out/sink.h"
#include "out/tty.h"

enum xb_exit {
	XB_EXIT_OK,
	XB_EXIT_FAILED,
	XB_EXIT_USAGE, /* or the target is no Erlang VM */
	XB_EXIT_PERM,
	XB_EXIT_GONE,
	XB_EXIT_UNSUPPORTED, /* or a layout check failed */
	XB_EXIT_INCOMPLETE,
};

#define XB_TOOL_GROUPS 8 /* most groups a tool may have of its own */

struct xb_tool_example {
	const char *command, *text;
};

/* A group of the tool's table; @at is where its structure lies in the tool's options. */
struct xb_tool_group {
	const char *title;
	const struct xb_opt *opts;
	size_t at;
};

struct xb_tool_run;

struct xb_tool {
	const char *name;
	const char *summary;                /* one sentence with its period */
	const char *usage;                  /* what follows the name in the usage line */
	const struct xb_tool_group *groups; /* ended by a NULL title; Output and General are added */
	size_t opts_size;                   /* of the structure the groups fill */
	size_t max_args;
	const struct xb_tool_example *examples; /* ended by a NULL command */

	/* Looks at the options as a whole, before anything is done; may be NULL. */
	struct xb_error *(*check)(struct xb_tool_run *run);
	struct xb_error *(*run)(struct xb_tool_run *run);
};

/* The options every tool has. */
struct xb_tool_common {
	bool json, no_color, quiet;
	unsigned verbose;
	bool help, version, dump_options;
};

struct xb_tool_run {
	const struct xb_tool *tool;
	void *opts; /* of @tool->opts_size bytes */
	const char *const *args;
	size_t n_args;
	struct xb_tool_common common;
	struct xb_opt_parse parse; /* for xb_opt_given() */

	struct xb_arena arena; /* lives as long as the run */
	struct xb_log log;
	struct xb_status status;
	struct xb_sink out; /* standard output, or what xb_tool_output() opened */
	struct xb_tty tty;  /* how @out looks */
	struct xb_opt_group groups[XB_TOOL_GROUPS + 2];
	size_t n_groups;
};

/** The whole of main(): returns the exit code. */
int xb_tool_main(const struct xb_tool *tool, int argc, char **argv);

/**
 * The part of it before run(): parse and check.  For tests.
 * @return NULL, or USAGE, NOMEM.  xb_tool_deinit() is due either way.
 */
XB_NODISCARD struct xb_error *xb_tool_prepare(struct xb_tool_run *run, const struct xb_tool *tool,
					      int argc, char *const *argv);
void xb_tool_deinit(struct xb_tool_run *run);

/**
 * Send run->out to @path; NULL or "-" leaves standard output.  The file is created or truncated.
 * Errors: SYS, PERM.  What happens on writing and closing is reported by xb_tool_main().
 */
XB_NODISCARD struct xb_error *xb_tool_output(struct xb_tool_run *run, const char *path);

/** True once SIGINT or SIGTERM arrived: finish and print what there is.  A second one ends the process.
 */
bool xb_tool_interrupted(void);

/** The exit code of an error; NULL is OK. */
enum xb_exit xb_tool_exit_code(const struct xb_error *err);

#endif
