/* Cells of a table: making them, and writing one as text or JSON. */
#include "out/table.h"

#include "out/text.h"
#include "out/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct xb_cell xb_cell_none(void)
{
	return (struct xb_cell){ .tag = XB_CELL_NONE };
}

struct xb_cell xb_cell_textn(const char *bytes, size_t len)
{
	if (bytes == NULL)
		return xb_cell_none();
	return (struct xb_cell){ .tag = XB_CELL_TEXT, .text = { bytes, len } };
}

struct xb_cell xb_cell_text(const char *text)
{
	return xb_cell_textn(text, text == NULL ? 0 : strlen(text));
}

struct xb_cell xb_cell_text_or_none(const char *text)
{
	return text == NULL || *text == '\0' ? xb_cell_none() : xb_cell_text(text);
}

struct xb_cell xb_cell_int(int64_t v)
{
	return (struct xb_cell){ .tag = XB_CELL_INT, .i = v };
}

struct xb_cell xb_cell_uint(uint64_t v)
{
	return (struct xb_cell){ .tag = XB_CELL_UINT, .u = v };
}

struct xb_cell xb_cell_real(double v)
{
	return (struct xb_cell){ .tag = XB_CELL_REAL, .real = v };
}

struct xb_cell xb_cell_bool(bool v)
{
	return (struct xb_cell){ .tag = XB_CELL_BOOL, .b = v };
}

struct xb_cell xb_cell_table(const struct xb_table *rows)
{
	return (struct xb_cell){ .tag = XB_CELL_TABLE, .table = rows };
}

struct xb_cell xb_cell_role(struct xb_cell cell, enum xb_role role)
{
	cell.role = role;
	return cell;
}

static void print_uint(struct xb_str *to, enum xb_kind kind, uint64_t u)
{
	char buf[XB_UNITS_MAX];

	if (kind == XB_KIND_BYTES)
		xb_str_add(to, xb_units_bytes(u, buf));
	else if (kind == XB_KIND_DURATION_NS)
		xb_str_add(to, xb_units_duration(u, buf));
	else if (kind == XB_KIND_ADDR)
		xb_str_addf(to, "0x%" PRIx64, u);
	else
		xb_str_addf(to, "%" PRIu64, u);
}

void xb_cell_print(struct xb_str *to, enum xb_kind kind, const struct xb_cell *cell)
{
	char buf[XB_UNITS_MAX];

	switch (cell->tag) {
	case XB_CELL_NONE:
		xb_str_addc(to, '-');
		break;
	case XB_CELL_TEXT:
		xb_text_safe(to, cell->text.bytes, cell->text.len);
		break;
	case XB_CELL_INT:
		xb_str_addf(to, "%" PRId64, cell->i);
		break;
	case XB_CELL_UINT:
		print_uint(to, kind, cell->u);
		break;
	case XB_CELL_REAL:
		xb_str_add(to, kind == XB_KIND_PERCENT ? xb_units_percent(cell->real, buf)
						       : xb_units_fixed(cell->real, 3, buf));
		break;
	case XB_CELL_BOOL:
		xb_str_add(to, cell->b ? "yes" : "no");
		break;
	case XB_CELL_TABLE:
		break;
	}
}

static void addr_json(struct xb_json *json, uint64_t addr)
{
	char text[2 + 16 + 1];
	int n = snprintf(text, sizeof(text), "0x%" PRIx64, addr);

	xb_json_string(json, text, (size_t)n);
}

void xb_cell_json(struct xb_json *json, enum xb_kind kind, const struct xb_cell *cell)
{
	switch (cell->tag) {
	case XB_CELL_NONE:
		xb_json_null(json);
		break;
	case XB_CELL_TEXT:
		xb_json_string(json, cell->text.bytes, cell->text.len);
		break;
	case XB_CELL_INT:
		xb_json_i64(json, cell->i);
		break;
	case XB_CELL_UINT:
		if (kind == XB_KIND_ADDR)
			addr_json(json, cell->u);
		else
			xb_json_u64(json, cell->u);
		break;
	case XB_CELL_REAL:
		xb_json_double(json, cell->real, kind == XB_KIND_PERCENT ? 4 : 6);
		break;
	case XB_CELL_BOOL:
		xb_json_bool(json, cell->b);
		break;
	case XB_CELL_TABLE:
		xb_table_json(cell->table, json);
		break;
	}
}
