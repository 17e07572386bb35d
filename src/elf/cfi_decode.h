/* Inside elf/cfi: one FDE to its rows. */
#ifndef XB_ELF_CFI_DECODE_H
#define XB_ELF_CFI_DECODE_H

#include "base/arena.h"
#include "base/rd.h"
#include "elf/cfi.h"

enum {
	XB_CFI_MAX_ROWS = 16384, /* of one FDE; the largest seen in the wild has some hundreds */
	XB_CFI_MAX_REMEMBER = 16 /* nested DW_CFA_remember_state */
};

/* .eh_frame or .debug_frame. */
struct xb_cfi_section {
	const unsigned char *data;
	size_t len;
	xb_addr vaddr; /* of data[0]; for pc-relative pointers */
	bool is_eh;
};

struct xb_cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	uint8_t fde_enc;  /* DW_EH_PE_* of pc_begin */
	bool has_aug_len; /* 'z' */
	bool is_signal;   /* 'S' */
	struct xb_rd insns;
};

struct xb_cfi_fde {
	struct xb_cfi_cie cie;
	xb_addr start, end;
	struct xb_rd insns;
};

struct xb_cfi_rows {
	const struct xb_cfi_row *rows; /* ascending, without gaps, in the arena */
	size_t len;
	bool damaged;
};

/* What stands at some offset of a section. */
enum xb_cfi_entry { XB_CFI_ENTRY_END, XB_CFI_ENTRY_CIE, XB_CFI_ENTRY_FDE, XB_CFI_ENTRY_BAD };

/**
 * A pointer in DW_EH_PE_* encoding @enc at the reader's place; @base is the address of the reader's
 * byte 0,
 * @datarel what data-relative pointers count from.  Sets r->bad on encodings that need the running
 * process.
 */
uint64_t xb_cfi_pointer(struct xb_rd *r, uint8_t enc, xb_addr base, xb_addr datarel);

/** Parse the entry at @off.  @ret_next is where the following one begins, set unless END.  @fde only
 * for FDE. */
enum xb_cfi_entry xb_cfi_parse(const struct xb_cfi_section *sec, size_t off, struct xb_cfi_fde *fde,
			       size_t *ret_next);

/** Run the instructions of @fde.  False: out of memory.  Damage cuts the rows short and sets
 * @ret->damaged. */
XB_NODISCARD bool xb_cfi_decode(const struct xb_cfi_section *sec, const struct xb_cfi_fde *fde,
				struct xb_arena *arena, struct xb_cfi_rows *ret);

#endif
