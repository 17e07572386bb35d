/* erlang-sample: where the time of a running Erlang VM goes, and what its processes are doing. */
#include "tools/sample_run.h"

static struct xb_error *run_sample(struct xb_tool_run *run)
{
	const struct sample_opts *o = run->opts;

	XB_TRY(xb_tool_output(run, o->output));
	switch (o->mode) {
	case SAMPLE_TOP:
		return sample_run_top(run);
	case SAMPLE_DISTINCT:
		return sample_run_distinct(run);
	case SAMPLE_PSTACK:
		return sample_run_pstack(run);
	case SAMPLE_STACKS:
	case SAMPLE_ALL:
		return sample_run_stacks(run);
	case SAMPLE_BLAME:
		return sample_run_blame(run);
	case SAMPLE_REGISTERS:
		return sample_run_registers(run);
	case SAMPLE_BLAME_LIST:
		return sample_run_blame_list(run);
	}
	return xb_errorf(XB_ERR_USAGE, "unknown mode");
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
