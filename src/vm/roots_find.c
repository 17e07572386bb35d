#include "vm/roots_find.h"

#include "base/rd.h"
#include "elf/image.h"
#include "mem/gather.h"
#include "vm/vm.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATA = 64 << 20, MAX_PARTS = 4, MAX_CANDIDATES = 4096, MAX_POINTERS = 1 << 16 };

struct part {
	xb_addr start; /* live */
	unsigned char *bytes;
	size_t size, len; /* bytes there are, and had */
};

struct xb_finder {
	const struct xb_vm_source *source;
	const struct xb_layout *layout;
	struct part part[MAX_PARTS];
	size_t n_parts, last; /* how many; where the last question was answered */
	bool copied;
	xb_addr image_start, image_end; /* all of the emulator's segments, live */
	struct xb_miner *miner;         /* created when first needed */
	struct xb_io *remote; /* what was fetched from outside the data; ascending addresses */
	size_t n_remote;
	uint64_t single[XB_FINDER_REMOTE_WORDS];
	struct xb_arena arena;
};

void xb_finder_use(struct xb_finder *f, const struct xb_layout *layout)
{
	f->layout = layout;
}

const struct xb_layout *xb_finder_layout(const struct xb_finder *f)
{
	return f->layout;
}

const struct xb_vm_source *xb_finder_source(const struct xb_finder *f)
{
	return f->source;
}

struct xb_miner *xb_finder_miner(struct xb_finder *f)
{
	if (f->miner == NULL)
		xb_error_destroy(xb_miner_create(&f->miner));
	return f->miner;
}

struct xb_arena *xb_finder_arena(struct xb_finder *f)
{
	return &f->arena;
}

void xb_finder_destroy(struct xb_finder *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_parts; i++)
		free(f->part[i].bytes);
	xb_miner_destroy(f->miner);
	xb_arena_deinit(&f->arena);
	free(f);
}

void xb_finder_refresh(struct xb_finder *f)
{
	f->copied = false;
	for (size_t i = 0; i < f->n_parts; i++)
		f->part[i].len = 0;
	f->n_remote = 0;
	xb_arena_reset(&f->arena);
}

/* In one go: all words of the copy are microseconds apart. */
static void copy(struct xb_finder *f)
{
	for (size_t i = 0; i < f->n_parts; i++) {
		struct part *p = &f->part[i];

		if (p->bytes == NULL)
			p->bytes = malloc(p->size);
		p->len = p->bytes == NULL ? 0 : xb_mem_try(f->source->mem, p->start, p->bytes, p->size);
	}
	f->copied = true;
}

struct xb_error *xb_finder_create(const struct xb_vm_source *source, struct xb_finder **ret)
{
	struct xb_finder *f = calloc(1, sizeof(*f));
	const struct xb_segment *seg;
	size_t n;

	if (f == NULL)
		return xb_error_nomem();
	f->source = source;
	seg = xb_image_segments(source->image, &n);
	f->image_start = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		f->image_start = XB_MIN(f->image_start, source->bias + seg[i].vaddr);
		f->image_end = XB_MAX(f->image_end, source->bias + seg[i].vaddr + seg[i].memsz);
	}
	for (size_t i = 0; i < n && f->n_parts < MAX_PARTS; i++) {
		if ((seg[i].flags & PF_W) != 0 && seg[i].memsz > 0 && seg[i].memsz <= MAX_DATA)
			f->part[f->n_parts++] = (struct part){ .start = source->bias + seg[i].vaddr,
							       .size = seg[i].memsz };
	}
	*ret = f;
	return NULL;
}

static inline bool holds(const struct part *p, xb_addr addr, size_t len)
{
	return addr >= p->start && addr - p->start < p->len && p->len - (addr - p->start) >= len;
}

/* The part of the data that holds @len bytes from @addr on, or NULL.  Most questions are about one part. */
static inline const struct part *part_of(struct xb_finder *f, xb_addr addr, size_t len)
{
	if (holds(&f->part[f->last], addr, len))
		return &f->part[f->last];
	if (!f->copied)
		copy(f);
	for (size_t i = 0; i < f->n_parts; i++) {
		if (!holds(&f->part[i], addr, len))
			continue;
		f->last = i;
		return &f->part[i];
	}
	return NULL;
}

bool xb_finder_in_data(struct xb_finder *f, xb_addr addr)
{
	return part_of(f, addr, 1) != NULL;
}

bool xb_finder_in_image(const struct xb_finder *f, xb_addr addr)
{
	return addr >= f->image_start && addr < f->image_end;
}

uint64_t xb_finder_word(struct xb_finder *f, xb_addr addr)
{
	const struct part *p = part_of(f, addr, 8);

	return p == NULL ? 0 : xb_load64(p->bytes, (size_t)(addr - p->start));
}

xb_addr xb_finder_next(struct xb_finder *f, xb_addr after, uint64_t value)
{
	if (!f->copied)
		copy(f);
	for (size_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->part[i];
		xb_addr from = after < p->start ? xb_align_up(p->start, 8) : after + 8;

		for (xb_addr a = from; a + 8 <= p->start + p->len; a += 8) {
			if (xb_load64(p->bytes, (size_t)(a - p->start)) == value)
				return a;
		}
	}
	return 0;
}

bool xb_finder_is_pointer(const struct xb_finder *f, uint64_t w)
{
	return w >= 4096 && w % 8 == 0 && w >> 47 == 0 && !xb_finder_in_image(f, w);
}

const xb_addr *xb_finder_pointers(struct xb_finder *f, unsigned align, size_t *n)
{
	xb_addr *at = xb_arena_array(&f->arena, MAX_POINTERS, sizeof(*at));

	*n = 0;
	if (!f->copied)
		copy(f);
	for (size_t i = 0; at != NULL && i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		for (size_t off = (size_t)(xb_align_up(p->start, 8) - p->start);
		     off + 8 <= p->len && *n < MAX_POINTERS; off += 8) {
			uint64_t w = xb_load64(p->bytes, off);

			if (w != 0 && w % align == 0 && xb_finder_is_pointer(f, w))
				at[(*n)++] = p->start + off;
		}
	}
	return at;
}

static int by_address(const void *a, const void *b)
{
	const struct xb_io *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The 32 bytes at @addr that lie outside the data; all zero when they cannot be read. */
const uint64_t *xb_finder_remote(struct xb_finder *f, xb_addr addr)
{
	static const uint64_t none[XB_FINDER_REMOTE_WORDS];
	const struct xb_io key = { .addr = addr };
	const struct xb_io *hit;

	hit = f->n_remote == 0 ? NULL
			       : bsearch(&key, f->remote, f->n_remote, sizeof(*f->remote), by_address);
	if (hit != NULL)
		return hit->got == hit->len ? hit->buf : none;
	if (xb_mem_try(f->source->mem, addr, f->single, sizeof(f->single)) < sizeof(f->single))
		return none;
	return f->single;
}

/*
 * Fetch in one go what the candidates of a scan point to, and what that points to.  Where memory for it is short,
 * xb_finder_remote() reads one by one.
 */
static void prefetch(struct xb_finder *f, const xb_addr *at, size_t n)
{
	struct xb_io *io = xb_arena_array(&f->arena, n + 1, sizeof(*io));
	uint64_t *words = xb_arena_array(&f->arena, n + 1, XB_FINDER_REMOTE_WORDS * 8);
	struct xb_error *err;

	f->n_remote = 0;
	if (io == NULL || words == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = at[i],
					.len = XB_FINDER_REMOTE_WORDS * 8,
					.buf = words + i * XB_FINDER_REMOTE_WORDS };
	err = xb_mem_gather(f->source->mem, io, n);
	if (err == NULL) {
		qsort(io, n, sizeof(*io), by_address);
		f->remote = io;
		f->n_remote = n;
	}
	xb_error_destroy(err);
}

/* For roots that are told by what they point to: @spec->points gives the address of a candidate, 0 for none. */
static void prefetch_pointed(struct xb_finder *f, const struct root_spec *spec)
{
	xb_addr *at = xb_arena_array(&f->arena, (size_t)2 * MAX_CANDIDATES, sizeof(*at));
	size_t n = 0, first;

	if (!f->copied)
		copy(f);
	for (size_t i = 0; at != NULL && i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		for (xb_addr a = xb_align_up(p->start, spec->align);
		     a + 8 <= p->start + p->len && n < MAX_CANDIDATES; a += spec->align) {
			xb_addr to = spec->points(f, a);

			if (to != 0)
				at[n++] = to;
		}
	}
	if (at == NULL || n == 0)
		return;
	prefetch(f, at, n);
	first = n;
	for (size_t i = 0; i < first; i++) {
		xb_addr next = xb_finder_remote(f, at[i])[0];

		if (xb_finder_is_pointer(f, next))
			at[n++] = next;
	}
	prefetch(f, at, n);
}

const char *xb_finder_literal(struct xb_finder *f, xb_addr addr, size_t len)
{
	const struct xb_segment *seg;
	const char *text;

	/* Nearly every word is refused here, without a look at the file. */
	if (addr < f->image_start || addr >= f->image_end)
		return NULL;
	seg = xb_image_segment_at(f->source->image, addr - f->source->bias);
	if (seg == NULL || (seg->flags & PF_W) != 0 || (seg->flags & PF_X) != 0)
		return NULL;
	text = (const char *)xb_image_bytes(f->source->image, addr - f->source->bias, len);
	return text != NULL && text[len - 1] == '\0' ? text : NULL;
}

xb_addr xb_finder_scan(struct xb_finder *f, const struct root_spec *spec, xb_addr expected,
		       size_t *hits)
{
	xb_addr first = 0, best = 0;
	size_t n_best = 0;
	bool seen = false;

	*hits = 0;
	if (!f->copied)
		copy(f);
	if (spec->points != NULL)
		prefetch_pointed(f, spec);
	for (size_t i = 0; i < f->n_parts; i++) {
		const struct part *p = &f->part[i];

		for (xb_addr a = xb_align_up(p->start, spec->align); a + 8 <= p->start + p->len;
		     a += spec->align) {
			if (!spec->looks(f, a))
				continue;
			(*hits)++;
			seen |= a == expected;
			if (first == 0)
				first = a;
			if (spec->is_beside != NULL && spec->is_beside(f, a)) {
				best = a;
				n_best++;
			}
		}
	}
	if (!seen && *hits > 1 && n_best == 1) {
		*hits = 1;
		return best;
	}
	return seen ? expected : first;
}
