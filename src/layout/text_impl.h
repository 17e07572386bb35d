/* What the reader of layout tables is made of; only text_read.c and text_entry.c look in here. */
#ifndef XB_LAYOUT_TEXT_IMPL_H
#define XB_LAYOUT_TEXT_IMPL_H

#include "layout/entry.h"
#include "layout/text.h"

enum {
	XB_TEXT_SHOWN = 64, /* characters of a wrong word that a sentence repeats */
	XB_TEXT_KINDS = 4,
};

struct xb_text_reader {
	const char *file;
	struct xb_arena *arena;
	struct xb_layout l;
	unsigned at; /* line */
	unsigned table_line, inherit_line, release_line, flavor_line, banner_line, provenance_line;
	unsigned entries;
	/* Where each entry was given, by kind and index; 0: nowhere. */
	unsigned line[XB_TEXT_KINDS][XB_F__COUNT + XB_S__COUNT + XB_K__COUNT + XB_R__COUNT];
};

#define XB_TEXT_BAD(r, fmt, ...)                                                                       \
	xb_errorf(XB_ERR_BAD_FILE, "%s:%u: " fmt, (r)->file, (r)->at __VA_OPT__(, ) __VA_ARGS__)

/** Take the @n words of a line that begins with the kind of an entry.  Errors: BAD_FILE. */
XB_NODISCARD struct xb_error *xb_text_entry(struct xb_text_reader *r, char *const *word, size_t n);

/** After the last line: that every "must" is given, and nothing lies beyond its structure.  Errors: BAD_FILE. */
XB_NODISCARD struct xb_error *xb_text_finish(struct xb_text_reader *r);

#endif
