/* What the terminal can do, how things look on it, and the status line of a run. */
#ifndef XB_OUT_TTY_H
#define XB_OUT_TTY_H

#include "base/base.h"
#include "out/sink.h"

#include <stdio.h>

/* What a piece of text is; the palette is in tty.c, one legend for all tools. */
enum xb_role {
	XB_ROLE_NONE,
	XB_ROLE_ERLANG,  /* green: a function of a loaded module */
	XB_ROLE_NATIVE,  /* yellow: C code of the VM, a NIF, a library */
	XB_ROLE_KERNEL,  /* red */
	XB_ROLE_PROCESS, /* bold: a process id or name */
	XB_ROLE_PATH,    /* dim: file and line */
	XB_ROLE_HEAD,    /* underlined: column titles */
	XB_ROLE_WARN,    /* magenta: what makes a result doubtful */
};

struct xb_tty {
	bool is_terminal;
	bool color;
	unsigned width; /* columns; 0 when unknown or not a terminal */
};

/**
 * Look at @file and the environment.  Colour is on for a terminal other than "dumb"; CLICOLOR=0 turns
 * it off, CLICOLOR_FORCE (not 0) turns it on anywhere; a non-empty NO_COLOR or @no_color turn it off
 * whatever else says.
 */
void xb_tty_init(struct xb_tty *tty, FILE *file, bool no_color);

/** Write @len bytes in the look of @role; without colour just the bytes.  @tty may be NULL: plain. */
void xb_tty_write(const struct xb_tty *tty, struct xb_sink *to, enum xb_role role, const char *bytes,
		  size_t len);

/* One line on stderr that is overwritten while a run lasts and erased at its end.  Silent unless stderr
 * is a terminal. */
struct xb_status {
	bool on, shown;
	unsigned width;
};

/** Look at stderr; @quiet keeps the line off. */
void xb_status_init(struct xb_status *status, bool quiet);

/** Replace the line; control characters are escaped and the line cut to the terminal. */
void xb_status_set(struct xb_status *status, const char *fmt, ...) XB_PRINTF(2, 3);

/** Erase the line, before anything else is written to the terminal. */
void xb_status_clear(struct xb_status *status);

#endif
