#include "vm/check.h"

#include "vm/check_impl.h"
#include "vm/vm.h"

#include <string.h>

/* In order of dependence: later ones trust what earlier ones proved. */
static const struct {
	const char *name, *promise;
	struct xb_error *(*run)(struct xb_check_ctx *c, struct xb_check_result *r);
} checks[] = {
	{ "atom_text", "atoms carry their own index, are text, and the well-known ones are among them",
	  xb_check_atom_text },
	{ "ptab_shape", "the process table's size, mask and element size agree with each other",
	  xb_check_ptab_shape },
	{ "ptab_count", "the table holds about as many processes as the VM counts",
	  xb_check_ptab_count },
	{ "id_slot", "every process's pid decodes to the slot it is in", xb_check_id_slot },
	{ "heap_order", "heap <= htop <= stop <= hend, and hend - heap is heap_sz words",
	  xb_check_heap_order },
	{ "old_heap", "the old heap is absent or a proper block", xb_check_old_heap },
	{ "state_flags", "process states have sane priorities and no impossible flags",
	  xb_check_state_flags },
	{ "initial_mfa", "initial calls are module, function and arity", xb_check_initial_mfa },
	{ "reg_round_trip", "registered processes point to an entry that points back",
	  xb_check_reg_round_trip },
	{ "current_mfa", "the current function is absent or module, function and arity",
	  xb_check_current_mfa },
	{ "reductions", "reduction counters are sane", xb_check_reductions },
	{ "queue_len", "message queue lengths are sane", xb_check_queue_len },
	{ "sched_ring", "schedulers are numbered from 1 and their run queues point back",
	  xb_check_sched_ring },
	{ "sched_current", "what a scheduler runs is nothing or a process of the table",
	  xb_check_sched_current },
	{ "code_ranges", "code ranges are sorted and disjoint", xb_check_code_ranges },
	{ "code_header", "module headers list functions in order inside the module",
	  xb_check_code_header },
	{ "line_rows", "line tables are ascending and name files", xb_check_line_rows },
	{ "module_table", "modules in the module table have their code where the code ranges say",
	  xb_check_module_table },
	{ "i_in_code", "parked processes resume at an address in loaded code", xb_check_i_in_code },
};

/* "Process.heap at 128 (table), Process.hend at 136 (table)": everything that feeds the check. */
static void feeding_fields(const struct xb_layout *l, const char *check, struct xb_str *out)
{
	bool first = true;

	for (int f = 0; f < XB_F__COUNT; f++) {
		const char *name = xb_layout_field_name((enum xb_layout_field)f);

		if (strcmp(xb_layout_field_check((enum xb_layout_field)f), check) != 0 ||
		    !xb_layout_has(l, (enum xb_layout_field)f))
			continue;
		xb_str_addf(out, "%s%s at %u (%s)", first ? "" : ", ", name, l->field[f].offset,
			    xb_provenance_name((enum xb_provenance)l->field[f].from));
		first = false;
	}
}

static struct xb_error *violated(const struct xb_vm *vm, const struct xb_check_result *r)
{
	struct xb_str fields = XB_STR_INIT;
	struct xb_error *err;

	feeding_fields(&vm->layout, r->name, &fields);
	err = xb_error_advise(
		xb_errorf(
			XB_ERR_MISMATCH,
			"layout %s does not fit this VM: %u of %u objects break %s (%s); it rests on %s",
			vm->layout.name, r->failed, r->tested, r->name, r->promise,
			fields.len > 0 ? xb_str_get(&fields) : "the symbols found"),
		"the VM was built with other options than the table's: install its debug information so that the layout can be read from it");
	xb_str_deinit(&fields);
	return err;
}

struct xb_error *xb_check_all(struct xb_vm *vm, struct xb_check_results *results)
{
	struct xb_check_ctx c = { .vm = vm };

	for (size_t i = 0; i < XB_ARRAY_LEN(checks); i++) {
		struct xb_check_result r = { .name = checks[i].name, .promise = checks[i].promise };

		XB_TRY(xb_error_wrap(checks[i].run(&c, &r), "check %s", r.name));
		if (results != NULL && !xb_check_results_push(results, r))
			return xb_error_nomem();
		if (r.failed > 0)
			return violated(vm, &r);
	}
	return NULL;
}
