/*
 * Call-frame rows: how the caller's registers follow from the callee's, for every pc of an image.
 *
 *	.eh_frame_hdr ─ sorted ─▶ FDE (a function) ─ runs ─▶ rows: [start, end)  CFA = rsp+24  rbx =
 *[CFA-16] …
 *
 * Rows are decoded when a pc of their function is seen first and kept for the life of the object, so
 *that the price of a frame is a table look-up.  The decoder is our own: a row costs one pass over its
 *FDE instead of one per question, and it is bounded where the file lies (a register number of four
 *billion is a damaged FDE, not an allocation).  tests/unit/test_cfi.c holds it against libdw row by
 *row.
 */
#ifndef XB_ELF_CFI_H
#define XB_ELF_CFI_H

#include "base/error.h"
#include "elf/regs.h"

#include <libelf.h>

/* The registers a called function must keep, and the return address: all that gcc's rows speak of. */
enum xb_cfi_saved {
	XB_CFI_RBX,
	XB_CFI_RBP,
	XB_CFI_R12,
	XB_CFI_R13,
	XB_CFI_R14,
	XB_CFI_R15,
	XB_CFI_RA,
	XB_CFI_SAVED_COUNT,
};

/* Their DWARF numbers. */
static const uint8_t xb_cfi_saved_reg[XB_CFI_SAVED_COUNT] = {
	XB_REG_RBX, XB_REG_RBP, XB_REG_R12, XB_REG_R13, XB_REG_R14, XB_REG_R15, XB_REG_RIP,
};

/* Values of xb_cfi_row.save that are no offsets. */
enum { XB_CFI_SAME = INT16_MIN, XB_CFI_UNDEFINED = INT16_MIN + 1 };

enum xb_cfi_flags {
	XB_CFI_SIGNAL =
		1, /* a signal trampoline: the pc of its caller is exact, not a return address */
	XB_CFI_OUTERMOST = 2, /* the return address is undefined: there is no caller */
	XB_CFI_GENERAL = 4,   /* anything that does not fit the compact form: look at @full */
	XB_CFI_POPPED =
		8, /* an epilogue: registers saved below rsp were restored already, whatever @save says */
};

enum xb_cfi_kind {
	XB_CFI_RULE_UNSPECIFIED, /* nothing said: kept if the ABI says so, else lost */
	XB_CFI_RULE_UNDEFINED,
	XB_CFI_RULE_SAME,
	XB_CFI_RULE_OFFSET,     /* in memory at CFA + off; for the CFA itself: register + off */
	XB_CFI_RULE_VAL_OFFSET, /* is CFA + off */
	XB_CFI_RULE_REGISTER,   /* in register reg */
	XB_CFI_RULE_EXPR,       /* in memory where the expression says; for the CFA itself: its value */
	XB_CFI_RULE_VAL_EXPR,   /* is what the expression says */
};

struct xb_cfi_rule {
	uint8_t kind; /* enum xb_cfi_kind */
	uint8_t reg;
	uint32_t len; /* bytes of expr */
	union {
		int64_t off;
		const unsigned char *expr; /* into the image */
	};
};

struct xb_cfi_full {
	struct xb_cfi_rule cfa;
	struct xb_cfi_rule reg[XB_REG_COUNT];
};

/* 32 bytes: two rows a cache line. */
struct xb_cfi_row {
	xb_addr start;
	uint32_t len;    /* [start, start + len) */
	int32_t cfa_off; /* CFA = cfa_reg + cfa_off, unless XB_CFI_GENERAL */
	union {
		struct {
			uint8_t cfa_reg;
			uint8_t flags;                    /* enum xb_cfi_flags */
			int16_t save[XB_CFI_SAVED_COUNT]; /* CFA + save[i], XB_CFI_SAME or
							     XB_CFI_UNDEFINED */
		};
		struct {
			uint8_t cfa_reg_, flags_; /* the same two bytes */
			const struct xb_cfi_full *full;
		};
	};
};

static inline xb_addr xb_cfi_row_end(const struct xb_cfi_row *row)
{
	return row->start + row->len;
}

struct xb_cfi_stats {
	size_t fdes, rows;   /* decoded so far */
	size_t damaged;      /* FDEs that could not be decoded, entirely or from some pc on */
	size_t bytes;        /* held for rows and indexes */
	uint64_t finds;      /* questions asked */
	uint64_t slow_finds; /* of these, not answered by the pc cache */
};

struct xb_cfi;

/**
 * Rows of an image.
 *
 * @param elf    The image as mapped: .eh_frame through its program header, or the section.  x86-64
 * only.
 * @param debug  NULL, or its separate debug file, for .debug_frame (@elf's own is used when it has
 * one). Both are borrowed and must outlive the object; compressed sections of them are inflated in
 * place (the libelf handle, not the file).
 * @return NULL, or: BAD_FILE when @elf is no x86-64 image; NOMEM.  An image without any row is no
 * error. Cost: a few microseconds; nothing is decoded yet.
 */
XB_NODISCARD struct xb_error *xb_cfi_create(Elf *elf, Elf *debug, struct xb_cfi **ret);

/** Accepts NULL.  Rows handed out die with it. */
void xb_cfi_destroy(struct xb_cfi *cfi);

/**
 * The row that covers @vaddr (an address of the file: the caller takes off the bias).
 *
 * For a frame that is a caller, ask for the byte before its return address: a call may be the last
 * instruction of a function (xb_unwind_pc()).
 *
 * @return The row, valid for the life of @cfi; NULL when the image says nothing about @vaddr.
 * Cost: about 5 ns when the pc was seen before, 0.1 us when its function was, some us otherwise (once
 * per function; once per image 1 ms for sections without an index, such as .debug_frame). Not for two
 * threads at once.
 */
const struct xb_cfi_row *xb_cfi_find(struct xb_cfi *cfi, xb_addr vaddr);

/** The rule of any register in any row; XB_REG_RIP is the return address. */
struct xb_cfi_rule xb_cfi_row_rule(const struct xb_cfi_row *row, enum xb_reg reg);

/** The rule of the CFA: OFFSET (register + off) or EXPR. */
struct xb_cfi_rule xb_cfi_row_cfa(const struct xb_cfi_row *row);

/** What was decoded and asked so far; borrowed, valid as long as @cfi. */
const struct xb_cfi_stats *xb_cfi_stats(const struct xb_cfi *cfi);

static inline void xb_cfi_cleanup(struct xb_cfi **cfi)
{
	xb_cfi_destroy(*cfi);
}

#endif
