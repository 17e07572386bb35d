/*
 * Rows and columns.  A report describes its columns once; the aligned text a person reads and the
 * `rows` list of
 * --json come from the same cells, so they cannot disagree.
 */
#ifndef XB_OUT_TABLE_H
#define XB_OUT_TABLE_H

#include "base/arena.h"
#include "base/base.h"
#include "out/json.h"
#include "out/sink.h"
#include "out/tty.h"

/* What a column holds, and with it how it is written. */
enum xb_kind {
	XB_KIND_TEXT,
	XB_KIND_INT,
	XB_KIND_UINT,
	XB_KIND_BYTES,       /* uint; text "1.5 KiB", JSON the plain number */
	XB_KIND_PERCENT,     /* real, 100 is all; text two decimals, JSON four */
	XB_KIND_REAL,        /* real with three decimals */
	XB_KIND_ADDR,        /* uint; "0x…" in both, a JSON number would lose bits in many readers */
	XB_KIND_DURATION_NS, /* uint; text "3.1 us", JSON nanoseconds */
	XB_KIND_BOOL,        /* text yes/no */
	XB_KIND_ANY,         /* text, a number or yes/no, each as itself: for lists of unlike facts */
	XB_KIND_TABLE, /* rows that belong to this row: indented below it, a list of objects in JSON */
};

enum xb_column_flags {
	XB_COLUMN_JSON_ONLY = 1 << 0, /* a part of what a text column shows, for machines */
	XB_COLUMN_TEXT_ONLY = 1 << 1, /* decoration; its facts are in other columns */
	XB_COLUMN_LEFT = 1 << 2,      /* numbers go to the right, text to the left, unless told */
	XB_COLUMN_RIGHT = 1 << 3,
	XB_COLUMN_OPTIONAL = 1 << 4, /* left out of the text where no row knows anything */
};

struct xb_column {
	const char *name;  /* lower_snake_case JSON key, with the unit where the kind does not say it */
	const char *title; /* text heading; NULL: the name */
	enum xb_kind kind;
	unsigned flags;
	enum xb_role role; /* unless the cell has one */
};

enum xb_cell_tag {
	XB_CELL_NONE, /* nothing known: "-" in text, null in JSON */
	XB_CELL_TEXT,
	XB_CELL_INT,
	XB_CELL_UINT,
	XB_CELL_REAL,
	XB_CELL_BOOL,
	XB_CELL_TABLE,
};

struct xb_table;

struct xb_cell {
	enum xb_cell_tag tag;
	enum xb_role role;
	union {
		struct {
			const char *bytes;
			size_t len;
		} text;
		int64_t i;
		uint64_t u;
		double real;
		bool b;
		const struct xb_table *table;
	};
};

/** Cells by value; text is copied when the row is added.  A NULL text is NONE. */
struct xb_cell xb_cell_none(void);
struct xb_cell xb_cell_text(const char *text);
struct xb_cell xb_cell_textn(const char *bytes, size_t len);
struct xb_cell xb_cell_text_or_none(const char *text); /* none for "" as well */
struct xb_cell xb_cell_int(int64_t v);
struct xb_cell xb_cell_uint(uint64_t v);
struct xb_cell xb_cell_real(double v);
struct xb_cell xb_cell_bool(bool v);
struct xb_cell xb_cell_table(const struct xb_table *rows); /* borrowed */
struct xb_cell xb_cell_role(struct xb_cell cell, enum xb_role role);

struct xb_table_row;

struct xb_table {
	const struct xb_column *columns;
	size_t n_columns;
	size_t n_rows;
	bool headless; /* text without the line of titles */
	struct xb_arena *arena;
	struct xb_table_row *first, *last;
};

/** @columns and @arena are borrowed; rows live in @arena, so there is no deinit. */
void xb_table_init(struct xb_table *t, const struct xb_column *columns, size_t n_columns,
		   struct xb_arena *arena);

/** Add one row of @t->n_columns cells, copying text.  A cell that does not fit its column's kind
 * asserts. False: out of memory, nothing changed. */
XB_NODISCARD bool xb_table_add(struct xb_table *t, const struct xb_cell *cells);

/**
 * Aligned text, one line per row, every line indented by @indent; nested tables follow their row,
 * indented by two more.  @tty may be NULL (plain).  False: out of memory.
 */
XB_NODISCARD bool xb_table_print(const struct xb_table *t, struct xb_sink *to, const struct xb_tty *tty,
				 size_t indent);

/** The rows as a JSON list of objects keyed by column name. */
void xb_table_json(const struct xb_table *t, struct xb_json *json);

/** One cell as safe text without padding, appended to @to; as JSON value. */
void xb_cell_print(struct xb_str *to, enum xb_kind kind, const struct xb_cell *cell);
void xb_cell_json(struct xb_json *json, enum xb_kind kind, const struct xb_cell *cell);

#endif
