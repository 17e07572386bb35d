#include "out/report.h"

#include "out/text.h"

#include "base/str.h"
#include "out/json.h"

#include <string.h>

struct xb_fact {
	struct xb_fact *next;
	const char *key, *text;
	enum xb_kind kind;
	struct xb_cell cell;
};

void xb_report_init(struct xb_report *r, const char *schema, unsigned version, struct xb_arena *arena)
{
	*r = (struct xb_report){ .schema = schema, .version = version, .arena = arena };
}

static void add(struct xb_report *r, struct xb_facts *to, struct xb_fact fact)
{
	struct xb_fact *f = xb_arena_alloc(r->arena, sizeof(*f));

	if (f != NULL && fact.cell.tag == XB_CELL_TEXT) {
		fact.cell.text.bytes =
			xb_arena_strndup(r->arena, fact.cell.text.bytes, fact.cell.text.len);
		if (fact.cell.text.bytes == NULL)
			f = NULL;
	}
	if (f == NULL) {
		r->oom = true;
		return;
	}
	*f = fact;
	if (to->last == NULL)
		to->first = f;
	else
		to->last->next = f;
	to->last = f;
}

void xb_report_target(struct xb_report *r, const char *key, const char *text, enum xb_kind kind,
		      struct xb_cell cell)
{
	add(r, &r->target, (struct xb_fact){ .key = key, .text = text, .kind = kind, .cell = cell });
}

void xb_report_health(struct xb_report *r, const char *key, const char *text, enum xb_kind kind,
		      struct xb_cell cell)
{
	add(r, &r->health, (struct xb_fact){ .key = key, .text = text, .kind = kind, .cell = cell });
}

static struct xb_error *print_facts(const struct xb_report *r, const struct xb_facts *facts,
				    const char *head, struct xb_sink *to, const struct xb_tty *tty)
{
	size_t indent = strlen(head), column = 0, width = tty == NULL ? 0 : tty->width;
	struct xb_str value = XB_STR_INIT;
	bool oom = r->oom;

	for (const struct xb_fact *f = facts->first; f != NULL; f = f->next) {
		const char *mark;
		size_t w;

		if (f->text == NULL || f->cell.tag == XB_CELL_NONE)
			continue;
		xb_str_clear(&value);
		xb_cell_print(&value, f->kind, &f->cell);
		mark = strchrnul(f->text, '%');
		w = strlen(f->text) + xb_text_width(xb_str_get(&value), value.len);
		if (column == 0) {
			xb_sink_puts(to, head);
			column = indent;
		} else if (width > 0 && column + 2 + w > width) {
			/* Only on a terminal: for programs it stays one line. */
			xb_sink_puts(to, ",\n");
			xb_sink_pad(to, indent);
			column = indent;
		} else {
			xb_sink_puts(to, ", ");
			column += 2;
		}
		column += w;
		xb_sink_write(to, f->text, (size_t)(mark - f->text));
		if (*mark == '%') {
			xb_tty_write(tty, to, f->cell.role, xb_str_get(&value), value.len);
			xb_sink_puts(to, mark + 1);
		}
		oom = oom || value.oom;
	}
	if (column > 0)
		xb_sink_putc(to, '\n');
	xb_str_deinit(&value);
	return oom ? xb_error_nomem() : NULL;
}

struct xb_error *xb_report_print_target(const struct xb_report *r, struct xb_sink *to,
					const struct xb_tty *tty)
{
	return print_facts(r, &r->target, "target: ", to, tty);
}

struct xb_error *xb_report_print_health(const struct xb_report *r, struct xb_sink *to,
					const struct xb_tty *tty)
{
	return print_facts(r, &r->health, "health: ", to, tty);
}

struct xb_error *xb_report_print(const struct xb_report *r, const struct xb_table *rows,
				 struct xb_sink *to, const struct xb_tty *tty)
{
	XB_TRY(xb_report_print_target(r, to, tty));
	xb_sink_putc(to, '\n');
	if (!xb_table_print(rows, to, tty, 0))
		return xb_error_nomem();
	xb_sink_putc(to, '\n');
	return xb_report_print_health(r, to, tty);
}

static void json_facts(const struct xb_facts *facts, const char *key, struct xb_json *json)
{
	xb_json_key(json, key);
	xb_json_object_begin(json);
	for (const struct xb_fact *f = facts->first; f != NULL; f = f->next) {
		xb_json_key(json, f->key);
		xb_cell_json(json, f->kind, &f->cell);
	}
	xb_json_object_end(json);
}

struct xb_error *xb_report_json_begin(const struct xb_report *r, struct xb_json *json,
				      struct xb_sink *to)
{
	if (r->oom)
		return xb_error_nomem();
	xb_json_init(json, to);
	xb_json_object_begin(json);
	xb_json_key(json, "schema");
	xb_json_text(json, r->schema);
	xb_json_key(json, "version");
	xb_json_u64(json, r->version);
	json_facts(&r->target, "target", json);
	xb_json_key(json, "rows");
	return NULL;
}

struct xb_error *xb_report_json_end(const struct xb_report *r, struct xb_json *json)
{
	json_facts(&r->health, "health", json);
	xb_json_object_end(json);
	xb_json_finish(json);
	return r->oom ? xb_error_nomem() : NULL;
}

struct xb_error *xb_report_json(const struct xb_report *r, const struct xb_table *rows,
				struct xb_sink *to)
{
	struct xb_json json;

	XB_TRY(xb_report_json_begin(r, &json, to));
	xb_table_json(rows, &json);
	return xb_report_json_end(r, &json);
}
