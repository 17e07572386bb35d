#include "tools/sample_opts.h"

#include <string.h>

#define AT(field) offsetof(struct sample_opts, field)

#define MS ((uint64_t)1000000)
#define S  (1000 * MS)

/* What --show-registers takes unless told: some hundred samples of a busy scheduler. */
#define REGISTERS_NS S

/* What perf can copy of a user stack: a record is at most 64 KiB, other fields included. */
#define USER_STACK_MAX 65328

static const char *const by_names[] = { "function",  "line", "module", "process",
					"scheduler", "cpu",  NULL };
static const char *const backend_names[] = { "auto", "bpf", "perf", "poll", NULL };

/* The order of the kernel's perf_regs.h for x86. */
const char *const sample_register_names[] = { "none", "rax", "rbx", "rcx", "rdx", "rsi",
					      "rdi",  "rbp", "rsp", "r8",  "r9",  "r10",
					      "r11",  "r12", "r13", "r14", "r15", NULL };

static const struct xb_opt what_options[] = {
	{ "pstack", 0, XB_OPT_FLAG, .at = AT(pstack), .not_with = "blame by top",
	  .help = "print one stack, C and Erlang, of each scheduler that is running something" },
	{ "wait", 'w', XB_OPT_FLAG, .at = AT(wait), .needs = "pstack", .not_with = "process all",
	  .help = "with --pstack: go on until every scheduler has been seen running, or --duration is over" },
	{ "idle", 0, XB_OPT_FLAG, .at = AT(idle), .needs = "pstack", .not_with = "process all",
	  .help = "with --pstack: the stacks of sleeping schedulers too" },
	{ "process", 'P', XB_OPT_LIST, .at = AT(process), .arg = "SPEC", .not_with = "all blame by top",
	  .help = "print the stack of a process, waiting or not: '<0.80.0>', a registered name, or mod:fun/arity "
		  "of the initial call; several with commas or by repeating" },
	{ "all", 'a', XB_OPT_FLAG, .at = AT(all), .not_with = "blame by top",
	  .help = "print the stack of every process" },
	{ "blame", 'b', XB_OPT_STRING, .at = AT(blame), .arg = "FN", .not_with = "by folded",
	  .help = "the Erlang functions most often above the native function or family FN, with callers and "
		  "processes; 'list' names what can be blamed" },
	{ "stacks", 'S', XB_OPT_FLAG, .at = AT(stacks),
	  .not_with = "pstack process all blame by folded",
	  .help = "print every distinct stack with the number of its samples, most frequent first" },
	{ "show-registers", 0, XB_OPT_FLAG, .at = AT(show_registers),
	  .not_with = "pstack process all blame stacks by top folded skid-summary only-erlang",
	  .help = "sample for one second, or --duration, and print which machine register holds the current process, the "
		  "stack, the heap's top, the instruction and the reductions: what DWARF says, what a vote of the samples "
		  "says, what the table says, and what is used" },
	{ "by", 0, XB_OPT_ENUM, .at = AT(by), .arg = "WHAT", .def = "function", .choices = by_names,
	  .help = "group the most frequent by" },
	{ "top", 't', XB_OPT_U64, .at = AT(top), .arg = "N", .def = "25", .min = 1, .max = 1000000,
	  .help = "print N rows; the rest is summed up in one" },
	{ "only-erlang", 'e', XB_OPT_FLAG, .at = AT(only_erlang),
	  .help = "leave C frames out; their time goes to the Erlang function that caused it" },
	{ "include-kernel", 'k', XB_OPT_FLAG, .at = AT(include_kernel), .not_with = "only-erlang",
	  .help = "kernel frames too, where the kernel permits" },
	{ "skid-summary", 0, XB_OPT_FLAG, .at = AT(skid_summary),
	  .help = "print how far off samples probably are" },
	{ 0 },
};

static const struct xb_opt how_options[] = {
	{ "duration", 'd', XB_OPT_DURATION, .at = AT(duration_ns), .arg = "TIME", .def = "10s",
	  .min = 10 * MS, .max = 86400 * S,
	  .help = "sample for TIME; Ctrl-C ends earlier and still prints" },
	{ "frequency", 'F', XB_OPT_U64, .at = AT(frequency_hz), .arg = "HZ", .def = "99", .min = 1,
	  .max = 50000, .not_with = "period",
	  .help = "samples per second of CPU time of each thread; odd rates avoid lockstep" },
	{ "period", 0, XB_OPT_DURATION, .at = AT(period_ns), .arg = "TIME", .min = 20000, .max = S,
	  .help = "one sample per TIME of CPU time instead of a frequency" },
	{ "backend", 0, XB_OPT_ENUM, .at = AT(backend), .arg = "NAME", .def = "auto",
	  .choices = backend_names,
	  .help = "samples frozen in the kernel (bpf), perf events, or timed remote reads (poll): each needs less "
		  "privilege than the one before and tells less; auto takes the first that is permitted" },
	{ "max-callchain-depth", 0, XB_OPT_U64, .at = AT(max_callchain_depth), .arg = "N", .min = 1,
	  .max = 1000000,
	  .help = "keep at most N frames of a stack; without this, 1024 of a sample and all of what --process and "
		  "--all print" },
	{ "user-stack", 0, XB_OPT_BYTES, .at = AT(user_stack_bytes), .arg = "SIZE", .def = "24K",
	  .min = 1024, .max = USER_STACK_MAX,
	  .help = "stack bytes the kernel copies with each sample, a multiple of 8" },
	{ "force-c_p-register", 0, XB_OPT_ENUM, .at = AT(force_c_p), .arg = "REG", .def = "none",
	  .choices = sample_register_names,
	  .help = "the register that holds the current process in emulator code, for builds that do not tell" },
	{ "force-E-register", 0, XB_OPT_ENUM, .at = AT(force_E), .arg = "REG", .def = "none",
	  .choices = sample_register_names, .brief = true,
	  .help = "likewise the top of the Erlang stack" },
	{ "force-I-register", 0, XB_OPT_ENUM, .at = AT(force_I), .arg = "REG", .def = "none",
	  .choices = sample_register_names, .brief = true,
	  .help = "likewise the instruction pointer of the interpreter" },
	{ 0 },
};

static const struct xb_opt file_options[] = {
	{ "folded", 'f', XB_OPT_FLAG, .at = AT(folded), .not_with = "json by top",
	  .help = "one line per stack for flame-graph tools: frames from the root joined with ';', then the count" },
	{ "output", 'o', XB_OPT_STRING, .at = AT(output), .arg = "FILE",
	  .help = "write the result to FILE; - is standard output" },
	{ 0 },
};

const struct xb_tool_group sample_groups[] = {
	{ "Target", xb_target_options, AT(target_opts) },
	{ "What to show", what_options, 0 },
	{ "How to sample", how_options, 0 },
	{ "Format", file_options, 0 },
	{ 0 },
};

const struct xb_tool_example sample_examples[] = {
	{ "erlang-sample 1234", "the most frequent functions of process 1234 in ten seconds" },
	{ "erlang-sample --pstack --wait foo@host", "what every scheduler of node foo@host does" },
	{ "erlang-sample --blame copy_struct -d 30s 1234", "who copies big terms" },
	{ "erlang-sample --all 1234 > stacks.txt", "the stack of every process" },
	{ "erlang-sample --folded -F 499 1234 > out.folded", "input for a flame graph" },
	{ 0 },
};

static struct xb_error *check_registers(const struct sample_opts *o)
{
	const unsigned regs[] = { o->force_c_p, o->force_E, o->force_I };

	for (size_t i = 0; i < XB_ARRAY_LEN(regs); i++) {
		for (size_t j = i + 1; j < XB_ARRAY_LEN(regs); j++) {
			if (regs[i] != SAMPLE_REGISTER_NONE && regs[i] == regs[j])
				return xb_errorf(
					XB_ERR_USAGE,
					"%s is forced for two roles; one register cannot hold both",
					sample_register_names[regs[i]]);
		}
	}
	return NULL;
}

static enum sample_mode mode_of(const struct sample_opts *o)
{
	if (o->blame != NULL)
		return strcmp(o->blame, "list") == 0 ? SAMPLE_BLAME_LIST : SAMPLE_BLAME;
	if (o->all)
		return SAMPLE_ALL;
	if (o->process.n > 0)
		return SAMPLE_STACKS;
	if (o->show_registers)
		return SAMPLE_REGISTERS;
	if (o->stacks)
		return SAMPLE_DISTINCT;
	return o->pstack ? SAMPLE_PSTACK : SAMPLE_TOP;
}

static struct xb_error *parse_selectors(struct xb_tool_run *run, struct sample_opts *o)
{
	const struct xb_selector **lists =
		xb_arena_array(&run->arena, o->process.n + 1, sizeof(const struct xb_selector *));

	if (lists == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < o->process.n; i++)
		XB_TRY(xb_error_wrap(xb_selector_parse(o->process.items[i], &run->arena, &lists[i]),
				     "--process"));
	o->selectors = lists;
	if (o->mode != SAMPLE_BLAME)
		return NULL;
	return xb_error_wrap(xb_selector_parse_function(o->blame, &run->arena, &o->blame_function),
			     "--blame");
}

struct xb_error *sample_check(struct xb_tool_run *run)
{
	struct sample_opts *o = run->opts;

	XB_TRY(check_registers(o));
	if (o->user_stack_bytes % 8 != 0)
		return xb_errorf(XB_ERR_USAGE, "--user-stack: %llu is not a multiple of 8",
				 (unsigned long long)o->user_stack_bytes);
	o->mode = mode_of(o);
	if (o->skid_summary && (o->mode == SAMPLE_ALL || o->mode == SAMPLE_STACKS))
		return xb_errorf(XB_ERR_USAGE,
				 "--skid-summary is about samples, and nothing is sampled for %s",
				 o->mode == SAMPLE_ALL ? "--all" : "--process");
	if (o->folded && o->mode == SAMPLE_PSTACK && o->idle)
		return xb_errorf(
			XB_ERR_USAGE,
			"--folded and --idle cannot be used together; sleeping schedulers are no samples");
	XB_TRY(parse_selectors(run, o));
	if (o->mode == SAMPLE_REGISTERS && !xb_opt_given(&run->parse, "duration"))
		o->duration_ns = REGISTERS_NS;
	o->interval_ns = o->period_ns != 0 ? o->period_ns : S / o->frequency_hz;
	return xb_target_parse(&o->target_opts, run->n_args > 0 ? run->args[0] : NULL, &o->target);
}
