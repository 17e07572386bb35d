/*
 * What erlang-layout prints as rows.
 *
 *   list    extrospect.layout.list    { table, otp_release, flavor, process_size, provenance, entries, contract_entries }
 *   show    extrospect.layout.show    { kind, name, value, register, width, need, source }     (--json only)
 *   dump    extrospect.layout.dump    the same
 *   check   extrospect.layout.check   { kind, name, value, register, width, need, source, check, tested, failed, result }
 */
#ifndef XB_TOOLS_LAYOUT_ROWS_H
#define XB_TOOLS_LAYOUT_ROWS_H

#include "cli/tool.h"
#include "out/report.h"
#include "vm/vm.h"

/** Print the built-in tables.  Errors: NOMEM, SYS. */
XB_NODISCARD struct xb_error *layout_list(struct xb_tool_run *run, const char *output);

/** Print @text, a table in the text format, or with --json the entries of @l.  Errors: NOMEM, SYS. */
XB_NODISCARD struct xb_error *layout_print(struct xb_tool_run *run, const char *output,
					   const char *schema, const struct xb_layout *l,
					   const char *text);

/** How far each entry of a layout is proved. */
enum layout_result {
	LAYOUT_PROVED,    /* its check held on at least one object */
	LAYOUT_UNTESTED,  /* its check found no object to look at */
	LAYOUT_UNCHECKED, /* no check is made of it */
	LAYOUT_VIOLATED,  /* its check was violated */
	LAYOUT_NOT_RUN,   /* its check was not made: an earlier one was violated */
	LAYOUT_ABSENT,    /* the layout does not have it */
	LAYOUT_RESULTS,
};

/**
 * Add the rows of "check" and count results.
 * @param counts  LAYOUT_RESULTS of them.
 * False: out of memory.
 */
XB_NODISCARD bool layout_check_rows(const struct xb_vm_trial *trial, struct xb_table *rows,
				    size_t counts[LAYOUT_RESULTS]);

/** An empty list of those rows in @arena. */
void layout_check_init(struct xb_table *rows, struct xb_arena *arena);

#endif
