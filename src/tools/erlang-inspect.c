/* erlang-inspect: what a running Erlang VM is, as far as the other tools need to know it. */
#include "cli/tool.h"
#include "tools/inspect_opts.h"

static struct xb_error *run_inspect(struct xb_tool_run *run)
{
	(void)run;
	return xb_errorf(XB_ERR_UNSUPPORTED, "inspecting is not connected to this build");
}

static const struct xb_tool tool = {
	.name = "erlang-inspect",
	.summary =
		"Tell what a running Erlang VM is: release, flavor, build, layout, schedulers, start arguments.",
	.usage = "[OPTIONS] [PID|NODE] [system]",
	.groups = inspect_groups,
	.opts_size = sizeof(struct inspect_opts),
	.max_args = 2,
	.examples = inspect_examples,
	.check = inspect_check,
	.run = run_inspect,
};

int main(int argc, char **argv)
{
	return xb_tool_main(&tool, argc, argv);
}
