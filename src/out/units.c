#include "out/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *xb_units_fixed(double v, unsigned digits, char buf[XB_UNITS_MAX])
{
	uint64_t scale = 1, whole, part;
	const char *sign;

	if (!isfinite(v)) {
		(void)snprintf(buf, XB_UNITS_MAX, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return buf;
	}
	if (fabs(v) >= 1e18) { /* clamping would lie */
		(void)snprintf(buf, XB_UNITS_MAX, "%.0e", v);
		return buf;
	}
	for (unsigned i = 0; i < digits && i < 9; i++)
		scale *= 10;
	/* Whole and fraction apart: their product with the scale would not be exact from 2^53 on. */
	whole = (uint64_t)fabs(v);
	part = (uint64_t)((fabs(v) - (double)whole) * (double)scale + 0.5);
	if (part >= scale) {
		part -= scale;
		whole++;
	}
	sign = v < 0 && (whole > 0 || part > 0) ? "-" : "";
	if (scale == 1)
		(void)snprintf(buf, XB_UNITS_MAX, "%s%" PRIu64, sign, whole);
	else
		(void)snprintf(buf, XB_UNITS_MAX, "%s%" PRIu64 ".%0*" PRIu64, sign, whole,
			       (int)XB_MIN(digits, 9U), part);
	return buf;
}

/* @n / @unit with @digits decimals, rounded down so that a value never shows as the next unit's. */
static void ratio(char *buf, uint64_t n, uint64_t unit, unsigned digits, const char *name)
{
	uint64_t scale = digits == 1 ? 10 : 100;
	uint64_t rest = (uint64_t)((unsigned __int128)(n % unit) * scale / unit);

	(void)snprintf(buf, XB_UNITS_MAX, "%" PRIu64 ".%0*" PRIu64 " %s", n / unit, (int)digits, rest,
		       name);
}

const char *xb_units_bytes(uint64_t bytes, char buf[XB_UNITS_MAX])
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t unit = 1024;
	size_t i = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, XB_UNITS_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (i + 1 < XB_ARRAY_LEN(names) && bytes / 1024 >= unit) {
		unit *= 1024;
		i++;
	}
	ratio(buf, bytes, unit, 1, names[i]);
	return buf;
}

const char *xb_units_duration(uint64_t ns, char buf[XB_UNITS_MAX])
{
	const uint64_t second = 1000000000;

	if (ns < 1000)
		(void)snprintf(buf, XB_UNITS_MAX, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		ratio(buf, ns, 1000, 1, "us");
	else if (ns < second)
		ratio(buf, ns, 1000000, 1, "ms");
	else if (ns < 60 * second)
		ratio(buf, ns, second, 2, "s");
	else if (ns < 3600 * second)
		(void)snprintf(buf, XB_UNITS_MAX, "%" PRIu64 " min %" PRIu64 " s", ns / (60 * second),
			       ns / second % 60);
	else
		(void)snprintf(buf, XB_UNITS_MAX, "%" PRIu64 " h %" PRIu64 " min", ns / (3600 * second),
			       ns / (60 * second) % 60);
	return buf;
}

const char *xb_units_percent(double percent, char buf[XB_UNITS_MAX])
{
	char number[XB_UNITS_MAX];

	(void)snprintf(buf, XB_UNITS_MAX, "%.48s %%", xb_units_fixed(percent, 2, number));
	return buf;
}
