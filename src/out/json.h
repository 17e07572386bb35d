/*
 * Streaming JSON writer (RFC 8259) onto a sink.  The caller opens and closes; commas and indentation
 * come by themselves.  Misuse (a value where a key is due, an unbalanced end) is our own bug and
 * asserts.
 *
 * The outer two levels take one line per item, so a report has one line per row; what is inside stays
 * on it.
 */
#ifndef XB_OUT_JSON_H
#define XB_OUT_JSON_H

#include "base/base.h"
#include "out/sink.h"

#define XB_JSON_DEPTH 32 /* deeper nesting asserts */

struct xb_json {
	struct xb_sink *sink;
	unsigned depth;
	bool keyed; /* a key was written, its value is due */
	struct {
		bool object, filled;
	} level[XB_JSON_DEPTH];
};

/** @sink is borrowed. */
void xb_json_init(struct xb_json *j, struct xb_sink *sink);

/** The same for one value that goes into another document by xb_json_raw(): all on one line, no finish. */
void xb_json_init_inner(struct xb_json *j, struct xb_sink *sink);

/** A value rendered before, with xb_json_init_inner(). */
void xb_json_raw(struct xb_json *j, const char *bytes, size_t len);

/** Containers; each end must match the innermost begin. */
void xb_json_object_begin(struct xb_json *j);
void xb_json_object_end(struct xb_json *j);
void xb_json_array_begin(struct xb_json *j);
void xb_json_array_end(struct xb_json *j);

/** The key of the next value; only inside an object. */
void xb_json_key(struct xb_json *j, const char *key);

/** The same for a key that is known when we are compiled and plain text: nothing is looked at any more. */
#define XB_JSON_KEY(j, key) xb_json_key_ready(j, ", \"" key "\": ", sizeof(", \"" key "\": ") - 1)
/** What XB_JSON_KEY() calls: @piece is ", ", the quoted key and ": ". */
void xb_json_key_ready(struct xb_json *j, const char *piece, size_t len);

/** @len bytes; invalid UTF-8 becomes U+FFFD, control characters are escaped. */
void xb_json_string(struct xb_json *j, const char *bytes, size_t len);
void xb_json_text(struct xb_json *j, const char *text);
void xb_json_u64(struct xb_json *j, uint64_t v); /* all 64 bits, exactly */
void xb_json_i64(struct xb_json *j, int64_t v);
void xb_json_double(struct xb_json *j, double v, unsigned digits); /* not finite: null */
void xb_json_bool(struct xb_json *j, bool v);
void xb_json_null(struct xb_json *j);

/** End of the document: everything must be closed.  Adds the final newline. */
void xb_json_finish(struct xb_json *j);

#endif
