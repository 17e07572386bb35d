/* Inside elf/cfi: which FDE of a section covers an address. */
#ifndef XB_ELF_CFI_INDEX_H
#define XB_ELF_CFI_INDEX_H

#include "base/vec.h"
#include "elf/cfi_decode.h"

struct xb_cfi_ref {
	xb_addr start, end;
	size_t off; /* of the FDE in the section */
};
XB_VEC(xb_cfi_refs, struct xb_cfi_ref);

struct xb_cfi_index {
	struct xb_cfi_section sec; /* len 0: there is no such section */
	/* The linker's binary search table, when there is one: pairs of 32-bit offsets from @hdr_addr.
	 */
	const unsigned char *table;
	size_t table_len; /* pairs */
	xb_addr hdr_addr;
	struct xb_cfi_refs refs; /* else ours, made by reading every entry once */
	bool scanned;
	size_t scan_bad; /* entries that could not be read */
	struct xb_cfi_rows
		*done; /* by table or refs position; len 0 and not damaged: not decoded yet */
	size_t done_len;
};

/** Find .eh_frame of a mapped image.  @ret->sec.len stays 0 when there is none. */
void xb_cfi_index_eh(Elf *elf, struct xb_cfi_index *ret);

/** Find .debug_frame, inflating it when compressed. */
void xb_cfi_index_debug(Elf *elf, struct xb_cfi_index *ret);

/**
 * The FDE that covers @vaddr: its offset in the section and its position in @done.
 * @return false when there is none, or (*@oom set) memory ran out.
 * Cost: a binary search; the first call without a linker's table reads the whole section.
 */
XB_NODISCARD bool xb_cfi_index_find(struct xb_cfi_index *ix, xb_addr vaddr, size_t *ret_off,
				    size_t *ret_pos, bool *oom);

void xb_cfi_index_deinit(struct xb_cfi_index *ix);

#endif
