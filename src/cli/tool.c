#include "cli/tool.h"

#include "base/str.h"
#include "cli/help.h"
#include "out/text.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMON(field) offsetof(struct xb_tool_common, field)

static const struct xb_opt output_options[] = {
	{ "json", 'j', XB_OPT_FLAG, .at = COMMON(json), .help = "print one JSON object" },
	{ "no-color", 0, XB_OPT_FLAG, .at = COMMON(no_color), .help = "never colour the output" },
	{ 0 },
};

static const struct xb_opt general_options[] = {
	{ "quiet", 'q', XB_OPT_FLAG, .at = COMMON(quiet), .not_with = "verbose",
	  .help = "no status line, no notes; errors only" },
	{ "verbose", 'v', XB_OPT_COUNT, .at = COMMON(verbose),
	  .help = "say what is being done and where facts come from; twice for more" },
	{ "help", 'h', XB_OPT_FLAG, .at = COMMON(help), .help = "print this and exit" },
	{ "version", 'V', XB_OPT_FLAG, .at = COMMON(version), .help = "print the version and exit" },
	{ "dump-options", 0, XB_OPT_FLAG, .at = COMMON(dump_options), .hidden = true,
	  .help = "print the option table for programs and exit" },
	{ 0 },
};

static const char *const stop_at[] = { "help", "version", "dump-options", NULL };

/* The one piece of state a signal handler can reach. */
static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
}

bool xb_tool_interrupted(void)
{
	return interrupted != 0;
}

static void catch_signals(void)
{
	/* No SA_RESTART: a waiting system call shall return and its caller look at the flag. */
	struct sigaction stop = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &stop, NULL);
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* a closed pipe shows as EPIPE in the sink */
}

enum xb_exit xb_tool_exit_code(const struct xb_error *err)
{
	if (err == NULL)
		return XB_EXIT_OK;
	switch (xb_error_code(err)) {
	case XB_ERR_USAGE:
	case XB_ERR_NOT_BEAM:
		return XB_EXIT_USAGE;
	case XB_ERR_PERM:
		return XB_EXIT_PERM;
	case XB_ERR_GONE:
		return XB_EXIT_GONE;
	case XB_ERR_NO_SYMBOL:
	case XB_ERR_NO_LAYOUT:
	case XB_ERR_MISMATCH:
	case XB_ERR_UNSUPPORTED:
		return XB_EXIT_UNSUPPORTED;
	case XB_ERR_INCOMPLETE:
		return XB_EXIT_INCOMPLETE;
	case XB_ERR_NOMEM:
	case XB_ERR_SYS:
	case XB_ERR_FAULT:
	case XB_ERR_BAD_FILE:
	case XB_ERR_LIMIT:
	case XB_ERR_INTERRUPTED:
		return XB_EXIT_FAILED;
	}
	return XB_EXIT_FAILED;
}

/*
 * On stderr, with what came from the target or the command line made safe to show.  Line breaks are our own (lists of
 * candidates) and stay: names that are taken from the target hold none.
 */
static void say(const char *name, const char *what, const char *text)
{
	struct xb_str safe = XB_STR_INIT;

	for (const char *line = text; line != NULL;) {
		size_t len = strcspn(line, "\n");

		xb_text_safe(&safe, line, len);
		line = line[len] == '\n' ? line + len + 1 : NULL;
		if (line != NULL)
			xb_str_addc(&safe, '\n');
	}
	(void)fprintf(stderr, "%s: %s%s\n", name, what, xb_str_get(&safe));
	xb_str_deinit(&safe);
}

/* An advice may have several lines (a caret below an expression); they are ours, not the target's. */
static void say_lines(const char *name, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char *line = strndup(text, len);

		if (line != NULL)
			say(name, "", line);
		free(line);
		text += len + (text[len] == '\n');
	}
}

static void log_sink(void *arg, enum xb_log_level level, const char *line)
{
	struct xb_tool_run *run = arg;

	xb_status_clear(&run->status);
	say(run->tool->name, level == XB_LOG_WARN ? "warning: " : "", line);
}

static void set_groups(struct xb_tool_run *run, const struct xb_tool *tool)
{
	for (const struct xb_tool_group *g = tool->groups; g->title != NULL; g++) {
		xb_assert(run->n_groups < XB_TOOL_GROUPS);
		run->groups[run->n_groups++] =
			(struct xb_opt_group){ g->title, g->opts, (char *)run->opts + g->at };
	}
	run->groups[run->n_groups++] = (struct xb_opt_group){ "Output", output_options, &run->common };
	run->groups[run->n_groups++] =
		(struct xb_opt_group){ "General", general_options, &run->common };
}

struct xb_error *xb_tool_prepare(struct xb_tool_run *run, const struct xb_tool *tool, int argc,
				 char *const *argv)
{
	*run = (struct xb_tool_run){ .tool = tool };
	xb_sink_to_file(&run->out, stdout, "standard output");
	run->opts = xb_arena_alloc(&run->arena, XB_MAX(tool->opts_size, (size_t)1));
	if (run->opts == NULL)
		return xb_error_nomem();
	set_groups(run, tool);
	run->parse = (struct xb_opt_parse){ .groups = run->groups,
					    .n_groups = run->n_groups,
					    .arena = &run->arena };
	XB_TRY(xb_opt_parse(&run->parse, argc, argv, stop_at));
	run->args = run->parse.args;
	run->n_args = run->parse.n_args;
	if (run->parse.stopped)
		return NULL;
	if (run->n_args > tool->max_args)
		return xb_errorf(XB_ERR_USAGE, "'%s' is one argument too many",
				 run->args[tool->max_args]);
	run->log = (struct xb_log){ .sink = run->common.quiet ? NULL : log_sink,
				    .arg = run,
				    .max = run->common.verbose == 0   ? XB_LOG_WARN
					   : run->common.verbose == 1 ? XB_LOG_INFO
								      : XB_LOG_DEBUG };
	return tool->check != NULL ? tool->check(run) : NULL;
}

void xb_tool_deinit(struct xb_tool_run *run)
{
	if (run->out.file != NULL && run->out.file != stdout)
		(void)fclose(run->out.file);
	xb_sink_deinit(&run->out);
	xb_arena_deinit(&run->arena);
}

struct xb_error *xb_tool_output(struct xb_tool_run *run, const char *path)
{
	FILE *file;
	int fd;

	if (path == NULL || strcmp(path, "-") == 0)
		return NULL;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return xb_error_sys(errno, "cannot create %s", path);
	file = fdopen(fd, "w");
	if (file == NULL) {
		(void)close(fd);
		return xb_error_nomem();
	}
	xb_sink_to_file(&run->out, file, path);
	xb_tty_init(&run->tty, file, run->common.no_color);
	return NULL;
}

static bool print_and_exit(struct xb_tool_run *run)
{
	if (!run->parse.stopped)
		return false;
	if (run->common.version)
		xb_help_version(run->tool, &run->out);
	else if (run->common.dump_options)
		xb_help_dump(run->tool, run->groups, run->n_groups, &run->out);
	else
		xb_help_print(run->tool, run->groups, run->n_groups, &run->out, run->tty.width);
	return true;
}

static enum xb_exit complain(const struct xb_tool *tool, struct xb_error *err)
{
	enum xb_exit code = xb_tool_exit_code(err);

	if (err == NULL)
		return code;
	say(tool->name, "", xb_error_message(err));
	if (xb_error_advice(err) != NULL)
		say_lines(tool->name, xb_error_advice(err));
	else if (xb_error_code(err) == XB_ERR_USAGE)
		(void)fprintf(stderr, "%s: try '%s --help'\n", tool->name, tool->name);
	xb_error_destroy(err);
	return code;
}

int xb_tool_main(const struct xb_tool *tool, int argc, char **argv)
{
	struct xb_tool_run run;
	struct xb_error *err, *written;
	enum xb_exit code, write_code;

	/* Only character types: numbers must look the same everywhere. */
	(void)setlocale(LC_CTYPE, "");
	catch_signals();
	err = xb_tool_prepare(&run, tool, argc, argv);
	xb_tty_init(&run.tty, stdout, run.common.no_color);
	xb_status_init(&run.status, run.common.quiet);
	if (err == NULL && !print_and_exit(&run))
		err = tool->run(&run);
	xb_status_clear(&run.status);
	written = xb_sink_finish(&run.out);
	code = complain(tool, err);
	write_code = complain(tool, written);
	xb_tool_deinit(&run);
	return (int)(code != XB_EXIT_OK ? code : write_code);
}
