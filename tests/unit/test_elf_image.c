#include "elftest.h"

#include "elf/image.h"

#include <elf.h>
#include <sys/auxv.h>

struct fixture {
	struct xb_arena arena;
	char *dir;
	const char *sample;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = scratch_create(&f->arena);
	f->sample = sample_path(&f->arena, "elfsample");
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

/* Lies at the same vaddr + bias as the bytes in the file. */
static const char landmark[] = "a landmark in .rodata of the test program itself";

static void test_own_bytes_are_those_in_memory(void **state)
{
	struct xb_image *img;
	struct xb_section s;
	const unsigned char *p;
	xb_addr bias;
	const char *in_file;

	(void)state;
	assert_ok(xb_image_open("/proc/self/exe", &img));
	assert_string_equal(xb_image_path(img), "/proc/self/exe");
	assert_false(xb_image_is_stripped(img));
	assert_false(xb_image_is_debug_only(img));
	assert_true(xb_image_section(img, ".rodata", &s));
	assert_int_equal(s.size, s.len);
	in_file = memmem(s.data, s.len, landmark, sizeof(landmark));
	assert_non_null(in_file);
	bias = (uintptr_t)landmark - (s.vaddr + (uint64_t)(in_file - (const char *)s.data));
	assert_int_equal(bias % 4096, 0);
	p = xb_image_bytes(img, (uintptr_t)landmark - bias, sizeof(landmark));
	assert_non_null(p);
	assert_memory_equal(p, landmark, sizeof(landmark));
	xb_image_close(img);
}

static void test_segments_bound_the_bytes(void **state)
{
	struct fixture *f = *state;
	const struct xb_segment *segs;
	struct xb_section bss, text;
	struct xb_image *img;
	size_t n, code = 0;

	assert_ok(xb_image_open(f->sample, &img));
	segs = xb_image_segments(img, &n);
	assert_true(n >= 2 && n <= 8);
	for (size_t i = 0; i < n; i++) {
		const struct xb_segment *s = &segs[i];

		code += (s->flags & PF_X) != 0;
		assert_true(s->filesz <= s->memsz);
		assert_ptr_equal(xb_image_segment_at(img, s->vaddr), s);
		assert_ptr_equal(xb_image_segment_at(img, s->vaddr + s->memsz - 1), s);
		assert_non_null(xb_image_bytes(img, s->vaddr, (size_t)s->filesz));
		assert_null(xb_image_bytes(img, s->vaddr, (size_t)s->filesz + 1));
		assert_null(xb_image_bytes(img, s->vaddr, SIZE_MAX));
		assert_non_null(xb_image_bytes(img, s->vaddr + s->filesz - 1, 1));
	}
	assert_int_equal(code, 1);
	assert_null(xb_image_segment_at(img, UINT64_MAX));
	assert_null(xb_image_bytes(img, UINT64_MAX, 1));
	assert_true(xb_image_section(img, ".bss", &bss));
	assert_true(bss.size > 0);
	assert_null(bss.data);
	assert_int_equal(bss.len, 0);
	assert_true(xb_image_section(img, ".text", &text));
	assert_memory_equal(xb_image_bytes(img, text.vaddr, text.len), text.data, text.len);
	assert_false(xb_image_section(img, ".nothing", &text));
	assert_false(xb_image_section_at(img, 0, &text));
	assert_false(xb_image_section_at(img, 100000, &text));
	xb_image_close(img);
}

static void test_build_id_and_debuglink(void **state)
{
	struct fixture *f = *state;
	const unsigned char *id, *copy_id, *note;
	struct xb_image *img, *copy, *debug;
	xb_addr at;
	const char *link;
	size_t len, copy_len;
	uint32_t crc;

	shell("objcopy --only-keep-debug %s %s/s.debug", f->sample, f->dir);
	shell("cd %s && objcopy -S --add-gnu-debuglink=s.debug %s stripped", f->dir, f->sample);
	assert_ok(xb_image_open(f->sample, &img));
	assert_ok(xb_image_open(xb_arena_printf(&f->arena, "%s/stripped", f->dir), &copy));
	assert_ok(xb_image_open(xb_arena_printf(&f->arena, "%s/s.debug", f->dir), &debug));
	assert_true(xb_image_build_id(img, &id, &len));
	assert_int_equal(len, 20);
	assert_true(xb_image_build_id(copy, &copy_id, &copy_len));
	assert_int_equal(copy_len, len);
	assert_memory_equal(id, copy_id, len);
	assert_true(xb_image_build_id_vaddr(copy, &at));
	note = xb_image_bytes(copy, at, len);
	assert_non_null(note);
	assert_memory_equal(note, id, len);
	assert_false(xb_image_debuglink(img, &link, &crc));
	assert_true(xb_image_debuglink(copy, &link, &crc));
	assert_string_equal(link, "s.debug");
	assert_false(xb_image_is_stripped(img));
	assert_true(xb_image_is_stripped(copy));
	assert_false(xb_image_is_debug_only(copy));
	/* The program headers of a debug file describe bytes that are elsewhere. */
	assert_true(xb_image_is_debug_only(debug));
	assert_null(xb_image_bytes(debug, at, len));
	xb_image_close(img);
	xb_image_close(copy);
	xb_image_close(debug);
}

static void test_vdso_opens_from_memory(void **state)
{
	const unsigned char *vdso = (const unsigned char *)getauxval(AT_SYSINFO_EHDR); // NOLINT
	struct xb_section s;
	struct xb_image *img;

	(void)state;
	if (vdso == NULL)
		skip();
	assert_ok(xb_image_open_memory(vdso, 4096, "[vdso]", &img));
	assert_string_equal(xb_image_path(img), "[vdso]");
	assert_true(xb_image_section_of_type(img, SHT_DYNSYM, &s) || xb_image_section_count(img) == 0);
	assert_false(xb_image_file_id(img, &(dev_t){ 0 }, &(ino_t){ 0 }));
	xb_image_close(img);
}

static void test_what_is_no_elf_is_refused_with_the_reason(void **state)
{
	struct fixture *f = *state;
	char *path = xb_arena_printf(&f->arena, "%s/x", f->dir), *fifo, *bytes;
	struct xb_image *img;
	size_t len;

	assert_err(xb_image_open(path, &img), XB_ERR_SYS, "No such file");
	assert_err(xb_image_open(f->dir, &img), XB_ERR_BAD_FILE, "not a regular file");
	fifo = xb_arena_printf(&f->arena, "%s/fifo", f->dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_err(xb_image_open(fifo, &img), XB_ERR_BAD_FILE, "not a regular file");
	spill(path, "", 0);
	assert_err(xb_image_open(path, &img), XB_ERR_BAD_FILE, "not an ELF file");
	spill(path, "#!/bin/sh\n", 10);
	assert_err(xb_image_open(path, &img), XB_ERR_BAD_FILE, "not an ELF file");
	assert_err(xb_image_open_memory("", 0, "nothing", &img), XB_ERR_BAD_FILE, "nothing is empty");
	bytes = slurp(&f->arena, f->sample, &len);
	bytes[offsetof(Elf64_Ehdr, e_machine)] = (char)EM_AARCH64;
	spill(path, bytes, len);
	assert_err(xb_image_open(path, &img), XB_ERR_BAD_FILE,
		   "another machine (class 2, data 1, machine 183)");
	bytes[offsetof(Elf64_Ehdr, e_machine)] = EM_X86_64;
	bytes[EI_CLASS] = ELFCLASS32;
	assert_err(xb_image_open_memory(bytes, len, "x32", &img), XB_ERR_BAD_FILE, "another machine");
	bytes[EI_CLASS] = ELFCLASS64;
	bytes[EI_DATA] = ELFDATA2MSB;
	assert_err(xb_image_open_memory(bytes, len, "msb", &img), XB_ERR_BAD_FILE, "");
}

/* A file that shrinks after it was opened gives less, not SIGBUS. */
static void test_a_file_cut_while_open_gives_less(void **state)
{
	struct fixture *f = *state;
	char *path = xb_arena_printf(&f->arena, "%s/cut", f->dir), *bytes;
	struct xb_section s;
	struct xb_image *img;
	size_t len;

	bytes = slurp(&f->arena, f->sample, &len);
	spill(path, bytes, len);
	assert_ok(xb_image_open(path, &img));
	assert_int_equal(truncate(path, 4096), 0);
	assert_true(xb_image_section_count(img) > 0);
	if (xb_image_section(img, ".text", &s)) {
		assert_null(s.data);
		assert_null(xb_image_bytes(img, s.vaddr, (size_t)s.size));
	}
	xb_image_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_bytes_are_those_in_memory),
		cmocka_unit_test(test_segments_bound_the_bytes),
		cmocka_unit_test(test_build_id_and_debuglink),
		cmocka_unit_test(test_vdso_opens_from_memory),
		cmocka_unit_test(test_what_is_no_elf_is_refused_with_the_reason),
		cmocka_unit_test(test_a_file_cut_while_open_gives_less),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
