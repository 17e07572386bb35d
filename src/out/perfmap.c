#include "out/perfmap.h"

#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

bool xb_perfmap_spell(const char *name, size_t name_len, struct xb_str *out)
{
	const char *end = name_len > 0 ? memchr(name, '\0', name_len) : NULL;
	bool escaped = false;

	if (end == NULL)
		end = name + name_len;
	xb_str_addc(out, '$');
	while (name < end) {
		const char *newline = memchr(name, '\n', (size_t)(end - name));

		if (newline == NULL) {
			xb_str_addn(out, name, (size_t)(end - name));
			break;
		}
		xb_str_addn(out, name, (size_t)(newline - name));
		xb_str_addn(out, "\\n", 2);
		escaped = true;
		name = newline + 1;
	}
	return escaped;
}

/* Hexadecimal without leading zeros; returns the length.  By hand: this is the inner loop. */
static size_t hex(uint64_t n, char buf[static 16])
{
	size_t len = n == 0 ? 1 : (size_t)(67 - __builtin_clzll(n)) / 4;

	for (size_t i = len; i > 0; i--, n >>= 4)
		buf[i - 1] = "0123456789abcdef"[n & 15];
	return len;
}

static bool add_line(struct xb_str *out, const struct xb_perfmap_entry *e)
{
	char head[2 + 16 + 1 + 16 + 1] = "0x";
	size_t len = 2;
	bool escaped;

	len += hex(e->addr, head + len);
	head[len++] = ' ';
	len += hex(e->size, head + len);
	head[len++] = ' ';
	xb_str_addn(out, head, len);
	escaped = xb_perfmap_spell(e->name, e->name_len, out);
	xb_str_addc(out, '\n');
	return escaped;
}

/* An entry sorted by address, with its place in time. */
struct placed {
	xb_addr start, end;
	size_t index;
};

static int by_start_newest_first(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->index > y->index ? -1 : x->index < y->index;
}

static struct placed place(const struct xb_perfmap_entry *entries, size_t index)
{
	const struct xb_perfmap_entry *e = &entries[index];
	struct placed p = { .start = e->addr, .index = index };

	if (__builtin_add_overflow(e->addr, e->size, &p.end))
		p.end = UINT64_MAX;
	return p;
}

/*
 * Sweep by address with the survivors so far on a stack: whoever meets an overlapping survivor either
 * outlives it (is newer) and takes its place, or dies.  Survivors never overlap, so only the topmost
 * ones can meet the next entry, and every entry is pushed and popped at most once: n log n for the
 * sort. An entry that dies against a middle-aged one which itself dies later would have survived
 * against the newest alone; the VM re-uses whole blobs, and a line too few is the safe side.  An empty
 * range shares no address with anybody: it dies only inside a newer range.
 */
static size_t drop_replaced(struct placed *sorted, size_t n, bool *dead)
{
	size_t top = 0, dropped = 0;

	qsort(sorted, n, sizeof(*sorted), by_start_newest_first);
	for (size_t i = 0; i < n; i++) {
		struct placed p = sorted[i];

		while (top > 0 && sorted[top - 1].end > p.start && sorted[top - 1].index < p.index &&
		       p.start < p.end) {
			dead[sorted[--top].index] = true;
			dropped++;
		}
		if (top > 0 && sorted[top - 1].end > p.start && sorted[top - 1].index > p.index &&
		    (p.start < p.end || sorted[top - 1].start < p.start)) {
			dead[p.index] = true;
			dropped++;
		} else if (p.start < p.end) {
			sorted[top++] = p; /* top <= i: the stack lives in the part already read */
		}
	}
	return dropped;
}

/* Entries [first, last) that follow each other without a gap: in practice one code blob. */
struct run {
	xb_addr start, end;
	size_t first, last;
	bool shared; /* has addresses in common with another run */
};

XB_VEC(runs, struct run);

static int by_start(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static bool find_runs(const struct xb_perfmap_entry *entries, size_t n, struct runs *runs)
{
	for (size_t i = 0; i < n; i++) {
		struct placed p = place(entries, i);

		if (runs->len > 0 && runs->data[runs->len - 1].end == p.start) {
			runs->data[runs->len - 1].end = p.end;
			runs->data[runs->len - 1].last = i + 1;
		} else if (!runs_push(runs, (struct run){ p.start, p.end, i, i + 1, false })) {
			return false;
		}
	}
	return true;
}

/* Marks the runs that meet another one and returns how many entries those have: none in most VMs, and
 * then the few hundred runs were all that had to be sorted. */
static size_t mark_shared(struct runs *runs)
{
	struct run *reach = NULL; /* of the runs so far the one that ends last */
	size_t n = 0;

	if (runs->len > 1)
		qsort(runs->data, runs->len, sizeof(*runs->data), by_start);
	for (size_t i = 0; i < runs->len; i++) {
		struct run *run = &runs->data[i];

		if (reach != NULL && run->start < reach->end)
			run->shared = reach->shared = true;
		if (reach == NULL || run->end > reach->end)
			reach = run;
	}
	for (size_t i = 0; i < runs->len; i++)
		n += runs->data[i].shared ? runs->data[i].last - runs->data[i].first : 0;
	return n;
}

/* Leaves *@ret_dead NULL where nothing was replaced; else an array the caller frees. */
static struct xb_error *find_replaced(const struct xb_perfmap_entry *entries, size_t n, bool **ret_dead,
				      size_t *ret_replaced)
{
	struct runs runs = { 0 };
	struct placed *sorted = NULL;
	bool *dead = NULL, enough = find_runs(entries, n, &runs);
	size_t shared = enough ? mark_shared(&runs) : 0, len = 0;

	if (shared > 0) {
		sorted = calloc(shared, sizeof(*sorted));
		dead = calloc(n, sizeof(*dead));
		enough = sorted != NULL && dead != NULL;
	}
	for (size_t i = 0; enough && i < runs.len; i++)
		for (size_t k = runs.data[i].first; runs.data[i].shared && k < runs.data[i].last; k++)
			sorted[len++] = place(entries, k);
	runs_deinit(&runs);
	if (!enough) {
		free(sorted);
		free(dead);
		return xb_error_nomem();
	}
	if (shared > 0)
		*ret_replaced = drop_replaced(sorted, shared, dead);
	*ret_dead = dead;
	free(sorted);
	return NULL;
}

struct xb_error *xb_perfmap_format(const struct xb_perfmap_entry *entries, size_t n,
				   enum xb_perfmap_keep keep, struct xb_str *out,
				   struct xb_perfmap_stats *ret_stats)
{
	struct xb_perfmap_stats stats = { 0 };
	bool *dead = NULL;

	if (keep == XB_PERFMAP_NEWEST)
		XB_TRY(find_replaced(entries, n, &dead, &stats.replaced));
	for (size_t i = 0; i < n; i++) {
		if (dead != NULL && dead[i])
			continue;
		stats.escaped += add_line(out, &entries[i]);
		stats.lines++;
	}
	free(dead);
	if (out->oom)
		return xb_error_nomem();
	if (ret_stats != NULL)
		*ret_stats = stats;
	return NULL;
}
