/* vm/jitlist: a list built byte for byte as beam_jit_metadata.cpp does, whole and damaged. */
#include <stdio.h>

#include "jitlist_image.h"

enum { FRAGMENTS = 0x7f0000000000, CODE = 0x7f0000100000 };

static struct image *typical(void)
{
	struct image *im = image_create();

	(void)image_fragments(im, FRAGMENTS);
	(void)image_emulator(im, 1, FRAGMENTS + 0x44);
	(void)image_module(im, CODE, "one");
	(void)image_module(im, CODE + 0x1000, "two");
	(void)image_module(im, CODE + 0x2000, "global");
	return im;
}

static void test_whole(void **state)
{
	struct image *im = typical();
	struct xb_jitlist list = XB_JITLIST_INIT;
	const struct xb_jitlist_opts lines = { .lines = true };
	const struct xb_jitrange *r;

	(void)state;
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_int_equal(list.len, 5);
	assert_int_equal(list.n_ranges, 3 + 4 * 3);
	assert_int_equal(list.broken, 0);
	assert_false(list.cut || list.moving);
	assert_true(list.entries[0]->fragments);
	assert_int_equal(list.entries[1]->kind, XB_JITENTRY_EMULATOR);
	assert_string_equal(list.entries[2]->name, "one");
	assert_int_equal(list.entries[3]->base, CODE + 0x1000);
	assert_int_equal(list.entries[3]->code_size, 0x200);
	assert_false(list.entries[4]->fragments); /* the Erlang module of that name */
	r = &list.entries[3]->ranges[2];
	assert_int_equal(r->start, CODE + 0x10b0);
	assert_int_equal(r->end, CODE + 0x1180);
	assert_string_equal(r->name, "two:f/1");
	assert_int_equal(r->name_len, 7);
	assert_int_equal(r->n_lines, 2);
	assert_null(r->lines);

	assert_ok(xb_jitlist_read(&im->vm, &lines, &list));
	r = &list.entries[3]->ranges[2];
	assert_int_equal(r->lines[0].pc, CODE + 0x10c0);
	assert_int_equal(r->lines[0].line, 7);
	assert_string_equal(r->lines[0].file, "a.erl");
	assert_int_equal(r->lines[1].pc, CODE + 0x1100);
	assert_int_equal(r->lines[1].line, 99);
	assert_int_equal(r->lines[1].file_len, 7);
	assert_string_equal(r->lines[1].file, "b\xc3\xa9.hrl");
	xb_jitlist_deinit(&list);
	image_free(im);
}

static void test_fragments(void **state)
{
	static const struct {
		xb_addr at;
		const char *name;
	} cases[] = {
		{ FRAGMENTS, "global::first" },
		{ FRAGMENTS + 0xff, "global::first" },
		{ FRAGMENTS + 0x100, "global::second" },
		{ FRAGMENTS + 0x2ff, "global::third" },
		{ FRAGMENTS + 0x300, NULL },
		{ FRAGMENTS - 1, NULL },
		{ CODE + 0x2000, NULL },
		{ 0, NULL },
	};
	struct image *im = typical();
	struct xb_jitlist list = XB_JITLIST_INIT;

	(void)state;
	assert_null(xb_jitlist_fragment(&list, FRAGMENTS));
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		const struct xb_jitrange *r = xb_jitlist_fragment(&list, cases[i].at);

		assert_int_equal(r != NULL, cases[i].name != NULL);
		if (r != NULL)
			assert_string_equal(r->name, cases[i].name);
	}
	xb_jitlist_deinit(&list);
	image_free(im);
}

static void test_emulator(void **state)
{
	struct image *im = typical();
	struct xb_jitlist list = XB_JITLIST_INIT;

	(void)state;
	assert_true(xb_jitlist_emulator_agrees(&im->vm, &list)); /* says nothing */
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_true(list.has_emulator);
	assert_int_equal(list.frame_layout, 1);
	assert_int_equal(list.normal_exit, FRAGMENTS + 0x44);
	assert_false(xb_jitlist_emulator_agrees(&im->vm, &list));
	im->vm.roots.value[XB_ROOT_NORMAL_EXIT] = FRAGMENTS + 0x44;
	assert_false(xb_jitlist_emulator_agrees(&im->vm, &list));
	im->vm.id.frame_pointers = true;
	assert_true(xb_jitlist_emulator_agrees(&im->vm, &list));
	list.frame_layout = 2;
	assert_false(xb_jitlist_emulator_agrees(&im->vm, &list));
	xb_jitlist_deinit(&list);
	image_free(im);
}

static void test_update(void **state)
{
	struct image *im = typical();
	struct xb_jitlist list = XB_JITLIST_INIT;
	const struct xb_jitentry *kept, *old;
	unsigned reads;
	bool changed;

	(void)state;
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	kept = list.entries[2];
	reads = im->reads;
	assert_ok(xb_jitlist_update(&im->vm, &list, &changed));
	assert_false(changed);
	assert_true(im->reads - reads <= 3);

	/* A second version where the first was: the newer one is found, both are listed. */
	old = xb_jitlist_module(&list, CODE);
	assert_string_equal(old->name, "one");
	(void)image_module(im, CODE, "three");
	assert_ok(xb_jitlist_is_stale(&im->vm, &list, &changed));
	assert_true(changed);
	assert_ok(xb_jitlist_update(&im->vm, &list, &changed));
	assert_true(changed);
	assert_int_equal(list.len, 6);
	assert_ptr_equal(list.entries[2], kept);
	assert_string_equal(xb_jitlist_module(&list, CODE)->name, "three");
	assert_null(xb_jitlist_module(&list, CODE + 8));
	assert_non_null(xb_jitlist_fragment(&list, FRAGMENTS));
	xb_jitlist_deinit(&list);
	image_free(im);
}

/* What later releases do: take @node off the list. */
static void take_off(struct image *im, xb_addr node)
{
	xb_addr next, prev;

	memcpy(&next, image_at(im, node), 8);
	memcpy(&prev, image_at(im, node + 8), 8);
	if (node == im->newest) {
		im->newest = next;
		image_put64(im, IMAGE_DESCRIPTOR + 16, next);
	} else {
		image_put64(im, prev, next);
	}
	if (next != 0)
		image_put64(im, next + 8, prev);
	image_put32(im, IMAGE_DESCRIPTOR + 4, 2);
	image_put64(im, IMAGE_DESCRIPTOR + 8, node);
}

static void test_taken_off(void **state)
{
	struct image *im = typical();
	struct xb_jitlist list = XB_JITLIST_INIT;
	bool changed;

	(void)state;
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	take_off(im, list.entries[3]->node); /* from the middle */
	assert_ok(xb_jitlist_update(&im->vm, &list, &changed));
	assert_true(changed);
	assert_int_equal(list.len, 4);
	assert_null(xb_jitlist_module(&list, CODE + 0x1000));
	take_off(im, list.entries[3]->node); /* the newest; its memory still looks like an entry */
	assert_ok(xb_jitlist_update(&im->vm, &list, &changed));
	assert_int_equal(list.len, 3);
	assert_null(xb_jitlist_module(&list, CODE + 0x2000));
	assert_false(list.cut);
	xb_jitlist_deinit(&list);
	image_free(im);
}

/* An entry whose node and text are used for another one of the same size. */
static void test_used_again(void **state)
{
	struct image *im = image_create();
	struct xb_jitlist list = XB_JITLIST_INIT;
	xb_addr node, symfile, next;

	(void)state;
	(void)image_module(im, CODE, "aaa");
	node = image_module(im, CODE + 0x1000, "bbb");
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	take_off(im, node);
	(void)image_module(im, CODE + 0x3000, "ddd");
	next = im->newest;
	memcpy(&symfile, image_at(im, node + 16), 8);
	image_put64(im, symfile + 8, CODE + 0x2000);
	image_put64(im, node, next);
	image_put64(im, next + 8, node);
	image_put64(im, IMAGE_DESCRIPTOR + 8, node);
	image_put64(im, IMAGE_DESCRIPTOR + 16, node);
	assert_ok(xb_jitlist_update(&im->vm, &list, NULL));
	assert_int_equal(list.len, 3);
	assert_null(xb_jitlist_module(&list, CODE + 0x1000));
	assert_non_null(xb_jitlist_module(&list, CODE + 0x2000));
	assert_non_null(xb_jitlist_module(&list, CODE + 0x3000));
	xb_jitlist_deinit(&list);
	image_free(im);
}

static unsigned loads_left;

/* Code is loaded while the text of entries is read. */
static void load_more(struct image *im, xb_addr at)
{
	if (at == IMAGE_DESCRIPTOR || loads_left == 0)
		return;
	loads_left--;
	(void)image_module(im, CODE + 0x10000 + 0x1000 * (uint64_t)loads_left, "late");
}

static void test_moving(void **state)
{
	struct image *im = typical();
	struct xb_jitlist list = XB_JITLIST_INIT;

	(void)state;
	im->before_read = load_more;
	loads_left = 3;
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_int_equal(loads_left, 0);
	assert_int_equal(list.len, 8); /* nothing missed, nothing twice */
	assert_false(list.moving);
	loads_left = 500; /* more than we are ready to run after */
	assert_ok(xb_jitlist_update(&im->vm, &list, NULL));
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_true(list.moving || loads_left == 0);
	assert_true(list.len >= 8);
	for (size_t i = 1; i < list.len; i++)
		assert_int_equal(list.entries[i]->next, list.entries[i - 1]->node);
	xb_jitlist_deinit(&list);
	image_free(im);
}

static void test_cycles(void **state)
{
	struct xb_jitlist list = XB_JITLIST_INIT;

	(void)state;
	for (unsigned to = 0; to < 4; to++) {
		struct image *im = image_create();
		xb_addr node[4];

		for (unsigned i = 0; i < 4; i++)
			node[i] = image_module(im, CODE + 0x1000 * (uint64_t)i, "m");
		image_put64(im, node[0], node[to]); /* the oldest leads back */
		image_put64(im, node[3] + 8, node[0]);
		im->reads = 0;
		assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
		assert_true(list.cut);
		assert_int_equal(list.len, 4);
		assert_true(im->reads < 200);
		image_free(im);
	}
	xb_jitlist_deinit(&list);
}

static void test_damaged_nodes(void **state)
{
	static const struct {
		unsigned field; /* of the node in the middle */
		uint64_t value;
		size_t len, broken;
		bool cut;
	} cases[] = {
		{ 0, 1, 1, 0, true },                            /* unaligned */
		{ 0, 0x1000, 1, 0, true },                       /* unmapped */
		{ 0, UINT64_MAX - 7, 1, 0, true },               /* wraps */
		{ 0, IMAGE_BASE + IMAGE_SIZE - 16, 1, 0, true }, /* half there */
		{ 16, 0, 3, 1, false },                          /* no text */
		{ 16, UINT64_MAX - 4, 3, 1, false },             /* wraps */
		{ 24, 0, 3, 1, false },                          /* empty */
		{ 24, 31, 3, 1, false },                         /* shorter than any */
		{ 24, 40, 3, 1, false },                         /* cut inside a range */
		{ 24, UINT64_MAX, 3, 1, false },                 /* longer than memory */
		{ 24, (uint64_t)65 << 20, 3, 1, false },         /* longer than we believe */
		{ 24, IMAGE_SIZE, 3, 1, false },                 /* longer than the target */
	};

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		struct xb_jitlist list = XB_JITLIST_INIT;
		struct image *im = image_create();
		xb_addr node;

		(void)image_module(im, CODE, "old");
		node = image_module(im, CODE + 0x1000, "mid");
		if (cases[i].field == 0) /* cut behind it */
			im->newest = node;
		else
			(void)image_module(im, CODE + 0x2000, "new");
		image_put64(im, node + cases[i].field, cases[i].value);
		assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
		assert_int_equal(list.len, cases[i].len);
		assert_int_equal(list.broken, cases[i].broken);
		assert_int_equal(list.cut, cases[i].cut);
		if (cases[i].broken == 1) {
			assert_int_equal(list.entries[1]->kind, XB_JITENTRY_BROKEN);
			assert_int_equal(list.entries[1]->n_ranges, 0);
			assert_null(xb_jitlist_module(&list, CODE + 0x1000));
		}
		xb_jitlist_deinit(&list);
		image_free(im);
	}
}

static void test_damaged_text(void **state)
{
	static const struct {
		unsigned at, width;
		uint64_t value;
	} cases[] = {
		{ 0, 4, 2 },               /* kind */
		{ 8, 8, UINT64_MAX - 16 }, /* base + size wraps */
		{ 16, 4, UINT32_MAX },     /* ranges */
		{ 16, 4, 5 },              /* one range more than there is */
		{ 24, 2, 0 },              /* name without NUL */
		{ 24, 2, UINT16_MAX },     /* name longer than the text */
		{ 24, 2, 3 },              /* name not ended */
		{ 36, 4, 0x81 },           /* start behind end */
		{ 40, 4, 0x201 },          /* end behind the code */
		{ 44, 4, UINT32_MAX },     /* lines */
		{ 44, 4, 1 },              /* lines that are no lines */
		{ 48, 2, 0 },              /* range name */
		{ 48, 2, 5 },              /* not ended */
	};

	(void)state;
	for (size_t i = 0; i < XB_ARRAY_LEN(cases); i++) {
		struct xb_jitlist list = XB_JITLIST_INIT;
		struct image *im = image_create();
		xb_addr node = image_module(im, CODE, "mod"), symfile;

		memcpy(&symfile, image_at(im, node + 16), 8);
		/* The first range is right behind the header: 32 bytes and the name with its NUL. */
		image_put(im, symfile + cases[i].at, &cases[i].value, cases[i].width);
		assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
		if (list.broken != 1)
			fail_msg("case %zu is believed", i);
		xb_jitlist_deinit(&list);
		image_free(im);
	}
}

static void test_no_list(void **state)
{
	struct image *im = image_create();
	struct xb_jitlist list = XB_JITLIST_INIT;

	(void)state;
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list)); /* early in the start of a VM */
	assert_int_equal(list.len, 0);
	assert_false(list.cut || list.moving);
	image_put32(im, IMAGE_DESCRIPTOR, 7);
	assert_err(xb_jitlist_read(&im->vm, NULL, &list), XB_ERR_MISMATCH, "version 7");
	im->vm.roots.at[XB_ROOT_JIT_DESCRIPTOR].addr = 0x1000;
	assert_err(xb_jitlist_read(&im->vm, NULL, &list), XB_ERR_FAULT, "list of JIT code");
	im->gone = true;
	assert_err(xb_jitlist_read(&im->vm, NULL, &list), XB_ERR_GONE, "gone");
	im->vm.roots.at[XB_ROOT_JIT_DESCRIPTOR].addr = 0;
	assert_err(xb_jitlist_read(&im->vm, NULL, &list), XB_ERR_UNSUPPORTED, "interpreter");
	xb_jitlist_deinit(&list);
	image_free(im);
}

static void test_bounds(void **state)
{
	struct image *im = image_create();
	struct xb_jitlist list = XB_JITLIST_INIT;
	struct xb_jitlist_opts opts = { .max_entries = 3 };

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		(void)image_module(im, CODE + 0x1000 * (uint64_t)i, "m");
	assert_ok(xb_jitlist_read(&im->vm, &opts, &list));
	assert_int_equal(list.len, 3);
	assert_true(list.cut);
	assert_non_null(xb_jitlist_module(&list, CODE + 0x1000 * 599));
	opts = (struct xb_jitlist_opts){ .max_bytes = 1000 };
	assert_ok(xb_jitlist_read(&im->vm, &opts, &list));
	assert_true(list.cut);
	assert_true(list.len > 0 && list.bytes <= 1000);
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list)); /* several batches */
	assert_int_equal(list.len, 600);
	assert_false(list.cut);
	xb_jitlist_deinit(&list);
	image_free(im);
}

/* The VM cuts names at 1,023 bytes and lists what lay behind its buffer: a NUL inside is legal. */
static void test_nul_inside(void **state)
{
	static struct text t;
	struct image *im = image_create();
	struct xb_jitlist list = XB_JITLIST_INIT;

	(void)state;
	text_module(&t, CODE, 1, 0x10, "m");
	text_range_n(&t, 0, 0x10, 0, "ab\0cd", 5);
	(void)image_register(im, t.bytes, t.len);
	assert_ok(xb_jitlist_read(&im->vm, NULL, &list));
	assert_int_equal(list.broken, 0);
	assert_int_equal(list.entries[0]->ranges[0].name_len, 5);
	assert_memory_equal(list.entries[0]->ranges[0].name, "ab\0cd", 6);
	xb_jitlist_deinit(&list);
	image_free(im);
}

static uint32_t rnd(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* Bytes anywhere in the list change at random, also while it is read: whatever comes out stays inside its bounds. */
static uint32_t seed = 20251;

static void scribble(struct image *im, xb_addr at)
{
	static const unsigned char nasty[] = { 0, 1, 2, 4, 8, 16, 0x7f, 0x80, 0xff };
	uint32_t r = rnd(&seed);

	(void)at;
	if (r % 4 == 0)
		im->bytes[4096 + rnd(&seed) % (im->used - 4096)] = nasty[(r >> 8) % sizeof(nasty)];
}

static void touch(const struct xb_jitlist *list)
{
	size_t sum = 0;

	for (size_t i = 0; i < list->len; i++) {
		const struct xb_jitentry *e = list->entries[i];

		for (uint32_t k = 0; k < e->n_ranges; k++) {
			const struct xb_jitrange *r = &e->ranges[k];

			assert_true(r->start >= e->base && r->start <= r->end &&
				    r->end - e->base <= e->code_size);
			assert_int_equal(r->name[r->name_len], 0);
			for (uint32_t n = 0; r->lines != NULL && n < r->n_lines; n++)
				sum += strlen(r->lines[n].file) + r->name_len;
		}
	}
	assert_true(sum < SIZE_MAX);
}

static void test_fuzz(void **state)
{
	const struct xb_jitlist_opts lines = { .lines = true,
					       .max_bytes = 4 << 20,
					       .max_entries = 100 };
	struct xb_jitlist list = XB_JITLIST_INIT;
	unsigned broken = 0, cut = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct image *im = typical();

		for (uint32_t n = rnd(&seed) % 6; n > 0; n--)
			scribble(im, 0);
		im->before_read = round % 2 == 0 ? scribble : NULL;
		assert_ok(xb_jitlist_read(&im->vm, &lines, &list));
		touch(&list);
		(void)image_module(im, CODE + 0x5000, "next");
		assert_ok(xb_jitlist_update(&im->vm, &list, NULL));
		touch(&list);
		broken += list.broken > 0;
		cut += list.cut;
		image_free(im);
	}
	xb_jitlist_deinit(&list);
	assert_true(broken > 100 && cut > 10); /* it did reach what it is for */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),         cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_emulator),      cmocka_unit_test(test_update),
		cmocka_unit_test(test_taken_off),     cmocka_unit_test(test_used_again),
		cmocka_unit_test(test_moving),        cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_damaged_nodes), cmocka_unit_test(test_damaged_text),
		cmocka_unit_test(test_no_list),       cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_nul_inside),    cmocka_unit_test(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
