/*
 * Exercises grammar/selector.{l,y} and src/cli/selector*.c: any bytes either parse, and then print to a
 * form that parses to the same form again, or give an error with a sentence.
 */
#include "cli/selector.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, bool function)
{
	struct xb_error *(*parse)(const char *, struct xb_arena *, const struct xb_selector **) =
		function ? xb_selector_parse_function : xb_selector_parse;
	struct xb_arena arena = XB_ARENA_INIT;
	const struct xb_selector *list = NULL;
	struct xb_str one = XB_STR_INIT, two = XB_STR_INIT;
	struct xb_error *err = parse(text, &arena, &list);

	if (err != NULL) {
		if (xb_error_message(err)[0] == '\0')
			abort();
		xb_error_destroy(err);
	} else {
		xb_selector_print(&one, list);
		/* Escapes make the canonical form longer; it may pass the bound on the text. */
		if (one.len <= XB_SELECTOR_TEXT_MAX) {
			if (parse(xb_str_get(&one), &arena, &list) != NULL)
				abort();
			xb_selector_print(&two, list);
			if (strcmp(xb_str_get(&one), xb_str_get(&two)) != 0)
				abort();
		}
	}
	xb_str_deinit(&one);
	xb_str_deinit(&two);
	xb_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check(text, false);
	check(text, true);
	free(text);
	return 0;
}
