/*
 * The envelope of every result: what was looked at (target), the rows, and how far to trust them
 * (health). In JSON one object with the keys schema, version, target, rows, health; in text a line for
 * the target, the table, and the health line.
 */
#ifndef XB_OUT_REPORT_H
#define XB_OUT_REPORT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "out/sink.h"
#include "out/table.h"
#include "out/tty.h"

struct xb_fact;

struct xb_facts {
	struct xb_fact *first, *last;
};

struct xb_report {
	const char *schema; /* "extrospect.<tool>.<mode>" */
	unsigned version;   /* of that schema: raised when a key changes its meaning or leaves */
	struct xb_arena *arena;
	struct xb_facts target, health;
	bool oom;
};

/** @schema and @arena are borrowed. */
void xb_report_init(struct xb_report *r, const char *schema, unsigned version, struct xb_arena *arena);

/**
 * State one fact about the target, or about the health of the result, in the order it shall appear.
 *
 * @param key   lower_snake_case JSON key.
 * @param text  How the text line says it, '%' standing for the value: "% samples", "median skid %".
 *              NULL: only in JSON.
 * Both strings are borrowed; the text of @cell is copied.  Lack of memory is reported by the printing
 * calls.
 */
void xb_report_target(struct xb_report *r, const char *key, const char *text, enum xb_kind kind,
		      struct xb_cell cell);
void xb_report_health(struct xb_report *r, const char *key, const char *text, enum xb_kind kind,
		      struct xb_cell cell);

/** "target: …" and "health: …", one line each, folded on a terminal; nothing when no fact has a text. */
XB_NODISCARD struct xb_error *xb_report_print_target(const struct xb_report *r, struct xb_sink *to,
						     const struct xb_tty *tty);
XB_NODISCARD struct xb_error *xb_report_print_health(const struct xb_report *r, struct xb_sink *to,
						     const struct xb_tty *tty);

/** Target line, blank line, table, blank line, health line. */
XB_NODISCARD struct xb_error *xb_report_print(const struct xb_report *r, const struct xb_table *rows,
					      struct xb_sink *to, const struct xb_tty *tty);

/**
 * The JSON object in two halves, for rows too many to be kept: after begin the caller writes the value of "rows", a
 * list of objects; health facts may still be added until end.  Errors: NOMEM.
 */
XB_NODISCARD struct xb_error *xb_report_json_begin(const struct xb_report *r, struct xb_json *json,
						   struct xb_sink *to);
XB_NODISCARD struct xb_error *xb_report_json_end(const struct xb_report *r, struct xb_json *json);

/** The JSON object.  Errors: NOMEM.  What the sink met is told by xb_sink_finish(). */
XB_NODISCARD struct xb_error *xb_report_json(const struct xb_report *r, const struct xb_table *rows,
					     struct xb_sink *to);

#endif
