#include "cli/optvalue.h"

#include "base/num.h"
#include "base/str.h"
#include "out/units.h"

#include <inttypes.h>
#include <string.h>

static struct xb_error *out_of_range(const struct xb_opt *o, const char *value, const char *min,
				     const char *max)
{
	if (max == NULL)
		return xb_errorf(XB_ERR_USAGE, "--%s: '%s' is too small; at least %s", o->name, value,
				 min);
	return xb_errorf(XB_ERR_USAGE, "--%s: '%s' is out of range; from %s to %s", o->name, value, min,
			 max);
}

static bool within(const struct xb_opt *o, uint64_t n)
{
	return n >= o->min && (o->max == 0 || n <= o->max);
}

static struct xb_error *store_u64(const struct xb_opt *o, uint64_t *into, const char *value)
{
	uint64_t n;

	if (xb_num_u64(value, UINT64_MAX, &n) && within(o, n)) {
		*into = n;
		return NULL;
	}
	if (o->max != 0)
		return xb_errorf(XB_ERR_USAGE,
				 "--%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64,
				 o->name, value, o->min, o->max);
	return xb_errorf(XB_ERR_USAGE, "--%s: '%s' is not a whole number of at least %" PRIu64, o->name,
			 value, o->min);
}

static struct xb_error *store_duration(const struct xb_opt *o, uint64_t *into, const char *value)
{
	char min[XB_UNITS_MAX], max[XB_UNITS_MAX];
	uint64_t n;

	if (!xb_num_duration(value, &n))
		return xb_errorf(
			XB_ERR_USAGE,
			"--%s: '%s' is not a time; write a number with ns, us, ms, s, m or h, for "
			"instance 1.5s",
			o->name, value);
	if (!within(o, n))
		return out_of_range(o, value, xb_units_duration(o->min, min),
				    o->max != 0 ? xb_units_duration(o->max, max) : NULL);
	*into = n;
	return NULL;
}

static struct xb_error *store_bytes(const struct xb_opt *o, uint64_t *into, const char *value)
{
	char min[XB_UNITS_MAX], max[XB_UNITS_MAX];
	uint64_t n;

	if (!xb_num_bytes(value, &n))
		return xb_errorf(
			XB_ERR_USAGE,
			"--%s: '%s' is not a size; write a number of bytes, or one with K, M or G",
			o->name, value);
	if (!within(o, n))
		return out_of_range(o, value, xb_units_bytes(o->min, min),
				    o->max != 0 ? xb_units_bytes(o->max, max) : NULL);
	*into = n;
	return NULL;
}

static struct xb_error *store_enum(const struct xb_opt *o, unsigned *into, const char *value)
{
	xb_cleanup(xb_str_deinit) struct xb_str all = XB_STR_INIT;
	const char *near;

	for (unsigned i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(o->choices[i], value) == 0) {
			*into = i;
			return NULL;
		}
		xb_str_addf(&all, "%s%s",
			    i == 0                      ? ""
			    : o->choices[i + 1] == NULL ? " or "
							: ", ",
			    o->choices[i]);
	}
	near = xb_opt_suggest(value, o->choices);
	return xb_errorf(XB_ERR_USAGE, "--%s: '%s' is not %s%s%s%s", o->name, value, xb_str_get(&all),
			 near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			 near != NULL ? "'?" : "");
}

static struct xb_error *append(struct xb_arena *arena, struct xb_opt_list *list, const char *value)
{
	const char **items = xb_arena_array(arena, list->n + 1, sizeof(*items));

	if (items == NULL)
		return xb_error_nomem();
	if (list->n > 0)
		memcpy(items, list->items, list->n * sizeof(*items));
	items[list->n] = value;
	list->items = items;
	list->n++;
	return NULL;
}

struct xb_error *xb_opt_store(struct xb_arena *arena, const struct xb_opt *opt, void *into,
			      const char *value)
{
	void *field = (char *)into + opt->at;

	if (value != NULL && value[0] == '\0')
		return xb_errorf(XB_ERR_USAGE, "--%s: the value is empty; write --%s %s", opt->name,
				 opt->name, opt->arg);
	switch (opt->kind) {
	case XB_OPT_FLAG:
		*(bool *)field = true;
		return NULL;
	case XB_OPT_COUNT:
		++*(unsigned *)field;
		return NULL;
	case XB_OPT_U64:
		return store_u64(opt, field, value);
	case XB_OPT_DURATION:
		return store_duration(opt, field, value);
	case XB_OPT_BYTES:
		return store_bytes(opt, field, value);
	case XB_OPT_ENUM:
		return store_enum(opt, field, value);
	case XB_OPT_STRING:
		*(const char **)field = value;
		return NULL;
	case XB_OPT_LIST:
		return append(arena, field, value);
	}
	return NULL;
}

#define SUGGEST_MAX 40 /* longer words are not compared */

/* Edit distance with insertion, deletion, substitution and exchange of neighbours. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[3][SUGGEST_MAX + 1];

	if (n > SUGGEST_MAX || m > SUGGEST_MAX)
		return SUGGEST_MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3];
		const unsigned *up = row[(i - 1) % 3], *up2 = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			best = XB_MIN(best, up[j] + 1);
			best = XB_MIN(best, now[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = XB_MIN(best, up2[j - 2] + 1);
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

const char *xb_opt_suggest(const char *text, const char *const *names)
{
	const char *best = NULL, *prefix = NULL;
	unsigned least = (unsigned)XB_MIN(strlen(text) / 3 + 1, (size_t)3);
	size_t prefixes = 0;

	for (; *names != NULL; names++) {
		unsigned d = distance(text, *names);

		if (strlen(text) >= 2 && strncmp(text, *names, strlen(text)) == 0) {
			prefix = *names;
			prefixes++;
		}
		if (d < least || (d == least && best == NULL && d < strlen(text))) {
			best = *names;
			least = d;
		}
	}
	return prefixes == 1 ? prefix : best;
}
