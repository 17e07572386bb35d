/* What the user can ask of erlang-sample. */
#ifndef XB_TOOLS_SAMPLE_OPTS_H
#define XB_TOOLS_SAMPLE_OPTS_H

#include "cli/selector.h"
#include "cli/target.h"
#include "cli/tool.h"

enum sample_mode {
	SAMPLE_TOP,      /* most frequent functions */
	SAMPLE_DISTINCT, /* every stack of the run, counted */
	SAMPLE_PSTACK,   /* one stack per scheduler */
	SAMPLE_STACKS,   /* stacks of the processes named by --process */
	SAMPLE_ALL,      /* stacks of every process */
	SAMPLE_BLAME,    /* Erlang functions above a native one */
	SAMPLE_BLAME_LIST,
	SAMPLE_REGISTERS, /* which register holds what */
};

/* In the order of the choices of --by. */
enum sample_by {
	SAMPLE_BY_FUNCTION,
	SAMPLE_BY_LINE,
	SAMPLE_BY_MODULE,
	SAMPLE_BY_PROCESS,
	SAMPLE_BY_SCHEDULER,
	SAMPLE_BY_CPU,
};

/* No register was forced; else 1 + the number of the register in the x86-64 perf order
 * (sample_register_names). */
#define SAMPLE_REGISTER_NONE 0

/* Frames kept of a sample unless the user says otherwise. */
#define SAMPLE_DEPTH 1024

struct sample_opts {
	struct xb_target_opts target_opts;

	/* As typed. */
	bool pstack, wait, idle, all, stacks, show_registers;
	struct xb_opt_list process; /* selectors; a sample is kept or a stack printed if one matches */
	const char *blame;
	unsigned by;      /* enum sample_by */
	unsigned backend; /* enum xb_backend */
	uint64_t duration_ns, frequency_hz, period_ns;
	uint64_t top;
	bool only_erlang, include_kernel, skid_summary, folded;
	uint64_t max_callchain_depth; /* 0: not given */
	uint64_t user_stack_bytes;
	unsigned force_c_p, force_E, force_I; /* SAMPLE_REGISTER_NONE or 1 + register */
	const char *output;

	/* Derived by the check. */
	enum sample_mode mode;
	const struct xb_selector *const *selectors; /* one list per --process, process.n of them */
	const struct xb_selector *blame_function;   /* of SAMPLE_BLAME: NATIVE or MFA */
	struct xb_target target;
	uint64_t interval_ns; /* between two samples of a busy thread, from --period or --frequency */
};

extern const struct xb_tool_group sample_groups[];
extern const struct xb_tool_example sample_examples[];

/** "none", "rax", … the choices of --force-*-register, in the order the fields count; ended by NULL. */
extern const char *const sample_register_names[];

/** The check of the tool: what one option alone cannot say.  Errors: USAGE. */
XB_NODISCARD struct xb_error *sample_check(struct xb_tool_run *run);

#endif
