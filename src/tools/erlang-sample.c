/* erlang-sample: where the time of a running Erlang VM goes, and what its processes are doing. */
#include "cli/tool.h"
#include "tools/sample_opts.h"

static struct xb_error *run_sample(struct xb_tool_run *run)
{
	(void)run;
	return xb_errorf(XB_ERR_UNSUPPORTED, "sampling is not connected to this build");
}

static const struct xb_tool tool = {
	.name = "erlang-sample",
	.summary =
		"Sample a running Erlang VM from outside, without stopping it: hot functions, stacks, blame.",
	.usage = "[OPTIONS] [PID|NODE]",
	.groups = sample_groups,
	.opts_size = sizeof(struct sample_opts),
	.max_args = 1,
	.examples = sample_examples,
	.check = sample_check,
	.run = run_sample,
};

int main(int argc, char **argv)
{
	return xb_tool_main(&tool, argc, argv);
}
