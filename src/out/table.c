#include "out/table.h"

#include "base/str.h"
#include "out/text.h"

#include <stdlib.h>
#include <string.h>

#define HIDDEN SIZE_MAX /* the width of a column that is not shown */

struct xb_table_row {
	struct xb_table_row *next;
	struct xb_cell cells[];
};

void xb_table_init(struct xb_table *t, const struct xb_column *columns, size_t n_columns,
		   struct xb_arena *arena)
{
	*t = (struct xb_table){ .columns = columns, .n_columns = n_columns, .arena = arena };
}

static bool fits(enum xb_kind kind, enum xb_cell_tag tag)
{
	if (tag == XB_CELL_NONE)
		return true;
	switch (kind) {
	case XB_KIND_TEXT:
		return tag == XB_CELL_TEXT;
	case XB_KIND_INT:
		return tag == XB_CELL_INT || tag == XB_CELL_UINT;
	case XB_KIND_UINT:
	case XB_KIND_BYTES:
	case XB_KIND_ADDR:
	case XB_KIND_DURATION_NS:
		return tag == XB_CELL_UINT;
	case XB_KIND_PERCENT:
	case XB_KIND_REAL:
		return tag == XB_CELL_REAL;
	case XB_KIND_BOOL:
		return tag == XB_CELL_BOOL;
	case XB_KIND_ANY:
		return tag != XB_CELL_TABLE;
	case XB_KIND_TABLE:
		return tag == XB_CELL_TABLE;
	}
	return false;
}

bool xb_table_add(struct xb_table *t, const struct xb_cell *cells)
{
	struct xb_table_row *row =
		xb_arena_alloc(t->arena, sizeof(*row) + t->n_columns * sizeof(row->cells[0]));

	if (row == NULL)
		return false;
	for (size_t c = 0; c < t->n_columns; c++) {
		xb_assert(fits(t->columns[c].kind, cells[c].tag));
		row->cells[c] = cells[c];
		if (cells[c].tag == XB_CELL_TEXT) {
			char *copy = xb_arena_strndup(t->arena, cells[c].text.bytes, cells[c].text.len);

			if (copy == NULL)
				return false;
			row->cells[c].text.bytes = copy;
		}
	}
	if (t->last == NULL)
		t->first = row;
	else
		t->last->next = row;
	t->last = row;
	t->n_rows++;
	return true;
}

static bool in_text(const struct xb_column *col)
{
	return (col->flags & XB_COLUMN_JSON_ONLY) == 0 && col->kind != XB_KIND_TABLE;
}

static const char *title(const struct xb_column *col)
{
	return col->title != NULL ? col->title : col->name;
}

static bool to_right(const struct xb_column *col)
{
	if ((col->flags & XB_COLUMN_RIGHT) != 0)
		return true;
	return (col->flags & XB_COLUMN_LEFT) == 0 && col->kind != XB_KIND_TEXT &&
	       col->kind != XB_KIND_BOOL;
}

/* Whether some row has something to say in column @c. */
static bool any_known(const struct xb_table *t, size_t c)
{
	for (const struct xb_table_row *row = t->first; row != NULL; row = row->next) {
		const struct xb_cell *cell = &row->cells[c];

		if (cell->tag != XB_CELL_NONE && !(cell->tag == XB_CELL_TEXT && cell->text.len == 0))
			return true;
	}
	return false;
}

static bool measure(const struct xb_table *t, size_t *widths)
{
	struct xb_str text = XB_STR_INIT;
	bool ok;

	for (size_t c = 0; c < t->n_columns; c++) {
		const struct xb_column *col = &t->columns[c];

		widths[c] = HIDDEN;
		if (!in_text(col) || ((col->flags & XB_COLUMN_OPTIONAL) != 0 && !any_known(t, c)))
			continue;
		widths[c] = t->headless ? 0 : xb_text_width(title(col), strlen(title(col)));
		for (const struct xb_table_row *row = t->first; row != NULL; row = row->next) {
			size_t w;

			xb_str_clear(&text);
			xb_cell_print(&text, col->kind, &row->cells[c]);
			w = xb_text_width(xb_str_get(&text), text.len);
			widths[c] = XB_MAX(widths[c], w);
		}
	}
	ok = !text.oom;
	xb_str_deinit(&text);
	return ok;
}

struct line {
	struct xb_sink *to;
	const struct xb_tty *tty;
	size_t owed; /* blanks to write before the next text; none are left at the end of a line */
};

/* A cell padded to @width; two blanks between columns. */
static void put(struct line *line, const struct xb_column *col, enum xb_role role, const char *text,
		size_t len, size_t width)
{
	size_t w = xb_text_width(text, len);
	size_t pad = width > w ? width - w : 0;

	if (len > 0) {
		xb_sink_pad(line->to, line->owed + (to_right(col) ? pad : 0));
		xb_tty_write(line->tty, line->to, role, text, len);
		line->owed = (to_right(col) ? 0 : pad) + 2;
	} else {
		line->owed += width + 2;
	}
}

static void print_titles(const struct xb_table *t, const struct line *like, const size_t *widths)
{
	struct line line = *like;

	for (size_t c = 0; c < t->n_columns; c++) {
		if (widths[c] != HIDDEN)
			put(&line, &t->columns[c], XB_ROLE_HEAD, title(&t->columns[c]),
			    strlen(title(&t->columns[c])), widths[c]);
	}
	xb_sink_putc(line.to, '\n');
}

static bool print_row(const struct xb_table *t, const struct xb_table_row *row, const struct line *like,
		      const size_t *widths)
{
	struct line line = *like;
	struct xb_str text = XB_STR_INIT;
	bool ok, any = false;

	for (size_t c = 0; c < t->n_columns; c++) {
		const struct xb_column *col = &t->columns[c];
		enum xb_role role = row->cells[c].role != XB_ROLE_NONE ? row->cells[c].role : col->role;

		if (widths[c] == HIDDEN)
			continue;
		xb_str_clear(&text);
		xb_cell_print(&text, col->kind, &row->cells[c]);
		put(&line, col, role, xb_str_get(&text), text.len, widths[c]);
		any = true;
	}
	if (any)
		xb_sink_putc(line.to, '\n');
	ok = !text.oom;
	xb_str_deinit(&text);
	for (size_t c = 0; ok && c < t->n_columns; c++) {
		if (row->cells[c].tag == XB_CELL_TABLE &&
		    (t->columns[c].flags & XB_COLUMN_JSON_ONLY) == 0)
			ok = xb_table_print(row->cells[c].table, line.to, line.tty, like->owed + 2);
	}
	return ok;
}

bool xb_table_print(const struct xb_table *t, struct xb_sink *to, const struct xb_tty *tty,
		    size_t indent)
{
	struct line line = { .to = to, .tty = tty, .owed = indent };
	size_t *widths = calloc(t->n_columns + 1, sizeof(*widths));
	bool ok = widths != NULL && measure(t, widths);

	if (ok && !t->headless)
		print_titles(t, &line, widths);
	for (const struct xb_table_row *row = t->first; ok && row != NULL; row = row->next)
		ok = print_row(t, row, &line, widths);
	free(widths);
	return ok;
}

void xb_table_json(const struct xb_table *t, struct xb_json *json)
{
	xb_json_array_begin(json);
	for (const struct xb_table_row *row = t->first; row != NULL; row = row->next) {
		xb_json_object_begin(json);
		for (size_t c = 0; c < t->n_columns; c++) {
			if ((t->columns[c].flags & XB_COLUMN_TEXT_ONLY) != 0)
				continue;
			xb_json_key(json, t->columns[c].name);
			xb_cell_json(json, t->columns[c].kind, &row->cells[c]);
		}
		xb_json_object_end(json);
	}
	xb_json_array_end(json);
}
