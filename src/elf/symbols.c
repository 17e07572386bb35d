#include "elf/symbols.h"

#include "elf/symbols_impl.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

/* No VM or library comes near: libLLVM has 300,000.  Keeps indexes in 32 bits and memory bounded. */
enum { MAX_SYMBOLS = 8 << 20, MAX_PROBES = 8 };

static const char *const source_names[XB_SYMBOL_SOURCES] = {
	[XB_SYMBOL_SYMTAB] = ".symtab",
	[XB_SYMBOL_DEBUGFILE] = "debug file",
	[XB_SYMBOL_EMBEDDED] = ".gnu_debugdata",
	[XB_SYMBOL_DYNSYM] = ".dynsym",
};

const char *xb_symbol_source_name(enum xb_symbol_source source)
{
	return source < XB_SYMBOL_SOURCES ? source_names[source] : "?";
}

/* Length of the name without "@VERSION" or "@@VERSION". */
static size_t base_len(const char *name)
{
	const char *at = strchr(name, '@');

	return at == NULL || at == name ? strlen(name) : (size_t)(at - name);
}

static bool same_name(const char *a, const char *b, size_t len)
{
	return strncmp(a, b, len) == 0 && (a[len] == '\0' || a[len] == '@') &&
	       (b[len] == '\0' || b[len] == '@');
}

/* Smaller is better, for two symbols of one name. */
static unsigned name_rank(const struct xb_symbol *y)
{
	return (unsigned)y->source << 4 | (unsigned)y->bind << 2 | (y->size == 0 ? 2U : 0U) |
	       (y->kind == XB_SYMBOL_OTHER ? 1U : 0U);
}

/* The slot of a name: its chain, or where a new chain goes.  NULL when out of memory or probes. */
static uint64_t *name_slot(struct xb_symbols *s, const char *name, size_t len)
{
	uint64_t hash = xb_hash_bytes(name, len);

	for (unsigned i = 0; i < MAX_PROBES; i++) {
		uint64_t *at = xb_map_at(&s->names, hash + i);

		if (at == NULL || *at == 0 || same_name(s->list.data[*at - 1].name, name, len))
			return at;
	}
	return NULL;
}

/* Put symbol number @i, the last one, on the chain of its name.  False: it was known already. */
static bool link_name(struct xb_symbols *s, uint32_t i)
{
	struct xb_symbol *y = &s->list.data[i], *head;
	uint64_t *slot = name_slot(s, y->name, base_len(y->name));

	y->next = XB_SYMBOL_NONE;
	if (slot == NULL)
		return true; /* out of memory or a crafted hash: found by address only */
	if (*slot == 0) {
		*slot = (uint64_t)i + 1;
		return true;
	}
	head = &s->list.data[*slot - 1];
	if (head->vaddr == y->vaddr && head->source != y->source)
		return false;
	if (head->vaddr != y->vaddr && head->bind == y->bind && head->source == y->source)
		head->ambiguous = y->ambiguous = true;
	if (name_rank(y) < name_rank(head)) {
		y->next = (uint32_t)(*slot - 1);
		*slot = (uint64_t)i + 1;
	} else {
		y->next = head->next;
		head->next = i;
	}
	return true;
}

static bool classify(const Elf64_Sym *sym, struct xb_symbol *y)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info), bind = ELF64_ST_BIND(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF ||
	    (sym->st_shndx >= SHN_LORESERVE && sym->st_shndx != SHN_XINDEX))
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		y->kind = XB_SYMBOL_FUNC;
	else if (type == STT_OBJECT)
		y->kind = XB_SYMBOL_OBJECT;
	else if (type == STT_NOTYPE)
		y->kind = XB_SYMBOL_OTHER;
	else
		return false;
	y->bind = bind == STB_LOCAL  ? XB_SYMBOL_LOCAL
		  : bind == STB_WEAK ? XB_SYMBOL_WEAK
				     : XB_SYMBOL_GLOBAL;
	return true;
}

static bool read_sections(struct xb_symbol_origin *o)
{
	size_t n = xb_image_section_count(o->img);

	o->sections = calloc(n + 1, sizeof(*o->sections));
	if (o->sections == NULL)
		return false;
	o->n_sections = n;
	for (size_t i = 1; i < n; i++) {
		struct xb_section sec;

		if (!xb_image_section_at(o->img, i, &sec) || (sec.flags & SHF_ALLOC) == 0)
			continue;
		o->sections[i].start = sec.vaddr;
		if (__builtin_add_overflow(sec.vaddr, sec.size, &o->sections[i].end))
			o->sections[i].end = sec.vaddr;
	}
	return true;
}

/* A symbol table and its strings, both checked to be there and the strings to be terminated. */
struct table {
	const unsigned char *syms;
	size_t n;
	const char *strings;
	size_t strings_len; /* up to and with the last NUL */
};

static const char *open_table(struct xb_image *img, uint32_t type, struct table *ret)
{
	struct xb_section sec, str;
	const unsigned char *last;

	if (!xb_image_section_of_type(img, type, &sec))
		return type == SHT_SYMTAB ? "absent (stripped)" : "absent";
	if (sec.data == NULL || sec.len < sizeof(Elf64_Sym))
		return "empty or unreadable";
	if (!xb_image_section_read(img, sec.link, &str) || str.data == NULL || str.len == 0)
		return "its names are unreadable";
	last = memrchr(str.data, '\0', str.len);
	if (last == NULL)
		return "its names are unreadable";
	*ret = (struct table){
		.syms = sec.data,
		.n = XB_MIN(sec.len / sizeof(Elf64_Sym), (size_t)MAX_SYMBOLS),
		.strings = (const char *)str.data,
		.strings_len = (size_t)(last - str.data) + 1,
	};
	return NULL;
}

/* NOMEM or NULL.  Local symbols follow the STT_FILE symbol of their source file. */
static struct xb_error *read_table(struct xb_symbols *s, enum xb_symbol_source source,
				   const struct table *t)
{
	struct xb_symbol_origin *o = &s->origin[source];
	const char *file = NULL;

	if (!read_sections(o) || !xb_symbol_list_reserve(&s->list, s->list.len + t->n))
		return xb_error_nomem();
	for (size_t i = 1; i < t->n && s->list.len < MAX_SYMBOLS; i++) {
		struct xb_symbol y = { .source = (uint8_t)source };
		Elf64_Sym sym;

		memcpy(&sym, t->syms + i * sizeof(sym), sizeof(sym));
		if (sym.st_name >= t->strings_len) {
			o->dropped++;
			continue;
		}
		y.name = t->strings + sym.st_name;
		if (ELF64_ST_TYPE(sym.st_info) == STT_FILE)
			file = y.name[0] == '\0' ? NULL : y.name;
		if (!classify(&sym, &y) || y.name[0] == '\0')
			continue;
		if (xb_image_segment_at(s->img, sym.st_value) == NULL) {
			/* Markers such as _end lie just behind; they name nothing. */
			o->dropped += sym.st_size > 0;
			continue;
		}
		y.vaddr = sym.st_value;
		y.size = sym.st_size;
		y.shndx = sym.st_shndx;
		y.file = y.bind == XB_SYMBOL_LOCAL ? file : NULL;
		if (!xb_symbol_list_push(&s->list, y))
			return xb_error_nomem();
		if (link_name(s, (uint32_t)(s->list.len - 1)))
			o->count++;
		else
			s->list.len--;
	}
	return NULL;
}

static struct xb_error *read_source(struct xb_symbols *s, enum xb_symbol_source source,
				    struct xb_image *img)
{
	struct xb_symbol_origin *o = &s->origin[source];
	struct table t;
	const char *reason;

	o->img = img;
	if (img == NULL)
		return NULL;
	reason = open_table(img, source == XB_SYMBOL_DYNSYM ? SHT_DYNSYM : SHT_SYMTAB, &t);
	if (reason == NULL)
		return read_table(s, source, &t);
	xb_str_addf(&o->why, "%s%s", o->why.len > 0 ? ": .symtab " : "", reason);
	return NULL;
}

static struct xb_error *load(struct xb_symbols *s, const struct xb_debug_opts *opts)
{
	struct xb_symbol_origin *o = s->origin;

	XB_TRY(read_source(s, XB_SYMBOL_SYMTAB, s->img));
	XB_TRY(xb_debugfile_find(s->img, opts, &o[XB_SYMBOL_DEBUGFILE].why, &s->debug));
	XB_TRY(read_source(s, XB_SYMBOL_DEBUGFILE, s->debug));
	XB_TRY(xb_debugfile_embedded(s->img, &o[XB_SYMBOL_EMBEDDED].why, &s->embedded));
	XB_TRY(read_source(s, XB_SYMBOL_EMBEDDED, s->embedded));
	return read_source(s, XB_SYMBOL_DYNSYM, s->img);
}

struct xb_error *xb_symbols_load(struct xb_image *img, const struct xb_debug_opts *opts,
				 struct xb_symbols **ret)
{
	xb_cleanup(xb_symbols_cleanup) struct xb_symbols *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return xb_error_nomem();
	s->img = img;
	XB_TRY(load(s, opts));
	*ret = xb_take(s);
	return NULL;
}

void xb_symbols_destroy(struct xb_symbols *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < XB_SYMBOL_SOURCES; i++) {
		xb_str_deinit(&s->origin[i].why);
		free(s->origin[i].sections);
	}
	xb_image_close(s->debug);
	xb_image_close(s->embedded);
	xb_symbol_list_deinit(&s->list);
	xb_map_deinit(&s->names);
	free(s->spans);
	free(s);
}

const struct xb_symbol *xb_symbols_find(const struct xb_symbols *s, const char *name)
{
	size_t len = base_len(name);
	uint64_t hash = xb_hash_bytes(name, len);

	for (unsigned i = 0; i < MAX_PROBES; i++) {
		const uint64_t *at = xb_map_get(&s->names, hash + i);

		if (at == NULL || *at == 0)
			return NULL;
		if (same_name(s->list.data[*at - 1].name, name, len))
			return &s->list.data[*at - 1];
	}
	return NULL;
}

const struct xb_symbol *xb_symbols_find_in(const struct xb_symbols *s, const char *file,
					   const char *name)
{
	const struct xb_symbol *y = xb_symbols_find(s, name), *found = NULL;

	while (y != NULL) {
		if (y->file != NULL && strcmp(y->file, file) == 0) {
			if (found != NULL && found->vaddr != y->vaddr)
				return NULL;
			found = found == NULL ? y : found;
		}
		y = y->next == XB_SYMBOL_NONE ? NULL : &s->list.data[y->next];
	}
	return found;
}

size_t xb_symbols_count(const struct xb_symbols *s)
{
	return s->list.len;
}

const struct xb_symbol *xb_symbols_get(const struct xb_symbols *s, size_t i)
{
	return &s->list.data[i];
}

struct xb_image *xb_symbols_debug_image(const struct xb_symbols *s)
{
	return s->debug;
}

static void list_sources(const struct xb_symbols *s, const char *between, struct xb_str *ret)
{
	for (unsigned i = 0; i < XB_SYMBOL_SOURCES; i++) {
		const struct xb_symbol_origin *o = &s->origin[i];

		xb_str_addf(ret, "%s%s: ", i > 0 ? between : "", source_names[i]);
		if (o->sections != NULL)
			xb_str_addf(ret, "%zu symbols", o->count);
		if (o->dropped > 0)
			xb_str_addf(ret, ", %zu damaged ones left out", o->dropped);
		if (o->why.len > 0)
			xb_str_addf(ret, o->sections != NULL ? " (%s)" : "%s", xb_str_get(&o->why));
	}
}

void xb_symbols_explain(const struct xb_symbols *s, struct xb_str *ret)
{
	list_sources(s, "\n", ret);
	xb_str_addc(ret, '\n');
}

struct xb_error *xb_symbols_need(const struct xb_symbols *s, const char *name,
				 const struct xb_symbol **ret)
{
	xb_cleanup(xb_str_deinit) struct xb_str text = XB_STR_INIT;
	const struct xb_symbol *y = xb_symbols_find(s, name);
	struct xb_error *err;

	if (y != NULL) {
		*ret = y;
		return NULL;
	}
	list_sources(s, "; ", &text);
	err = xb_errorf(XB_ERR_NO_SYMBOL, "no symbol %s in %s: %s", name, xb_image_path(s->img),
			xb_str_get(&text));
	return xb_error_advise(err, "install the debug symbols of this build, or name their directory");
}
