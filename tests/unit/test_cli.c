#include "xbtest.h"

#include "cli/help.h"
#include "cli/target.h"
#include "cli/tool.h"
#include "tools/inspect_opts.h"
#include "tools/map_opts.h"
#include "tools/sample_opts.h"

#include <stdio.h>

static struct xb_error *no_run(struct xb_tool_run *run)
{
	(void)run;
	return NULL;
}

static const struct xb_tool sample = {
	"erlang-sample", "S.",         "U",   sample_groups, sizeof(struct sample_opts), 1,
	sample_examples, sample_check, no_run
};
static const struct xb_tool map = { "erlang-write-perf-map",
				    "S.",
				    "U",
				    map_groups,
				    sizeof(struct map_opts),
				    1,
				    map_examples,
				    map_check,
				    no_run };
static const struct xb_tool inspect = {
	"erlang-inspect", "S.",          "U",   inspect_groups, sizeof(struct inspect_opts), 2,
	inspect_examples, inspect_check, no_run
};

/* Splits @line at blanks; "''" stands for an empty word. */
static struct xb_error *prepare(struct xb_tool_run *run, const struct xb_tool *tool, const char *line)
{
	static char words[512];
	static char *argv[64];
	int argc = 1;
	char *save = NULL;

	(void)snprintf(words, sizeof(words), "%s", line);
	argv[0] = words;
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "''") == 0 ? w + 2 : w;
	argv[argc] = NULL;
	return xb_tool_prepare(run, tool, argc, argv);
}

#define accepts(tool, line, type, check)                                                               \
	do {                                                                                           \
		struct xb_tool_run run;                                                                \
		assert_ok(prepare(&run, &(tool), line));                                               \
		const type *o = run.opts;                                                              \
		check;                                                                                 \
		(void)o;                                                                               \
		xb_tool_deinit(&run);                                                                  \
	} while (0)

#define refuses(tool, line, part)                                                                      \
	do {                                                                                           \
		struct xb_tool_run run;                                                                \
		assert_err(prepare(&run, &(tool), line), XB_ERR_USAGE, part);                          \
		xb_tool_deinit(&run);                                                                  \
	} while (0)

static void test_defaults_are_what_help_says(void **state)
{
	(void)state;
	accepts(sample, "", struct sample_opts, {
		assert_int_equal(o->mode, SAMPLE_TOP);
		assert_int_equal(o->target.kind, XB_TARGET_ANY);
		assert_int_equal(o->duration_ns, 10000000000);
		assert_int_equal(o->interval_ns, 1000000000 / 99);
		assert_int_equal(o->user_stack_bytes, 24576);
		assert_int_equal(o->by, SAMPLE_BY_FUNCTION);
		assert_int_equal(o->force_c_p, SAMPLE_REGISTER_NONE);
		assert_false(xb_opt_given(&run.parse, "duration"));
	});
}

static void test_every_spelling_of_a_value_is_read(void **state)
{
	static const char *const same[] = { "-d 30s 42",           "-d30s 42",
					    "--duration 30s 42",   "42 --duration=30s",
					    "--duration=30 -- 42", "-ed30 42",
					    "-d1s -d 30s -p 42" };

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(same); i++)
		accepts(sample, same[i], struct sample_opts, {
			assert_int_equal(o->duration_ns, 30000000000);
			assert_int_equal(o->target.pid, 42);
			assert_true(xb_opt_given(&run.parse, "duration"));
		});
	accepts(sample, "-P <0.80.0>,init --process lists:map/2", struct sample_opts, {
		assert_int_equal(o->process.n, 2);
		assert_string_equal(o->process.items[0], "<0.80.0>,init");
		assert_string_equal(o->process.items[1], "lists:map/2");
		assert_int_equal(o->mode, SAMPLE_STACKS);
		assert_int_equal(o->selectors[0]->kind, XB_SELECTOR_PID);
		assert_int_equal(o->selectors[0]->next->kind, XB_SELECTOR_NAME);
		assert_int_equal(o->selectors[1]->kind, XB_SELECTOR_MFA);
	});
	accepts(sample, "-vvj --period 2ms --by cpu", struct sample_opts, {
		assert_int_equal(run.common.verbose, 2);
		assert_int_equal(run.log.max, XB_LOG_DEBUG);
		assert_true(run.common.json);
		assert_int_equal(o->interval_ns, 2000000);
		assert_int_equal(o->by, SAMPLE_BY_CPU);
	});
	accepts(sample, "--force-E-register rsp --force-c_p-register=r13", struct sample_opts, {
		assert_string_equal(sample_register_names[o->force_E], "rsp");
		assert_string_equal(sample_register_names[o->force_c_p], "r13");
	});
}

static void test_each_mistake_names_the_option_and_the_way_out(void **state)
{
	(void)state;
	refuses(sample, "--durtaion 5", "unknown option --durtaion; did you mean --duration?");
	refuses(sample, "--fold", "did you mean --folded?");
	refuses(sample, "--zzzzzzzz", "unknown option --zzzzzzzz");
	refuses(sample, "-Z", "unknown option -Z");
	refuses(sample, "--json=1", "--json takes no value");
	refuses(sample, "--duration", "--duration needs a value: --duration TIME");
	refuses(sample, "-d", "--duration needs a value");
	refuses(sample, "-d ''", "--duration: the value is empty");
	refuses(sample, "-d 5x", "'5x' is not a time");
	refuses(sample, "-d 1ms", "out of range; from 10.0 ms to 24 h");
	refuses(sample, "-F 0", "'0' is not a whole number from 1 to 50000");
	refuses(sample, "-F 50001", "from 1 to 50000");
	refuses(sample, "-F -5", "'-5' is not a whole number");
	refuses(sample, "--by modul", "did you mean 'module'?");
	refuses(sample, "--user-stack 1M", "out of range; from 1.0 KiB to 63.7 KiB");
	refuses(sample, "--user-stack 1025", "multiple of 8");
	refuses(sample, "-P lists:/2", "--process: unexpected '/'");
	refuses(sample, "--blame <0.1.0>", "--blame: unexpected '<'");
	refuses(sample, "1 2", "'2' is one argument too many");
	refuses(sample, "-q -v", "--quiet and --verbose cannot be used together");
	refuses(sample, "--force-E-register rax --force-I-register rax", "rax is forced for two roles");
	refuses(sample, "--force-E-register xmm0", "--force-E-register: 'xmm0' is not none, rax");
}

static void test_modes_exclude_each_other(void **state)
{
	(void)state;
	refuses(sample, "--pstack --blame f", "--pstack and --blame cannot");
	refuses(sample, "--all --process x", "cannot be used together");
	refuses(sample, "--wait", "--wait makes sense only with --pstack");
	refuses(sample, "--json --folded", "cannot be used together");
	refuses(sample, "-F 99 --period 1ms", "--frequency and --period cannot");
	refuses(sample, "--all --skid-summary", "nothing is sampled for --all");
	refuses(map, "-w --fix-perf-data x", "--watch and --fix-perf-data cannot");
	refuses(map, "--interval 5s", "--interval makes sense only with --watch");
	refuses(map, "-w -o -", "cannot write to standard output");
	refuses(map, "--json -o -", "the same stream");
	accepts(sample, "--pstack --wait --idle", struct sample_opts,
		{ assert_int_equal(o->mode, SAMPLE_PSTACK); });
	accepts(sample, "-b list", struct sample_opts,
		{ assert_int_equal(o->mode, SAMPLE_BLAME_LIST); });
	accepts(sample, "-b copy_struct -t 5", struct sample_opts, {
		assert_int_equal(o->mode, SAMPLE_BLAME);
		assert_int_equal(o->top, 5);
	});
}

static void test_targets_are_pids_or_node_names(void **state)
{
	(void)state;
	accepts(sample, "0x1f", struct sample_opts, { assert_int_equal(o->target.pid, 31); });
	accepts(sample, "foo@bar.example", struct sample_opts, {
		assert_int_equal(o->target.kind, XB_TARGET_NODE);
		assert_string_equal(o->target.node, "foo@bar.example");
	});
	accepts(inspect, "system", struct inspect_opts,
		{ assert_int_equal(o->target.kind, XB_TARGET_ANY); });
	accepts(inspect, "17 system", struct inspect_opts, { assert_int_equal(o->target.pid, 17); });
	accepts(inspect, "17", struct inspect_opts, { assert_int_equal(o->target.pid, 17); });
	refuses(sample, "0", "neither a process id nor a node name");
	refuses(sample, "4194305", "neither a process id nor a node name");
	refuses(sample, "a@b@c", "neither a process id nor a node name");
	refuses(sample, "-p 1 2", "named twice");
	refuses(inspect, "17 sytem", "did you mean 'system'?");
}

static void test_help_wins_over_everything_behind_it(void **state)
{
	(void)state;
	accepts(sample, "--help --nonsense", struct sample_opts, { assert_true(run.parse.stopped); });
	accepts(sample, "-V x y z", struct sample_opts, { assert_true(run.common.version); });
}

/* What is in the table must be in the help, with its default; lines stay within the width. */
static void test_help_holds_the_whole_table(void **state)
{
	const struct xb_tool *const tools[] = { &sample, &map, &inspect };

	(void)state;
	for (size_t t = 0; t < XB_ARRAY_LEN(tools); t++) {
		struct xb_tool_run run;
		struct xb_sink s;

		assert_ok(prepare(&run, tools[t], ""));
		xb_sink_to_memory(&s);
		xb_help_print(tools[t], run.groups, run.n_groups, &s, 80);
		for (size_t g = 0; g < run.n_groups; g++) {
			for (const struct xb_opt *o = run.groups[g].opts; o->name != NULL; o++) {
				char name[64];

				(void)snprintf(name, sizeof(name), "--%s", o->name);
				assert_int_equal(strstr(xb_sink_text(&s), name) != NULL, !o->hidden);
				assert_int_equal(o->arg == NULL,
						 o->kind == XB_OPT_FLAG || o->kind == XB_OPT_COUNT);
			}
		}
		for (const char *l = xb_sink_text(&s); *l != '\0'; l += strcspn(l, "\n") + 1)
			assert_true(strcspn(l, "\n") <= 80);
		xb_sink_deinit(&s);
		xb_tool_deinit(&run);
	}
}

static void test_codes_become_exit_codes(void **state)
{
	static const struct {
		enum xb_err_code code;
		enum xb_exit exit;
	} want[] = {
		{ XB_ERR_NOT_BEAM, XB_EXIT_USAGE },
		{ XB_ERR_USAGE, XB_EXIT_USAGE },
		{ XB_ERR_PERM, XB_EXIT_PERM },
		{ XB_ERR_GONE, XB_EXIT_GONE },
		{ XB_ERR_MISMATCH, XB_EXIT_UNSUPPORTED },
		{ XB_ERR_NO_LAYOUT, XB_EXIT_UNSUPPORTED },
		{ XB_ERR_NO_SYMBOL, XB_EXIT_UNSUPPORTED },
		{ XB_ERR_UNSUPPORTED, XB_EXIT_UNSUPPORTED },
		{ XB_ERR_INCOMPLETE, XB_EXIT_INCOMPLETE },
		{ XB_ERR_SYS, XB_EXIT_FAILED },
		{ XB_ERR_FAULT, XB_EXIT_FAILED },
	};

	(void)state;
	assert_int_equal(xb_tool_exit_code(NULL), 0);
	for (size_t i = 0; i < XB_ARRAY_LEN(want); i++) {
		struct xb_error *err = xb_errorf(want[i].code, "x");

		assert_int_equal(xb_tool_exit_code(err), want[i].exit);
		xb_error_destroy(err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_what_help_says),
		cmocka_unit_test(test_every_spelling_of_a_value_is_read),
		cmocka_unit_test(test_each_mistake_names_the_option_and_the_way_out),
		cmocka_unit_test(test_modes_exclude_each_other),
		cmocka_unit_test(test_targets_are_pids_or_node_names),
		cmocka_unit_test(test_help_wins_over_everything_behind_it),
		cmocka_unit_test(test_help_holds_the_whole_table),
		cmocka_unit_test(test_codes_become_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
