/* erlang-write-perf-map: names of the code a running Erlang VM compiled, for Linux perf. */
#include "cli/tool.h"
#include "tools/map_job.h"

static const struct xb_tool tool = {
	.name = "erlang-write-perf-map",
	.summary = "Write the perf map of a running Erlang VM, so that Linux perf shows Erlang names.",
	.usage = "[OPTIONS] [PID|NODE]",
	.groups = map_groups,
	.opts_size = sizeof(struct map_opts),
	.max_args = 1,
	.examples = map_examples,
	.check = map_check,
	.run = map_run,
};

int main(int argc, char **argv)
{
	return xb_tool_main(&tool, argc, argv);
}
