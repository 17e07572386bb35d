#include "layout/layout.h"

#include "base/str.h"
#include "layout/banner.h"
#include "layout/table.h"

#include <string.h>

/* DWARF numbers of the x86-64 registers a table may name. */
static const char *const reg_names[] = {
	"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};

int8_t xb_layout_reg_number(const char *name)
{
	for (size_t i = 0; name != NULL && i < XB_ARRAY_LEN(reg_names); i++) {
		if (strcmp(reg_names[i], name) == 0)
			return (int8_t)i;
	}
	return -1;
}

const char *xb_layout_reg_text(int reg)
{
	return reg >= 0 && (size_t)reg < XB_ARRAY_LEN(reg_names) ? reg_names[reg] : NULL;
}

static void from_table(const struct xb_layout_table *t, struct xb_layout *ret)
{
	*ret = (struct xb_layout){ .name = t->name,
				   .release = t->release,
				   .flavor = t->flavor,
				   .source_only = t->source_only,
				   .banner = t->banner };
	for (int f = 0; f < XB_F__COUNT; f++) {
		if (t->field[f].given)
			ret->field[f] =
				(struct xb_layout_place){ t->field[f].offset,
							  (uint16_t)t->field[f].width, XB_FROM_TABLE };
	}
	for (int s = 0; s < XB_S__COUNT; s++) {
		ret->size[s] = t->size[s].value;
		ret->size_from[s] = t->size[s].given ? XB_FROM_TABLE : XB_FROM_NOWHERE;
	}
	for (int k = 0; k < XB_K__COUNT; k++) {
		ret->konst[k] = t->konst[k].value;
		ret->has_konst[k] = t->konst[k].given;
		ret->konst_from[k] = t->konst[k].given ? XB_FROM_TABLE : XB_FROM_NOWHERE;
	}
	for (int r = 0; r < XB_R__COUNT; r++) {
		ret->reg[r] = xb_layout_reg_number(t->reg[r]);
		ret->reg_from[r] = ret->reg[r] >= 0 ? XB_FROM_TABLE : XB_FROM_NOWHERE;
	}
}

size_t xb_layout_n_builtin(void)
{
	return xb_layout_n_tables;
}

void xb_layout_builtin(size_t i, struct xb_layout *ret)
{
	xb_assert(i < xb_layout_n_tables);
	from_table(&xb_layout_tables[i], ret);
}

bool xb_layout_named(const char *name, struct xb_layout *ret)
{
	for (size_t i = 0; i < xb_layout_n_tables; i++) {
		if (strcmp(xb_layout_tables[i].name, name) == 0) {
			from_table(&xb_layout_tables[i], ret);
			return true;
		}
	}
	return false;
}

static bool is_new(const struct xb_layout_table *t)
{
	for (const struct xb_layout_table *u = xb_layout_tables; u < t; u++) {
		if (u->release == t->release && u->flavor == t->flavor)
			return false;
	}
	return true;
}

/* "25 jit, 25 emu, …" for the sentence that refuses. */
static void list_known(struct xb_str *s)
{
	for (size_t i = 0; i < xb_layout_n_tables; i++) {
		const struct xb_layout_table *t = &xb_layout_tables[i];

		if (is_new(t))
			xb_str_addf(s, "%s%u %s", i == 0 ? "" : ", ", t->release,
				    xb_flavor_name(t->flavor));
	}
}

static struct xb_error *unknown_options(unsigned release, uint64_t size, const struct xb_layout *other)
{
	/* Without symbols nothing says how large it is: only that no table for such structures was found. */
	if (size == 0)
		return xb_error_advise(
			xb_errorf(
				XB_ERR_NO_LAYOUT,
				"this OTP %u VM has no process table that table %s fits (structures of %llu bytes): it was built with other options, and shows no symbols",
				release, other->name, (unsigned long long)other->size[XB_S_Process]),
			"install the debug information of this build, the layout is then read from it");
	return xb_error_advise(
		xb_errorf(
			XB_ERR_NO_LAYOUT,
			"this OTP %u VM was built with options that move fields: its process structure has %llu bytes, table %s is for %llu",
			release, (unsigned long long)size, other->name,
			(unsigned long long)other->size[XB_S_Process]),
		"install the debug information of this build, the layout is then read from it");
}

struct xb_error *xb_layout_base(unsigned release, enum xb_flavor flavor, const char *banner,
				uint64_t (*process_size)(void *arg, const struct xb_layout *l),
				void *arg, struct xb_layout *ret, bool *ret_fits)
{
	struct xb_str known = XB_STR_INIT;
	struct xb_error *err;
	struct xb_layout l;
	bool any = false, stack = false;

	for (size_t i = 0; i < xb_layout_n_tables; i++) {
		const struct xb_layout_table *t = &xb_layout_tables[i];
		bool fits;

		if (t->release != release || t->flavor != flavor)
			continue;
		stack = true;
		/* Where the Erlang stack is decides everything, and no size tells. */
		if (banner != NULL && !xb_banner_same_stack(banner, t->banner))
			continue;
		from_table(t, &l);
		/* Builds with different options may have processes of one size. */
		fits = (banner == NULL || xb_banner_is(banner, t->banner)) &&
		       process_size(arg, &l) == l.size[XB_S_Process];
		if (fits || !any) {
			*ret = l;
			*ret_fits = fits;
		}
		if (fits)
			return NULL;
		any = true;
	}
	if (any)
		return NULL;
	if (stack)
		return xb_errorf(
			XB_ERR_NO_LAYOUT,
			"no layout table for an OTP %u JIT that keeps the Erlang stack as this one does: %s",
			release, banner);
	list_known(&known);
	err = xb_errorf(XB_ERR_NO_LAYOUT, "no layout table for OTP %u with the %s (known: %s)", release,
			flavor == XB_FLAVOR_JIT ? "JIT" : "interpreter", xb_str_get(&known));
	xb_str_deinit(&known);
	return err;
}

/* Smaller is nearer; an older release wins a tie. */
static unsigned distance(unsigned release, unsigned other)
{
	return other < release ? 2 * (release - other) - 1 : 2 * (other - release);
}

struct xb_error *xb_layout_nearest(unsigned release, enum xb_flavor flavor, uint64_t process_size,
				   struct xb_layout *ret, bool *ret_fits)
{
	const struct xb_layout_table *best = NULL;
	bool fits = false;

	for (size_t i = 0; i < xb_layout_n_tables && !fits; i++) {
		const struct xb_layout_table *t = &xb_layout_tables[i];

		if (t->flavor != flavor)
			continue;
		fits = t->release == release && t->size[XB_S_Process].value == process_size;
		if (fits || best == NULL ||
		    distance(release, t->release) < distance(release, best->release))
			best = t;
	}
	if (best == NULL)
		return xb_errorf(XB_ERR_NO_LAYOUT,
				 "there is no layout table for any release with the %s",
				 flavor == XB_FLAVOR_JIT ? "JIT" : "interpreter");
	from_table(best, ret);
	*ret_fits = fits;
	return NULL;
}

struct xb_error *xb_layout_for(unsigned release, enum xb_flavor flavor, const char *banner,
			       uint64_t (*process_size)(void *arg, const struct xb_layout *l),
			       void *arg, struct xb_layout *ret)
{
	struct xb_layout l;
	bool fits;

	XB_TRY(xb_layout_base(release, flavor, banner, process_size, arg, &l, &fits));
	if (!fits)
		return unknown_options(release, process_size(arg, &l), &l);
	*ret = l;
	return NULL;
}

void xb_layout_write_source(const struct xb_layout *l, struct xb_str *out)
{
	if (l->file != NULL) {
		xb_str_addf(out, "file %s", l->file);
		if (l->base != NULL)
			xb_str_addf(out, " (%u entries, the rest from table %s)", l->from_file,
				    l->base);
	} else if (l->from_dwarf == 0)
		xb_str_add(out, "table");
	else
		xb_str_addf(out, "DWARF (%u fields, %u differ from table)", l->from_dwarf,
			    l->dwarf_differs);
	if (l->source_only)
		xb_str_add(out, l->from_dwarf == 0 ? ", from source, not run"
						   : ", the rest from source, not run");
}

const char *xb_layout_field_name(enum xb_layout_field f)
{
	return xb_layout_field_specs[f].name;
}

const char *xb_layout_size_name(enum xb_layout_size s)
{
	return xb_layout_size_specs[s].name;
}

const char *xb_layout_reg_name(enum xb_layout_reg r)
{
	return xb_layout_reg_specs[r].name;
}

bool xb_layout_field_must(enum xb_layout_field f)
{
	return xb_layout_field_specs[f].must;
}

void xb_layout_field_path(enum xb_layout_field f, const char **ret_type, const char **ret_member)
{
	*ret_type = xb_layout_field_specs[f].ctype;
	*ret_member = xb_layout_field_specs[f].member;
}

const char *xb_layout_size_type(enum xb_layout_size s)
{
	return xb_layout_size_specs[s].ctype;
}

const char *xb_layout_field_check(enum xb_layout_field f)
{
	return xb_layout_field_specs[f].check;
}

const char *xb_provenance_name(enum xb_provenance from)
{
	switch (from) {
	case XB_FROM_NOWHERE:
		return "unknown";
	case XB_FROM_TABLE:
		return "table";
	case XB_FROM_DWARF:
		return "DWARF";
	case XB_FROM_FILE:
		return "file";
	case XB_FROM_USER:
		return "command line";
	}
	return "unknown";
}

const char *xb_flavor_name(enum xb_flavor flavor)
{
	return flavor == XB_FLAVOR_JIT ? "jit" : "emu";
}
