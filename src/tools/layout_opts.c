#include "tools/layout_opts.h"

#include <string.h>

#define AT(field) offsetof(struct layout_opts, field)

const char *const layout_verb_names[] = { "list", "show", "dump", "check", NULL };

static const struct xb_opt dump_options[] = {
	{ "from-dwarf", 0, XB_OPT_STRING, .at = AT(from_dwarf), .arg = "FILE",
	  .help = "dump: a beam with debug information, one whose separate debug file is installed, or that debug file" },
	{ "base", 0, XB_OPT_STRING, .at = AT(base), .arg = "NAME", .needs = "from-dwarf",
	  .help = "dump: the built-in table to take constants and register roles from; without it the one of the same "
		  "release and flavor, else of the nearest release" },
	{ 0 },
};

static const struct xb_opt file_options[] = {
	{ "output", 'o', XB_OPT_STRING, .at = AT(output), .arg = "FILE",
	  .help = "write the result to FILE; - is standard output" },
	{ 0 },
};

const struct xb_tool_group layout_groups[] = {
	{ "Dump", dump_options, 0 },
	{ "Target", xb_target_options, AT(target_opts) },
	{ "Format", file_options, 0 },
	{ 0 },
};

const struct xb_tool_example layout_examples[] = {
	{ "erlang-layout list", "the tables that are built in" },
	{ "erlang-layout check 1234", "what was proved of the layout of VM 1234, entry by entry" },
	{ "erlang-layout dump --from-dwarf beam.smp -o my.tab",
	  "a table for a build of one's own, from its debug information" },
	{ "erlang-layout check 1234 --layout my.tab", "whether that table is right for VM 1234" },
	{ 0 },
};

static struct xb_error *verb_of(const char *word, enum layout_verb *ret)
{
	const char *near;

	if (word == NULL)
		return xb_errorf(XB_ERR_USAGE, "say what to do: list, show, dump or check");
	for (unsigned i = 0; layout_verb_names[i] != NULL; i++) {
		if (strcmp(layout_verb_names[i], word) == 0) {
			*ret = (enum layout_verb)i;
			return NULL;
		}
	}
	near = xb_opt_suggest(word, layout_verb_names);
	if (near != NULL)
		return xb_errorf(XB_ERR_USAGE, "'%s' is nothing to do; did you mean '%s'?", word, near);
	return xb_errorf(XB_ERR_USAGE, "'%s' is nothing to do; it is one of list, show, dump, check",
			 word);
}

/* An option that means nothing for what is asked would be ignored in silence. */
static struct xb_error *refuse_options(const struct xb_tool_run *run, enum layout_verb verb)
{
	static const struct {
		const char *option;
		unsigned verbs; /* bits: where it means something */
	} of[] = {
		{ "from-dwarf", 1U << LAYOUT_DUMP },
		{ "base", 1U << LAYOUT_DUMP },
		{ "pid", 1U << LAYOUT_CHECK },
		{ "layout", 1U << LAYOUT_CHECK },
		{ "debug-dir", 1U << LAYOUT_CHECK | 1U << LAYOUT_DUMP },
	};

	for (size_t i = 0; i < XB_ARRAY_LEN(of); i++) {
		if (xb_opt_given(&run->parse, of[i].option) && (of[i].verbs >> verb & 1) == 0)
			return xb_errorf(XB_ERR_USAGE, "--%s means nothing to '%s'", of[i].option,
					 layout_verb_names[verb]);
	}
	return NULL;
}

struct xb_error *layout_check(struct xb_tool_run *run)
{
	struct layout_opts *o = run->opts;
	const char *arg = run->n_args > 1 ? run->args[1] : NULL;

	XB_TRY(verb_of(run->n_args > 0 ? run->args[0] : NULL, &o->verb));
	XB_TRY(refuse_options(run, o->verb));
	if (o->verb == LAYOUT_CHECK)
		return xb_target_parse(&o->target_opts, arg, &o->target);
	if (o->verb == LAYOUT_SHOW && arg == NULL)
		return xb_errorf(XB_ERR_USAGE,
				 "show wants the name of a table: 'erlang-layout list' has them");
	if (o->verb == LAYOUT_SHOW)
		o->name = arg;
	else if (arg != NULL)
		return xb_errorf(XB_ERR_USAGE, "'%s' is one argument too many for '%s'", arg,
				 layout_verb_names[o->verb]);
	if (o->verb == LAYOUT_DUMP && o->from_dwarf == NULL)
		return xb_errorf(XB_ERR_USAGE,
				 "dump wants a file with debug information: --from-dwarf FILE");
	return NULL;
}
