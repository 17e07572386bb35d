/*
 * Two ways to an FDE: the linker's sorted table in .eh_frame_hdr, or our own of every entry.
 *
 *	PT_GNU_EH_FRAME ─▶ version 1 │ encodings │ &.eh_frame │ count │ { pc begin, &FDE } … (datarel
 *sdata4)
 *
 * Program headers and not section names lead to .eh_frame: they are what the running program itself
 *unwinds by, and they survive tools that drop the section table.
 */
#include "elf/cfi_index.h"

#include "elf/rawsection.h"

#include <dwarf.h>

/* File bytes from @vaddr to the end of its segment; nothing else of the file is read.  Owned by @elf. */
static struct xb_rd segment_from(Elf *elf, xb_addr vaddr)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n) != 0)
		return xb_rd_of(NULL, 0);
	for (size_t i = 0; i < n && i <= INT32_MAX; i++) {
		Elf_Data *data;
		GElf_Phdr ph;
		uint64_t skip;
		int64_t at;

		if (gelf_getphdr(elf, (int)i, &ph) == NULL || ph.p_type != PT_LOAD ||
		    vaddr < ph.p_vaddr || vaddr - ph.p_vaddr >= ph.p_filesz)
			continue;
		skip = vaddr - ph.p_vaddr;
		/* A chunk beyond the end of the file is refused by libelf. */
		if (__builtin_add_overflow(ph.p_offset, skip, &at))
			continue;
		data = elf_getdata_rawchunk(elf, at, ph.p_filesz - skip, ELF_T_BYTE);
		if (data != NULL)
			return xb_rd_of(data->d_buf, data->d_size);
	}
	return xb_rd_of(NULL, 0);
}

/* Parse the header at @hdr_addr; true when it names .eh_frame (with or without a usable table). */
static bool use_header(Elf *elf, xb_addr hdr_addr, struct xb_cfi_index *ix)
{
	struct xb_rd r = segment_from(elf, hdr_addr), eh;
	uint8_t version = xb_rd_u8(&r), eh_enc = xb_rd_u8(&r), count_enc = xb_rd_u8(&r),
		table_enc = xb_rd_u8(&r);
	uint64_t eh_addr, count;

	if (r.bad || version != 1)
		return false;
	eh_addr = xb_cfi_pointer(&r, eh_enc, hdr_addr, hdr_addr);
	if (r.bad)
		return false;
	/* Nearly always right behind its header, and read with it. */
	eh = eh_addr >= hdr_addr && eh_addr - hdr_addr < r.len
		     ? xb_rd_of(r.data + (eh_addr - hdr_addr), r.len - (size_t)(eh_addr - hdr_addr))
		     : segment_from(elf, eh_addr);
	if (eh.len == 0)
		return false;
	ix->sec = (struct xb_cfi_section){
		.data = eh.data, .len = eh.len, .vaddr = eh_addr, .is_eh = true
	};
	if (count_enc == DW_EH_PE_omit || table_enc != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
		return true;
	count = xb_cfi_pointer(&r, count_enc, hdr_addr, hdr_addr);
	if (r.bad || count > (r.len - r.at) / 8)
		return true;
	ix->hdr_addr = hdr_addr;
	ix->table = r.data + r.at;
	ix->table_len = count;
	return true;
}

void xb_cfi_index_eh(Elf *elf, struct xb_cfi_index *ret)
{
	GElf_Shdr sh;
	Elf_Scn *scn;
	size_t n = 0;

	ret->sec.is_eh = true;
	if (elf_getphdrnum(elf, &n) != 0)
		n = 0;
	for (size_t i = 0; i < n && i <= INT32_MAX; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(elf, (int)i, &ph) == NULL || ph.p_type != PT_GNU_EH_FRAME)
			continue;
		/* In a separate debug file the section is there without its bytes; the header lies. */
		if (xb_section_find(elf, ".eh_frame_hdr", ph.p_vaddr, &scn, &sh) &&
		    sh.sh_type == SHT_NOBITS)
			return;
		if (use_header(elf, ph.p_vaddr, ret))
			return;
	}
	(void)!xb_section_bytes(elf, ".eh_frame", &ret->sec.data, &ret->sec.len, &ret->sec.vaddr);
}

void xb_cfi_index_debug(Elf *elf, struct xb_cfi_index *ret)
{
	ret->sec.is_eh = false;
	(void)!xb_section_bytes(elf, ".debug_frame", &ret->sec.data, &ret->sec.len, &ret->sec.vaddr);
}

static int by_start(const void *a, const void *b)
{
	const struct xb_cfi_ref *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Every entry once.  A broken length ends it: what follows cannot be found. */
static bool scan(struct xb_cfi_index *ix)
{
	size_t off = 0, next;

	while (off < ix->sec.len) {
		struct xb_cfi_fde fde;
		enum xb_cfi_entry kind = xb_cfi_parse(&ix->sec, off, &fde, &next);
		struct xb_cfi_ref ref;

		if (kind == XB_CFI_ENTRY_END)
			break;
		ix->scan_bad += kind == XB_CFI_ENTRY_BAD;
		ref = (struct xb_cfi_ref){ .off = off };
		off = next;
		if (kind != XB_CFI_ENTRY_FDE || fde.start == fde.end || fde.start == 0)
			continue; /* start 0: the linker dropped the function */
		ref.start = fde.start;
		ref.end = fde.end;
		if (!xb_cfi_refs_push(&ix->refs, ref))
			return false;
	}
	if (ix->refs.len > 0)
		qsort(ix->refs.data, ix->refs.len, sizeof(*ix->refs.data), by_start);
	ix->scanned = true;
	return true;
}

static xb_addr table_pc(const struct xb_cfi_index *ix, size_t i)
{
	return ix->hdr_addr + (uint64_t)(int64_t)(int32_t)xb_load32(ix->table, i * 8);
}

static bool find_in_table(struct xb_cfi_index *ix, xb_addr vaddr, size_t *ret_off, size_t *ret_pos)
{
	size_t lo = 0, hi = ix->table_len;
	xb_addr fde_addr;

	/* The last pair whose pc is not above. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (table_pc(ix, mid) <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return false;
	fde_addr = ix->hdr_addr + (uint64_t)(int64_t)(int32_t)xb_load32(ix->table, (lo - 1) * 8 + 4);
	if (fde_addr < ix->sec.vaddr || fde_addr - ix->sec.vaddr >= ix->sec.len)
		return false;
	*ret_off = (size_t)(fde_addr - ix->sec.vaddr);
	*ret_pos = lo - 1;
	return true;
}

static bool find_in_refs(struct xb_cfi_index *ix, xb_addr vaddr, size_t *ret_off, size_t *ret_pos)
{
	size_t lo = 0, hi = ix->refs.len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ix->refs.data[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || vaddr >= ix->refs.data[lo - 1].end)
		return false;
	*ret_off = ix->refs.data[lo - 1].off;
	*ret_pos = lo - 1;
	return true;
}

bool xb_cfi_index_find(struct xb_cfi_index *ix, xb_addr vaddr, size_t *ret_off, size_t *ret_pos,
		       bool *oom)
{
	size_t n;

	if (ix->sec.len == 0)
		return false;
	if (ix->table == NULL && !ix->scanned && !scan(ix)) {
		xb_cfi_refs_deinit(&ix->refs);
		*oom = true;
		return false;
	}
	n = ix->table != NULL ? ix->table_len : ix->refs.len;
	if (ix->done == NULL && n > 0) {
		ix->done = calloc(n, sizeof(*ix->done));
		*oom = ix->done == NULL;
		ix->done_len = *oom ? 0 : n;
	}
	if (ix->done == NULL)
		return false;
	return ix->table != NULL ? find_in_table(ix, vaddr, ret_off, ret_pos)
				 : find_in_refs(ix, vaddr, ret_off, ret_pos);
}

void xb_cfi_index_deinit(struct xb_cfi_index *ix)
{
	xb_cfi_refs_deinit(&ix->refs);
	free(ix->done);
	ix->done = NULL;
}
