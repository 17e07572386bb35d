#include "view/kallsyms.h"

#include "base/arena.h"
#include "base/vec.h"

#include <stdio.h>
#include <string.h>

struct symbol {
	xb_addr addr;
	const char *name;
};

XB_VEC(symbols, struct symbol);

struct xb_kallsyms {
	struct symbols list; /* ascending */
	struct xb_arena names;
};

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* "ffffffff81000000 T _text" */
static void parse_line(struct xb_kallsyms *k, const char *line)
{
	unsigned long long addr;
	char type, name[256];
	const char *copy;

	if (sscanf(line, "%llx %c %255s", &addr, &type, name) != 3 || addr == 0 ||
	    (type != 't' && type != 'T'))
		return;
	copy = xb_arena_strndup(&k->names, name, strlen(name));
	if (copy != NULL)
		(void)!symbols_push(&k->list, (struct symbol){ addr, copy });
}

struct xb_kallsyms *xb_kallsyms_load(void)
{
	struct xb_kallsyms *k = calloc(1, sizeof(*k));
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512];

	while (k != NULL && f != NULL && fgets(line, sizeof(line), f) != NULL)
		parse_line(k, line);
	if (f != NULL)
		(void)fclose(f);
	if (k != NULL && k->list.len > 1)
		qsort(k->list.data, k->list.len, sizeof(*k->list.data), by_addr);
	return k;
}

void xb_kallsyms_destroy(struct xb_kallsyms *k)
{
	if (k == NULL)
		return;
	symbols_deinit(&k->list);
	xb_arena_deinit(&k->names);
	free(k);
}

const char *xb_kallsyms_name(const struct xb_kallsyms *k, xb_addr addr)
{
	size_t lo = 0, hi;

	if (k == NULL || k->list.len == 0)
		return NULL;
	hi = k->list.len;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->list.data[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == 0 ? NULL : k->list.data[lo - 1].name;
}
