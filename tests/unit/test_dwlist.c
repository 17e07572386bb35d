/* Location lists against libdw's reading of them; then damaged ones. */
#include "xbtest.h"

#include "elf/dwloc_priv.h"
#include "elf/dwutil.h"
#include "elf/rawsection.h"
#include "random.h"

#include <dwarf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const paths[] = { FIXTURE_LOC_4, FIXTURE_LOC_5 };

static Dwarf *open_dw(const char *path, int *fd, Elf **elf)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(*fd >= 0);
	elf_version(EV_CURRENT);
	*elf = elf_begin(*fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	return dwarf_begin_elf(*elf, DWARF_C_READ, NULL);
}

struct tally {
	size_t lists, spans, whole, skipped;
};

/* Every location of every DIE below @die, against libdw as far as libdw goes. */
static void same_lists(Dwarf_Die *die, unsigned depth, struct tally *t)
{
	struct xb_arena arena = XB_ARENA_INIT;
	Dwarf_Attribute attr;
	Dwarf_Die child;

	if (dwarf_attr(die, DW_AT_location, &attr) != NULL) {
		struct xb_dwspans spans = { 0 };
		Dwarf_Addr base = 0, start = 0, end = 0;
		Dwarf_Op *ops = NULL;
		ptrdiff_t off = 0;
		size_t n = 0, i = 0;
		bool whole = false;

		assert_ok(xb_dwlist_read(&attr, &arena, &spans, &whole));
		while ((off = dwarf_getlocations(&attr, off, &base, &start, &end, &ops, &n)) > 0) {
			const struct xb_dwspan *s = &spans.data[i];

			if (start >= end)
				continue;
			assert_true(i++ < spans.len);
			assert_int_equal(s->start, start);
			assert_int_equal(s->end, end);
			assert_false(s->opaque);
			assert_int_equal(s->n, n);
			for (size_t k = 0; k < n; k++) {
				assert_int_equal(s->ops[k].atom, ops[k].atom);
				assert_int_equal(s->ops[k].offset, ops[k].offset);
				if (ops[k].atom != DW_OP_entry_value &&
				    ops[k].atom != DW_OP_GNU_entry_value &&
				    ops[k].atom != DW_OP_implicit_value)
					assert_int_equal(s->ops[k].number, ops[k].number);
			}
		}
		t->skipped += off < 0;
		if (off == 0)
			assert_int_equal(i, spans.len);
		t->lists += !whole;
		t->whole += whole;
		t->spans += spans.len;
		xb_dwspans_deinit(&spans);
		xb_arena_deinit(&arena);
	}
	if (depth > 40 || dwarf_child(die, &child) != 0)
		return;
	do
		same_lists(&child, depth + 1, t);
	while (dwarf_siblingof(&child, &child) == 0);
}

static void test_lists_are_read_as_libdw_does(void **state)
{
	static const char *const files[] = { FIXTURE_LOC_4, FIXTURE_LOC_5, "/proc/self/exe" };

	(void)state;
	for (unsigned i = 0; i < XB_ARRAY_LEN(files); i++) {
		struct tally t = { 0 };
		Dwarf_CU *cu = NULL;
		Dwarf_Die unit;
		Elf *elf;
		int fd;
		Dwarf *dw = open_dw(files[i], &fd, &elf);

		while (xb_dw_next_unit(dw, &cu, &unit))
			same_lists(&unit, 0, &t);
		print_message("# %s: %zu lists, %zu spans, %zu single, %zu libdw gave up on\n",
			      files[i], t.lists, t.spans, t.whole, t.skipped);
		assert_true(t.whole > 0);
		assert_true(t.lists > 10 || i == 2);
		dwarf_end(dw);
		elf_end(elf);
		close(fd);
	}
}

/* Bytes of the list section changed at random: fewer answers, no crash, no error of the whole. */
static void test_damaged_lists(void **state)
{
	static const char *const vars[] = { "a", "b", "c", "d", "e", "f", "g", "h" };

	(void)state;
	for (unsigned p = 0; p < XB_ARRAY_LEN(paths); p++) {
		uint64_t seed = 88172645463325252ULL;
		size_t answers = 0, damaged = 0;
		Elf *elf;
		int fd;
		Dwarf *dw = open_dw(paths[p], &fd, &elf);
		const unsigned char *lists = NULL;
		unsigned char *writable, *sound;
		size_t len = 0;

		assert_true(xb_section_bytes(elf, p == 0 ? ".debug_loc" : ".debug_loclists", &lists,
					     &len, NULL));
		/* A private mapping of the file: ours to change. */
		writable = (unsigned char *)(uintptr_t)lists;
		sound = malloc(len);
		assert_non_null(sound);
		memcpy(sound, lists, len);
		for (unsigned round = 0; round < 1500; round++) {
			struct xb_dwloc *obj = NULL;

			for (unsigned i = 0; i < 1 + round % 16; i++)
				writable[next_random(&seed) % len] = (unsigned char)next_random(&seed);
			assert_ok(xb_dwloc_create(dw, "loc_widths", vars, 8, &obj));
			damaged += xb_dwloc_coverage(obj, 0).damaged > 0;
			for (unsigned i = 0; i < 64; i++) {
				const struct xb_dwspan *code = &obj->instances.data[0].code.data[0];
				struct xb_regs regs = { .valid = (1U << XB_REG_COUNT) - 1 };
				struct xb_dwloc_frame frame = { .regs = &regs, .has_cfa = true };
				struct xb_dwloc_loc loc;
				uint64_t v;

				xb_dwloc_find(obj, i % 8,
					      code->start +
						      next_random(&seed) % (code->end - code->start),
					      &loc);
				answers += xb_dwloc_eval(obj, &loc, &frame, &v) == XB_DWEXPR_OK;
			}
			xb_dwloc_destroy(obj);
			if (round % 8 == 7)
				memcpy(writable, sound, len);
		}
		assert_true(answers > 1000 && damaged > 10);
		free(sound);
		dwarf_end(dw);
		elf_end(elf);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_are_read_as_libdw_does),
		cmocka_unit_test(test_damaged_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
