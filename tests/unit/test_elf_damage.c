/* Damaged ELF files: whatever is wrong with them, every function returns, and within its bounds. */
#include "elftest.h"

#include "elf/mine.h"
#include "elf/symbols.h"

enum { MUTATIONS = 2000 };

struct fixture {
	struct xb_arena arena;
	struct xb_miner *miner;
	char *bytes; /* the sample with .symtab, debuglink and .gnu_debugdata */
	size_t len;
	unsigned opened;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char *dir = scratch_create(&f->arena);
	const char *sample = sample_path(&f->arena, "elfsample");

	shell("cd %s && objcopy --strip-debug %s mini && xz -k mini && objcopy --strip-debug "
	      "--add-section .gnu_debugdata=mini.xz --add-gnu-debuglink=mini %s all",
	      dir, sample, sample);
	f->bytes = slurp(&f->arena, xb_arena_printf(&f->arena, "%s/all", dir), &f->len);
	scratch_destroy(dir);
	assert_ok(xb_miner_create(&f->miner));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	xb_miner_destroy(f->miner);
	xb_arena_deinit(&f->arena);
	free(f);
	return 0;
}

/* Repeatable on every machine. */
static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

static void touch(const unsigned char *p, size_t len)
{
	volatile unsigned char sum = 0;

	for (size_t i = 0; p != NULL && i < len; i++)
		sum = (unsigned char)(sum + p[i]);
}

static void use_image(struct xb_image *img)
{
	const struct xb_segment *segs;
	const unsigned char *id;
	struct xb_section s;
	const char *link;
	xb_addr vaddr;
	uint32_t crc;
	size_t n;

	segs = xb_image_segments(img, &n);
	assert_true(n <= 64);
	for (size_t i = 0; i < n; i++)
		touch(xb_image_bytes(img, segs[i].vaddr, (size_t)segs[i].filesz),
		      (size_t)segs[i].filesz);
	for (size_t i = 0; i < XB_MIN(xb_image_section_count(img), 64U); i++) {
		if (xb_image_section_read(img, i, &s)) {
			assert_true(strlen(s.name) < SIZE_MAX);
			touch(s.data, s.len);
		}
	}
	if (xb_image_build_id(img, &id, &n))
		touch(id, n);
	(void)xb_image_build_id_vaddr(img, &vaddr);
	if (xb_image_debuglink(img, &link, &crc))
		assert_true(strlen(link) > 0);
}

static void use_symbols(struct xb_image *img)
{
	struct xb_str text = XB_STR_INIT;
	struct xb_symbols *s;

	assert_ok(xb_symbols_load(img, NULL, &s));
	for (size_t i = 0; i < xb_symbols_count(s); i++) {
		const struct xb_symbol *y = xb_symbols_get(s, i), *at = xb_symbols_at(s, y->vaddr);

		assert_true(strlen(y->name) > 0);
		(void)xb_symbols_find(s, y->name);
		assert_non_null(xb_image_segment_at(img, y->vaddr));
		if (at != NULL)
			assert_true(y->vaddr >= at->vaddr && y->vaddr - at->vaddr < at->extent);
	}
	xb_symbols_explain(s, &text);
	assert_true(text.len > 0);
	xb_str_deinit(&text);
	xb_symbols_destroy(s);
}

static void use_functions(struct fixture *f, struct xb_image *img)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_funcs *funcs = NULL;
	struct xb_error *err = xb_funcs_load(img, &funcs);
	struct xb_operands ops;
	struct xb_refs refs;
	xb_addr start, end, s, e;

	if (err != NULL)
		assert_int_equal(xb_error_code(err), XB_ERR_BAD_FILE);
	xb_error_destroy(err);
	for (size_t i = 0; funcs != NULL && i < xb_funcs_count(funcs); i++) {
		if (!xb_funcs_get(funcs, i, &start, &end))
			continue;
		assert_true(start < end);
		if (xb_funcs_at(funcs, end - 1, &s, &e))
			assert_true(s < end && e >= end);
		if (i % 4 == 0) {
			err = xb_mine_function(f->miner, img, start, end, XB_MINE_ALL, &arena, &ops);
			xb_error_destroy(err);
		}
	}
	if (funcs != NULL)
		assert_ok(xb_mine_find_refs(f->miner, img, funcs, 0x4010, &arena, &refs));
	xb_funcs_destroy(funcs);
	xb_arena_deinit(&arena);
}

/* Exactly @len bytes on the heap, so that the sanitizer sees one too many. */
static void use(struct fixture *f, const char *bytes, size_t len)
{
	struct xb_image *img;
	struct xb_error *err = xb_image_open_memory(bytes, len, "damaged", &img);

	if (err != NULL) {
		assert_true(xb_error_code(err) == XB_ERR_BAD_FILE);
		xb_error_destroy(err);
		return;
	}
	f->opened++;
	use_image(img);
	use_symbols(img);
	use_functions(f, img);
	xb_image_close(img);
}

/* Bytes of the ELF header, the program headers and the section headers matter most: half of the hits.
 */
static size_t pick(const struct fixture *f, uint64_t *seed)
{
	uint64_t shoff;

	memcpy(&shoff, f->bytes + 40, sizeof(shoff));
	switch (next_random(seed) % 4) {
	case 0:
		return next_random(seed) % 1024;
	case 1:
		return (size_t)shoff + next_random(seed) % (uint32_t)(f->len - shoff);
	default:
		return next_random(seed) % (uint32_t)f->len;
	}
}

static void test_changed_bytes(void **state)
{
	struct fixture *f = *state;
	char *copy = malloc(f->len);
	uint64_t seed = 20240611;

	f->opened = 0;
	for (int i = 0; i < MUTATIONS; i++) {
		unsigned hits = 1 + next_random(&seed) % 8;

		memcpy(copy, f->bytes, f->len);
		for (unsigned k = 0; k < hits; k++) {
			static const unsigned char nasty[] = { 0, 1, 0x7f, 0x80, 0xff };
			size_t at = pick(f, &seed);
			uint32_t how = next_random(&seed) % 8;

			copy[at] = (char)(how < 5 ? nasty[how] : next_random(&seed));
		}
		use(f, copy, f->len);
	}
	free(copy);
	/* Most of them must have got past the header, or this tests nothing. */
	assert_true(f->opened > MUTATIONS / 2);
}

static void test_cut_files(void **state)
{
	struct fixture *f = *state;

	f->opened = 0;
	for (size_t len = 1; len < f->len; len += 1 + len / 40) {
		char *copy = malloc(len);

		memcpy(copy, f->bytes, len);
		use(f, copy, len);
		free(copy);
	}
	assert_true(f->opened > 0);
}

/* The same through a file, which libelf reads in another way. */
static void test_changed_files(void **state)
{
	struct fixture *f = *state;
	char *dir = scratch_create(&f->arena), *path = xb_arena_printf(&f->arena, "%s/x", dir);
	char *copy = malloc(f->len);
	uint64_t seed = 7;

	for (int i = 0; i < MUTATIONS / 10; i++) {
		struct xb_image *img;
		struct xb_error *err;

		memcpy(copy, f->bytes, f->len);
		for (int k = 0; k < 6; k++)
			copy[pick(f, &seed)] = (char)next_random(&seed);
		spill(path, copy, i % 3 == 0 ? next_random(&seed) % f->len : f->len);
		err = xb_image_open(path, &img);
		if (err == NULL) {
			use_image(img);
			use_symbols(img);
			use_functions(f, img);
			xb_image_close(img);
		}
		xb_error_destroy(err);
	}
	free(copy);
	scratch_destroy(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_cut_files),
		cmocka_unit_test(test_changed_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
