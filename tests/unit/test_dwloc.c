/*
 * Values of variables in live frames of a compiled fixture.  What is answered must be right, for any
 * compiler; what may be missing is bounded by a list of what every compiler keeps.
 */
#include "xbtest.h"

#include "elf/dwloc.h"
#include "elf/dwloc_priv.h"
#include "elf/unwind.h"
#include "fixtures/loc.h"
#include "selfimages.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const paths[] = { FIXTURE_LOC_4, FIXTURE_LOC_5 };

struct probe {
	struct self_images images;
	struct self_image *module;
	Dwarf *dw;
	unsigned stops, asked, right, kinds[XB_DWLOC_OPAQUE + 1];
	char known[1024]; /* "function.variable " of what was answered */
	bool with_caller;
};

static void check_frame(struct probe *p, const struct loc_expect *expect,
			const struct xb_dwloc_frame *frame, xb_addr pc, struct xb_dwloc *obj)
{
	for (unsigned i = 0; i < expect->n; i++) {
		struct xb_dwloc_loc loc;
		uint64_t v = 0;
		enum xb_dwexpr_status st;
		char word[96];

		xb_dwloc_find(obj, i, pc, &loc);
		p->kinds[loc.kind]++;
		p->asked++;
		st = xb_dwloc_eval(obj, &loc, frame, &v);
		if (loc.kind == XB_DWLOC_ABSENT)
			fail_msg("%s has no %s", expect->function, expect->var[i].name);
		if (st != XB_DWEXPR_OK)
			continue;
		if (v != expect->var[i].value)
			fail_msg("%s: %s is 0x%llx, want 0x%llx (kind %u)", expect->function,
				 expect->var[i].name, (unsigned long long)v,
				 (unsigned long long)expect->var[i].value, (unsigned)loc.kind);
		p->right++;
		snprintf(word, sizeof(word), "%s.%s ", expect->function, expect->var[i].name);
		if (strstr(p->known, word) == NULL)
			strncat(p->known, word, sizeof(p->known) - strlen(p->known) - 1);
	}
}

/* Unwind from here until a frame of the function that stopped. */
static void on_stop(const struct loc_expect *expect, void *arg)
{
	struct probe *p = arg;
	const char *names[LOC_MAX_EXPECT];
	struct xb_dwloc *obj = NULL;
	struct self_stack stack;
	bool exact = true, found = false;

	for (unsigned i = 0; i < expect->n; i++)
		names[i] = expect->var[i].name;
	assert_ok(xb_dwloc_create(p->dw, expect->function, names, expect->n, &obj));
	self_stack_take(64 << 10, &stack);
	for (unsigned depth = 0; depth < 12 && !found; depth++) {
		xb_addr pc = xb_unwind_pc(&stack.regs, exact);
		struct self_image *im = self_images_find(&p->images, pc);
		const struct xb_cfi_row *row = im == NULL ? NULL : xb_cfi_find(im->cfi, pc - im->bias);
		struct xb_regs regs = stack.regs;
		xb_addr cfa = 0;

		assert_non_null(row);
		assert_int_equal(xb_unwind_cfa(row, &regs, &stack.slice, NULL, &cfa), XB_STEP_OK);
		assert_int_equal(xb_unwind_step(row, &stack.regs, &stack.slice, NULL), XB_STEP_OK);
		if (im == p->module && xb_dwloc_covers(obj, pc - im->bias)) {
			struct xb_dwloc_frame frame = { .regs = &regs,
							.stack = &stack.slice,
							.bias = im->bias,
							.has_cfa = true,
							.cfa = cfa,
							.caller = p->with_caller ? &stack.regs : NULL };

			check_frame(p, expect, &frame, pc - im->bias, obj);
			found = true;
		}
		exact = xb_unwind_next_exact(row);
	}
	assert_true(found);
	p->stops++;
	self_stack_free(&stack);
	xb_dwloc_destroy(obj);
}

static void run(const char *path, struct probe *p, bool with_caller)
{
	void *lib = dlopen(path, RTLD_NOW);
	struct link_map *map = NULL;
	loc_run_fn *fn;

	memset(p, 0, sizeof(*p));
	p->with_caller = with_caller;
	if (lib == NULL)
		fail_msg("%s", dlerror());
	assert_int_equal(dlinfo(lib, RTLD_DI_LINKMAP, &map), 0);
	*(void **)&fn = dlsym(lib, "loc_run");
	assert_non_null(*(void **)&fn);
	self_images_open(&p->images);
	for (size_t i = 0; i < p->images.n; i++) {
		if (p->images.at[i].bias == map->l_addr)
			p->module = &p->images.at[i];
	}
	assert_non_null(p->module);
	p->dw = dwarf_begin_elf(p->module->elf, DWARF_C_READ, NULL);
	assert_non_null(p->dw);
	fn(12345, on_stop, p);
	dwarf_end(p->dw);
	self_images_close(&p->images);
	dlclose(lib);
}

static void test_values_are_right(void **state)
{
	static const char *const must[] = {
		"loc_widths.b ",     "loc_widths.e ",      "loc_widths.h ",
		"loc_blocks.outer ", "loc_blocks.v ",      "loc_parts.memory ",
		"loc_entry.used ",   "loc_inlined.twice ", "loc_partitioned.w ",
#ifndef __clang__
		"loc_widths.a ",     "loc_parts.pair ",
#endif
	};
	struct probe *p = malloc(sizeof(*p));

	(void)state;
	assert_non_null(p);
	for (unsigned i = 0; i < XB_ARRAY_LEN(paths); i++) {
		run(paths[i], p, true);
		assert_int_equal(p->stops, 13);
		print_message("# %s: %u of %u known:", paths[i], p->right, p->asked);
		print_message(" register %u, memory %u, value %u, pieces %u, entry %u, none %u\n",
			      p->kinds[XB_DWLOC_REGISTER], p->kinds[XB_DWLOC_MEMORY],
			      p->kinds[XB_DWLOC_VALUE], p->kinds[XB_DWLOC_PIECES],
			      p->kinds[XB_DWLOC_ENTRY_VALUE], p->kinds[XB_DWLOC_OPTIMISED_OUT]);
		for (unsigned k = 0; k < XB_ARRAY_LEN(must); k++) {
			if (strstr(p->known, must[k]) == NULL)
				fail_msg("%s: not known: %s (known: %s)", paths[i], must[k], p->known);
		}
		/* gcc tells the caller's side of a call. */
		if (p->kinds[XB_DWLOC_ENTRY_VALUE] > 0)
			assert_non_null(strstr(p->known, "loc_entry_dead.p "));
	}
	free(p);
}

static void test_entry_values_need_the_caller(void **state)
{
	struct probe *p = malloc(sizeof(*p));

	(void)state;
	assert_non_null(p);
	for (unsigned i = 0; i < XB_ARRAY_LEN(paths); i++) {
		unsigned with;

		run(paths[i], p, true);
		with = p->right;
		run(paths[i], p, false);
		if (p->kinds[XB_DWLOC_ENTRY_VALUE] > 0) {
			assert_true(p->right < with);
			assert_null(strstr(p->known, "loc_entry_dead.p "));
		}
	}
	free(p);
}

static Dwarf *open_dw(const char *path, int *fd, Elf **elf)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(*fd >= 0);
	elf_version(EV_CURRENT);
	*elf = elf_begin(*fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	return dwarf_begin_elf(*elf, DWARF_C_READ, NULL);
}

static void test_coverage_and_what_is_not_there(void **state)
{
	static const char *const names[] = { "w", "rare", "no_such" };

	(void)state;
	for (unsigned i = 0; i < XB_ARRAY_LEN(paths); i++) {
		struct xb_dwloc *obj = NULL;
		struct xb_dwloc_coverage c;
		struct xb_dwloc_loc loc;
		int fd;
		Elf *elf;
		Dwarf *dw = open_dw(paths[i], &fd, &elf);

		assert_ok(xb_dwloc_create(dw, "loc_partitioned", names, 3, &obj));
		c = xb_dwloc_coverage(obj, 0);
		assert_true(c.code > 20 && c.located > 0 && c.located <= c.code &&
			    c.usable <= c.located);
		assert_int_equal(c.declared, 1);
		c = xb_dwloc_coverage(obj, 2);
		assert_int_equal(c.located + c.declared + c.entries, 0);
		xb_dwloc_find(obj, 2, obj->instances.data[0].code.data[0].start, &loc);
		assert_int_equal(loc.kind, XB_DWLOC_ABSENT);
		xb_dwloc_find(obj, 0, 1, &loc);
		assert_int_equal(loc.kind, XB_DWLOC_ABSENT);
		xb_dwloc_destroy(obj);
		obj = NULL;
		assert_err(xb_dwloc_create(dw, "no_such_function", names, 3, &obj), XB_ERR_NO_SYMBOL,
			   "no_such_function");
		assert_ok(xb_dwloc_create(dw, "loc_inlined", (const char *[]){ "twice" }, 1, &obj));
		assert_int_equal(xb_dwloc_coverage(obj, 0).declared, 3);
		xb_dwloc_destroy(obj);
		dwarf_end(dw);
		elf_end(elf);
		close(fd);
	}
}

static void test_expressions_are_told_apart(void **state)
{
	static const struct {
		Dwarf_Op ops[3];
		size_t n;
		enum xb_dwloc_kind kind;
		unsigned reg;
		int64_t off;
	} want[] = {
		{ { { .atom = DW_OP_reg13 } }, 1, XB_DWLOC_REGISTER, 13, 0 },
		{ { { .atom = DW_OP_regx, .number = 20 } }, 1, XB_DWLOC_REGISTER, 20, 0 },
		{ { { .atom = DW_OP_breg7, .number = (Dwarf_Word)-8 } }, 1, XB_DWLOC_MEMORY, 7, -8 },
		{ { { .atom = DW_OP_breg7 }, { .atom = DW_OP_deref } },
		  2,
		  XB_DWLOC_MEMORY,
		  XB_DWLOC_NO_REG,
		  0 },
		{ { { .atom = DW_OP_lit0 }, { .atom = DW_OP_stack_value } },
		  2,
		  XB_DWLOC_VALUE,
		  XB_DWLOC_NO_REG,
		  0 },
		{ { { .atom = DW_OP_reg1 }, { .atom = DW_OP_piece, .number = 4 } },
		  2,
		  XB_DWLOC_PIECES,
		  XB_DWLOC_NO_REG,
		  0 },
		{ { { .atom = DW_OP_GNU_entry_value }, { .atom = DW_OP_stack_value } },
		  2,
		  XB_DWLOC_ENTRY_VALUE,
		  XB_DWLOC_NO_REG,
		  0 },
		{ { { .atom = DW_OP_implicit_pointer } },
		  1,
		  XB_DWLOC_IMPLICIT_POINTER,
		  XB_DWLOC_NO_REG,
		  0 },
		{ { { .atom = 0 } }, 0, XB_DWLOC_OPTIMISED_OUT, XB_DWLOC_NO_REG, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++) {
		struct xb_dwloc_loc loc;

		Dwarf_Op ops[3];
		struct xb_dwspan span = { .ops = ops, .n = want[i].n };

		memcpy(ops, want[i].ops, sizeof(ops));
		xb_dwloc_classify(&span, NULL, &loc);
		assert_int_equal(loc.kind, want[i].kind);
		assert_int_equal(loc.reg, want[i].reg);
		assert_int_equal(loc.off, want[i].off);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_right),
		cmocka_unit_test(test_entry_values_need_the_caller),
		cmocka_unit_test(test_coverage_and_what_is_not_there),
		cmocka_unit_test(test_expressions_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
