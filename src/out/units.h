/* Numbers as people read them, the same in every locale. */
#ifndef XB_OUT_UNITS_H
#define XB_OUT_UNITS_H

#include "base/base.h"

#define XB_UNITS_MAX 64 /* room for any text made here */

/* Each writes to @buf and returns it. */

/** @v with @digits (at most 9) decimals, rounded half away from zero; "nan", "inf", "-inf"; from 1e18
 * on an exponent. */
const char *xb_units_fixed(double v, unsigned digits, char buf[XB_UNITS_MAX]);

/** "17 B", "1.5 KiB", "12.0 MiB": binary units, one decimal from KiB on. */
const char *xb_units_bytes(uint64_t bytes, char buf[XB_UNITS_MAX]);

/** "950 ns", "3.1 us", "12.0 ms", "1.50 s", "2 min 5 s", "3 h 2 min". */
const char *xb_units_duration(uint64_t ns, char buf[XB_UNITS_MAX]);

/** @part of @whole in percent, 0 of nothing. */
static inline double xb_percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/** "12.34 %" of a value where 100 means all. */
const char *xb_units_percent(double percent, char buf[XB_UNITS_MAX]);

#endif
