/* Damaged sections of call-frame rows, and expressions without end: fewer answers, never a crash or a
 * hang. */
#include "xbtest.h"

#include "elf/cfi_decode.h"
#include "elf/dwexpr.h"
#include "elf/unwind.h"
#include "random.h"

#include <dwarf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	unsigned char *data;
	size_t len;
	size_t from[4], to[4], n; /* ranges worth damaging */
	xb_addr text, text_end;
};

static void load_file(const char *path, struct file *f)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t names = 0;
	Elf *elf;

	*f = (struct file){ .n = 0 };
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	f->len = (size_t)st.st_size;
	f->data = malloc(f->len);
	assert_non_null(f->data);
	assert_int_equal(read(fd, f->data, f->len), f->len);
	close(fd);
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)f->data, f->len);
	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn != NULL; scn = elf_nextscn(elf, scn)) {
		GElf_Shdr sh;
		const char *name;

		assert_non_null(gelf_getshdr(scn, &sh));
		name = elf_strptr(elf, names, sh.sh_name);
		if (strcmp(name, ".text") == 0) {
			f->text = sh.sh_addr;
			f->text_end = sh.sh_addr + sh.sh_size;
		}
		if ((strcmp(name, ".eh_frame") == 0 || strcmp(name, ".eh_frame_hdr") == 0 ||
		     strcmp(name, ".debug_frame") == 0) &&
		    f->n < 4) {
			f->from[f->n] = sh.sh_offset;
			f->to[f->n++] = sh.sh_offset + sh.sh_size;
		}
	}
	elf_end(elf);
}

/* Find rows all over the text and step through each with arbitrary registers and a small stack. */
static size_t exercise(struct file *f, unsigned char *image, uint64_t *seed)
{
	uint64_t stack[64];
	struct xb_stack_slice slice = { .addr = 0x7000, .bytes = (void *)stack, .len = sizeof(stack) };
	struct xb_cfi *cfi = NULL;
	Elf *elf = elf_memory((char *)image, f->len);
	struct xb_error *err = xb_cfi_create(elf, NULL, &cfi);
	size_t found = 0;

	if (err != NULL) {
		xb_error_destroy(err);
		elf_end(elf);
		return 0;
	}
	for (unsigned i = 0; i < 64; i++)
		stack[i] = next_random(seed);
	for (unsigned i = 0; i < 40; i++) {
		struct xb_regs regs = { .valid = (1U << XB_REG_COUNT) - 1 };
		xb_addr pc = f->text + next_random(seed) % (f->text_end - f->text);
		const struct xb_cfi_row *row = xb_cfi_find(cfi, pc);

		for (unsigned r = 0; r < XB_REG_COUNT; r++)
			regs.r[r] = 0x7000 + next_random(seed) % 0x200;
		if (row == NULL)
			continue;
		found++;
		assert_true(pc >= row->start && pc < xb_cfi_row_end(row));
		(void)xb_unwind_step(row, &regs, &slice, NULL);
	}
	/* Bounded by the file: no row is smaller than an instruction that advances. */
	assert_true(xb_cfi_stats(cfi)->rows <= 40 * (size_t)XB_CFI_MAX_ROWS);
	xb_cfi_destroy(cfi);
	elf_end(elf);
	return found;
}

static void fuzz(const char *path, unsigned rounds)
{
	uint64_t seed = 0x9e3779b97f4a7c15ULL;
	size_t sound, damaged = 0;
	struct file f;
	unsigned char *image;

	load_file(path, &f);
	assert_true(f.n > 0);
	image = malloc(f.len);
	assert_non_null(image);
	memcpy(image, f.data, f.len);
	sound = exercise(&f, image, &seed);
	assert_true(sound > 20);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned hits = 1 + (unsigned)(next_random(&seed) % 24);

		memcpy(image, f.data, f.len);
		for (unsigned i = 0; i < hits; i++) {
			size_t k = next_random(&seed) % f.n;
			size_t at = f.from[k] + next_random(&seed) % (f.to[k] - f.from[k]);

			image[at] = (unsigned char)(next_random(&seed) % 3 == 0 ? 0xff
										: next_random(&seed));
		}
		/* Some of the headers too: sizes and offsets of segments. */
		if (round % 8 == 7)
			image[next_random(&seed) % 0x300] ^= (unsigned char)next_random(&seed);
		damaged += exercise(&f, image, &seed);
	}
	/* The damage must have been small enough that rows were still found, or nothing was tested. */
	assert_true(damaged > rounds * 4);
	free(image);
	free(f.data);
}

static void test_damaged_eh_frame(void **state)
{
	(void)state;
	fuzz(FIXTURE_FRAMES, 3000);
}

static void test_damaged_debug_frame(void **state)
{
	(void)state;
	fuzz(FIXTURE_FRAMES_DEBUG, 2000);
}

/* A register number of 2^32 - 1 must not become an allocation, nor loops in an expression a hang. */
static void test_expressions_are_bounded(void **state)
{
	static const unsigned char loop[] = { DW_OP_lit1, DW_OP_skip, 0xfc, 0xff };
	static const unsigned char spin[] = { DW_OP_skip, 0xfd, 0xff };
	static const unsigned char deref[] = { DW_OP_breg7, 8, DW_OP_deref };
	static const unsigned char cut[] = { DW_OP_const4u, 1, 2 };
	static const unsigned char plt[] = { DW_OP_breg7, 8,         DW_OP_breg16, 0,
					     DW_OP_lit15, DW_OP_and, DW_OP_lit11,  DW_OP_ge,
					     DW_OP_lit3,  DW_OP_shl, DW_OP_plus };
	uint64_t words[2] = { 7, 42 };
	struct xb_stack_slice slice = { .addr = 0x1000, .bytes = (void *)words, .len = sizeof(words) };
	struct xb_regs regs = { .r = { [XB_REG_RSP] = 0x1000, [XB_REG_RIP] = 0x40100b } };
	struct xb_dwexpr_ctx ctx = { .regs = &regs, .stack = &slice };
	struct xb_dwexpr_result res = { .value = 0 };
	Dwarf_Op ops[XB_DWEXPR_MAX_OPS];
	size_t n = 0;

	(void)state;
	regs.valid = 1U << XB_REG_RSP | 1U << XB_REG_RIP;
	assert_true(xb_dwexpr_decode(loop, sizeof(loop), 0, ops, &n));
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_MALFORMED);
	assert_true(xb_dwexpr_decode(spin, sizeof(spin), 0, ops, &n));
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_MALFORMED);
	assert_false(xb_dwexpr_decode(cut, sizeof(cut), 0, ops, &n));
	assert_true(xb_dwexpr_decode(deref, sizeof(deref), 0, ops, &n));
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_OK);
	assert_int_equal(res.value, 42);
	slice.len = 15;
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_FAULT);
	/* The rule of every lazy PLT slot: 8 more once the second push is done (pc & 15 >= 11). */
	assert_true(xb_dwexpr_decode(plt, sizeof(plt), 0, ops, &n));
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_OK);
	assert_int_equal(res.value, 0x1010);
	regs.r[XB_REG_RIP] = 0x401006;
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_OK);
	assert_int_equal(res.value, 0x1008);
	regs.valid = 1U << XB_REG_RSP;
	assert_int_equal(xb_dwexpr_run(&ctx, ops, n, 0, NULL, &res), XB_DWEXPR_NO_REG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_eh_frame),
		cmocka_unit_test(test_damaged_debug_frame),
		cmocka_unit_test(test_expressions_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
