#include "cli/opt.h"

#include "cli/optvalue.h"

#include <string.h>

struct cursor {
	int argc, at;
	char *const *argv;
};

static size_t table_len(const struct xb_opt *opts)
{
	size_t n = 0;

	while (opts[n].name != NULL)
		n++;
	return n;
}

struct found {
	const struct xb_opt *opt;
	void *into;
	size_t index;
};

static bool find(const struct xb_opt_parse *p, const char *name, size_t len, char letter,
		 struct found *ret)
{
	size_t index = 0;

	for (size_t g = 0; g < p->n_groups; g++) {
		for (const struct xb_opt *o = p->groups[g].opts; o->name != NULL; o++, index++) {
			bool hit = name != NULL
					   ? strlen(o->name) == len && memcmp(o->name, name, len) == 0
					   : o->letter == letter;

			if (hit) {
				*ret = (struct found){ o, p->groups[g].into, index };
				return true;
			}
		}
	}
	return false;
}

bool xb_opt_given(const struct xb_opt_parse *p, const char *name)
{
	struct found f = { 0 };

	xb_assert(find(p, name, strlen(name), 0, &f));
	return p->given[f.index];
}

static struct xb_error *unknown(const struct xb_opt_parse *p, const char *name, size_t len)
{
	const char **names;
	const char *near, *typed = xb_arena_strndup(p->arena, name, len);
	size_t n = 0;

	for (size_t g = 0; g < p->n_groups; g++)
		n += table_len(p->groups[g].opts);
	names = xb_arena_array(p->arena, n + 1, sizeof(*names));
	if (names == NULL || typed == NULL)
		return xb_error_nomem();
	n = 0;
	for (size_t g = 0; g < p->n_groups; g++) {
		for (const struct xb_opt *o = p->groups[g].opts; o->name != NULL; o++) {
			if (!o->hidden)
				names[n++] = o->name;
		}
	}
	near = xb_opt_suggest(typed, names);
	if (near == NULL)
		return xb_errorf(XB_ERR_USAGE, "unknown option --%s", typed);
	return xb_errorf(XB_ERR_USAGE, "unknown option --%s; did you mean --%s?", typed, near);
}

static bool takes_value(const struct xb_opt *o)
{
	return o->kind != XB_OPT_FLAG && o->kind != XB_OPT_COUNT;
}

static struct xb_error *store(struct xb_opt_parse *p, const struct found *f, const char *value)
{
	p->given[f->index] = true;
	return xb_opt_store(p->arena, f->opt, f->into, value);
}

static struct xb_error *needs_value(const struct xb_opt *o)
{
	return xb_errorf(XB_ERR_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
}

static struct xb_error *parse_long(struct xb_opt_parse *p, struct cursor *c, struct found *f)
{
	const char *word = c->argv[c->at] + 2;
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;

	if (!find(p, word, len, 0, f))
		return unknown(p, word, len);
	if (!takes_value(f->opt)) {
		if (value != NULL)
			return xb_errorf(XB_ERR_USAGE, "--%s takes no value", f->opt->name);
	} else if (value == NULL) {
		if (c->at + 1 >= c->argc)
			return needs_value(f->opt);
		value = c->argv[++c->at];
	}
	return store(p, f, value);
}

/* A group of letters; the first that takes a value takes the rest of the word, or the next one. */
static struct xb_error *parse_short(struct xb_opt_parse *p, struct cursor *c, struct found *f)
{
	for (const char *s = c->argv[c->at] + 1; *s != '\0'; s++) {
		if (!find(p, NULL, 0, *s, f)) {
			if ((unsigned char)*s < 0x21 || (unsigned char)*s > 0x7e)
				return xb_errorf(XB_ERR_USAGE, "unknown option in '%s'",
						 c->argv[c->at]);
			return xb_errorf(XB_ERR_USAGE, "unknown option -%c", *s);
		}
		if (!takes_value(f->opt)) {
			XB_TRY(store(p, f, NULL));
			continue;
		}
		if (s[1] != '\0')
			return store(p, f, s + 1);
		if (c->at + 1 >= c->argc)
			return needs_value(f->opt);
		return store(p, f, c->argv[++c->at]);
	}
	return NULL;
}

static struct xb_error *set_up(struct xb_opt_parse *p, int argc)
{
	size_t n = 0;

	for (size_t g = 0; g < p->n_groups; g++)
		n += table_len(p->groups[g].opts);
	p->given = xb_arena_array(p->arena, n + 1, sizeof(*p->given));
	p->args = xb_arena_array(p->arena, (size_t)argc + 1, sizeof(*p->args));
	if (p->given == NULL || p->args == NULL)
		return xb_error_nomem();
	for (size_t g = 0; g < p->n_groups; g++) {
		for (const struct xb_opt *o = p->groups[g].opts; o->name != NULL; o++) {
			if (o->def != NULL)
				XB_TRY(xb_opt_store(p->arena, o, p->groups[g].into, o->def));
		}
	}
	return NULL;
}

/* The first of the blank-separated @names that was given, or NULL. */
static const struct xb_opt *any_given(const struct xb_opt_parse *p, const char *names)
{
	while (*names != '\0') {
		size_t len = strcspn(names, " ");
		struct found f = { 0 };

		xb_assert(find(p, names, len, 0, &f));
		if (p->given[f.index])
			return f.opt;
		names += len;
		names += strspn(names, " ");
	}
	return NULL;
}

static struct xb_error *check_together(const struct xb_opt_parse *p)
{
	size_t index = 0;

	for (size_t g = 0; g < p->n_groups; g++) {
		for (const struct xb_opt *o = p->groups[g].opts; o->name != NULL; o++, index++) {
			const struct xb_opt *other;

			if (!p->given[index])
				continue;
			other = o->not_with != NULL ? any_given(p, o->not_with) : NULL;
			if (other != NULL)
				return xb_errorf(XB_ERR_USAGE, "--%s and --%s cannot be used together",
						 o->name, other->name);
			if (o->needs != NULL && any_given(p, o->needs) == NULL)
				return xb_errorf(XB_ERR_USAGE, "--%s makes sense only with --%.*s",
						 o->name, (int)strcspn(o->needs, " "), o->needs);
		}
	}
	return NULL;
}

static bool is_stop(const struct xb_opt *o, const char *const *stop_at)
{
	for (; stop_at != NULL && *stop_at != NULL; stop_at++) {
		if (strcmp(o->name, *stop_at) == 0)
			return true;
	}
	return false;
}

struct xb_error *xb_opt_parse(struct xb_opt_parse *p, int argc, char *const *argv,
			      const char *const *stop_at)
{
	struct cursor c = { .argc = argc, .argv = argv, .at = 1 };
	bool only_args = false;

	XB_TRY(set_up(p, argc));
	for (; c.at < c.argc; c.at++) {
		const char *word = argv[c.at];
		struct found f = { 0 };

		if (only_args || word[0] != '-' || word[1] == '\0') {
			p->args[p->n_args++] = word;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			only_args = true;
			continue;
		}
		XB_TRY(word[1] == '-' ? parse_long(p, &c, &f) : parse_short(p, &c, &f));
		if (f.opt != NULL && is_stop(f.opt, stop_at)) {
			p->stopped = true;
			return NULL;
		}
	}
	return check_together(p);
}
