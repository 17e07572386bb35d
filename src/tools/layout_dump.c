#include "tools/layout_dump.h"

#include "elf/dwfile.h"
#include "elf/dwtypes.h"
#include "layout/banner.h"
#include "layout/from_dwarf.h"
#include "layout/text.h"
#include "out/text.h"
#include "tools/layout_rows.h"
#include "vm/identify.h"

#include <string.h>

/* What is known of the file before its types are read. */
struct source {
	struct xb_image *image;
	struct xb_symbols *symbols;
	Dwarf *dw;
	struct xb_identity id;
	bool identified; /* the file itself says which release it is */
};

static void close_source(struct source *s)
{
	if (s->dw != NULL)
		(void)dwarf_end(s->dw);
	xb_symbols_destroy(s->symbols);
	xb_image_close(s->image);
}

static struct xb_error *no_dwarf(const struct layout_opts *o, const struct source *s)
{
	struct xb_str why = XB_STR_INIT;
	struct xb_error *err;

	xb_symbols_explain(s->symbols, &why);
	while (why.len > 0 && why.data[why.len - 1] == '\n')
		why.data[--why.len] = '\0';
	err = xb_error_advise(
		xb_errorf(
			XB_ERR_NO_LAYOUT,
			"%s holds no debug information, and no separate debug file with some was found\n%s",
			o->from_dwarf, xb_str_get(&why)),
		"install the debug information of this build, or say with --debug-dir where it is");
	xb_str_deinit(&why);
	return err;
}

static struct xb_error *open_source(const struct layout_opts *o, struct source *s)
{
	struct xb_debug_opts debug = { .dir = o->target_opts.debug_dir };
	struct xb_error *err;

	XB_TRY(xb_image_open(o->from_dwarf, &s->image));
	XB_TRY(xb_symbols_load(s->image, &debug, &s->symbols));
	s->dw = xb_dwfile_open(s->image, s->symbols);
	if (s->dw == NULL)
		return no_dwarf(o, s);
	err = xb_identify(s->image, &s->id);
	s->identified = err == NULL;
	if (err != NULL && xb_error_code(err) == XB_ERR_NOT_BEAM) {
		xb_error_destroy(err);
		err = NULL;
	}
	return err;
}

static struct xb_error *process_size(Dwarf *dw, uint64_t *ret)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_dwtypes_want w = { .kind = XB_DWTYPES_TYPE,
				     .name = xb_layout_size_type(XB_S_Process) };

	XB_TRY(xb_dwtypes_resolve(dw, &w, 1, &arena));
	if (w.status != XB_DWTYPES_FOUND)
		return xb_errorf(XB_ERR_NO_LAYOUT, "%s: the debug information does not tell: %s",
				 xb_layout_size_name(XB_S_Process), w.why);
	*ret = w.width;
	return NULL;
}

static struct xb_error *named_base(const struct layout_opts *o, const struct source *s, uint64_t size,
				   struct xb_layout *ret, bool *ret_fits)
{
	struct xb_layout l;

	if (!xb_layout_named(o->base, &l))
		return xb_error_advise(xb_errorf(XB_ERR_USAGE, "there is no table '%s'", o->base),
				       "'erlang-layout list' has their names");
	if (s->identified && l.flavor != s->id.flavor)
		return xb_errorf(XB_ERR_USAGE, "table %s is not for the %s flavor, which %s has",
				 o->base, xb_flavor_name(s->id.flavor), o->from_dwarf);
	*ret_fits = l.size[XB_S_Process] == size && (!s->identified || l.release == s->id.otp);
	*ret = l;
	return NULL;
}

/* The table to begin with: what the file is, and what --base says. */
static struct xb_error *choose_base(const struct layout_opts *o, const struct source *s,
				    struct xb_layout *ret, bool *ret_fits)
{
	uint64_t size;

	if (!s->identified && o->base == NULL && xb_image_is_debug_only(s->image))
		return xb_error_advise(
			xb_errorf(
				XB_ERR_NOT_BEAM,
				"%s is a separate debug file, which does not say what release it belongs to",
				o->from_dwarf),
			"give the program itself, or name a table of its release and flavor with --base");
	if (!s->identified && o->base == NULL)
		return xb_error_advise(
			xb_errorf(XB_ERR_NOT_BEAM,
				  "%s is no Erlang VM: it holds no \"Erlang/OTP\" version banner",
				  o->from_dwarf),
			"if it is one nevertheless, name a table of its release and flavor with --base");
	XB_TRY(process_size(s->dw, &size));
	if (o->base != NULL)
		return named_base(o, s, size, ret, ret_fits);
	return xb_layout_nearest(s->id.otp, s->id.flavor, size, ret, ret_fits);
}

static void add_safe(struct xb_str *out, const char *before, const char *text, const char *after)
{
	xb_str_add(out, before);
	xb_text_safe(out, text, strlen(text));
	xb_str_add(out, after);
}

/* What a reader of the table has to know of where it came from. */
static void write_head(const struct layout_opts *o, const struct source *s, const char *build_id,
		       const struct xb_layout *l, const struct xb_layout *base, bool fits,
		       struct xb_str *out)
{
	xb_str_addf(out, "# Written by erlang-layout dump.\n");
	add_safe(out, "# from: ", o->from_dwarf, "\n");
	if (xb_symbols_debug_image(s->symbols) != NULL)
		add_safe(out, "# debug file: ", xb_image_path(xb_symbols_debug_image(s->symbols)),
			 "\n");
	xb_str_addf(out, "# build-id: %s\n", build_id[0] == '\0' ? "none" : build_id);
	if (s->identified)
		add_safe(out, "# banner: ", s->id.banner, "\n");
	else
		xb_str_addf(out, "# release and flavor: as --base %s says; the file does not tell\n",
			    base->name);
	xb_str_addf(out, "# debug information gave %u entries\n", l->from_dwarf);
	xb_str_addf(
		out, "# constants and register roles: from table %s%s\n", base->name,
		fits ? ""
		: base->release == l->release
			? ", whose process structure is another: it is of the same release and flavor"
			: "");
	if (base->release != l->release)
		xb_str_addf(
			out,
			"# OTP %u is not the release of that table, OTP %u: constants and register roles may differ\n",
			l->release, base->release);
	if (fits)
		xb_str_addf(out, "# debug information and that table differ in %u entries\n",
			    l->dwarf_differs);
}

static void build_id_of(const struct source *s, char text[static 96])
{
	const unsigned char *bytes;
	size_t len;

	text[0] = '\0';
	if (!xb_image_build_id(s->image, &bytes, &len))
		return;
	for (size_t i = 0; i < len && 2 * i + 2 < 96; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static struct xb_error *banner_of(const struct source *s, struct xb_arena *arena, const char **ret)
{
	struct xb_str words = XB_STR_INIT;
	const char *copy;

	xb_banner_write(s->id.banner, &words);
	copy = words.oom ? NULL : xb_arena_strndup(arena, xb_str_get(&words), words.len);
	xb_str_deinit(&words);
	if (copy == NULL)
		return xb_error_nomem();
	*ret = copy;
	return NULL;
}

static struct xb_error *dump(struct xb_tool_run *run, struct source *s)
{
	const struct layout_opts *o = run->opts;
	struct xb_str text = XB_STR_INIT;
	struct xb_layout base, l;
	struct xb_error *err;
	char build_id[96];
	bool fits = false;

	XB_TRY(open_source(o, s));
	XB_TRY(choose_base(o, s, &base, &fits));
	build_id_of(s, build_id);
	l = base;
	XB_TRY(xb_error_wrap(xb_layout_from_dwarf(s->dw, fits, &run->log, &l), "%s", o->from_dwarf));
	l.release = s->identified ? s->id.otp : base.release;
	l.base = base.name;
	if (s->identified)
		XB_TRY(banner_of(s, &run->arena, &l.banner));
	l.name = xb_arena_printf(&run->arena, "otp-%u-%s-%.8s", l.release, xb_flavor_name(l.flavor),
				 build_id[0] == '\0' ? "private" : build_id);
	if (l.name == NULL)
		return xb_error_nomem();
	write_head(o, s, build_id, &l, &base, fits, &text);
	xb_layout_print(&l, base.name, &text);
	err = text.oom ? xb_error_nomem()
		       : layout_print(run, o->output, "extrospect.layout.dump", &l, xb_str_get(&text));
	xb_str_deinit(&text);
	return err;
}

struct xb_error *layout_dump(struct xb_tool_run *run)
{
	struct source s = { 0 };
	struct xb_error *err = dump(run, &s);

	close_source(&s);
	return err;
}
