/*
 * Atoms as the VM's own printf writes them (%T), which is how it spells code for debuggers and perf.  Not quite as
 * Erlang's io:format() does: reserved words stay bare, @ is quoted, DEL is raw.
 * Mirrors erts/emulator/beam/erl_printf_term.c:print_atom_name() (OTP 25).
 */
#include "vm/atom.h"
#include "vm/mfa.h"

/* What the VM takes a byte for when it decides on quotes: Latin-1, 'a' inside a character, 0 beyond Latin-1. */
static unsigned latin1(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0];
	if ((p[0] & 0xe0) == 0xc0)
		return (p[0] & 0x1fU) << 6 | (left > 1 ? p[1] & 0x3fU : 0);
	return (p[0] & 0xc0) == 0x80 ? 'a' : 0;
}

static bool is_lower(unsigned c)
{
	return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7);
}

static bool is_alnum(unsigned c)
{
	return is_lower(c) || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

static bool is_plain(const unsigned char *p, size_t len)
{
	if (!is_lower(latin1(p, len)))
		return false;
	for (size_t i = 1; i < len; i++) {
		unsigned c = latin1(p + i, len - i);

		if (!is_alnum(c) && c != '_')
			return false;
	}
	return true;
}

static void add_escaped(const unsigned char *p, size_t len, struct xb_str *out)
{
	static const char letters[] = "btnvfr"; /* of 8 to 13 */

	for (size_t i = 0; i < len; i++) {
		unsigned c = p[i];

		if (c == '\'' || c == '\\') {
			xb_str_addc(out, '\\');
			xb_str_addc(out, (char)c);
		} else if (c >= '\b' && c <= '\r') {
			xb_str_addc(out, '\\');
			xb_str_addc(out, letters[c - '\b']);
		} else if (c < ' ') {
			xb_str_addf(out, "\\%03o", c);
		} else if (c == 0xc2 && i + 1 < len && p[i + 1] < 0xa0) {
			xb_str_addf(out, "\\%03o", p[++i]);
		} else {
			xb_str_addc(out, (char)c);
		}
	}
}

static void atom_spell(struct xb_vm *vm, uint32_t index, struct xb_str *out)
{
	const unsigned char *name;
	struct xb_atom_text text;

	if (!xb_atom_get(vm, index, &text)) {
		xb_str_addf(out, "<bad atom index: %u>", index);
		return;
	}
	name = (const unsigned char *)text.name;
	if (text.len > 0 && is_plain(name, text.len)) {
		xb_str_addn(out, text.name, text.len);
		return;
	}
	xb_str_addc(out, '\'');
	add_escaped(name, text.len, out);
	xb_str_addc(out, '\'');
}

void xb_mfa_spell(struct xb_vm *vm, struct xb_mfa mfa, struct xb_str *out)
{
	atom_spell(vm, mfa.module, out);
	xb_str_addc(out, ':');
	atom_spell(vm, mfa.function, out);
	xb_str_addf(out, "/%u", mfa.arity);
}
