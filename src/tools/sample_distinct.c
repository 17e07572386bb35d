/*
 * --stacks: every distinct stack of the run with its count, most frequent first.
 *
 * There may be hundreds of thousands, so they are written as they come, not kept as a table.
 */
#include "tools/sample_run.h"

#include "out/json.h"
#include "out/text.h"
#include "out/units.h"
#include "view/top.h"

#include <stdlib.h>
#include <string.h>

struct distinct {
	struct sample_ctx *c;
	const struct xb_profile *p;
	const struct xb_pcounter **list; /* descending */
	size_t n;
	uint64_t samples;
	struct xb_u32s shown;
	struct xb_str text;
};

static int by_count(const void *a, const void *b)
{
	const struct xb_pcounter *x = *(const struct xb_pcounter *const *)a;
	const struct xb_pcounter *y = *(const struct xb_pcounter *const *)b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	/* Both in one array, in the order they were first seen. */
	return x < y ? -1 : 1;
}

static const char *mode_name(enum xb_mixed_mode mode)
{
	static const char *const names[] = { "erlang", "c", "scheduling", "other", "saved" };

	return names[mode];
}

/* --- text --- */

static void put(struct distinct *d, enum xb_role role, const char *text)
{
	xb_str_clear(&d->text);
	xb_text_safe(&d->text, text, strlen(text));
	xb_tty_write(&d->c->run->tty, &d->c->run->out, role, xb_str_get(&d->text), d->text.len);
}

static void head_text(struct distinct *d, const struct xb_pcounter *n, const struct xb_pstack *s)
{
	struct xb_sink *to = &d->c->run->out;

	xb_sink_printf(to, "%llu samples, %.2f %%: ", (unsigned long long)n->count,
		       xb_percent(n->count, d->samples));
	if (n->process < XB_PROFILE_GONE) {
		put(d, XB_ROLE_PROCESS, d->p->processes.data[n->process].label);
		xb_sink_putc(to, ' ');
		put(d, XB_ROLE_NONE, d->p->processes.data[n->process].pid);
	} else {
		xb_sink_puts(to, n->process == XB_PROFILE_GONE ? "[unknown process]"
							       : "[no Erlang process]");
	}
	xb_sink_puts(to, " on ");
	put(d, XB_ROLE_NONE, d->p->threads.data[n->thread].label);
	xb_sink_printf(to, ", CPU %u%s%s%s\n", n->cpu, n->exact ? "" : ", ~ not exact",
		       s->rooted ? "" : ", not whole", s->cut ? ", cut" : "");
}

static void frame_text(struct distinct *d, const struct xb_pframe *f)
{
	static const enum xb_role roles[] = { XB_ROLE_NATIVE, XB_ROLE_ERLANG, XB_ROLE_NATIVE,
					      XB_ROLE_KERNEL };
	const struct xb_pfunction *fn = xb_profile_function(d->p, f);
	struct xb_sink *to = &d->c->run->out;

	xb_sink_puts(to, (f->word & XB_MIXED_LATER) != 0 ? "  ~ " : "    ");
	put(d, roles[fn->kind], fn->name);
	if (*f->file != '\0') {
		xb_sink_puts(to, " (");
		put(d, XB_ROLE_PATH, f->file);
		xb_sink_printf(to, ":%u)", f->line);
	} else if (fn->kind != XB_MIXED_ERLANG && *fn->module != '\0') {
		xb_sink_puts(to, " (");
		put(d, XB_ROLE_PATH, fn->module);
		xb_sink_puts(to, ")");
	}
	xb_sink_putc(to, '\n');
}

/* --- JSON --- */

static void text_or_null(struct xb_json *j, const char *key, const char *text)
{
	xb_json_key(j, key);
	if (text == NULL || *text == '\0')
		xb_json_null(j);
	else
		xb_json_text(j, text);
}

static void head_json(const struct distinct *d, struct xb_json *j, const struct xb_pcounter *n,
		      const struct xb_pstack *s)
{
	const struct xb_pprocess *process =
		n->process < XB_PROFILE_GONE ? &d->p->processes.data[n->process] : NULL;

	xb_json_key(j, "samples");
	xb_json_u64(j, n->count);
	xb_json_key(j, "percent");
	xb_json_double(j, xb_percent(n->count, d->samples), 4);
	text_or_null(j, "pid", process == NULL ? NULL : process->pid);
	text_or_null(j, "process",
		     process != NULL                       ? process->label
		     : n->process == XB_PROFILE_NO_PROCESS ? NULL
							   : "[unknown process]");
	text_or_null(j, "thread", d->p->threads.data[n->thread].label);
	xb_json_key(j, "cpu");
	xb_json_u64(j, n->cpu);
	text_or_null(j, "mode", mode_name(n->mode));
	xb_json_key(j, "exact");
	xb_json_bool(j, n->exact);
	xb_json_key(j, "rooted");
	xb_json_bool(j, s->rooted);
	xb_json_key(j, "cut");
	xb_json_bool(j, s->cut);
}

static void frame_json(const struct distinct *d, struct xb_json *j, const struct xb_pframe *f)
{
	const struct xb_pfunction *fn = xb_profile_function(d->p, f);

	xb_json_object_begin(j);
	text_or_null(j, "function", fn->name);
	text_or_null(j, "module", fn->module);
	text_or_null(j, "kind", xb_mixed_kind_name(fn->kind));
	text_or_null(j, "file", f->file);
	xb_json_key(j, "line");
	if (f->line == 0)
		xb_json_null(j);
	else
		xb_json_u64(j, f->line);
	xb_json_key(j, "known");
	xb_json_bool(j, fn->known);
	xb_json_key(j, "exact");
	xb_json_bool(j, (f->word & XB_MIXED_LATER) == 0);
	xb_json_object_end(j);
}

/* --- the whole --- */

/* Frames to print, innermost first, in d->shown; all of them, unless only Erlang's are asked for. */
static bool choose(struct distinct *d, const struct xb_pstack *s, size_t *ret)
{
	if (!xb_u32s_reserve(&d->shown, s->n + 1U))
		return false;
	*ret = s->n;
	if (d->c->opts->only_erlang)
		*ret = xb_top_shown(d->p, s, true, d->shown.data);
	else
		for (uint32_t i = 0; i < s->n; i++)
			d->shown.data[i] = i;
	return true;
}

static struct xb_error *write_row(struct distinct *d, struct xb_json *j, const struct xb_pcounter *n)
{
	const struct xb_pstack *s = &d->p->stacks.data[n->stack];
	size_t count;

	if (!choose(d, s, &count))
		return xb_error_nomem();
	if (j == NULL) {
		head_text(d, n, s);
		for (size_t i = 0; i < count; i++)
			frame_text(d, xb_profile_frame(d->p, s, d->shown.data[i]));
		xb_sink_putc(&d->c->run->out, '\n');
		return NULL;
	}
	xb_json_object_begin(j);
	head_json(d, j, n, s);
	xb_json_key(j, "frames");
	xb_json_array_begin(j);
	for (size_t i = 0; i < count; i++)
		frame_json(d, j, xb_profile_frame(d->p, s, d->shown.data[i]));
	xb_json_array_end(j);
	xb_json_object_end(j);
	return NULL;
}

static struct xb_error *collect(struct distinct *d)
{
	d->n = d->p->counters.len;
	d->list = xb_arena_array(&d->c->run->arena, d->n + 1, sizeof(const struct xb_pcounter *));
	if (d->list == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < d->n; i++) {
		d->list[i] = &d->p->counters.data[i];
		d->samples += d->list[i]->count;
	}
	if (d->n > 0)
		// NOLINTNEXTLINE(bugprone-sizeof-expression): the elements are pointers
		qsort((void *)d->list, d->n, sizeof(d->list[0]), by_count);
	return NULL;
}

static struct xb_error *print(struct distinct *d)
{
	struct xb_tool_run *run = d->c->run;
	struct xb_json json, *j = run->common.json ? &json : NULL;
	struct xb_report report;
	uint64_t others = 0;
	size_t n;

	XB_TRY(collect(d));
	n = XB_MIN(d->n, (size_t)d->c->opts->top);
	for (size_t i = n; i < d->n; i++)
		others += d->list[i]->count;
	xb_report_init(&report, "extrospect.sample.distinct_stacks", 1, &run->arena);
	sample_target_facts(&report, d->c->session);
	xb_report_health(&report, "distinct_stacks", "% distinct stacks", XB_KIND_UINT,
			 xb_cell_uint(d->n));
	xb_report_health(&report, "samples_not_shown",
			 others > 0 ? "% samples in those not shown" : NULL, XB_KIND_UINT,
			 xb_cell_uint(others));
	sample_health_facts(&report, d->c);
	if (j != NULL) {
		XB_TRY(xb_report_json_begin(&report, j, &run->out));
		xb_json_array_begin(j);
	} else {
		XB_TRY(xb_report_print_target(&report, &run->out, &run->tty));
		xb_sink_putc(&run->out, '\n');
	}
	for (size_t i = 0; i < n && !xb_sink_failed(&run->out); i++)
		XB_TRY(write_row(d, j, d->list[i]));
	if (j != NULL) {
		xb_json_array_end(j);
		return xb_report_json_end(&report, j);
	}
	XB_TRY(xb_report_print_health(&report, &run->out, &run->tty));
	if (d->c->opts->skid_summary)
		sample_print_skid(d->c, &run->out);
	return NULL;
}

static struct xb_error *show(struct sample_ctx *c)
{
	struct distinct d = { .c = c, .p = c->profile };
	struct xb_error *err = print(&d);

	xb_u32s_deinit(&d.shown);
	xb_str_deinit(&d.text);
	return err;
}

struct xb_error *sample_run_distinct(struct xb_tool_run *run)
{
	return sample_run_with(run, show);
}
