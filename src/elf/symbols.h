/*
 * The symbols of one image, merged from every source that has some.
 *
 * Sources in the order they are believed: .symtab of the image, .symtab of the separate debug file,
 * .gnu_debugdata, .dynsym.  A symbol that several sources know is kept once, from the first.  Only
 * defined symbols whose value lies inside a PT_LOAD of the image are kept: no undefined, absolute, TLS,
 * section or file symbols.
 */
#ifndef XB_ELF_SYMBOLS_H
#define XB_ELF_SYMBOLS_H

#include "elf/debugfile.h"

enum xb_symbol_source {
	XB_SYMBOL_SYMTAB,    /* .symtab of the image itself */
	XB_SYMBOL_DEBUGFILE, /* .symtab of the separate debug file */
	XB_SYMBOL_EMBEDDED,  /* .symtab inside .gnu_debugdata */
	XB_SYMBOL_DYNSYM,    /* .dynsym of the image itself */
	XB_SYMBOL_SOURCES
};

enum xb_symbol_kind { XB_SYMBOL_FUNC, XB_SYMBOL_OBJECT, XB_SYMBOL_OTHER };
enum xb_symbol_bind { XB_SYMBOL_GLOBAL, XB_SYMBOL_WEAK, XB_SYMBOL_LOCAL };

struct xb_symbol {
	const char *name; /* borrowed from the set; may end in "@VERSION" */
	const char *file; /* source file of a local symbol ("beam_ranges.c"), NULL when not known */
	xb_addr vaddr;
	uint64_t size;   /* bytes; 0 where the source does not say */
	uint8_t kind;    /* enum xb_symbol_kind */
	uint8_t bind;    /* enum xb_symbol_bind */
	uint8_t source;  /* enum xb_symbol_source */
	bool ambiguous;  /* another symbol of the same name and binding is elsewhere */
	uint32_t next;   /* chain of the same name, for xb_symbols_find_in() */
	uint32_t shndx;  /* of its source */
	uint64_t extent; /* @size, or for 0 the bytes up to the next symbol; set by xb_symbols_at() */
};

struct xb_symbols;

/**
 * Read all sources of @img, which must outlive the result.
 * @param opts  How to look for the debug file; may be NULL.  Used during the call only.
 * @return NULL or NOMEM.  An image without any symbol gives an empty set.
 * Cost: about 0.1 us a symbol, plus xb_debugfile_find().
 */
XB_NODISCARD struct xb_error *xb_symbols_load(struct xb_image *img, const struct xb_debug_opts *opts,
					      struct xb_symbols **ret);

/** Accepts NULL. */
void xb_symbols_destroy(struct xb_symbols *s);

static inline void xb_symbols_cleanup(struct xb_symbols **s)
{
	xb_symbols_destroy(*s);
}

/**
 * The symbol called @name, with or without its version, or NULL.  Among several: the earlier source,
 * then global before weak before local, sized before unsized.  Check @ambiguous where a wrong one would
 * hurt. Borrowed.  Cost: one hash lookup.
 */
const struct xb_symbol *xb_symbols_find(const struct xb_symbols *s, const char *name);

/** The one local symbol @name of source file @file ("beam_ranges.c"); NULL when there is none or
 * several. */
const struct xb_symbol *xb_symbols_find_in(const struct xb_symbols *s, const char *file,
					   const char *name);

/** xb_symbols_find(), but NO_SYMBOL with the list of sources and what they said when there is none. */
XB_NODISCARD struct xb_error *xb_symbols_need(const struct xb_symbols *s, const char *name,
					      const struct xb_symbol **ret);

/**
 * The function or object that holds @vaddr, or NULL.
 *
 * A symbol without a size reaches to the next symbol or to the end of its section, but never takes
 * anything away from one with a size.  Of aliases at one address the most telling is taken: functions
 * and objects before labels, sized before unsized, global before weak before local, and the name with
 * fewest leading underscores. Cost: a binary search; the first call sorts (about 1 ms for 4,400
 * symbols).  NULL also when that ran out of memory.
 */
const struct xb_symbol *xb_symbols_at(struct xb_symbols *s, xb_addr vaddr);

/** Number of symbols, of all sources together. */
size_t xb_symbols_count(const struct xb_symbols *s);

/** Number @i of xb_symbols_count(), in no useful order. */
const struct xb_symbol *xb_symbols_get(const struct xb_symbols *s, size_t i);

/** One line for each source: what it gave or why it gave nothing. */
void xb_symbols_explain(const struct xb_symbols *s, struct xb_str *ret);

/** The separate debug file, for DWARF; NULL when there is none.  Belongs to the set. */
struct xb_image *xb_symbols_debug_image(const struct xb_symbols *s);

/** "symtab", "debug file", … */
const char *xb_symbol_source_name(enum xb_symbol_source source);

#endif
