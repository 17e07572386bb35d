#include "elf/dwutil.h"

#include <dwarf.h>
#include <string.h>

bool xb_dw_next(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Off before = dwarf_dieoffset(die);
	Dwarf_Die next;

	if (dwarf_siblingof(die, &next) != 0 || dwarf_dieoffset(&next) <= before)
		return false;
	*ret = next;
	return true;
}

bool xb_dw_ref(Dwarf_Die *die, unsigned name, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, name, &attr) != NULL && dwarf_formref_die(&attr, ret) != NULL;
}

bool xb_dw_peel(Dwarf_Die *type, Dwarf_Die *ret)
{
	Dwarf_Die die = *type;

	for (unsigned i = 0; i < XB_DW_MAX_TYPE_DEPTH; i++) {
		switch (dwarf_tag(&die)) {
		case DW_TAG_typedef:
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_atomic_type:
			if (!xb_dw_ref(&die, DW_AT_type, &die))
				return false;
			break;
		case DW_TAG_invalid:
			return false;
		default:
			/* A stand-in for what is defined in a type unit. */
			if (dwarf_hasattr(&die, DW_AT_signature) &&
			    xb_dw_ref(&die, DW_AT_signature, &die))
				break;
			*ret = die;
			return true;
		}
	}
	return false;
}

bool xb_dw_type(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Die type;

	return xb_dw_ref(die, DW_AT_type, &type) && xb_dw_peel(&type, ret);
}

static bool udata(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Word v;

	if (dwarf_attr_integrate(die, name, &attr) == NULL || dwarf_formudata(&attr, &v) != 0)
		return false;
	*ret = v;
	return true;
}

/* Elements of all dimensions.  A dimension without a bound is a flexible array. */
static bool array_count(Dwarf_Die *array, uint64_t *ret)
{
	uint64_t total = 1, n, lower;
	Dwarf_Die dim;

	if (dwarf_child(array, &dim) != 0)
		return false;
	do {
		if (dwarf_tag(&dim) != DW_TAG_subrange_type)
			continue;
		if (udata(&dim, DW_AT_count, &n)) {
			/* as it says */
		} else if (udata(&dim, DW_AT_upper_bound, &n)) {
			if (!udata(&dim, DW_AT_lower_bound, &lower))
				lower = 0;
			n = n - lower + 1; /* [0] is written as an upper bound of -1 */
		} else {
			n = 0;
		}
		if (__builtin_mul_overflow(total, n, &total))
			return false;
	} while (xb_dw_next(&dim, &dim));
	*ret = total;
	return true;
}

bool xb_dw_sizeof(Dwarf_Die *type, uint64_t *ret)
{
	uint64_t scale = 1, n, size;
	Dwarf_Die die;

	if (!xb_dw_peel(type, &die))
		return false;
	for (unsigned i = 0; dwarf_tag(&die) == DW_TAG_array_type; i++) {
		if (i == XB_DW_MAX_TYPE_DEPTH || dwarf_hasattr_integrate(&die, DW_AT_byte_stride) ||
		    dwarf_hasattr_integrate(&die, DW_AT_bit_stride))
			return false;
		if (udata(&die, DW_AT_byte_size, &size))
			break;
		if (!array_count(&die, &n) || __builtin_mul_overflow(scale, n, &scale) ||
		    !xb_dw_type(&die, &die))
			return false;
	}
	if (!udata(&die, DW_AT_byte_size, &size)) {
		int tag = dwarf_tag(&die);

		if (tag != DW_TAG_pointer_type && tag != DW_TAG_reference_type &&
		    tag != DW_TAG_rvalue_reference_type)
			return false;
		size = 8;
	}
	if (__builtin_mul_overflow(scale, size, &size))
		return false;
	*ret = size;
	return true;
}

bool xb_dw_flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	bool flag = false;

	return dwarf_attr(die, name, &attr) != NULL && dwarf_formflag(&attr, &flag) == 0 && flag;
}

bool xb_dw_unit_is(Dwarf_Die *unit, const char *suffix, size_t suffix_len)
{
	const char *name = dwarf_diename(unit);
	size_t len = name == NULL ? 0 : strlen(name);

	return len >= suffix_len && memcmp(name + len - suffix_len, suffix, suffix_len) == 0 &&
	       (len == suffix_len || name[len - suffix_len - 1] == '/');
}

bool xb_dw_next_unit(Dwarf *dw, Dwarf_CU **cu, Dwarf_Die *ret)
{
	Dwarf_Die die, split;
	uint8_t type = 0;

	memset(&split, 0, sizeof(split));
	if (dwarf_get_units(dw, *cu, cu, NULL, &type, &die, &split) != 0)
		return false;
	*ret = type == DW_UT_skeleton && split.addr != NULL ? split : die;
	return true;
}
