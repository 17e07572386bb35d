#include "tools/inspect_opts.h"

#include <string.h>

#define AT(field) offsetof(struct inspect_opts, field)

const char *const inspect_topic_names[] = { "system", NULL };

static const struct xb_opt host_options[] = {
	{ "list", 'l', XB_OPT_FLAG, .at = AT(list),
	  .help = "all Erlang VMs of this host: release, flavor, schedulers, uptime, memory, user, node, container" },
	{ 0 },
};

static const struct xb_opt file_options[] = {
	{ "output", 'o', XB_OPT_STRING, .at = AT(output), .arg = "FILE",
	  .help = "write the result to FILE; - is standard output" },
	{ 0 },
};

const struct xb_tool_group inspect_groups[] = {
	{ "Host", host_options, 0 },
	{ "Target", xb_target_options, AT(target_opts) },
	{ "Format", file_options, 0 },
	{ 0 },
};

const struct xb_tool_example inspect_examples[] = {
	{ "erlang-inspect 1234 system",
	  "release, flavor, build, schedulers and start arguments of process 1234" },
	{ "erlang-inspect --list", "which Erlang VMs run on this host" },
	{ "erlang-inspect system", "the same of the only VM on this host" },
	{ "erlang-inspect --json foo@host system", "the same for programs, and for problem reports" },
	{ 0 },
};

static bool topic_of(const char *word, enum inspect_topic *ret)
{
	for (unsigned i = 0; inspect_topic_names[i] != NULL; i++) {
		if (strcmp(inspect_topic_names[i], word) == 0) {
			*ret = (enum inspect_topic)i;
			return true;
		}
	}
	return false;
}

static struct xb_error *no_topic(const char *word)
{
	const char *near = xb_opt_suggest(word, inspect_topic_names);

	if (near != NULL)
		return xb_errorf(XB_ERR_USAGE, "'%s' cannot be inspected; did you mean '%s'?", word,
				 near);
	return xb_errorf(XB_ERR_USAGE, "'%s' cannot be inspected", word);
}

/* The topic comes last and may be left out; a lone word is a topic if it is one, else the target. */
struct xb_error *inspect_check(struct xb_tool_run *run)
{
	struct inspect_opts *o = run->opts;
	const char *target = run->n_args > 0 ? run->args[0] : NULL;

	o->topic = INSPECT_SYSTEM;
	if (o->list && run->n_args > 0)
		return xb_errorf(XB_ERR_USAGE, "--list is about all VMs, and takes none: '%s'", target);
	if (o->list)
		return NULL;
	if (run->n_args == 2 && !topic_of(run->args[1], &o->topic))
		return no_topic(run->args[1]);
	if (run->n_args == 1 && topic_of(target, &o->topic))
		target = NULL;
	return xb_target_parse(&o->target_opts, target, &o->target);
}
