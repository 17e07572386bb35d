/* What of a VM can be damaged: words of its tables one by one, and regions that its roots lead to. */
#ifndef SCRIBBLE_PLACES_H
#define SCRIBBLE_PLACES_H

#include "base/vec.h"
#include "session/session.h"

struct word {
	const char *name; /* NULL: one of a region */
	xb_addr addr;
	size_t width;
	bool is_index; /* one of few numbers */
};

struct region {
	const char *name;
	xb_addr start;
	size_t words;
};

XB_VEC(words, struct word);
XB_VEC(regions, struct region);

/** Every word of the VM's tables and variables that we believe in.  Aborts without memory. */
void scribble_tables(struct xb_session *s, struct words *list);

/** Tables, processes, stacks, atoms, code headers, the JIT list, the emulator's data; what is small several times. */
void scribble_regions(struct xb_session *s, struct regions *list);

#endif
