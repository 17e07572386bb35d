#include "base/num.h"

#include <ctype.h>
#include <string.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse(const char *text, size_t len, unsigned base, uint64_t *ret)
{
	uint64_t n = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);

		if (d < 0 || (unsigned)d >= base || __builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, (uint64_t)d, &n))
			return false;
	}
	*ret = n;
	return true;
}

bool xb_num_hex(const char *text, size_t len, uint64_t *ret)
{
	return parse(text, len, 16, ret);
}

bool xb_num_u64(const char *text, uint64_t max, uint64_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	uint64_t n;

	if (!parse(digits, strlen(digits), hex ? 16 : 10, &n) || n > max)
		return false;
	*ret = n;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* number[.fraction]unit: the fraction is kept exactly, in units of @factor / 10^digits. */
static bool with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
	size_t whole = strspn(text, "0123456789");
	size_t frac = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	const char *name = text + whole + (text[whole] == '.' ? 1 + frac : 0);
	uint64_t n, part = 0, scale = 1;

	if (!parse(text, whole, 10, &n) || (text[whole] == '.' && frac == 0) || frac > 9)
		return false;
	if (frac > 0 && !parse(text + whole + 1, frac, 10, &part))
		return false;
	for (size_t i = 0; i < frac; i++)
		scale *= 10;
	for (const struct unit *u = units; u->name != NULL; u++) {
		uint64_t add;

		if (strcmp(u->name, name) != 0)
			continue;
		if (__builtin_mul_overflow(n, u->factor, &n) ||
		    __builtin_mul_overflow(part, u->factor, &add) ||
		    __builtin_add_overflow(n, add / scale, &n) || n > (uint64_t)1 << 62)
			return false;
		*ret = n;
		return true;
	}
	return false;
}

bool xb_num_duration(const char *text, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "", 1000000000 },  { "ns", 1 },          { "us", 1000 },         { "ms", 1000000 },
		{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 }, { NULL, 0 },
	};

	return with_unit(text, units, ret_ns);
}

bool xb_num_bytes(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },          { "B", 1 },         { "K", 1 << 10 },
		{ "KiB", 1 << 10 }, { "M", 1 << 20 },   { "MiB", 1 << 20 },
		{ "G", 1 << 30 },   { "GiB", 1 << 30 }, { NULL, 0 },
	};

	return with_unit(text, units, ret_bytes);
}
