/*
 * Where bytes of a result go: a stdio stream or memory.  Writers do not check every call; the first
 * failure is remembered, everything after it is dropped, and xb_sink_finish() reports it once.
 */
#ifndef XB_OUT_SINK_H
#define XB_OUT_SINK_H

#include "base/base.h"
#include "base/error.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct xb_sink {
	FILE *file;         /* NULL: memory */
	struct xb_str text; /* what was written, when @file is NULL */
	const char *name;   /* what the error sentence calls it: "standard output", a path */
	int err;            /* errno of the first failure, 0 while all is well */
	uint64_t written;   /* bytes accepted so far */
};

/** Write to @file, borrowed.  @name is borrowed too and appears in errors. */
void xb_sink_to_file(struct xb_sink *s, FILE *file, const char *name);

/** Write to memory; read it with xb_sink_text().  Release with xb_sink_deinit(). */
void xb_sink_to_memory(struct xb_sink *s);

/** xb_sink_write() where it is not just a copy. */
void xb_sink_write_slow(struct xb_sink *s, const void *bytes, size_t n);

/** Append bytes, text, one byte.  After a failure they do nothing. */
static inline void xb_sink_write(struct xb_sink *s, const void *bytes, size_t n)
{
	struct xb_str *t = &s->text;

	/* Memory with room, which is nearly every call for nearly every byte of a large report. */
	if (s->file != NULL || s->err != 0 || t->oom || t->cap <= n || t->len >= t->cap - n) {
		xb_sink_write_slow(s, bytes, n);
		return;
	}
	memcpy(t->data + t->len, bytes, n);
	t->len += n;
	t->data[t->len] = '\0';
	s->written += n;
}

static inline void xb_sink_puts(struct xb_sink *s, const char *text)
{
	xb_sink_write(s, text, strlen(text));
}

static inline void xb_sink_putc(struct xb_sink *s, char c)
{
	xb_sink_write(s, &c, 1);
}

/** The same for blanks. */
void xb_sink_pad(struct xb_sink *s, size_t spaces);

/** The same for formatted text. */
void xb_sink_printf(struct xb_sink *s, const char *fmt, ...) XB_PRINTF(2, 3);

/** What a memory sink holds, "" while empty.  Borrowed until the next write. */
const char *xb_sink_text(const struct xb_sink *s);

/** True once nothing more will be written, for instance because the reader of a pipe left: stop
 * producing. */
bool xb_sink_failed(const struct xb_sink *s);

/**
 * Flush, and say what went wrong since the beginning: SYS (disk full, I/O error) or NOMEM.  A reader
 * that closed its pipe got what it wanted and is no error.  The sink may be written to again only if
 * NULL is returned.
 */
XB_NODISCARD struct xb_error *xb_sink_finish(struct xb_sink *s);

/** Releases memory; does not close the stream. */
void xb_sink_deinit(struct xb_sink *s);

#endif
