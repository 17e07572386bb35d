#include "vm/check.h"

#include "base/str.h"
#include "vm/check_impl.h"
#include "vm/code.h"
#include "vm/vm.h"

#include <string.h>

/*
 * In order of dependence: later ones trust what earlier ones proved.  @also: fields whose names begin so are used too,
 * and may be what is wrong although another check proves them.
 */
static const struct {
	const char *name, *promise;
	struct xb_error *(*run)(struct xb_check_ctx *c, struct xb_check_result *r);
	const char *also[2];
} checks[] = {
	{ "atom_text",
	  "atoms carry their own index, are text, and the well-known ones are among them",
	  xb_check_atom_text,
	  { 0 } },
	{ "ptab_shape",
	  "the process table's size, mask and element size agree with each other",
	  xb_check_ptab_shape,
	  { "ErtsPTab." } },
	{ "invalid_element",
	  "the placeholder in the process table is no process of the table",
	  xb_check_invalid_element,
	  { "ErtsPTab.", "Process.id" } },
	{ "ptab_count",
	  "the table holds about as many processes as the VM counts",
	  xb_check_ptab_count,
	  { "ErtsPTab." } },
	{ "id_slot",
	  "every process's pid decodes to the slot it is in",
	  xb_check_id_slot,
	  { "ErtsPTab." } },
	{ "heap_order",
	  "heap <= htop <= stop <= hend, and hend - heap is heap_sz words",
	  xb_check_heap_order,
	  { 0 } },
	{ "old_heap", "the old heap is absent or a block of a regular size", xb_check_old_heap, { 0 } },
	{ "state_flags",
	  "process states have sane priorities and no impossible flags",
	  xb_check_state_flags,
	  { 0 } },
	{ "initial_mfa", "initial calls are module, function and arity", xb_check_initial_mfa, { 0 } },
	{ "reg_round_trip",
	  "registered processes point to an entry that points back",
	  xb_check_reg_round_trip,
	  { 0 } },
	{ "current_mfa",
	  "the current function is absent or module, function and arity",
	  xb_check_current_mfa,
	  { 0 } },
	{ "reductions", "reductions were used and are left", xb_check_reductions, { 0 } },
	{ "queue_len", "message queues without a first message are empty", xb_check_queue_len, { 0 } },
	{ "sched_ring",
	  "schedulers are numbered from 1 and their run queues point back",
	  xb_check_sched_ring,
	  { "ErtsSchedulerData." } },
	{ "sched_thread", "every scheduler has a thread descriptor", xb_check_sched_thread, { 0 } },
	{ "sched_links",
	  "processes belong to the run queue of a scheduler",
	  xb_check_sched_links,
	  { 0 } },
	{ "sched_current",
	  "what a scheduler runs is nothing or a process",
	  xb_check_sched_current,
	  { 0 } },
	{ "code_ranges", "code ranges are sorted and disjoint", xb_check_code_ranges, { 0 } },
	{ "code_header",
	  "module headers list functions in order inside the module, and a checksum",
	  xb_check_code_header,
	  { 0 } },
	{ "line_rows", "line tables are ascending and name files", xb_check_line_rows, { 0 } },
	{ "module_table",
	  "modules in the module table have their code where the code ranges say",
	  xb_check_module_table,
	  { "IndexTable." } },
	{ "i_in_code",
	  "parked processes resume at an address in loaded code",
	  xb_check_i_in_code,
	  { 0 } },
	{ "first_frame",
	  "stacks of waiting processes end where a process ends",
	  xb_check_first_frame,
	  { 0 } },
	{ "disjoint_fields", "no two fields of a structure overlap", xb_check_disjoint_fields, { 0 } },
};

enum { RUNS = 3 };

bool xb_check_exists(const char *name)
{
	for (size_t i = 0; i < XB_ARRAY_LEN(checks); i++) {
		if (strcmp(checks[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool feeds(const struct xb_layout *l, enum xb_layout_field f, size_t which)
{
	const char *name = xb_layout_field_name(f);

	if (!xb_layout_has(l, f))
		return false;
	for (size_t i = 0; i < XB_ARRAY_LEN(checks[which].also); i++) {
		const char *also = checks[which].also[i];

		if (also != NULL && strncmp(name, also, strlen(also)) == 0)
			return true;
	}
	return strcmp(xb_layout_field_check(f), checks[which].name) == 0;
}

/* "Process.heap at 128 (table), Process.hend at 136 (table)": everything that feeds the check. */
static void feeding_fields(const struct xb_layout *l, size_t which, struct xb_str *out)
{
	bool first = true;

	for (int i = 0; i < XB_F__COUNT; i++) {
		enum xb_layout_field f = (enum xb_layout_field)i;

		if (!feeds(l, f, which))
			continue;
		xb_str_addf(out, "%s%s at %u (%s)", first ? "" : ", ", xb_layout_field_name(f),
			    l->field[f].offset,
			    xb_provenance_name((enum xb_provenance)l->field[f].from));
		first = false;
	}
}

static struct xb_error *violated(const struct xb_vm *vm, size_t which, const struct xb_check_result *r,
				 const char *cause)
{
	struct xb_str fields = XB_STR_INIT;
	struct xb_error *err;

	feeding_fields(&vm->layout, which, &fields);
	err = xb_errorf(
		XB_ERR_MISMATCH,
		"layout %s does not fit this VM: %u of %u objects break %s (%s)%s%s; it rests on %s",
		vm->layout.name, r->failed, r->tested, r->name, r->promise, cause == NULL ? "" : ": ",
		cause == NULL ? "" : cause, fields.len > 0 ? xb_str_get(&fields) : "the symbols found");
	if (vm->layout.file != NULL)
		err = xb_error_advise(
			err,
			"%s is not about this build: have erlang-layout dump write one from its debug information, or leave --layout out",
			vm->layout.file);
	else
		err = xb_error_advise(
			err,
			"the VM was built with other options than the table's: install its debug information so that the layout can be read from it");
	xb_str_deinit(&fields);
	return err;
}

/* Addresses that lead nowhere are what a wrong layout looks like; anything else keeps a check from being made. */
static bool is_violation(const struct xb_error *err)
{
	return err != NULL &&
	       (xb_error_code(err) == XB_ERR_FAULT || xb_error_code(err) == XB_ERR_MISMATCH);
}

static struct xb_error *look_again(struct xb_check_ctx *c)
{
	size_t n;

	(void)xb_code_modules(c->vm, &n);
	if (n > 0)
		XB_TRY(xb_code_refresh(c->vm, NULL));
	return c->n > 0 ? xb_check_sample(c) : NULL;
}

/* What looks like a violation is looked at again, with new copies: the VM runs on meanwhile. */
static struct xb_error *run_check(struct xb_check_ctx *c, size_t which, struct xb_check_result *ret)
{
	struct xb_error *err = NULL;

	for (int i = 0; i < RUNS; i++) {
		struct xb_check_result r = { .name = checks[which].name,
					     .promise = checks[which].promise };

		xb_error_destroy(err);
		err = NULL;
		if (i > 0)
			err = look_again(c);
		if (err == NULL)
			err = checks[which].run(c, &r);
		if (is_violation(err)) {
			r.tested = XB_MAX(r.tested, 1U);
			r.failed = XB_MAX(r.failed, 1U);
		}
		*ret = r;
		if (r.failed == 0 || (err != NULL && !is_violation(err)))
			return err;
	}
	if (is_violation(err)) {
		struct xb_error *named = violated(c->vm, which, ret, xb_error_message(err));

		xb_error_destroy(err);
		return named;
	}
	return violated(c->vm, which, ret, NULL);
}

struct xb_error *xb_check_all(struct xb_vm *vm, struct xb_check_results *results)
{
	struct xb_check_ctx c = { .vm = vm };
	struct xb_error *err = NULL;

	for (size_t i = 0; err == NULL && i < XB_ARRAY_LEN(checks); i++) {
		struct xb_check_result r = { 0 };

		err = xb_error_wrap(run_check(&c, i, &r), "check %s", checks[i].name);
		if (results != NULL && r.name != NULL && !xb_check_results_push(results, r)) {
			xb_error_destroy(err);
			err = xb_error_nomem();
		}
	}
	xb_check_release(&c);
	return err;
}
