/*
 *	.eh_frame_hdr    version, encodings, &.eh_frame, n, n × { start, &FDE }   (sorted by start)
 *	.eh_frame        length, 0,        CIE: augmentation says how addresses are encoded
 *	                 length, →CIE,     FDE: start, size, …
 *
 * The layout is that of the Linux Standard Base, "Exception Frames".
 */
#include "elf/funcs.h"

#include "base/rd.h"
#include "base/vec.h"

#include <dwarf.h>
#include <stdlib.h>

enum { MAX_FUNCS = 4 << 20, MAX_AUGMENTATION = 16 };

struct func {
	xb_addr start;
	xb_addr fde; /* vaddr of its entry */
	xb_addr end; /* 0: not looked at yet; == start: damaged */
};

XB_VEC(func_list, struct func);

struct xb_funcs {
	struct xb_image *img;
	struct func_list list;
};

/* A value in one of the encodings of DW_EH_PE_…, at vaddr @pc; @data is the base of datarel. */
static bool read_encoded(struct xb_rd *r, uint8_t enc, xb_addr pc, xb_addr data, xb_addr *ret)
{
	xb_addr v;

	if (enc == DW_EH_PE_omit || (enc & DW_EH_PE_indirect) != 0)
		return false;
	switch (enc & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		v = xb_rd_u64(r);
		break;
	case DW_EH_PE_udata4:
		v = xb_rd_u32(r);
		break;
	case DW_EH_PE_sdata4:
		v = (xb_addr)(int64_t)(int32_t)xb_rd_u32(r);
		break;
	case DW_EH_PE_udata2:
		v = xb_rd_u16(r);
		break;
	case DW_EH_PE_sdata2:
		v = (xb_addr)(int64_t)(int16_t)xb_rd_u16(r);
		break;
	default:
		return false;
	}
	switch (enc & 0x70) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		v += pc;
		break;
	case DW_EH_PE_datarel:
		v += data;
		break;
	default:
		return false;
	}
	*ret = v;
	return !r->bad;
}

static uint64_t read_uleb(struct xb_rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t byte = xb_rd_u8(r);

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0 || r->bad)
			return v;
	}
}

/* The bytes of the entry at @vaddr behind its length; @ret_next is where the next one starts. */
static bool open_entry(struct xb_image *img, xb_addr vaddr, struct xb_rd *ret, xb_addr *ret_at,
		       xb_addr *ret_next)
{
	const unsigned char *p = xb_image_bytes(img, vaddr, 4);
	uint64_t len;
	xb_addr at;

	if (p == NULL)
		return false;
	len = xb_load32(p, 0);
	at = vaddr + 4;
	if (len == UINT32_MAX) {
		p = xb_image_bytes(img, vaddr, 12);
		if (p == NULL)
			return false;
		len = xb_load64(p, 4);
		at = vaddr + 12;
	}
	if (len < 4 || len > SIZE_MAX / 2)
		return false;
	p = xb_image_bytes(img, at, (size_t)len);
	if (p == NULL)
		return false;
	*ret = xb_rd_of(p, (size_t)len);
	*ret_at = at;
	*ret_next = at + len;
	return true;
}

/* How the CIE at @vaddr has its FDEs encode addresses. */
static bool cie_encoding(struct xb_image *img, xb_addr vaddr, uint8_t *ret)
{
	struct xb_rd r;
	xb_addr at, next;
	const char *aug;
	uint8_t version;
	size_t n = 0;

	if (!open_entry(img, vaddr, &r, &at, &next) || xb_rd_u32(&r) != 0)
		return false;
	version = xb_rd_u8(&r);
	if (version != 1 && version != 3)
		return false;
	aug = (const char *)r.data + r.at;
	while (n < MAX_AUGMENTATION && xb_rd_u8(&r) != 0)
		n++;
	if (n == MAX_AUGMENTATION)
		return false;
	*ret = DW_EH_PE_absptr;
	if (r.bad || n == 0)
		return !r.bad;
	(void)read_uleb(&r); /* code alignment */
	(void)read_uleb(&r); /* data alignment; the sign does not matter here */
	if (version == 1)
		xb_rd_skip(&r, 1);
	else
		(void)read_uleb(&r);
	if (aug[0] != 'z')
		return false;
	(void)read_uleb(&r);
	for (size_t i = 1; i < n && !r.bad; i++) {
		xb_addr ignored;
		uint8_t enc;

		switch (aug[i]) {
		case 'R':
			*ret = xb_rd_u8(&r);
			return !r.bad;
		case 'L':
			xb_rd_skip(&r, 1);
			break;
		case 'P':
			enc = xb_rd_u8(&r) & 0x0f; /* only its size matters */
			if (!read_encoded(&r, enc, 0, 0, &ignored))
				return false;
			break;
		case 'S':
		case 'B':
			break;
		default:
			return false;
		}
	}
	return !r.bad;
}

/* Start and end from the FDE at @vaddr. */
static bool read_fde(struct xb_image *img, xb_addr vaddr, struct func *ret, xb_addr *ret_next)
{
	struct xb_rd r;
	xb_addr at, start, size, end;
	uint32_t back;
	uint8_t enc;

	if (!open_entry(img, vaddr, &r, &at, ret_next))
		return false;
	back = xb_rd_u32(&r);
	if (back == 0 || !cie_encoding(img, at - back, &enc))
		return false;
	if (!read_encoded(&r, enc, at + r.at, 0, &start) ||
	    !read_encoded(&r, enc & 0x0f, 0, 0, &size) || size == 0 ||
	    __builtin_add_overflow(start, size, &end))
		return false;
	*ret = (struct func){ .start = start, .end = end, .fde = vaddr };
	return true;
}

static int compare_funcs(const void *a, const void *b)
{
	const struct func *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static bool find_header(struct xb_image *img, xb_addr *ret_vaddr, uint64_t *ret_size)
{
	struct xb_section s;

	if (xb_image_eh_frame_hdr(img, ret_vaddr, ret_size))
		return true;
	if (!xb_image_section(img, ".eh_frame_hdr", &s) || s.size == 0)
		return false;
	*ret_vaddr = s.vaddr;
	*ret_size = s.size;
	return true;
}

/* False: no table, or none that we can read. */
static bool read_table(struct xb_funcs *f, bool *ret_nomem)
{
	xb_addr hdr, ignored, n;
	uint64_t size;
	const unsigned char *p;
	struct xb_rd r;
	uint8_t version, ptr_enc, n_enc, table_enc;
	bool sorted = true;

	if (!find_header(f->img, &hdr, &size) || size > SIZE_MAX / 2)
		return false;
	p = xb_image_bytes(f->img, hdr, (size_t)size);
	if (p == NULL)
		return false;
	r = xb_rd_of(p, (size_t)size);
	version = xb_rd_u8(&r);
	ptr_enc = xb_rd_u8(&r);
	n_enc = xb_rd_u8(&r);
	table_enc = xb_rd_u8(&r);
	if (version != 1 || !read_encoded(&r, ptr_enc, hdr + r.at, hdr, &ignored) ||
	    !read_encoded(&r, n_enc, hdr + r.at, hdr, &n) || n > MAX_FUNCS || n > size / 4)
		return false;
	if (!func_list_reserve(&f->list, (size_t)n)) {
		*ret_nomem = true;
		return false;
	}
	for (uint64_t i = 0; i < n; i++) {
		struct func *fn = &f->list.data[f->list.len];

		*fn = (struct func){ 0 };
		if (!read_encoded(&r, table_enc, hdr + r.at, hdr, &fn->start) ||
		    !read_encoded(&r, table_enc, hdr + r.at, hdr, &fn->fde))
			break;
		sorted = sorted && (i == 0 || fn[-1].start <= fn->start);
		f->list.len++;
	}
	if (!sorted)
		qsort(f->list.data, f->list.len, sizeof(*f->list.data), compare_funcs);
	return f->list.len > 0;
}

/* Without the table: every entry of .eh_frame in turn. */
static bool walk_entries(struct xb_funcs *f, bool *ret_nomem)
{
	struct xb_section s;
	xb_addr at, next;

	if (!xb_image_section(f->img, ".eh_frame", &s) || s.type == SHT_NOBITS || s.vaddr == 0)
		return false;
	for (at = s.vaddr; at - s.vaddr < s.size && f->list.len < MAX_FUNCS; at = next) {
		struct func fn;
		struct xb_rd ignored;
		xb_addr behind;

		if (!open_entry(f->img, at, &ignored, &behind, &next) || next <= at)
			break;
		if (read_fde(f->img, at, &fn, &behind) && !func_list_push(&f->list, fn)) {
			*ret_nomem = true;
			return false;
		}
	}
	if (f->list.len > 1)
		qsort(f->list.data, f->list.len, sizeof(*f->list.data), compare_funcs);
	return f->list.len > 0;
}

struct xb_error *xb_funcs_load(struct xb_image *img, struct xb_funcs **ret)
{
	xb_cleanup(xb_funcs_cleanup) struct xb_funcs *f = calloc(1, sizeof(*f));
	bool nomem = false;

	if (f == NULL)
		return xb_error_nomem();
	f->img = img;
	if (!read_table(f, &nomem) && !nomem)
		(void)walk_entries(f, &nomem);
	if (nomem)
		return xb_error_nomem();
	if (f->list.len == 0)
		return xb_errorf(XB_ERR_BAD_FILE, "%s has no usable .eh_frame", xb_image_path(img));
	*ret = xb_take(f);
	return NULL;
}

void xb_funcs_destroy(struct xb_funcs *f)
{
	if (f == NULL)
		return;
	func_list_deinit(&f->list);
	free(f);
}

size_t xb_funcs_count(const struct xb_funcs *f)
{
	return f->list.len;
}

bool xb_funcs_get(struct xb_funcs *f, size_t i, xb_addr *ret_start, xb_addr *ret_end)
{
	struct func *fn = &f->list.data[i], got;
	xb_addr ignored;

	if (fn->end == 0) {
		/* An entry that does not start where the table says is not believed. */
		if (read_fde(f->img, fn->fde, &got, &ignored) && got.start == fn->start)
			fn->end = got.end;
		else
			fn->end = fn->start;
	}
	if (fn->end <= fn->start)
		return false;
	*ret_start = fn->start;
	*ret_end = fn->end;
	return true;
}

bool xb_funcs_at(struct xb_funcs *f, xb_addr vaddr, xb_addr *ret_start, xb_addr *ret_end)
{
	size_t lo = 0, hi = f->list.len;
	xb_addr start, end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->list.data[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || !xb_funcs_get(f, lo - 1, &start, &end) || vaddr >= end)
		return false;
	*ret_start = start;
	*ret_end = end;
	return true;
}
