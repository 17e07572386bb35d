/*
 * Entries of .eh_frame and .debug_frame (LSB Core, "Exception Frames"; DWARF 5, 6.4.1).
 *
 *	length │ id 0: CIE  │ version │ "zPLRS" │ code align │ data align │ RA column │ augmentation │
 *instructions length │ id n: FDE  │ pc begin │ pc range │ augmentation │ instructions
 */
#include "elf/cfi_decode.h"

#include "elf/leb.h"

#include <dwarf.h>

/* The encodings of eh_frame pointers; dwarf.h has them since elfutils 0.120. */
uint64_t xb_cfi_pointer(struct xb_rd *r, uint8_t enc, xb_addr base, xb_addr datarel)
{
	uint64_t v = 0, add = 0;

	if (enc == DW_EH_PE_omit || (enc & DW_EH_PE_indirect) != 0) {
		r->bad = true;
		return 0;
	}
	switch (enc & 0x70) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		add = base + r->at;
		break;
	case DW_EH_PE_datarel:
		add = datarel;
		break;
	default:
		r->bad = true;
	}
	switch (enc & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		v = xb_rd_u64(r);
		break;
	case DW_EH_PE_uleb128:
		v = xb_rd_uleb(r);
		break;
	case DW_EH_PE_udata2:
		v = xb_rd_u16(r);
		break;
	case DW_EH_PE_udata4:
		v = xb_rd_u32(r);
		break;
	case DW_EH_PE_sleb128:
		v = (uint64_t)xb_rd_sleb(r);
		break;
	case DW_EH_PE_sdata2:
		v = (uint64_t)(int16_t)xb_rd_u16(r);
		break;
	case DW_EH_PE_sdata4:
		v = (uint64_t)(int32_t)xb_rd_u32(r);
		break;
	default:
		r->bad = true;
	}
	return r->bad ? 0 : v + add;
}

/* The augmentation string says what the augmentation data holds. */
static bool parse_augmentation(struct xb_rd *r, const char *aug, size_t aug_len, struct xb_cfi_cie *cie)
{
	size_t end;

	if (aug_len == 0)
		return true;
	if (aug[0] != 'z') /* what follows cannot be skipped */
		return false;
	cie->has_aug_len = true;
	end = xb_rd_uleb(r);
	if (r->bad || end > r->len - r->at)
		return false;
	end += r->at;
	for (size_t i = 1; i < aug_len; i++) {
		switch (aug[i]) {
		case 'R':
			cie->fde_enc = xb_rd_u8(r);
			break;
		case 'L':
			xb_rd_skip(r, 1);
			break;
		case 'P': { /* the personality routine, of no interest: only its size matters */
			uint8_t enc = xb_rd_u8(r) & 0x0f;

			(void)xb_cfi_pointer(r, enc, 0, 0);
			break;
		}
		case 'S':
			cie->is_signal = true;
			break;
		case 'B':
			break;
		default: /* the length takes us over the rest */
			i = aug_len;
		}
	}
	if (r->bad || r->at > end)
		return false;
	r->at = end;
	return true;
}

static bool parse_cie(struct xb_rd *r, const struct xb_cfi_section *sec, struct xb_cfi_cie *ret)
{
	struct xb_cfi_cie cie = { .fde_enc = DW_EH_PE_absptr };
	uint8_t version = xb_rd_u8(r);
	const char *aug = (const char *)r->data + r->at;
	size_t aug_len = 0;

	if (r->bad || (version != 1 && version != 3 && version != 4))
		return false;
	while (xb_rd_u8(r) != 0)
		aug_len++;
	if (version == 4 && !sec->is_eh) {
		uint8_t address_size = xb_rd_u8(r), segment_size = xb_rd_u8(r);

		if (address_size != 8 || segment_size != 0)
			return false;
	}
	cie.code_align = xb_rd_uleb(r);
	cie.data_align = xb_rd_sleb(r);
	cie.ra_reg = version == 1 ? xb_rd_u8(r) : xb_rd_uleb(r);
	if (r->bad || cie.ra_reg != XB_REG_RIP || !parse_augmentation(r, aug, aug_len, &cie))
		return false;
	cie.insns = *r;
	*ret = cie;
	return true;
}

static bool parse_fde(struct xb_rd *r, const struct xb_cfi_section *sec, struct xb_cfi_fde *fde)
{
	uint64_t len;

	fde->start = xb_cfi_pointer(r, fde->cie.fde_enc, sec->vaddr, 0);
	len = xb_cfi_pointer(r, fde->cie.fde_enc & 0x0f, 0, 0);
	if (fde->cie.has_aug_len) {
		uint64_t skip = xb_rd_uleb(r);

		xb_rd_skip(r, skip);
	}
	if (r->bad || len > UINT32_MAX || __builtin_add_overflow(fde->start, len, &fde->end))
		return false;
	fde->insns = *r;
	return true;
}

/* Length and id; the reader is cut to the entry and stands behind the id. */
static enum xb_cfi_entry parse_head(const struct xb_cfi_section *sec, size_t off, struct xb_rd *r,
				    uint64_t *ret_cie_off, size_t *ret_next)
{
	uint64_t len, id, id_at;
	bool wide;

	*r = xb_rd_of(sec->data, sec->len);
	xb_rd_skip(r, off);
	len = xb_rd_u32(r);
	if (r->bad || len == 0)
		return XB_CFI_ENTRY_END;
	wide = len == UINT32_MAX;
	if (wide)
		len = xb_rd_u64(r);
	if (r->bad || len > r->len - r->at)
		return XB_CFI_ENTRY_END;
	r->len = r->at + (size_t)len;
	*ret_next = r->len;
	if (wide &&
	    sec->is_eh) /* no assembler writes these; the readers there are disagree on the id's size */
		return XB_CFI_ENTRY_BAD;
	id_at = r->at;
	id = wide ? xb_rd_u64(r) : xb_rd_u32(r);
	if (r->bad)
		return XB_CFI_ENTRY_BAD;
	if (id == (sec->is_eh ? 0 : wide ? UINT64_MAX : UINT32_MAX))
		return XB_CFI_ENTRY_CIE;
	if (sec->is_eh && id > id_at)
		return XB_CFI_ENTRY_BAD;
	*ret_cie_off = sec->is_eh ? id_at - id : id;
	return XB_CFI_ENTRY_FDE;
}

enum xb_cfi_entry xb_cfi_parse(const struct xb_cfi_section *sec, size_t off, struct xb_cfi_fde *fde,
			       size_t *ret_next)
{
	struct xb_rd r, cie_r;
	uint64_t cie_off = 0, none;
	size_t cie_next;
	enum xb_cfi_entry kind = parse_head(sec, off, &r, &cie_off, ret_next);

	if (kind != XB_CFI_ENTRY_FDE)
		return kind;
	if (cie_off >= sec->len ||
	    parse_head(sec, (size_t)cie_off, &cie_r, &none, &cie_next) != XB_CFI_ENTRY_CIE ||
	    !parse_cie(&cie_r, sec, &fde->cie) || !parse_fde(&r, sec, fde))
		return XB_CFI_ENTRY_BAD;
	return XB_CFI_ENTRY_FDE;
}
