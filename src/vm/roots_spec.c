#include "vm/roots_find.h"

/*
 * The knowledge: what each root is called, which exported functions refer to it, and what shape it has.
 * @width is that of a variable whose value is read at attach, 0 for a table.
 */
const struct root_spec xb_root_specs[XB_ROOT__COUNT] = {
	[XB_ROOT_PROC_TABLE] = { .name = "process table",
				 .symbol = "erts_proc",
				 .mine = { "erts_pid2proc_opt", "erts_proc_lookup_raw_inc_refc",
					   "enif_is_process_alive" },
				 .looks = xb_looks_like_proc_table,
				 .parts = { XB_F_ErtsPTab_tab, XB_F_ErtsPTab_pix_mask },
				 .n_parts = 2,
				 .align = 64,
				 .need = true },
	[XB_ROOT_ATOM_TABLE] = { .name = "atom table",
				 .symbol = "erts_atom_table",
				 .mine = { "erts_atom_get", "enif_get_atom" },
				 .looks = xb_looks_like_atom_table,
				 .parts = { XB_F_IndexTable_seg_table, XB_F_IndexTable_entries },
				 .n_parts = 2,
				 .align = 8,
				 .need = true },
	[XB_ROOT_RANGES] = { .name = "code ranges",
			     .symbol = "r",
			     .file = "beam_ranges.c",
			     .mine = { "erts_lookup_function_info", "erts_end_staging_ranges",
				       "erts_update_ranges" },
			     .looks = xb_looks_like_ranges,
			     .is_beside = xb_ranges_beside_index,
			     .align = 8,
			     .need = true },
	[XB_ROOT_MODULE_TABLES] = { .name = "module tables",
				    .symbol = "module_tables",
				    .file = "module.c",
				    .mine = { "erts_get_module", "module_code" },
				    .looks = xb_looks_like_module_tables,
				    .align = 8,
				    .need = true },
	[XB_ROOT_CODE_INDEX] = { .name = "code index",
				 .symbol = "the_active_code_index",
				 .mine = { "erts_lookup_function_info", "erts_find_function_from_pc",
					   "find_function_from_pc" },
				 .width = 4,
				 .is_live = true,
				 .need = true },
	[XB_ROOT_SCHEDULERS] = { .name = "schedulers",
				 .symbol = "erts_aligned_scheduler_data",
				 .width = 8,
				 .kind = XB_SCHED_NORMAL,
				 .is_array = true,
				 .need = true },
	[XB_ROOT_DIRTY_CPU_SCHEDULERS] = { .name = "dirty CPU schedulers",
					   .symbol = "erts_aligned_dirty_cpu_scheduler_data",
					   .width = 8,
					   .kind = XB_SCHED_DIRTY_CPU,
					   .is_array = true,
					   .need = true },
	[XB_ROOT_DIRTY_IO_SCHEDULERS] = { .name = "dirty IO schedulers",
					  .symbol = "erts_aligned_dirty_io_scheduler_data",
					  .width = 8,
					  .kind = XB_SCHED_DIRTY_IO,
					  .is_array = true,
					  .need = true },
	[XB_ROOT_N_SCHEDULERS] = { .name = "number of schedulers",
				   .symbol = "erts_no_schedulers",
				   .width = 8,
				   .kind = XB_SCHED_NORMAL,
				   .is_count = true,
				   .need = true },
	[XB_ROOT_N_DIRTY_CPU_SCHEDULERS] = { .name = "number of dirty CPU schedulers",
					     .symbol = "erts_no_dirty_cpu_schedulers",
					     .width = 8,
					     .kind = XB_SCHED_DIRTY_CPU,
					     .is_count = true,
					     .need = true },
	[XB_ROOT_N_DIRTY_IO_SCHEDULERS] = { .name = "number of dirty IO schedulers",
					    .symbol = "erts_no_dirty_io_schedulers",
					    .width = 8,
					    .kind = XB_SCHED_DIRTY_IO,
					    .is_count = true,
					    .need = true },
	[XB_ROOT_JIT_DESCRIPTOR] = { .name = "JIT descriptor",
				     .symbol = "__jit_debug_descriptor",
				     .looks = xb_looks_like_jit_descriptor,
				     .points = xb_jit_descriptor_points,
				     .align = 8,
				     .jit_only = true,
				     .need = true },
	[XB_ROOT_FRAME_LAYOUT] = { .name = "frame layout",
				   .symbol = "erts_frame_layout",
				   .width = 4,
				   .jit_only = true,
				   .need = true },
	[XB_ROOT_NORMAL_EXIT] = { .name = "normal exit",
				  .symbol = "beam_normal_exit",
				  .other = "beam_apply", /* up to OTP 23: { apply, normal exit } */
				  .other_at = 8,
				  .is_stub = true,
				  .width = 8,
				  .stub = { "normal_exit" },
				  .need = true },
	[XB_ROOT_RETURN_TRACE] = { .name = "return trace",
				   .symbol = "beam_return_trace",
				   .is_stub = true,
				   .width = 8,
				   .stub = { "return_trace" },
				   .need = true },
	[XB_ROOT_EXCEPTION_TRACE] = { .name = "exception trace",
				      .symbol = "beam_exception_trace",
				      .is_stub = true,
				      .width = 8,
				      .stub = { "exception_trace" },
				      .need = true },
	[XB_ROOT_TIME_TRACE] = { .name = "time trace",
				 .symbol = "beam_return_time_trace",
				 .other = "beam_call_trace_return", /* OTP 26 and later */
				 .is_stub = true,
				 .width = 8,
				 .stub = { "return_time_trace", "call_trace_return" },
				 .need = true },
	[XB_ROOT_RETURN_TO_TRACE] = { .name = "return-to trace",
				      .symbol = "beam_return_to_trace",
				      .is_stub = true,
				      .width = 8,
				      .stub = { "return_to_trace" },
				      .need = true },
	[XB_ROOT_PORT_TABLE] = { .name = "port table",
				 .symbol = "erts_port",
				 .mine = { "enif_is_port_alive", "erts_port_lookup_raw" },
				 .looks = xb_looks_like_port_table,
				 .parts = { XB_F_ErtsPTab_tab, XB_F_ErtsPTab_pix_mask },
				 .n_parts = 2,
				 .align = 64,
				 .later = true },
	[XB_ROOT_RUN_QUEUES] = { .name = "run queues",
				 .symbol = "erts_aligned_run_queues",
				 .width = 8,
				 .later = true },
	[XB_ROOT_REGISTRY] = { .name = "registered names",
			       .symbol = "process_reg",
			       .file = "register.c",
			       .mine = { "process_reg_sz", "process_reg_size" },
			       .looks = xb_looks_like_registry,
			       .align = 8,
			       .later = true },
};

const char *xb_root_name(enum xb_root_id id)
{
	return xb_root_specs[id].name;
}

bool xb_root_is_code(enum xb_root_id id)
{
	return xb_root_specs[id].is_stub;
}

unsigned xb_root_methods(unsigned sources)
{
	unsigned others = sources & ~(unsigned)(XB_ROOT_BY_SYMBOL | XB_ROOT_BY_CACHE);

	return (unsigned)__builtin_popcount(others) + ((sources & XB_ROOT_BY_SYMBOL) != 0);
}

void xb_root_write_sources(unsigned sources, struct xb_str *out)
{
	static const char *const names[] = { "symtab",   "debug file", "gnu_debugdata", "dynsym",
					     "operands", "scan",       "links",         "neighbours",
					     "JIT list", "count",      "JIT code",      "processes",
					     "cache" };
	bool first = true;

	for (size_t i = 0; i < XB_ARRAY_LEN(names); i++) {
		if ((sources & 1U << i) == 0)
			continue;
		xb_str_addf(out, "%s%s", first ? "" : "+", names[i]);
		first = false;
	}
	if (first)
		xb_str_add(out, "not found");
}
