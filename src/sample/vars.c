#include "sample/vars.h"

#include "base/str.h"

enum xb_var_verdict xb_var_choose(struct xb_var_stats *stats, const struct xb_var_claim *claims,
				  size_t n, xb_var_test test, void *arg, struct xb_var_claim *ret)
{
	enum xb_var_verdict best = XB_VAR_REFUTED, verdict[XB_VAR_MAX_CLAIMS];
	size_t tested = 0, winner = 0;

	n = XB_MIN(n, XB_VAR_MAX_CLAIMS);
	for (; tested < n && best != XB_VAR_PROVED; tested++) {
		verdict[tested] = test(arg, &claims[tested]);
		if (verdict[tested] > best) {
			best = verdict[tested];
			winner = tested;
		}
	}
	for (size_t i = 0; i < n; i++) {
		const struct xb_var_claim *c = &claims[i];

		/* The search asks every register; that most of them hold something else is no news. */
		if (c->source == XB_VAR_SEARCH)
			continue;
		stats->claimed[c->source]++;
		if (best == XB_VAR_PROVED && c->value == claims[winner].value)
			stats->proved[c->source]++;
		else if (i < tested && (verdict[i] == XB_VAR_REFUTED || best == XB_VAR_PROVED))
			stats->refuted[c->source]++;
	}
	if (best != XB_VAR_REFUTED)
		*ret = claims[winner];
	return best;
}

void xb_var_settle(struct xb_var_stats *stats, enum xb_var_source winner, enum xb_var_verdict verdict)
{
	stats->asked++;
	if (verdict == XB_VAR_REFUTED) {
		stats->none++;
		return;
	}
	stats->won[winner]++;
	stats->unproved[winner] += verdict == XB_VAR_POSSIBLE;
}

bool xb_var_force_is_wrong(const struct xb_var_stats *stats)
{
	enum { ENOUGH = 10 };
	uint64_t tested = stats->proved[XB_VAR_FORCED] + stats->refuted[XB_VAR_FORCED];

	return tested >= ENOUGH && stats->proved[XB_VAR_FORCED] < tested / 4;
}

void xb_var_write_sources(const struct xb_var_stats *stats, struct xb_str *out)
{
	double whole = stats->asked == 0 ? 1 : (double)stats->asked;
	const char *comma = "";

	for (int s = 0; s < XB_VAR_SOURCES; s++) {
		if (stats->won[s] == 0)
			continue;
		xb_str_addf(out, "%s%s %.1f %%", comma, xb_var_source_name((enum xb_var_source)s),
			    100.0 * (double)stats->won[s] / whole);
		if (stats->unproved[s] > 0)
			xb_str_addf(out, " (%.1f %% unproved)",
				    100.0 * (double)stats->unproved[s] / whole);
		comma = ", ";
	}
	if (stats->none > 0)
		xb_str_addf(out, "%snone %.1f %%", comma, 100.0 * (double)stats->none / whole);
}

void xb_var_write(enum xb_var var, const struct xb_var_stats *stats, struct xb_str *out)
{
	bool any = false;

	xb_str_addf(out, "%s: ", xb_var_name(var));
	if (stats->asked == 0)
		xb_str_add(out, "none 0.0 %");
	else
		xb_var_write_sources(stats, out);
	for (int s = 0; s < XB_VAR_SOURCES; s++) {
		if (stats->refuted[s] == 0)
			continue;
		xb_str_addf(out, "%s%s %llu of %llu",
			    any ? ", " : "; refuted: ", xb_var_source_name((enum xb_var_source)s),
			    (unsigned long long)stats->refuted[s],
			    (unsigned long long)stats->claimed[s]);
		any = true;
	}
}

const char *xb_var_name(enum xb_var var)
{
	static const char *const names[] = { "c_p", "E", "I" };

	return names[var];
}

const char *xb_var_source_name(enum xb_var_source source)
{
	static const char *const names[] = { "forced", "DWARF", "table", "vote", "search", "later" };

	return names[source];
}
