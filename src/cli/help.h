/* What --help, --version and --dump-options print, from the tables. */
#ifndef XB_CLI_HELP_H
#define XB_CLI_HELP_H

#include "cli/opt.h"
#include "out/sink.h"

struct xb_tool;

/** Usage, purpose, grouped options with defaults, examples, exit codes, where to report; folded to
 * @width columns (0: 80). */
void xb_help_print(const struct xb_tool *tool, const struct xb_opt_group *groups, size_t n_groups,
		   struct xb_sink *to, unsigned width);

/** "erlang-sample (extrospect) 0.1.0". */
void xb_help_version(const struct xb_tool *tool, struct xb_sink *to);

/**
 * The same facts for programs, one record per line, fields separated by tabs, "-" for none:
 *
 *	tool NAME VERSION SUMMARY USAGE
 *	group TITLE
 *	option LETTER NAME ARG DEFAULT CHOICES(a,b,…) HELP
 *	example COMMAND TEXT
 *	exit CODE TEXT
 */
void xb_help_dump(const struct xb_tool *tool, const struct xb_opt_group *groups, size_t n_groups,
		  struct xb_sink *to);

#endif
