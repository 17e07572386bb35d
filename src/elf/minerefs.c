/*
 * The functions that refer to one address.
 *
 * In x86-64 code a reference is a 32-bit displacement that counts from the end of its instruction, and
 * between the displacement and that end there is at most an immediate of 1, 2 or 4 bytes:
 *
 *	vaddr of the displacement + 4 + {0, 1, 2, 4} + displacement == data
 *
 * A scan for that finds every reference and few other places; disassembly tells them apart.
 */
#include "elf/mine.h"

#include "base/rd.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

/* The budget is some seconds; crafted function bounds could otherwise make every candidate the whole
 * file. */
enum { MAX_FUNCTIONS = 1024, MAX_CANDIDATES = 65536, MAX_INSTRUCTIONS = 4 << 20 };

/* Places looked at together. */
enum { BLOCK = 256 };

XB_VEC(addr_list, xb_addr);
XB_VEC(ref_list, struct xb_ref);

struct job {
	struct xb_miner *miner;
	struct xb_image *img;
	struct xb_funcs *funcs;
	xb_addr data;
	size_t instructions; /* disassembled so far */
	bool absolute;       /* code may also name the address itself */
	struct addr_list places;
	struct ref_list refs;
	struct xb_refs result;
};

static bool add_place(struct job *job, xb_addr vaddr)
{
	if (job->places.len == MAX_CANDIDATES) {
		job->result.truncated = true;
		return true;
	}
	return addr_list_push(&job->places, vaddr);
}

/*
 * Does any of the BLOCK places from @p on, the first at vaddr @at, hold a displacement to @want + 4?
 * Four passes over aligned words instead of one over overlapping ones, which the compiler turns into
 * vector code.
 */
static bool block_may_hit(const unsigned char *p, uint32_t at, uint32_t want, uint32_t absolute)
{
	uint32_t words[BLOCK / 4], hit = 0;

	for (uint32_t phase = 0; phase < 4; phase++) {
		memcpy(words, p + phase, sizeof(words));
		for (uint32_t i = 0; i < BLOCK / 4; i++)
			hit |= (uint32_t)(want - at - phase - 4 * i - words[i] <= 4) |
			       (uint32_t)(words[i] == absolute);
	}
	return hit != 0;
}

/* Compares 32 bits only: @data is within 2 GiB of any code that can refer to it. */
static bool scan_segment(struct job *job, const struct xb_segment *seg)
{
	const unsigned char *p = xb_image_bytes(job->img, seg->vaddr, (size_t)seg->filesz);
	uint32_t want = (uint32_t)job->data - 4, at = (uint32_t)seg->vaddr;
	/* In a PIE nothing names the address itself; asking twice for one thing costs little. */
	uint32_t absolute = job->absolute ? (uint32_t)job->data : want - at;
	size_t n = p == NULL || seg->filesz < 4 ? 0 : (size_t)seg->filesz - 3;

	for (size_t i = 0; i < n; i++) {
		uint32_t word;

		if (i % BLOCK == 0 && n - i >= BLOCK &&
		    !block_may_hit(p + i, at + (uint32_t)i, want, absolute)) {
			i += BLOCK - 1;
			continue;
		}
		word = xb_load32(p, i);
		if (want - at - (uint32_t)i - word > 4 && !(job->absolute && word == absolute))
			continue;
		if (!add_place(job, seg->vaddr + i))
			return false;
	}
	return true;
}

/* How many operands of the function are @data; the first of them in @ret.  FAULT: the file lacks its
 * end. */
static struct xb_error *confirm(struct job *job, struct xb_arena *scratch, struct xb_ref *ret)
{
	unsigned kinds =
		XB_MINE_DATA | XB_MINE_LEA | (job->absolute ? XB_MINE_IMM | XB_MINE_FIELD : 0U);
	struct xb_operands ops;

	xb_arena_reset(scratch);
	XB_TRY(xb_mine_function(job->miner, job->img, ret->start, ret->end, kinds, scratch, &ops));
	job->instructions += ops.instructions + ops.undecoded;
	for (size_t i = 0; i < ops.len; i++) {
		const struct xb_operand *o = &ops.list[i];
		xb_addr target = o->kind == XB_MINE_IMM || o->kind == XB_MINE_FIELD ? (xb_addr)o->value
										    : o->target;

		if (target == job->data && ret->count++ == 0)
			ret->insn = o->insn;
	}
	return NULL;
}

static struct xb_error *confirm_all(struct job *job, struct xb_arena *scratch)
{
	xb_addr done = 0; /* end of the function looked at last; places ascend within a segment */
	xb_addr begun = 0;

	for (size_t i = 0; i < job->places.len; i++) {
		struct xb_ref ref = { 0 };
		struct xb_error *err;

		if (!xb_funcs_at(job->funcs, job->places.data[i], &ref.start, &ref.end)) {
			job->result.outside++;
			continue;
		}
		if (ref.start == begun && ref.end == done)
			continue;
		begun = ref.start;
		done = ref.end;
		if (job->refs.len == MAX_FUNCTIONS || job->instructions >= MAX_INSTRUCTIONS) {
			job->result.truncated = true;
			break;
		}
		err = confirm(job, scratch, &ref);
		if (err != NULL && xb_error_code(err) != XB_ERR_FAULT)
			return err;
		/* Bounds that the file has no code for are no bounds. */
		job->result.outside += err != NULL;
		xb_error_destroy(err);
		if (ref.count > 0 && !ref_list_push(&job->refs, ref))
			return xb_error_nomem();
	}
	return NULL;
}

static int compare_refs(const void *a, const void *b)
{
	const struct xb_ref *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static struct xb_error *run(struct job *job, struct xb_arena *arena, struct xb_arena *scratch)
{
	const struct xb_segment *segs;
	size_t n;

	segs = xb_image_segments(job->img, &n);
	for (size_t i = 0; i < n; i++) {
		if ((segs[i].flags & PF_X) != 0 && !scan_segment(job, &segs[i]))
			return xb_error_nomem();
	}
	XB_TRY(confirm_all(job, scratch));
	job->result.list = xb_arena_array(arena, job->refs.len, sizeof(*job->result.list));
	if (job->result.list == NULL)
		return xb_error_nomem();
	if (job->refs.len > 0) {
		memcpy(job->result.list, job->refs.data, job->refs.len * sizeof(*job->refs.data));
		qsort(job->result.list, job->refs.len, sizeof(*job->result.list), compare_refs);
	}
	job->result.len = job->refs.len;
	return NULL;
}

struct xb_error *xb_mine_find_refs(struct xb_miner *m, struct xb_image *img, struct xb_funcs *funcs,
				   xb_addr data, struct xb_arena *arena, struct xb_refs *ret)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena scratch = XB_ARENA_INIT;
	struct job job = {
		.miner = m,
		.img = img,
		.funcs = funcs,
		.data = data,
		.absolute = xb_image_type(img) == ET_EXEC,
	};
	struct xb_error *err = run(&job, arena, &scratch);

	addr_list_deinit(&job.places);
	ref_list_deinit(&job.refs);
	if (err == NULL)
		*ret = job.result;
	return err;
}
