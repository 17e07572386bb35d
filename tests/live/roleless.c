/*
 * roleless [--role ROLE=REG]... [OPTIONS] PID: erlang-sample with a layout that names no register, or those given.
 *
 * What is left to find them is the vote of the samples (sample/roles.h), which tests/live/registers.sh puts to the proof.
 */
#include "tools/sample_run.h"

#include "elf/regs.h"

#include <string.h>

struct roleless_opts {
	struct sample_opts sample;
	struct xb_opt_list role;
};

static const struct xb_opt options[] = {
	{ "role", 0, XB_OPT_LIST, .at = offsetof(struct roleless_opts, role), .arg = "ROLE=REG",
	  .help = "what the layout says of one role" },
	{ 0 },
};

static struct xb_error *set_role(struct xb_layout *l, const char *text)
{
	const char *is = strchr(text, '=');
	enum xb_reg reg;

	for (int r = 0; is != NULL && r < XB_R__COUNT; r++) {
		const char *name = xb_layout_reg_name((enum xb_layout_reg)r);

		if (strlen(name) != (size_t)(is - text) || strncmp(name, text, strlen(name)) != 0)
			continue;
		if (!xb_reg_from_name(is + 1, &reg))
			break;
		l->reg[r] = (int8_t)reg;
		return NULL;
	}
	return xb_errorf(XB_ERR_USAGE, "--role: %s is not ROLE=REG", text);
}

static struct xb_error *change(struct xb_layout *l, const struct roleless_opts *o)
{
	memset(l->reg, -1, sizeof(l->reg));
	for (size_t i = 0; i < o->role.n; i++)
		XB_TRY(set_role(l, o->role.items[i]));
	return NULL;
}

static struct xb_error *run(struct xb_tool_run *run)
{
	const struct roleless_opts *o = run->opts;
	struct xb_session *s = NULL;
	struct xb_error *err;

	XB_TRY(sample_open(run, &s));
	err = change(&s->vm->layout, o);
	if (err != NULL) {
		xb_session_close(s);
		return err;
	}
	return sample_run_on(
		run, s, o->sample.mode == SAMPLE_REGISTERS ? sample_show_registers : sample_show_top);
}

int main(int argc, char **argv)
{
	struct xb_tool_group groups[XB_TOOL_GROUPS] = { 0 };
	struct xb_tool tool = {
		.name = "roleless",
		.summary = "erlang-sample without the table's registers.",
		.usage = "[OPTIONS] PID",
		.groups = groups,
		.opts_size = sizeof(struct roleless_opts),
		.max_args = 1,
		.examples = sample_examples,
		.check = sample_check,
		.run = run,
	};
	size_t n = 0;

	for (; sample_groups[n].title != NULL && n < XB_TOOL_GROUPS - 2; n++)
		groups[n] = sample_groups[n];
	groups[n] = (struct xb_tool_group){ "Layout", options, 0 };
	return xb_tool_main(&tool, argc, argv);
}
