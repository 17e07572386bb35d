/* What every report of erlang-sample says about its target and its own trustworthiness. */
#include "tools/sample_run.h"

#include "out/units.h"
#include "view/top.h"

void sample_target_facts(struct xb_report *r, const struct xb_session *s)
{
	const struct xb_identity *id = &s->vm->id;

	xb_report_target(r, "pid", "pid %", XB_KIND_UINT, xb_cell_uint((uint64_t)s->proc.pid));
	xb_report_target(r, "otp_release", "OTP %", XB_KIND_UINT, xb_cell_uint(id->otp));
	xb_report_target(r, "erts_version", "erts %", XB_KIND_TEXT, xb_cell_text(id->erts));
	xb_report_target(r, "flavor", "%", XB_KIND_TEXT, xb_cell_text(xb_flavor_name(id->flavor)));
	xb_report_target(r, "frame_pointers", NULL, XB_KIND_BOOL, xb_cell_bool(id->frame_pointers));
	xb_report_target(r, "build_id", NULL, XB_KIND_TEXT, xb_cell_text(id->build_id));
	xb_report_target(r, "schedulers", "% schedulers", XB_KIND_UINT,
			 xb_cell_uint(s->scheds.n_normal));
}

/* By the frame that the default report counts a sample for, so that its row and the health line agree. */
static uint64_t unresolved(const struct xb_profile *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->counters.len; i++) {
		const struct xb_pstack *s = &p->stacks.data[p->counters.data[i].stack];
		uint32_t first;

		if (!xb_top_innermost(p, s, &first)
			    ? p->counters.data[i].process != XB_PROFILE_NO_PROCESS
			    : !xb_profile_function(p, xb_profile_frame(p, s, first))->known)
			n += p->counters.data[i].count;
	}
	return n;
}

void sample_layout_health(struct xb_report *r, const struct xb_layout *l)
{
	struct xb_str source = XB_STR_INIT;

	xb_layout_write_source(l, &source);
	xb_report_health(r, "layout", "layout %", XB_KIND_TEXT, xb_cell_text(l->name));
	xb_report_health(r, "layout_source", "from %", XB_KIND_TEXT,
			 xb_cell_text(xb_arena_printf(r->arena, "%s", xb_str_get(&source))));
	xb_report_health(r, "layout_from_dwarf", NULL, XB_KIND_UINT, xb_cell_uint(l->from_dwarf));
	xb_report_health(r, "layout_dwarf_differs", NULL, XB_KIND_UINT, xb_cell_uint(l->dwarf_differs));
	xb_str_deinit(&source);
}

void sample_health_facts(struct xb_report *r, const struct sample_ctx *c)
{
	const struct xb_profile *p = c->profile;
	const struct xb_source_stats *s = &c->result.source;
	const struct xb_mixer_stats *m = xb_mixer_stats(c->mixer);
	uint64_t torn = m->unreadable + m->bad_c_p + m->bad_step;

	xb_report_health(r, "samples", "% samples", XB_KIND_UINT, xb_cell_uint(p->samples));
	xb_report_health(r, "duration_ns", "in %", XB_KIND_DURATION_NS,
			 xb_cell_uint(c->result.elapsed_ns));
	xb_report_health(r, "backend", "by %", XB_KIND_TEXT, xb_cell_text(xb_backend_name(c->backend)));
	xb_report_health(r, "lost", "% lost", XB_KIND_UINT, xb_cell_uint(s->lost));
	xb_report_health(r, "torn", "% torn", XB_KIND_UINT, xb_cell_uint(torn));
	xb_report_health(r, "unresolved", "% unresolved", XB_KIND_UINT, xb_cell_uint(unresolved(p)));
	xb_report_health(r, "erlang_samples", NULL, XB_KIND_UINT, xb_cell_uint(p->erlang));
	xb_report_health(r, "exact_stacks", NULL, XB_KIND_UINT, xb_cell_uint(p->exact));
	xb_report_health(r, "exact_percent", "% of Erlang stacks exact", XB_KIND_PERCENT,
			 xb_cell_real(xb_percent(p->exact, p->erlang)));
	xb_report_health(r, "rooted_percent", "% rooted", XB_KIND_PERCENT,
			 xb_cell_real(xb_percent(p->rooted, p->erlang + p->broken)));
	xb_report_health(r, "broken_stacks", p->broken > 0 ? "% led nowhere" : NULL, XB_KIND_UINT,
			 xb_cell_uint(p->broken));
	xb_report_health(r, "median_skid_ns", "median skid % (of the others)", XB_KIND_DURATION_NS,
			 p->skid.n == 0 ? xb_cell_none()
					: xb_cell_uint(xb_skid_quantile(&p->skid, 0.5)));
	xb_report_health(r, "worst_skid_ns", "worst %", XB_KIND_DURATION_NS,
			 p->skid.n == 0 ? xb_cell_none() : xb_cell_uint(p->skid.worst_ns));
	xb_report_health(r, "same_process_percent", NULL, XB_KIND_PERCENT,
			 xb_cell_real(xb_percent(p->skid.still_on, p->skid.n)));
	xb_report_health(r, "code_changes", p->code_changes > 0 ? "% code changes" : NULL, XB_KIND_UINT,
			 xb_cell_uint(p->code_changes));
	xb_report_health(r, "ambiguous",
			 p->ambiguous > 0 ? "% frames of replaced code ambiguous" : NULL, XB_KIND_UINT,
			 xb_cell_uint(p->ambiguous));
	xb_report_health(r, "throttled", s->throttled > 0 ? "throttled % times" : NULL, XB_KIND_UINT,
			 xb_cell_uint(s->throttled));
	xb_report_health(r, "overflow", p->overflow > 0 ? "% samples did not fit" : NULL, XB_KIND_UINT,
			 xb_cell_uint(p->overflow));
	xb_report_health(r, "kernel_excluded",
			 s->kernel_excluded ? "no samples in the kernel (CAP_PERFMON, or "
					      "kernel.perf_event_paranoid below 2, allows them)"
					    : NULL,
			 XB_KIND_BOOL, xb_cell_bool(s->kernel_excluded));
	xb_report_health(r, "backend_note", NULL, XB_KIND_TEXT, xb_cell_text(c->backend_note));
	sample_layout_health(r, &c->session->vm->layout);
	sample_vars_health(r, c);
	sample_roles_health(r, c);
	xb_report_health(r, "own_cpu_ns", NULL, XB_KIND_DURATION_NS,
			 xb_cell_uint(c->result.own_cpu_ns));
	xb_report_health(r, "unwind_cpu_ns", NULL, XB_KIND_DURATION_NS, xb_cell_uint(m->unwind_ns));
	xb_report_health(r, "no_row", NULL, XB_KIND_UINT, xb_cell_uint(m->no_row));
	xb_report_health(r, "stack_copy_short", NULL, XB_KIND_UINT, xb_cell_uint(m->short_copy));
	xb_report_health(r, "unknown_call_sites", NULL, XB_KIND_UINT, xb_cell_uint(m->no_E));
}

void sample_print_skid(const struct sample_ctx *c, struct xb_sink *to)
{
	const struct xb_skid *k = &c->profile->skid;

	xb_sink_printf(
		to,
		"skid: %llu of %llu Erlang stacks are exact; %llu had to be read after the sample\n",
		(unsigned long long)c->profile->exact, (unsigned long long)c->profile->erlang,
		(unsigned long long)k->n);
	if (k->n == 0)
		return;
	xb_sink_printf(
		to,
		"  delay from sample to read: median %.0f us, 90 %% within %.0f us, 99 %% within %.0f us, worst %.0f us\n",
		(double)xb_skid_quantile(k, 0.5) / 1e3, (double)xb_skid_quantile(k, 0.9) / 1e3,
		(double)xb_skid_quantile(k, 0.99) / 1e3, (double)k->worst_ns / 1e3);
	xb_sink_printf(
		to,
		"  the scheduler still ran the same process in %.1f %% of them; their callers (marked ~) may be of another moment\n",
		xb_percent(k->still_on, k->n));
	for (size_t i = 0; i < XB_ARRAY_LEN(k->bucket); i++) {
		if (k->bucket[i] > 0)
			xb_sink_printf(to, "  below %9.0f us: %llu\n", (double)(UINT64_C(2) << i) / 1e3,
				       (unsigned long long)k->bucket[i]);
	}
}
