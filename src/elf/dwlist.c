/*
 *	.debug_loc:       start │ end │ length │ expression …       relative to the unit's base; ~0: new
 *base .debug_loclists:  kind │ operands │ length │ expression …  (DWARF 5, 7.7.3)
 */
#include "elf/dwlist.h"

#include "elf/dwexpr.h"
#include "elf/leb.h"
#include "elf/rawsection.h"

#include <dwarf.h>
#include <string.h>

struct list {
	struct xb_rd r;
	xb_addr base;
	unsigned offset_size;
	struct xb_rd addrs; /* .debug_addr from the unit's base on */
	struct xb_arena *arena;
	struct xb_dwspans *out;
};

static struct xb_error *span_of(const unsigned char *bytes, size_t len, unsigned offset_size,
				struct xb_arena *arena, struct xb_dwspan *ret)
{
	struct xb_dwspan s = { .start = 0, .end = UINT64_MAX };
	Dwarf_Op ops[XB_DWEXPR_MAX_OPS];

	if (!xb_dwexpr_decode(bytes, len, offset_size, ops, &s.n)) {
		s.n = 0;
		s.opaque = true;
	}
	/* It says something of the variable, not of the place. */
	while (s.n > 0 && ops[s.n - 1].atom == DW_OP_GNU_uninit) {
		s.uninit = true;
		s.n--;
	}
	if (s.n > 0) {
		s.ops = xb_arena_array(arena, s.n, sizeof(*s.ops));
		if (s.ops == NULL)
			return xb_error_nomem();
		memcpy(s.ops, ops, s.n * sizeof(*ops));
	}
	*ret = s;
	return NULL;
}

static struct xb_error *add(struct list *l, xb_addr start, xb_addr end, size_t len)
{
	const unsigned char *bytes = xb_rd_bytes(&l->r, len);
	struct xb_dwspan span;

	if (l->r.bad || start >= end)
		return NULL;
	if (l->out->len >= XB_DWLIST_MAX_SPANS)
		return xb_errorf(XB_ERR_LIMIT, "a location list has more than %d entries",
				 XB_DWLIST_MAX_SPANS);
	XB_TRY(span_of(bytes, len, l->offset_size, l->arena, &span));
	span.start = start;
	span.end = end;
	return xb_dwspans_push(l->out, span) ? NULL : xb_error_nomem();
}

static struct xb_error *read_v4(struct list *l)
{
	while (!l->r.bad) {
		xb_addr start = xb_rd_u64(&l->r), end = xb_rd_u64(&l->r);

		if (start == 0 && end == 0)
			break;
		if (start == UINT64_MAX)
			l->base = end;
		else
			XB_TRY(add(l, start + l->base, end + l->base, xb_rd_u16(&l->r)));
	}
	return NULL;
}

/* Entry @i of .debug_addr. */
static xb_addr indexed(struct list *l, uint64_t i)
{
	struct xb_rd r = l->addrs;

	if (i >= r.len / 8) {
		l->r.bad = true;
		return 0;
	}
	xb_rd_skip(&r, i * 8);
	return xb_rd_u64(&r);
}

static struct xb_error *read_v5(struct list *l)
{
	while (!l->r.bad) {
		uint8_t kind = xb_rd_u8(&l->r);
		xb_addr start = 0, end = 0;

		switch (kind) {
		case DW_LLE_end_of_list:
			return NULL;
		case DW_LLE_base_addressx:
			l->base = indexed(l, xb_rd_uleb(&l->r));
			continue;
		case DW_LLE_base_address:
			l->base = xb_rd_u64(&l->r);
			continue;
		case DW_LLE_GNU_view_pair:
			(void)xb_rd_uleb(&l->r);
			(void)xb_rd_uleb(&l->r);
			continue;
		case DW_LLE_startx_endx:
			start = indexed(l, xb_rd_uleb(&l->r));
			end = indexed(l, xb_rd_uleb(&l->r));
			break;
		case DW_LLE_startx_length:
			start = indexed(l, xb_rd_uleb(&l->r));
			end = start + xb_rd_uleb(&l->r);
			break;
		case DW_LLE_offset_pair:
			start = l->base + xb_rd_uleb(&l->r);
			end = l->base + xb_rd_uleb(&l->r);
			break;
		case DW_LLE_start_end:
			start = xb_rd_u64(&l->r);
			end = xb_rd_u64(&l->r);
			break;
		case DW_LLE_start_length:
			start = xb_rd_u64(&l->r);
			end = start + xb_rd_uleb(&l->r);
			break;
		case DW_LLE_default_location: /* where nothing else holds: no compiler of C writes it */
			xb_rd_skip(&l->r, xb_rd_uleb(&l->r));
			continue;
		default:
			l->r.bad = true;
			continue;
		}
		XB_TRY(add(l, start, end, xb_rd_uleb(&l->r)));
	}
	return NULL;
}

static bool unit_offset(Dwarf_Die *unit, unsigned name, Dwarf_Word *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr(unit, name, &attr) != NULL && dwarf_formudata(&attr, ret) == 0;
}

/* Where the list is: the section offset itself, or the number of a slot that holds it (DWARF 5, 7.28).
 */
static bool list_offset(Dwarf_Attribute *attr, Dwarf_Die *unit, struct xb_rd section,
			unsigned offset_size, Dwarf_Word *ret)
{
	Dwarf_Word v = 0, base = 0;
	uint64_t at;

	if (dwarf_formudata(attr, &v) != 0)
		return false;
	if (dwarf_whatform(attr) == DW_FORM_loclistx) {
		if (!unit_offset(unit, DW_AT_loclists_base, &base) ||
		    __builtin_mul_overflow(v, offset_size, &at) ||
		    __builtin_add_overflow(at, base, &at))
			return false;
		xb_rd_skip(&section, at);
		v = base + (offset_size == 8 ? xb_rd_u64(&section) : xb_rd_u32(&section));
	}
	*ret = v;
	return !section.bad;
}

static struct xb_error *read_list(Dwarf_Attribute *attr, struct xb_arena *arena, struct xb_dwspans *ret)
{
	struct list l = { .arena = arena, .out = ret };
	const unsigned char *data = NULL;
	struct xb_error *err;
	uint8_t address_size = 0, offset_size = 0;
	Dwarf_Half version = 0;
	Dwarf_Addr low = 0;
	Dwarf_Word off = 0, addr_base = 0;
	Dwarf_Die unit;
	size_t len = 0;
	Elf *elf;

	if (dwarf_cu_die(attr->cu, &unit, &version, NULL, &address_size, &offset_size, NULL, NULL) ==
		    NULL ||
	    address_size != 8)
		return xb_errorf(XB_ERR_BAD_FILE, "location lists in a unit that is not for x86-64");
	elf = dwarf_getelf(dwarf_cu_getdwarf(attr->cu));
	if (elf == NULL ||
	    !xb_section_bytes(elf, version >= 5 ? ".debug_loclists" : ".debug_loc", &data, &len, NULL))
		return xb_errorf(XB_ERR_BAD_FILE, "location lists without a section of them");
	l.offset_size = offset_size;
	l.r = xb_rd_of(data, len);
	if (!list_offset(attr, &unit, l.r, offset_size, &off))
		return xb_errorf(XB_ERR_BAD_FILE, "a location list is nowhere in its section");
	xb_rd_skip(&l.r, off);
	if (dwarf_lowpc(&unit, &low) == 0)
		l.base = low;
	if (version >= 5 && unit_offset(&unit, DW_AT_addr_base, &addr_base) &&
	    xb_section_bytes(elf, ".debug_addr", &data, &len, NULL) && addr_base <= len)
		l.addrs = xb_rd_of(data + addr_base, len - addr_base);
	err = version >= 5 ? read_v5(&l) : read_v4(&l);
	if (err == NULL && l.r.bad)
		return xb_errorf(XB_ERR_BAD_FILE, "a location list at offset 0x%llx is damaged",
				 (unsigned long long)off);
	return err;
}

struct xb_error *xb_dwlist_expr(Dwarf_Attribute *attr, struct xb_arena *arena, struct xb_dwspan *ret)
{
	uint8_t offset_size = 0;
	Dwarf_Block block;
	Dwarf_Die unit;

	if (dwarf_formblock(attr, &block) != 0 ||
	    dwarf_cu_die(attr->cu, &unit, NULL, NULL, NULL, &offset_size, NULL, NULL) == NULL)
		return xb_errorf(XB_ERR_BAD_FILE, "an expression cannot be read: %s", dwarf_errmsg(-1));
	return span_of(block.data, block.length, offset_size, arena, ret);
}

struct xb_error *xb_dwlist_read(Dwarf_Attribute *attr, struct xb_arena *arena, struct xb_dwspans *ret,
				bool *ret_whole)
{
	struct xb_dwspan span;
	Dwarf_Block block;

	*ret_whole = dwarf_formblock(attr, &block) == 0;
	if (!*ret_whole)
		return read_list(attr, arena, ret);
	XB_TRY(xb_dwlist_expr(attr, arena, &span));
	return xb_dwspans_push(ret, span) ? NULL : xb_error_nomem();
}
