/* What DWARF says of fixtures/types.h against what the compiler says here. */
#include "xbtest.h"

#include "elf/dwtypes.h"
#include "fixtures/types.h"

#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

static const char *const paths[] = {
	FIXTURE_TYPES_4,       FIXTURE_TYPES_5,  FIXTURE_TYPES_UNITS_4,
	FIXTURE_TYPES_UNITS_5, FIXTURE_TYPES_GZ,
};

struct open_file {
	int fd;
	Elf *elf;
	Dwarf *dw;
	struct xb_arena arena;
};

static void file_open(const char *path, struct open_file *f)
{
	*f = (struct open_file){ .fd = open(path, O_RDONLY | O_CLOEXEC) };
	assert_true(f->fd >= 0);
	elf_version(EV_CURRENT);
	f->elf = elf_begin(f->fd, ELF_C_READ_MMAP, NULL);
	f->dw = dwarf_begin_elf(f->elf, DWARF_C_READ, NULL);
	assert_non_null(f->dw);
}

static void file_close(struct open_file *f)
{
	dwarf_end(f->dw);
	elf_end(f->elf);
	close(f->fd);
	xb_arena_deinit(&f->arena);
}

static struct xb_dwtypes_want ask(struct open_file *f, enum xb_dwtypes_kind kind, const char *name)
{
	struct xb_dwtypes_want w = { .kind = kind, .name = name };

	assert_ok(xb_dwtypes_resolve(f->dw, &w, 1, &f->arena));
	return w;
}

static void test_offsets_are_the_compilers(void **state)
{
#define MEMBER(text, type, member)                                                                     \
	{                                                                                              \
		text "." #member, offsetof(type, member), sizeof(((type *)0)->member)                  \
	}
#define TYPE(text, type)                                                                               \
	{                                                                                              \
		text, 0, sizeof(type)                                                                  \
	}
	static const struct {
		const char *name;
		uint64_t offset, width;
	} want[] = {
		MEMBER("Outer", Outer, pad),
		MEMBER("Outer", Outer, first),
		MEMBER("struct outer", Outer, first.tag),
		MEMBER("Outer", Outer, first.w),
		MEMBER("outer", Outer, first.a),
		MEMBER("outer", Outer, first.b),
		MEMBER("outer", Outer, first.named),
		MEMBER("outer", Outer, first.named.c),
		MEMBER("outer", Outer, second),
		MEMBER("outer", Outer, x),
		MEMBER("outer", Outer, y),
		MEMBER("outer", Outer, deep),
		MEMBER("outer", Outer, f),
		MEMBER("outer", Outer, fn),
		MEMBER("outer", Outer, next),
		MEMBER("outer", Outer, grid),
		{ "Outer.empty", offsetof(Outer, empty), 0 },
		{ "Outer.tail", offsetof(Outer, tail), 0 },
		MEMBER("Nameless", Nameless, only_typedef),
		MEMBER("Nameless", Nameless, o),
		MEMBER("union either", union either, bytes),
		TYPE("Outer", Outer),
		TYPE("struct outer", Outer),
		TYPE("either", union either),
		TYPE("Word", Word),
		TYPE("struct inner", struct inner),
		TYPE("struct two_faced", struct two_faced),
		MEMBER("struct two_faced", struct two_faced, a),
	};

	(void)state;
	for (unsigned p = 0; p < XB_ARRAY_LEN(paths); p++) {
		struct xb_dwtypes_want wants[XB_ARRAY_LEN(want)];
		struct open_file f;

		file_open(paths[p], &f);
		for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++)
			wants[i] = (struct xb_dwtypes_want){ .kind = XB_DWTYPES_TYPE,
							     .name = want[i].name };
		assert_ok(xb_dwtypes_resolve(f.dw, wants, XB_ARRAY_LEN(want), &f.arena));
		for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++) {
			if (wants[i].status != XB_DWTYPES_FOUND || wants[i].value != want[i].offset ||
			    wants[i].width != want[i].width)
				fail_msg("%s of %s: status %u (%s), %llu width %llu", want[i].name,
					 paths[p], (unsigned)wants[i].status,
					 wants[i].why == NULL ? "" : wants[i].why,
					 (unsigned long long)wants[i].value,
					 (unsigned long long)wants[i].width);
		}
		file_close(&f);
	}
}

static void test_what_has_no_answer_is_refused(void **state)
{
	static const struct {
		enum xb_dwtypes_kind kind;
		const char *name;
		enum xb_dwtypes_status status;
		const char *why;
	} want[] = {
		{ XB_DWTYPES_TYPE, "Outer.bits", XB_DWTYPES_REFUSED, "bit field" },
		{ XB_DWTYPES_TYPE, "Outer.nothing", XB_DWTYPES_ABSENT, "no member nothing" },
		{ XB_DWTYPES_TYPE, "Outer.firs", XB_DWTYPES_ABSENT, "no member firs" },
		{ XB_DWTYPES_TYPE, "Outer.next.pad", XB_DWTYPES_REFUSED, "no structure" },
		{ XB_DWTYPES_TYPE, "Outer.second.tag", XB_DWTYPES_REFUSED, "no structure" },
		{ XB_DWTYPES_TYPE, "union outer", XB_DWTYPES_ABSENT, "does not define" },
		{ XB_DWTYPES_TYPE, "struct Outer", XB_DWTYPES_ABSENT, "does not define" },
		{ XB_DWTYPES_TYPE, "struct only_declared", XB_DWTYPES_ABSENT, "does not define" },
		{ XB_DWTYPES_TYPE, "clash.a", XB_DWTYPES_CONFLICT, "clash.a differs" },
		{ XB_DWTYPES_TYPE, "half_clash.here_only", XB_DWTYPES_CONFLICT,
		  "half_clash.here_only" },
		{ XB_DWTYPES_TYPE, "half_clash", XB_DWTYPES_CONFLICT, "half_clash" },
		{ XB_DWTYPES_TYPE, "two_faced", XB_DWTYPES_CONFLICT, "two_faced" },
		{ XB_DWTYPES_VARIABLE, "same_name", XB_DWTYPES_CONFLICT, "same_name" },
		{ XB_DWTYPES_VARIABLE, "thread_local_one", XB_DWTYPES_REFUSED, "thread-local" },
		{ XB_DWTYPES_VARIABLE, "no_such", XB_DWTYPES_ABSENT, "does not define" },
		{ XB_DWTYPES_VARIABLE, "types_c.c:same_name", XB_DWTYPES_ABSENT, "does not define" },
		{ XB_DWTYPES_VARIABLE, "_a.c:same_name", XB_DWTYPES_ABSENT, "does not define" },
		{ XB_DWTYPES_ENUMERATOR, "PURPLE", XB_DWTYPES_ABSENT, "does not define" },
	};

	(void)state;
	for (unsigned p = 0; p < XB_ARRAY_LEN(paths); p++) {
		struct open_file f;

		file_open(paths[p], &f);
		for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++) {
			struct xb_dwtypes_want w = ask(&f, want[i].kind, want[i].name);

			if (w.status != want[i].status || strstr(w.why, want[i].why) == NULL)
				fail_msg("%s: status %u: %s", want[i].name, (unsigned)w.status,
					 w.why == NULL ? "" : w.why);
		}
		file_close(&f);
	}
}

static void test_clash_is_found_where_both_agree_on_the_size(void **state)
{
	struct xb_dwtypes_want w;
	struct open_file f;

	(void)state;
	file_open(paths[0], &f);
	w = ask(&f, XB_DWTYPES_TYPE, "struct clash");
	assert_int_equal(w.status, XB_DWTYPES_FOUND);
	assert_int_equal(w.width, 8);
	w = ask(&f, XB_DWTYPES_TYPE, "struct half_clash.a");
	assert_int_equal(w.status, XB_DWTYPES_FOUND);
	file_close(&f);
}

static void test_enumerators(void **state)
{
	static const struct {
		const char *name;
		int64_t value;
	} want[] = {
		{ "RED", RED },
		{ "GREEN", GREEN },
		{ "BLUE", BLUE },
		{ "BIG", BIG },
		{ "ANONYMOUS_ONE", ANONYMOUS_ONE },
		{ "WIDE", (int64_t)WIDE },
	};

	(void)state;
	for (unsigned p = 0; p < XB_ARRAY_LEN(paths); p++) {
		struct open_file f;

		file_open(paths[p], &f);
		for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++) {
			struct xb_dwtypes_want w = ask(&f, XB_DWTYPES_ENUMERATOR, want[i].name);

			assert_int_equal(w.status, XB_DWTYPES_FOUND);
			assert_int_equal((int64_t)w.value, want[i].value);
		}
		file_close(&f);
	}
}

/* The nth symbol of that name in .symtab; statics of one name are told apart by their order. */
static xb_addr symbol(Elf *elf, const char *name, unsigned nth)
{
	for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn != NULL; scn = elf_nextscn(elf, scn)) {
		Elf_Data *data;
		GElf_Shdr sh;
		GElf_Sym sym;

		assert_non_null(gelf_getshdr(scn, &sh));
		if (sh.sh_type != SHT_SYMTAB)
			continue;
		data = elf_getdata(scn, NULL);
		for (int i = 0; gelf_getsym(data, i, &sym) != NULL; i++) {
			const char *got = elf_strptr(elf, sh.sh_link, sym.st_name);

			if (got != NULL && strcmp(got, name) == 0 && nth-- == 0)
				return sym.st_value;
		}
	}
	fail_msg("no symbol %s", name);
	return 0;
}

static void test_variables_are_where_the_symbols_are(void **state)
{
	static const struct {
		const char *name, *symbol;
		unsigned nth;
		uint64_t width;
	} want[] = {
		{ "in_a", "in_a", 0, sizeof(Word) },
		{ "public_outer", "public_outer", 0, sizeof(void *) },
		{ "defined_in_b", "defined_in_b", 0, sizeof(int) },
		{ "outer_b", "outer_b", 0, 2 * sizeof(Outer) },
		{ "types_a.c:same_name", "same_name", 0, 4 * sizeof(int) },
		{ "fixtures/types_b.c:same_name", "same_name", 1, 4 * sizeof(int) },
	};

	(void)state;
	for (unsigned p = 0; p < XB_ARRAY_LEN(paths); p++) {
		struct open_file f;

		file_open(paths[p], &f);
		for (unsigned i = 0; i < XB_ARRAY_LEN(want); i++) {
			struct xb_dwtypes_want w = ask(&f, XB_DWTYPES_VARIABLE, want[i].name);

			assert_int_equal(w.status, XB_DWTYPES_FOUND);
			assert_int_equal(w.value, symbol(f.elf, want[i].symbol, want[i].nth));
			assert_int_equal(w.width, want[i].width);
		}
		file_close(&f);
	}
}

static void test_questions_must_make_sense(void **state)
{
	static const char *const bad[] = { "", "struct ", ".x", "Outer.", "Outer..pad" };
	struct open_file f;

	(void)state;
	file_open(paths[0], &f);
	for (unsigned i = 0; i < XB_ARRAY_LEN(bad); i++) {
		struct xb_dwtypes_want w = { .kind = XB_DWTYPES_TYPE, .name = bad[i] };

		assert_err(xb_dwtypes_resolve(f.dw, &w, 1, &f.arena), XB_ERR_USAGE, "name");
	}
	file_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offsets_are_the_compilers),
		cmocka_unit_test(test_what_has_no_answer_is_refused),
		cmocka_unit_test(test_clash_is_found_where_both_agree_on_the_size),
		cmocka_unit_test(test_enumerators),
		cmocka_unit_test(test_variables_are_where_the_symbols_are),
		cmocka_unit_test(test_questions_must_make_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
