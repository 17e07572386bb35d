#include "tools/map_opts.h"

#include <string.h>

#define AT(field) offsetof(struct map_opts, field)

#define MS ((uint64_t)1000000)

static const struct xb_opt map_options[] = {
	{ "output", 'o', XB_OPT_STRING, .at = AT(output), .arg = "FILE",
	  .help = "write to FILE, - is standard output; without it the place where the host's perf looks; with "
		  "--fix-perf-data the new recording" },
	{ "watch", 'w', XB_OPT_FLAG, .at = AT(watch), .not_with = "fix-perf-data",
	  .help = "stay, and write the map anew whenever code is loaded or purged, until the VM ends or Ctrl-C" },
	{ "interval", 0, XB_OPT_DURATION, .at = AT(interval_ns), .arg = "TIME", .def = "1s",
	  .min = 10 * MS, .max = 3600000 * MS, .needs = "watch",
	  .help = "with --watch: how often to look" },
	{ "replaced", 0, XB_OPT_FLAG, .at = AT(replaced), .not_with = "fix-perf-data",
	  .help = "also list code that was replaced and whose memory was used again, as a VM that writes its own map "
		  "does; perf may then show the old name" },
	{ "inside-target", 0, XB_OPT_FLAG, .at = AT(inside), .not_with = "output fix-perf-data",
	  .help = "write below the target's own root (container, chroot), for a perf that runs in there" },
	{ "fix-perf-data", 0, XB_OPT_STRING, .at = AT(fix_perf_data), .arg = "FILE",
	  .help = "make a perf.data recording usable: perf ignores map files for the shared mapping that holds JIT "
		  "code; in place, or to --output" },
	{ 0 },
};

const struct xb_tool_group map_groups[] = {
	{ "Target", xb_target_options, AT(target_opts) },
	{ "Map", map_options, 0 },
	{ 0 },
};

const struct xb_tool_example map_examples[] = {
	{ "erlang-write-perf-map 1234", "write the map where perf report finds it" },
	{ "erlang-write-perf-map --watch foo@host", "keep it current while code is loaded" },
	{ "erlang-write-perf-map --fix-perf-data perf.data",
	  "make perf use the map for a finished recording" },
	{ 0 },
};

struct xb_error *map_check(struct xb_tool_run *run)
{
	struct map_opts *o = run->opts;
	const char *arg = run->n_args > 0 ? run->args[0] : NULL;
	bool to_stdout = o->output != NULL && strcmp(o->output, "-") == 0;

	if (to_stdout && run->common.json)
		return xb_errorf(XB_ERR_USAGE,
				 "--json and --output - would write into the same stream");
	if (to_stdout && o->watch)
		return xb_errorf(XB_ERR_USAGE,
				 "--watch replaces a file; it cannot write to standard output");
	if (to_stdout && o->fix_perf_data != NULL)
		return xb_errorf(
			XB_ERR_USAGE,
			"--fix-perf-data writes a file that is read at random; name one with --output");
	XB_TRY(xb_target_parse(&o->target_opts, arg, &o->target));
	if (o->fix_perf_data != NULL && o->target.kind == XB_TARGET_NODE)
		return xb_errorf(XB_ERR_USAGE,
				 "a recording knows processes by number only; '%s' is none",
				 o->target.node);
	return NULL;
}
