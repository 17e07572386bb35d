#include "cli/help.h"

#include "base/str.h"
#include "cli/tool.h"

#include <string.h>

#define HELP_COLUMN 30 /* where the text of an option starts */

static const struct {
	int code;
	const char *text;
} exits[] = {
	{ XB_EXIT_OK, "the result is complete" },
	{ XB_EXIT_FAILED, "the operation failed" },
	{ XB_EXIT_USAGE, "wrong usage, or the target is no Erlang VM" },
	{ XB_EXIT_PERM, "the kernel refuses access; the message names the rule" },
	{ XB_EXIT_GONE, "the target is gone" },
	{ XB_EXIT_UNSUPPORTED, "this VM or kernel is not supported, or a layout check failed" },
	{ XB_EXIT_INCOMPLETE, "a result was written, but it is incomplete" },
};

/* Fold @text at blanks into lines that start in column @indent; the first line starts at @column. */
static void fold(struct xb_sink *to, const char *text, size_t column, size_t indent, size_t width)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (column > indent && column + 1 + len > width) {
			xb_sink_putc(to, '\n');
			xb_sink_pad(to, indent);
			column = indent;
		} else if (column > indent) {
			xb_sink_putc(to, ' ');
			column++;
		}
		xb_sink_write(to, text, len);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	xb_sink_putc(to, '\n');
}

static void print_option(struct xb_sink *to, const struct xb_opt *o, size_t width)
{
	struct xb_str head = XB_STR_INIT, text = XB_STR_INIT;

	if (o->letter != 0)
		xb_str_addf(&head, "  -%c, --%s", o->letter, o->name);
	else
		xb_str_addf(&head, "      --%s", o->name);
	if (o->arg != NULL)
		xb_str_addf(&head, " %s", o->arg);
	xb_sink_puts(to, xb_str_get(&head));
	if (head.len + 2 > HELP_COLUMN) {
		xb_sink_putc(to, '\n');
		xb_sink_pad(to, HELP_COLUMN);
	} else {
		xb_sink_pad(to, HELP_COLUMN - head.len);
	}
	xb_str_add(&text, o->help);
	for (size_t i = 0; o->choices != NULL && !o->brief && o->choices[i] != NULL; i++)
		xb_str_addf(&text, "%s %s", i == 0 ? ":" : ",", o->choices[i]);
	if (o->def != NULL)
		xb_str_addf(&text, " [%s]", o->def);
	fold(to, xb_str_get(&text), HELP_COLUMN, HELP_COLUMN, width);
	xb_str_deinit(&head);
	xb_str_deinit(&text);
}

void xb_help_print(const struct xb_tool *tool, const struct xb_opt_group *groups, size_t n_groups,
		   struct xb_sink *to, unsigned width)
{
	size_t columns = width == 0 ? 80 : XB_MAX(XB_MIN(width, 110U), 60U);

	xb_sink_printf(to, "Usage: %s %s\n\n", tool->name, tool->usage);
	fold(to, tool->summary, 0, 0, columns);
	for (size_t g = 0; g < n_groups; g++) {
		xb_sink_printf(to, "\n%s:\n", groups[g].title);
		for (const struct xb_opt *o = groups[g].opts; o->name != NULL; o++) {
			if (!o->hidden)
				print_option(to, o, columns);
		}
	}
	xb_sink_puts(to, "\nTimes take ns, us, ms, s, m or h; sizes take K, M or G.\n\nExamples:\n");
	for (const struct xb_tool_example *e = tool->examples; e->command != NULL; e++)
		xb_sink_printf(to, "  %s\n      %s\n", e->command, e->text);
	xb_sink_puts(to, "\nExit codes:\n");
	for (size_t i = 0; i < XB_ARRAY_LEN(exits); i++)
		xb_sink_printf(to, "  %d  %s\n", exits[i].code, exits[i].text);
	xb_sink_puts(to, "\nReporting a problem: see CONTRIBUTING.md, and send what\n"
			 "'erlang-inspect PID system --json' prints along with the command.\n");
}

void xb_help_version(const struct xb_tool *tool, struct xb_sink *to)
{
	xb_sink_printf(to, "%s (extrospect) " XB_VERSION "\n", tool->name);
}

static const char *or_dash(const char *s)
{
	return s == NULL || s[0] == '\0' ? "-" : s;
}

void xb_help_dump(const struct xb_tool *tool, const struct xb_opt_group *groups, size_t n_groups,
		  struct xb_sink *to)
{
	xb_sink_printf(to, "tool\t%s\t" XB_VERSION "\t%s\t%s\n", tool->name, tool->summary,
		       tool->usage);
	for (size_t g = 0; g < n_groups; g++) {
		xb_sink_printf(to, "group\t%s\n", groups[g].title);
		for (const struct xb_opt *o = groups[g].opts; o->name != NULL; o++) {
			const char letter[2] = { o->letter, '\0' };

			if (o->hidden)
				continue;
			xb_sink_printf(to, "option\t%s\t%s\t%s\t%s\t", or_dash(letter), o->name,
				       or_dash(o->arg), or_dash(o->def));
			for (size_t i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
				xb_sink_printf(to, "%s%s", i == 0 ? "" : ",", o->choices[i]);
			xb_sink_printf(to, "%s\t%s\n", o->choices == NULL ? "-" : "", o->help);
		}
	}
	for (const struct xb_tool_example *e = tool->examples; e->command != NULL; e++)
		xb_sink_printf(to, "example\t%s\t%s\n", e->command, e->text);
	for (size_t i = 0; i < XB_ARRAY_LEN(exits); i++)
		xb_sink_printf(to, "exit\t%d\t%s\n", exits[i].code, exits[i].text);
}
