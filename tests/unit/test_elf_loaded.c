#include "elftest.h"

#include "elf/loaded.h"

#include <dlfcn.h>
#include <sys/auxv.h>

/* The test looks at itself. */
struct fixture {
	struct xb_arena arena;
	struct xb_mem *mem;
	struct xb_loaded *l;
	char *dir;
};

static void refresh(struct fixture *f)
{
	struct xb_maps maps;

	assert_ok(xb_proc_maps(getpid(), &f->arena, &maps));
	assert_ok(xb_loaded_refresh(f->l, &maps));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct xb_loaded_opts opts = { .pid = getpid(), .no_debug_files = true };

	assert_ok(xb_mem_live(getpid(), &f->mem));
	opts.mem = f->mem;
	assert_ok(xb_loaded_create(&opts, &f->l));
	f->dir = scratch_create(&f->arena);
	refresh(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	xb_loaded_destroy(f->l);
	xb_mem_destroy(f->mem);
	scratch_destroy(f->dir);
	xb_arena_deinit(&f->arena);
	free(f);
	return 0;
}

int loaded_test_landmark(int n);

__attribute__((noinline)) int loaded_test_landmark(int n)
{
	return n * 3 + 1;
}

static xb_addr landmark(void)
{
	return (xb_addr)(uintptr_t)loaded_test_landmark;
}

static void test_the_program_is_main_and_knows_its_functions(void **state)
{
	struct fixture *f = *state;
	struct xb_loaded_name name, again;
	struct xb_symbols *symbols;
	xb_addr vaddr, bias;
	struct xb_object *o = xb_loaded_find(f->l, landmark(), &vaddr);

	assert_non_null(o);
	assert_ptr_equal(o, xb_loaded_main(f->l));
	assert_true(o->is_main && o->mapped && !o->is_vdso && !o->deleted);
	assert_string_equal(o->name, "test_elf_loaded");
	assert_ok(xb_object_bias(o, &bias));
	assert_int_equal(bias + vaddr, landmark());
	assert_ok(xb_object_symbols(o, &symbols));
	assert_int_equal(xb_symbols_find(symbols, "loaded_test_landmark")->vaddr, vaddr);
	assert_true(xb_loaded_name(f->l, landmark() + 2, &name));
	assert_string_equal(name.name, "loaded_test_landmark");
	assert_int_equal(name.offset, 2);
	assert_int_equal(name.vaddr, vaddr);
	assert_true(name.has_symbol);
	assert_string_equal(name.object, "test_elf_loaded");
	assert_true(xb_loaded_name(f->l, landmark(), &again));
	assert_ptr_equal(name.name, again.name);
	for (size_t i = 0, mains = 0; i < xb_loaded_count(f->l); i++) {
		mains += xb_loaded_get(f->l, i)->is_main;
		assert_true(mains <= 1);
	}
}

static void test_every_object_has_an_image(void **state)
{
	struct fixture *f = *state;
	bool vdso = false;

	assert_true(xb_loaded_count(f->l) >= 4);
	for (size_t i = 0; i < xb_loaded_count(f->l); i++) {
		struct xb_object *o = xb_loaded_get(f->l, i);
		struct xb_image *img;
		struct xb_funcs *funcs;
		xb_addr bias, start, end;
		unsigned char in_memory[16];

		assert_ok(xb_object_image(o, &img));
		assert_ok(xb_object_bias(o, &bias));
		assert_ok(xb_object_funcs(o, &funcs));
		/* The bytes of a function in the file are those of the process. */
		assert_true(xb_funcs_get(funcs, xb_funcs_count(funcs) / 2, &start, &end));
		assert_true(bias + start >= o->start && bias + end <= o->end);
		assert_ok(xb_mem_read(f->mem, bias + start, in_memory, 1));
		assert_memory_equal(in_memory, xb_image_bytes(img, start, 1), 1);
		vdso |= o->is_vdso;
	}
	assert_int_equal(vdso, getauxval(AT_SYSINFO_EHDR) != 0);
}

static void test_addresses_of_nobody(void **state)
{
	struct fixture *f = *state;
	struct xb_loaded_name name;
	char *heap = malloc(1);
	int local = 0;

	assert_null(xb_loaded_find(f->l, (uintptr_t)heap, NULL));
	assert_null(xb_loaded_find(f->l, (uintptr_t)&local, NULL));
	assert_null(xb_loaded_find(f->l, 0, NULL));
	assert_null(xb_loaded_find(f->l, UINT64_MAX, NULL));
	assert_false(xb_loaded_name(f->l, 8, &name));
	free(heap);
}

/* A stripped copy of the library, so that only .dynsym and the function bounds are left. */
static void *load_copy(struct fixture *f, const char *name, const char **path)
{
	void *lib;

	*path = xb_arena_printf(&f->arena, "%s/%s", f->dir, name);
	shell("objcopy -S %s %s", sample_path(&f->arena, "libelfsample.so"), *path);
	lib = dlopen(*path, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		fail_msg("%s", dlerror());
	return lib;
}

static void test_refresh_follows_dlopen(void **state)
{
	struct fixture *f = *state;
	struct xb_object *before = xb_loaded_main(f->l), *o;
	struct xb_image *image_before, *image_after;
	struct xb_loaded_name name, inner;
	size_t count = xb_loaded_count(f->l);
	const char *path;
	void *lib = load_copy(f, "libcopy.so", &path);
	xb_addr add = (xb_addr)(uintptr_t)dlsym(lib, "sample_add"), vaddr, start, end, bias;
	xb_addr table = (xb_addr)(uintptr_t)dlsym(lib, "sample_table");
	struct xb_funcs *funcs;

	assert_ok(xb_object_image(before, &image_before));
	assert_null(xb_loaded_find(f->l, add, NULL));
	refresh(f);
	assert_int_equal(xb_loaded_count(f->l), count + 1);
	assert_ptr_equal(xb_loaded_main(f->l), before);
	assert_ok(xb_object_image(before, &image_after));
	assert_ptr_equal(image_before, image_after);
	o = xb_loaded_find(f->l, add, &vaddr);
	assert_non_null(o);
	assert_string_equal(o->path, path);
	assert_false(o->is_main);
	assert_true(xb_loaded_name(f->l, add, &name));
	assert_true(name.has_symbol);
	assert_string_equal(name.object, "libcopy.so");
	assert_int_equal(name.offset, 0);
	/* Data of the library too. */
	assert_ptr_equal(xb_loaded_find(f->l, table, &vaddr), o);
	assert_true(xb_loaded_name(f->l, table + 8, &name));
	assert_string_equal(name.name, "sample_table");
	assert_int_equal(name.offset, 8);
	/* hidden_sum() has no symbol any more: the function table knows its bounds. */
	assert_ok(xb_object_funcs(o, &funcs));
	assert_ok(xb_object_bias(o, &bias));
	for (size_t i = 0; i < xb_funcs_count(funcs); i++) {
		assert_true(xb_funcs_get(funcs, i, &start, &end));
		assert_true(xb_loaded_name(f->l, bias + start, &name));
		assert_true(xb_loaded_name(f->l, bias + end - 1, &inner));
		assert_ptr_equal(name.name, inner.name);
		assert_int_equal(inner.offset, end - 1 - start);
		if (!name.has_symbol) {
			assert_string_equal(name.name, xb_arena_printf(&f->arena, "libcopy.so+0x%llx",
								       (unsigned long long)start));
			assert_int_equal(name.vaddr, start);
		}
	}
	/* The library goes, its object stays as it was. */
	assert_int_equal(dlclose(lib), 0);
	refresh(f);
	assert_null(xb_loaded_find(f->l, add, NULL));
	assert_false(o->mapped);
	assert_string_equal(o->name, "libcopy.so");
	assert_true(before->mapped);
}

static void test_a_replaced_file_is_not_believed(void **state)
{
	struct fixture *f = *state;
	struct xb_loaded_opts opts = { .mem = f->mem }; /* no pid: by path only */
	struct xb_loaded_name name;
	struct xb_maps maps;
	struct xb_loaded *l;
	struct xb_image *img;
	struct xb_object *o;
	const char *path;
	void *lib = load_copy(f, "libreplaced.so", &path);
	xb_addr add = (xb_addr)(uintptr_t)dlsym(lib, "sample_add"), vaddr;

	shell("cp %s %s/other && mv %s/other %s", sample_path(&f->arena, "elfsample"), f->dir, f->dir,
	      path);
	assert_ok(xb_proc_maps(getpid(), &f->arena, &maps));
	/* As if the kernel had not told. */
	for (size_t i = 0; i < maps.len; i++)
		maps.lines[i].deleted = false;
	assert_ok(xb_loaded_create(&opts, &l));
	assert_ok(xb_loaded_refresh(l, &maps));
	o = xb_loaded_find(l, add, &vaddr);
	assert_non_null(o);
	assert_int_equal(vaddr, XB_NO_VADDR);
	assert_err(xb_object_image(o, &img), XB_ERR_BAD_FILE, "is not the file that is mapped");
	assert_err(xb_object_image(o, &img), XB_ERR_BAD_FILE, "is not the file that is mapped");
	assert_true(xb_loaded_name(l, add, &name));
	assert_string_equal(name.name, "libreplaced.so");
	assert_false(name.has_symbol);
	assert_int_equal(name.vaddr, XB_NO_VADDR);
	xb_loaded_destroy(l);
	/* The way through the kernel leads to the mapped file, where we may go it. */
	refresh(f);
	o = xb_loaded_find(f->l, add, &vaddr);
	assert_non_null(o);
	assert_true(o->deleted);
	assert_true(xb_loaded_name(f->l, add, &name));
	assert_int_equal(name.has_symbol, vaddr != XB_NO_VADDR);
	if (geteuid() == 0 && vaddr != XB_NO_VADDR)
		assert_int_equal(name.offset, 0);
	dlclose(lib);
}

/* Made-up maps: any order of starts within a file, objects without end. */
static void test_strange_maps_are_bounded(void **state)
{
	enum { LINES = 5000 };
	struct xb_loaded_opts opts = { 0 };
	struct xb_map_line *lines = calloc(LINES, sizeof(*lines));
	struct xb_maps maps = { .lines = lines, .len = LINES };
	struct xb_loaded *l;
	xb_addr vaddr;

	(void)state;
	for (uint64_t i = 0; i < LINES; i++)
		lines[i] = (struct xb_map_line){ .start = i << 16,
						 .end = (i << 16) + 4096,
						 .inode = i + 1,
						 .exec = true,
						 .path = "/nowhere/at/all" };
	assert_ok(xb_loaded_create(&opts, &l));
	assert_err(xb_loaded_refresh(l, &maps), XB_ERR_LIMIT, "more than 4096 images");
	assert_int_equal(xb_loaded_count(l), 4096);
	assert_non_null(xb_loaded_find(l, 5 << 16, &vaddr));
	assert_int_equal(vaddr, XB_NO_VADDR);
	assert_null(xb_loaded_main(l));
	maps.len = 0;
	assert_ok(xb_loaded_refresh(l, &maps));
	assert_null(xb_loaded_find(l, 5 << 16, &vaddr));
	xb_loaded_destroy(l);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_program_is_main_and_knows_its_functions),
		cmocka_unit_test(test_every_object_has_an_image),
		cmocka_unit_test(test_addresses_of_nobody),
		cmocka_unit_test(test_refresh_follows_dlopen),
		cmocka_unit_test(test_a_replaced_file_is_not_believed),
		cmocka_unit_test(test_strange_maps_are_bounded),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
