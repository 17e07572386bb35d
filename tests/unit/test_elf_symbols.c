#include "elftest.h"

#include "elf/symbols.h"

#include <lzma.h>

struct fixture {
	struct xb_arena arena;
	char *dir; /* also serves as the root of a target */
	const char *sample;
	const char *stripped; /* no .symtab, a debuglink to s.debug */
	const char *debug;    /* its debug file, where nobody looks */
	char id_path[128];    /* "/usr/lib/debug/.build-id/xx/yyyy.debug" */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct xb_image *img;
	const unsigned char *id;
	size_t len, at;

	f->dir = scratch_create(&f->arena);
	f->sample = sample_path(&f->arena, "elfsample");
	f->stripped = xb_arena_printf(&f->arena, "%s/bin/stripped", f->dir);
	f->debug = xb_arena_printf(&f->arena, "%s/s.debug", f->dir);
	shell("mkdir %s/bin && objcopy --only-keep-debug %s %s", f->dir, f->sample, f->debug);
	shell("objcopy -S --add-gnu-debuglink=%s %s %s", f->debug, f->sample, f->stripped);
	assert_ok(xb_image_open(f->sample, &img));
	assert_true(xb_image_build_id(img, &id, &len));
	at = (size_t)snprintf(f->id_path, sizeof(f->id_path), "/usr/lib/debug/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < len; i++)
		at += (size_t)snprintf(f->id_path + at, sizeof(f->id_path) - at, "%02x", id[i]);
	(void)snprintf(f->id_path + at, sizeof(f->id_path) - at, ".debug");
	xb_image_close(img);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_destroy(f->dir);
	xb_arena_deinit(&f->arena);
	free(f);
	return 0;
}

struct loaded {
	struct xb_image *img;
	struct xb_symbols *s;
};

static struct loaded load(const char *path, const struct xb_debug_opts *opts)
{
	struct loaded l;

	assert_ok(xb_image_open(path, &l.img));
	assert_ok(xb_symbols_load(l.img, opts, &l.s));
	return l;
}

static void unload(struct loaded *l)
{
	xb_symbols_destroy(l->s);
	xb_image_close(l->img);
}

static const struct xb_debug_opts off = { .off = true };

/* The set must know what nm knows: every symbol with its value. */
static void test_every_symbol_nm_lists_is_found(void **state)
{
	struct fixture *f = *state;
	struct loaded l = load(f->sample, &off);
	char *path = xb_arena_printf(&f->arena, "%s/nm", f->dir), name[256], type;
	unsigned long value;
	size_t seen = 0;
	FILE *nm;

	shell("nm %s > %s", f->sample, path);
	nm = fopen(path, "re");
	assert_non_null(nm);
	while (fscanf(nm, " %lx %c %255s", &value, &type, name) == 3 ||
	       fscanf(nm, " %c %255s", &type, name) == 2) {
		const struct xb_symbol *y = xb_symbols_find(l.s, name);

		if (strchr("TtDdRrBbVW", type) == NULL || strcmp(name, "twin") == 0)
			continue;
		if (y == NULL) {
			/* Markers at the end of a segment are left out. */
			assert_non_null(strstr("_end _edata __bss_start __TMC_END__", name));
			continue;
		}
		assert_int_equal(y->vaddr, value);
		assert_int_equal(y->bind == XB_SYMBOL_LOCAL, strchr("tdrb", type) != NULL);
		assert_int_equal(y->source, XB_SYMBOL_SYMTAB);
		seen++;
	}
	fclose(nm);
	assert_true(seen > 20);
	assert_null(xb_symbols_find(l.s, ""));
	assert_null(xb_symbols_find(l.s, "sample_ad"));
	assert_null(xb_symbols_find(l.s, "sample_addx"));
	unload(&l);
}

static const char *name_at(struct loaded *l, xb_addr vaddr)
{
	const struct xb_symbol *y = xb_symbols_at(l->s, vaddr);

	return y == NULL ? "nothing" : y->name;
}

static void test_addresses_inside_and_between(void **state)
{
	struct fixture *f = *state;
	struct loaded l = load(f->sample, &off);
	const struct xb_symbol *outer = xb_symbols_find(l.s, "outer_function");
	const struct xb_symbol *first = xb_symbols_find(l.s, "unsized_first");
	const struct xb_symbol *second = xb_symbols_find(l.s, "unsized_second");
	const struct xb_symbol *add = xb_symbols_find(l.s, "sample_add");
	const struct xb_symbol *table = xb_symbols_find(l.s, "sample_table");
	struct xb_section text;

	assert_int_equal(outer->size, 4);
	assert_int_equal(first->size, 0);
	/* A label inside a function does not hide it; the padding behind belongs to nobody. */
	assert_non_null(xb_symbols_find(l.s, "label_inside"));
	for (xb_addr a = outer->vaddr; a < outer->vaddr + 4; a++)
		assert_string_equal(name_at(&l, a), "outer_function");
	for (xb_addr a = outer->vaddr + 4; a < first->vaddr; a++)
		assert_string_equal(name_at(&l, a), "nothing");
	/* A symbol without a size reaches to the next one, the last to the end of its section. */
	for (xb_addr a = first->vaddr; a < second->vaddr; a++)
		assert_string_equal(name_at(&l, a), "unsized_first");
	assert_int_equal(first->extent, 8);
	assert_string_equal(name_at(&l, second->vaddr + 3), "unsized_second");
	/* Of three aliases the one without underscores and not weak. */
	assert_string_equal(name_at(&l, add->vaddr), "sample_add");
	assert_string_equal(name_at(&l, add->vaddr + add->size - 1), "sample_add");
	assert_string_equal(name_at(&l, table->vaddr + table->size - 1), "sample_table");
	assert_string_equal(name_at(&l, table->vaddr + 8), "sample_table");
	assert_true(xb_image_section(l.img, ".text", &text));
	assert_string_equal(name_at(&l, 0), "nothing");
	assert_string_equal(name_at(&l, UINT64_MAX), "nothing");
	/* Whatever is found holds the address. */
	for (xb_addr a = text.vaddr; a < text.vaddr + text.size; a++) {
		const struct xb_symbol *y = xb_symbols_at(l.s, a);

		if (y != NULL)
			assert_true(a >= y->vaddr && a - y->vaddr < y->extent);
	}
	unload(&l);
}

static void test_ambiguous_names_say_so(void **state)
{
	struct fixture *f = *state;
	struct loaded l = load(f->sample, &off);
	const struct xb_symbol *twin = xb_symbols_find(l.s, "twin");
	const struct xb_symbol *a = xb_symbols_find_in(l.s, "elfsample_main.c", "twin");
	const struct xb_symbol *b = xb_symbols_find_in(l.s, "elfsample_twin.c", "twin");

	assert_true(twin->ambiguous);
	assert_false(xb_symbols_find(l.s, "hidden_table")->ambiguous);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_not_equal(a->vaddr, b->vaddr);
	assert_null(xb_symbols_find_in(l.s, "elfsample.c", "twin"));
	assert_string_equal(xb_symbols_find(l.s, "hidden_table")->file, "elfsample.c");
	assert_null(xb_symbols_find(l.s, "sample_add")->file);
	unload(&l);
}

static void test_dynsym_is_the_last_resort(void **state)
{
	struct fixture *f = *state;
	const char *lib = xb_arena_printf(&f->arena, "%s/lib.so", f->dir);
	struct loaded l;
	const struct xb_symbol *y;
	struct xb_str text = XB_STR_INIT;

	shell("objcopy -S %s %s", sample_path(&f->arena, "libelfsample.so"), lib);
	l = load(lib, NULL);
	y = xb_symbols_find(l.s, "sample_table");
	assert_non_null(y);
	assert_int_equal(y->source, XB_SYMBOL_DYNSYM);
	assert_int_equal(y->kind, XB_SYMBOL_OBJECT);
	assert_int_equal(y->size, 128);
	xb_symbols_explain(l.s, &text);
	assert_non_null(strstr(xb_str_get(&text), ".symtab: absent (stripped)\n"));
	assert_non_null(strstr(xb_str_get(&text), "debug file: nothing at /usr/lib/debug/.build-id/"));
	assert_non_null(strstr(xb_str_get(&text), ".gnu_debugdata: the image has none\n"));
	assert_non_null(strstr(xb_str_get(&text), ".dynsym: "));
	assert_err(xb_symbols_need(l.s, "hidden_table", &y), XB_ERR_NO_SYMBOL,
		   "no symbol hidden_table in ");
	assert_err(xb_symbols_need(l.s, "hidden_table", &y), XB_ERR_NO_SYMBOL, "; .dynsym: ");
	xb_str_deinit(&text);
	unload(&l);
	/* What both tables have is kept once. */
	l = load(sample_path(&f->arena, "libelfsample.so"), &off);
	assert_int_equal(xb_symbols_find(l.s, "sample_table")->source, XB_SYMBOL_SYMTAB);
	for (size_t i = 0, n = 0; i < xb_symbols_count(l.s); i++) {
		n += strcmp(xb_symbols_get(l.s, i)->name, "sample_table") == 0;
		assert_true(n <= 1);
	}
	unload(&l);
}

/* The debug file at @path must be the one taken; the file is removed again. */
static void expect_found(struct fixture *f, const struct xb_debug_opts *opts, const char *path)
{
	struct xb_str text = XB_STR_INIT;
	struct loaded l;
	const struct xb_symbol *y;

	shell("mkdir -p \"$(dirname %s)\" && cp %s %s", path, f->debug, path);
	l = load(f->stripped, opts);
	y = xb_symbols_find(l.s, "hidden_table");
	if (y == NULL || xb_symbols_debug_image(l.s) == NULL) {
		xb_symbols_explain(l.s, &text);
		fail_msg("%s was not found: %s", path, xb_str_get(&text));
	} else {
		assert_int_equal(y->source, XB_SYMBOL_DEBUGFILE);
		assert_string_equal(xb_image_path(xb_symbols_debug_image(l.s)), path);
		assert_string_equal(name_at(&l, y->vaddr), "hidden_table");
	}
	unload(&l);
	assert_int_equal(unlink(path), 0);
}

static void test_debug_file_in_every_usual_place(void **state)
{
	struct fixture *f = *state;
	struct xb_arena *a = &f->arena;
	struct xb_debug_opts rooted = { .root = f->dir, .path = "/bin/stripped" };
	struct xb_debug_opts extra = { .dir = xb_arena_printf(a, "%s/extra", f->dir) };
	struct xb_str text = XB_STR_INIT;
	struct loaded l = load(f->stripped, NULL);

	assert_null(xb_symbols_find(l.s, "hidden_table"));
	assert_null(xb_symbols_debug_image(l.s));
	unload(&l);
	expect_found(f, NULL, xb_arena_printf(a, "%s/bin/s.debug", f->dir));
	expect_found(f, NULL, xb_arena_printf(a, "%s/bin/.debug/s.debug", f->dir));
	expect_found(f, &rooted, xb_arena_printf(a, "%s%s", f->dir, f->id_path));
	expect_found(f, &rooted, xb_arena_printf(a, "%s/bin/s.debug", f->dir));
	expect_found(f, &rooted, xb_arena_printf(a, "%s/usr/lib/debug/bin/s.debug", f->dir));
	expect_found(f, &extra,
		     xb_arena_printf(a, "%s%s", extra.dir, f->id_path + strlen("/usr/lib/debug")));
	expect_found(f, &extra, xb_arena_printf(a, "%s/s.debug", extra.dir));
	l = load(f->stripped, &off);
	xb_symbols_explain(l.s, &text);
	assert_non_null(strstr(xb_str_get(&text), "debug file: not looked for\n"));
	xb_str_deinit(&text);
	unload(&l);
}

/* @path holds something that must not be believed, for the reason @why. */
static void expect_refused(struct fixture *f, const char *image, const char *why)
{
	struct xb_str text = XB_STR_INIT;
	struct loaded l = load(image, NULL);

	(void)f;
	xb_symbols_explain(l.s, &text);
	if (strstr(xb_str_get(&text), why) == NULL)
		fail_msg("'%s' does not hold '%s'", xb_str_get(&text), why);
	assert_null(xb_symbols_debug_image(l.s));
	xb_str_deinit(&text);
	unload(&l);
}

static void test_wrong_debug_files_are_refused(void **state)
{
	struct fixture *f = *state;
	const char *no_id = xb_arena_printf(&f->arena, "%s/bin/noid", f->dir);
	char *link = xb_arena_printf(&f->arena, "%s/bin/s.debug", f->dir);
	struct loaded l;

	shell("objcopy --only-keep-debug %s %s", sample_path(&f->arena, "libelfsample.so"), link);
	expect_refused(f, f->stripped, "s.debug: has another build-id");
	shell("cp %s %s", f->stripped, link);
	expect_refused(f, f->stripped, "s.debug: has neither symbols nor DWARF");
	shell("echo nonsense > %s", link);
	expect_refused(f, f->stripped, "is not an ELF file");
	/* Without a build-id the checksum decides. */
	shell("cp %s %s", f->debug, link);
	shell("objcopy -R .note.gnu.build-id %s %s", f->stripped, no_id);
	l = load(no_id, NULL);
	assert_non_null(xb_symbols_debug_image(l.s));
	unload(&l);
	shell("printf x >> %s", link);
	expect_refused(f, no_id, "s.debug: has another checksum than .gnu_debuglink says");
	assert_int_equal(unlink(link), 0);
}

/* An image with .gnu_debugdata that holds @len bytes at @mini, compressed and then cut by @cut bytes.
 */
static const char *with_debugdata(struct fixture *f, const char *mini, size_t len, size_t cut)
{
	const char *path = xb_arena_printf(&f->arena, "%s/mini", f->dir);
	const char *xz = xb_arena_printf(&f->arena, "%s/mini.xz", f->dir);
	size_t out_len = 0, cap = lzma_stream_buffer_bound(len);
	uint8_t *out = malloc(cap);

	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, (const uint8_t *)mini, len,
						 out, &out_len, cap),
			 LZMA_OK);
	assert_true(cut <= out_len);
	spill(xz, out, out_len - cut);
	free(out);
	shell("objcopy -S --add-section .gnu_debugdata=%s %s %s", xz, f->sample, path);
	return path;
}

static void test_embedded_symbols(void **state)
{
	struct fixture *f = *state;
	size_t len, lib_len;
	char *mini, *lib, *big = calloc(1, 65 << 20);
	struct loaded l;
	const struct xb_symbol *y;

	assert_non_null(big);
	shell("objcopy --strip-debug %s %s/mini.elf", f->sample, f->dir);
	mini = slurp(&f->arena, xb_arena_printf(&f->arena, "%s/mini.elf", f->dir), &len);
	lib = slurp(&f->arena, sample_path(&f->arena, "libelfsample.so"), &lib_len);
	l = load(with_debugdata(f, mini, len, 0), NULL);
	y = xb_symbols_find(l.s, "hidden_table");
	assert_non_null(y);
	assert_int_equal(y->source, XB_SYMBOL_EMBEDDED);
	assert_string_equal(name_at(&l, y->vaddr), "hidden_table");
	unload(&l);
	expect_refused(f, with_debugdata(f, mini, len, 9),
		       ".gnu_debugdata: the section is not valid xz data");
	expect_refused(f, with_debugdata(f, "no ELF", 6, 0), "(.gnu_debugdata) is not an ELF file");
	expect_refused(f, with_debugdata(f, lib, lib_len, 0), "the section belongs to another build");
	expect_refused(f, with_debugdata(f, big, 65 << 20, 0), "is larger than 64 MiB unpacked");
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_symbol_nm_lists_is_found),
		cmocka_unit_test(test_addresses_inside_and_between),
		cmocka_unit_test(test_ambiguous_names_say_so),
		cmocka_unit_test(test_dynsym_is_the_last_resort),
		cmocka_unit_test(test_debug_file_in_every_usual_place),
		cmocka_unit_test(test_wrong_debug_files_are_refused),
		cmocka_unit_test(test_embedded_symbols),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
