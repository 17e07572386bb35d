/* Whether a native function can be blamed at all: a stripped VM may hide its name. */
#include "elf/loaded.h"
#include "elf/symbols.h"
#include "view/blame.h"

#include <string.h>

static bool names_any(struct xb_object *o, const char *what)
{
	struct xb_symbols *symbols;
	struct xb_error *err = xb_object_symbols(o, &symbols);
	size_t n = err == NULL ? xb_symbols_count(symbols) : 0;

	xb_error_destroy(err);
	for (size_t i = 0; i < n; i++) {
		if (xb_blame_matches(what, xb_symbols_get(symbols, i)->name))
			return true;
	}
	return false;
}

/* The emulator first: nearly all that is asked for is there, and reading the other tables takes longer. */
bool xb_blame_has_name(struct xb_session *s, const char *what)
{
	if (strchr(what, '+') != NULL || strchr(what, ':') != NULL || names_any(s->main, what))
		return true;
	for (size_t i = 0; i < xb_loaded_count(s->loaded); i++) {
		struct xb_object *o = xb_loaded_get(s->loaded, i);

		if (o != s->main && names_any(o, what))
			return true;
	}
	return false;
}
