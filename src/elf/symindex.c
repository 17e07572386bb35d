/*
 * Symbols by address.
 *
 *	sized    [====A====)        [====C====)
 *	nested       [=B=)
 *	unsized                x .............   ends where the next symbol begins or its section ends
 *
 * The index is a sorted array of spans; each knows the span around it, so that an address behind B but
 * still inside A climbs from B to A.
 */
#include "elf/symbols_impl.h"

#include <stdlib.h>
#include <string.h>

/* Real code nests once or twice; a crafted table must not make a lookup linear. */
enum { MAX_CLIMB = 32 };

struct key {
	xb_addr vaddr;
	uint32_t rank; /* smaller is better among aliases */
	uint32_t symbol;
};

static uint32_t alias_rank(const struct xb_symbol *y)
{
	size_t underscores = strspn(y->name, "_");

	return (uint32_t)(y->kind == XB_SYMBOL_OTHER) << 16 | (uint32_t)(y->size == 0) << 15 |
	       (uint32_t)y->bind << 12 | (uint32_t)XB_MIN(underscores, 15U) << 8 | y->source;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

/* No symbol reaches past its section, or past its segment where the section is not known. */
static xb_addr limit_of(const struct xb_symbols *s, const struct xb_symbol *y)
{
	const struct xb_symbol_origin *o = &s->origin[y->source];
	const struct xb_segment *seg = xb_image_segment_at(s->img, y->vaddr);
	xb_addr end = seg == NULL ? y->vaddr : seg->vaddr + seg->memsz;

	if (y->shndx < o->n_sections && o->sections[y->shndx].start <= y->vaddr &&
	    o->sections[y->shndx].end >= y->vaddr)
		end = XB_MIN(end, o->sections[y->shndx].end);
	return end;
}

static struct key *sorted_keys(const struct xb_symbols *s)
{
	struct key *keys = calloc(s->list.len + 1, sizeof(*keys));

	if (keys == NULL)
		return NULL;
	for (size_t i = 0; i < s->list.len; i++) {
		const struct xb_symbol *y = &s->list.data[i];

		keys[i] = (struct key){ y->vaddr, alias_rank(y), (uint32_t)i };
	}
	qsort(keys, s->list.len, sizeof(*keys), compare_keys);
	return keys;
}

/* The innermost span that is open at @vaddr, climbing from @from. */
static uint32_t open_span(const struct xb_symbols *s, uint32_t from, xb_addr vaddr)
{
	while (from != XB_SYMBOL_NONE && s->spans[from].end <= vaddr)
		from = s->spans[from].parent;
	return from;
}

static void build(struct xb_symbols *s, const struct key *keys)
{
	uint32_t last = XB_SYMBOL_NONE;

	for (size_t i = 0; i < s->list.len; i++) {
		struct xb_symbol *y = &s->list.data[keys[i].symbol];
		xb_addr limit = limit_of(s, y), end;
		uint32_t around;

		y->extent = y->size;
		if (i > 0 && keys[i - 1].vaddr == y->vaddr)
			continue; /* a worse alias */
		around = last = open_span(s, last, y->vaddr);
		if (y->size > 0) {
			if (__builtin_add_overflow(y->vaddr, y->size, &end) || end > limit)
				end = limit;
		} else if (around != XB_SYMBOL_NONE && s->list.data[s->spans[around].symbol].size > 0) {
			continue; /* a label inside a function */
		} else {
			end = limit;
		}
		/* An unsized symbol ends here. */
		if (around != XB_SYMBOL_NONE && s->list.data[s->spans[around].symbol].size == 0) {
			s->spans[around].end = y->vaddr;
			around = s->spans[around].parent;
		}
		if (around != XB_SYMBOL_NONE)
			end = XB_MIN(end, s->spans[around].end);
		if (end <= y->vaddr)
			continue;
		last = (uint32_t)s->n_spans++;
		s->spans[last] = (struct xb_symbol_span){ y->vaddr, end, keys[i].symbol, around };
	}
	for (size_t i = 0; i < s->n_spans; i++)
		s->list.data[s->spans[i].symbol].extent = s->spans[i].end - s->spans[i].start;
}

static bool make_index(struct xb_symbols *s)
{
	struct key *keys = sorted_keys(s);

	s->indexed = true;
	s->spans = calloc(s->list.len + 1, sizeof(*s->spans));
	if (keys != NULL && s->spans != NULL)
		build(s, keys);
	free(keys);
	return s->spans != NULL;
}

const struct xb_symbol *xb_symbols_at(struct xb_symbols *s, xb_addr vaddr)
{
	size_t lo = 0, hi;
	uint32_t at;

	if (!s->indexed && !make_index(s))
		return NULL;
	for (hi = s->n_spans; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->spans[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	at = (uint32_t)(lo - 1);
	for (unsigned i = 0; i < MAX_CLIMB && at != XB_SYMBOL_NONE; i++) {
		const struct xb_symbol_span *span = &s->spans[at];

		if (vaddr < span->end)
			return &s->list.data[span->symbol];
		at = span->parent;
	}
	return NULL;
}
