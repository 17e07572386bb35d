/* A layout from debug information: fixtures/vmtypes.h against what the compiler says here. */
#include "xbtest.h"

#include "fixtures/vmtypes.h"
#include "layout/from_dwarf.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct heard {
	char text[8192];
	size_t len;
};

static void hear(void *arg, enum xb_log_level level, const char *line)
{
	struct heard *h = arg;
	int n = level > XB_LOG_INFO
			? 0
			: snprintf(h->text + h->len, sizeof(h->text) - h->len, "%s\n", line);

	if (n > 0 && (size_t)n < sizeof(h->text) - h->len)
		h->len += (size_t)n;
}

static uint64_t size_of_process(void *arg, const struct xb_layout *l)
{
	(void)l;
	return *(const uint64_t *)arg;
}

/* The table to start from; @process is what the VM would say of sizeof(Process). */
static struct xb_layout base(uint64_t process, bool fits_expected)
{
	struct xb_layout l;
	bool fits;

	assert_ok(xb_layout_base(25, XB_FLAVOR_EMU, NULL, size_of_process, &process, &l, &fits));
	assert_int_equal(fits, fits_expected);
	return l;
}

static struct xb_error *read_layout(const char *path, bool fits, struct heard *heard,
				    struct xb_layout *l)
{
	struct xb_log log = { hear, heard, XB_LOG_INFO };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct xb_error *err;
	Dwarf *dw;

	assert_true(fd >= 0);
	dw = dwarf_begin(fd, DWARF_C_READ);
	assert_non_null(dw);
	err = xb_layout_from_dwarf(dw, fits, &log, l);
	dwarf_end(dw);
	close(fd);
	return err;
}

static void test_every_field_is_where_the_compiler_put_it(void **state)
{
#define FIELD(id, type, member)                                                                        \
	{                                                                                              \
		XB_F_##id, offsetof(type, member), sizeof(((type *)0)->member)                         \
	}
	static const struct {
		enum xb_layout_field field;
		uint64_t offset, width;
	} want[] = {
		FIELD(ErtsPTab_tab, ErtsPTab, r.o.tab),
		FIELD(ErtsPTab_pix_mask, ErtsPTab, r.o.pix_mask),
		FIELD(ErtsPTab_count, ErtsPTab, vola.tile.count),
		FIELD(Process_id, Process, common.id),
		FIELD(Process_reg, Process, common.u.alive.reg),
		FIELD(Process_htop, Process, htop),
		FIELD(Process_hend, Process, hend),
		FIELD(Process_state, Process, state),
		FIELD(Process_msgq_len, Process, sig_qs.mq_len),
		FIELD(Process_inq_len, Process, sig_inq.len),
		FIELD(RegProc_p, RegProc, p),
		FIELD(ErtsSchedulerData_type, ErtsSchedulerData, type),
		FIELD(ErtsRunQueue_scheduler, ErtsRunQueue, scheduler),
		FIELD(Hash_name, Hash, name),
		FIELD(IndexTable_seg_table, IndexTable, seg_table),
		FIELD(Atom_len, Atom, len),
		FIELD(Atom_name, Atom, u.name),
		FIELD(Atom_bin, Atom, u.bin),
		FIELD(ranges_n, struct ranges, n),
		FIELD(BeamCodeHeader_line_table, BeamCodeHeader, line_table),
		FIELD(LineTab_loc_size, BeamCodeLineTab, loc_size),
		FIELD(Module_old_code, Module, old.code_hdr),
		FIELD(Module_old_length, Module, old.code_length),
	};
	static const enum xb_layout_field embedded[] = { XB_F_Process_initial, XB_F_CodeInfo_mfa,
							 XB_F_BeamCodeHeader_functions,
							 XB_F_LineTab_func_tab };
	struct heard heard = { .len = 0 };
	struct xb_layout l = base(12345, false);
	unsigned given = 0;

	(void)state;
	assert_ok(read_layout(FIXTURE_VMTYPES, false, &heard, &l));
	for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++) {
		struct xb_layout_place p = l.field[want[i].field];

		assert_int_equal(p.offset, want[i].offset);
		assert_int_equal(p.width, want[i].width);
		assert_int_equal(p.from, XB_FROM_DWARF);
	}
	for (unsigned i = 0; i < XB_ARRAY_LEN(embedded); i++) {
		assert_int_equal(l.field[embedded[i]].width, 0);
		assert_int_equal(l.field[embedded[i]].from, XB_FROM_DWARF);
	}
	assert_int_equal(l.field[XB_F_Process_initial].offset, offsetof(Process, u.initial));
	assert_int_equal(l.size[XB_S_Process], sizeof(Process));
	assert_int_equal(l.size[XB_S_ErtsSchedulerData], sizeof(ErtsAlignedSchedulerData));
	assert_int_equal(l.size[XB_S_Module], sizeof(Module));
	/* Nothing of a table for another build is left; what DWARF does not tell is unknown. */
	for (int f = 0; f < XB_F__COUNT; f++) {
		assert_int_not_equal(l.field[f].from, XB_FROM_TABLE);
		given += l.field[f].from == XB_FROM_DWARF;
	}
	assert_false(xb_layout_has(&l, XB_F_Process_frame_pointer));
	assert_int_equal(l.from_dwarf, given + XB_S__COUNT);
	/* Constants and registers are the table's. */
	assert_true(l.has_konst[XB_K_TAG_PID]);
	assert_int_equal(l.konst[XB_K_TAG_PID], 3);
	assert_int_equal(l.reg[XB_R_E], 13);
}

static void test_differences_are_counted_and_named(void **state)
{
	struct heard heard = { .len = 0 };
	struct xb_layout l = base(768, true);
	struct xb_layout table = l;
	struct xb_str source = XB_STR_INIT;
	char line[160];
	unsigned differ = 0;

	(void)state;
	assert_ok(read_layout(FIXTURE_VMTYPES, true, &heard, &l));
	for (int f = 0; f < XB_F__COUNT; f++)
		differ += table.field[f].from == XB_FROM_TABLE && l.field[f].from == XB_FROM_DWARF &&
			  (table.field[f].offset != l.field[f].offset ||
			   table.field[f].width != l.field[f].width);
	for (int s = 0; s < XB_S__COUNT; s++)
		differ += table.size[s] != l.size[s];
	assert_true(differ > 10);
	assert_int_equal(l.dwarf_differs, differ);
	(void)snprintf(
		line, sizeof(line),
		"layout: Process.htop: DWARF says %zu (8 bytes), table otp-25-emu says 80 (8 bytes)",
		offsetof(Process, htop));
	assert_non_null(strstr(heard.text, line));
	/* Equal in both: no word about it. */
	assert_int_equal(offsetof(ErtsSchedulerData, registers),
			 table.field[XB_F_ErtsSchedulerData_registers].offset);
	assert_null(strstr(heard.text, "ErtsSchedulerData.registers"));
	xb_layout_write_source(&l, &source);
	(void)snprintf(line, sizeof(line), "DWARF (%u fields, %u differ from table)", l.from_dwarf,
		       differ);
	assert_string_equal(xb_str_get(&source), line);
	xb_str_clear(&source);
	xb_layout_write_source(&table, &source);
	assert_string_equal(xb_str_get(&source), "table");
	xb_str_deinit(&source);
}

static void test_an_older_name_is_found(void **state)
{
	struct heard heard = { .len = 0 };
	struct xb_layout l = base(12345, false);

	(void)state;
	assert_ok(read_layout(FIXTURE_VMTYPES_OLD_NAMES, false, &heard, &l));
	/* mq_len and len are the same place in the two builds of the fixture. */
	assert_int_equal(l.field[XB_F_Process_msgq_len].offset, offsetof(Process, sig_qs.mq_len));
	assert_int_equal(l.field[XB_F_Process_msgq_len].from, XB_FROM_DWARF);
}

static void test_a_width_nobody_expects_is_an_error(void **state)
{
	struct heard heard = { .len = 0 };
	struct xb_layout l = base(768, true), before = l;

	(void)state;
	/* Also when a table fits: the two cannot both be of this VM. */
	assert_err(read_layout(FIXTURE_VMTYPES_WIDE_STATE, true, &heard, &l), XB_ERR_NO_LAYOUT,
		   "Process.state: DWARF gives process.state 8 bytes");
	assert_memory_equal(&l, &before, sizeof(l));
}

static void test_what_is_missing_comes_from_a_table_that_fits(void **state)
{
	struct heard heard = { .len = 0 };
	struct xb_layout l = base(768, true);
	uint32_t offset = l.field[XB_F_Process_inq_len].offset;

	(void)state;
	assert_ok(read_layout(FIXTURE_VMTYPES_NO_INQ, true, &heard, &l));
	assert_int_equal(l.field[XB_F_Process_inq_len].from, XB_FROM_TABLE);
	assert_int_equal(l.field[XB_F_Process_inq_len].offset, offset);
	l = base(12345, false);
	assert_err(read_layout(FIXTURE_VMTYPES_NO_INQ, false, &heard, &l), XB_ERR_NO_LAYOUT,
		   "Process.inq_len: DWARF does not tell");
}

static void test_a_release_without_a_table_is_refused(void **state)
{
	uint64_t size = 768;
	struct xb_layout l;
	bool fits;

	(void)state;
	assert_err(xb_layout_base(19, XB_FLAVOR_EMU, NULL, size_of_process, &size, &l, &fits),
		   XB_ERR_NO_LAYOUT, "OTP 19");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_is_where_the_compiler_put_it),
		cmocka_unit_test(test_differences_are_counted_and_named),
		cmocka_unit_test(test_an_older_name_is_found),
		cmocka_unit_test(test_a_width_nobody_expects_is_an_error),
		cmocka_unit_test(test_what_is_missing_comes_from_a_table_that_fits),
		cmocka_unit_test(test_a_release_without_a_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
