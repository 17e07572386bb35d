#include "elf/cfi.h"

#include "elf/cfi_index.h"

#include <gelf.h>

enum { CACHE_BITS = 12 }; /* 64 KB an image, touched only where used */

struct slot {
	xb_addr pc; /* 0: empty; nothing is ever asked about address 0 */
	const struct xb_cfi_row *row;
};

struct xb_cfi {
	struct xb_cfi_index eh, debug;
	struct xb_arena arena;
	struct xb_cfi_stats stats;
	struct slot cache[1 << CACHE_BITS];
};

struct xb_error *xb_cfi_create(Elf *elf, Elf *debug, struct xb_cfi **ret)
{
	struct xb_cfi *cfi;
	GElf_Ehdr eh;

	if (gelf_getehdr(elf, &eh) == NULL)
		return xb_errorf(XB_ERR_BAD_FILE, "not an ELF image: %s", elf_errmsg(-1));
	if (eh.e_machine != EM_X86_64 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return xb_errorf(XB_ERR_BAD_FILE, "not an x86-64 image (machine %u)",
				 (unsigned)eh.e_machine);
	cfi = calloc(1, sizeof(*cfi));
	if (cfi == NULL)
		return xb_error_nomem();
	xb_cfi_index_eh(elf, &cfi->eh);
	xb_cfi_index_debug(elf, &cfi->debug);
	if (cfi->debug.sec.len == 0 && debug != NULL)
		xb_cfi_index_debug(debug, &cfi->debug);
	*ret = cfi;
	return NULL;
}

void xb_cfi_destroy(struct xb_cfi *cfi)
{
	if (cfi == NULL)
		return;
	xb_cfi_index_deinit(&cfi->eh);
	xb_cfi_index_deinit(&cfi->debug);
	xb_arena_deinit(&cfi->arena);
	free(cfi);
}

/* Decode the FDE at @off into its place.  False: out of memory. */
static bool fill(struct xb_cfi *cfi, struct xb_cfi_index *ix, size_t off, struct xb_cfi_rows *place)
{
	struct xb_cfi_rows rows = { .damaged = true };
	struct xb_cfi_fde fde;
	size_t next;

	if (xb_cfi_parse(&ix->sec, off, &fde, &next) == XB_CFI_ENTRY_FDE &&
	    !xb_cfi_decode(&ix->sec, &fde, &cfi->arena, &rows))
		return false;
	/* An empty function has no rows and is not damaged; say so, or it would be decoded again and
	 * again. */
	*place = rows;
	place->damaged |= rows.len == 0;
	cfi->stats.fdes++;
	cfi->stats.rows += rows.len;
	cfi->stats.damaged += rows.damaged;
	return true;
}

static const struct xb_cfi_row *find_row(const struct xb_cfi_rows *rows, xb_addr vaddr)
{
	size_t lo = 0, hi = rows->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rows->rows[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Also refuses what an unsorted table of the linker led to. */
	if (lo == 0 || vaddr - rows->rows[lo - 1].start >= rows->rows[lo - 1].len)
		return NULL;
	return &rows->rows[lo - 1];
}

static const struct xb_cfi_row *find_in(struct xb_cfi *cfi, struct xb_cfi_index *ix, xb_addr vaddr,
					bool *oom)
{
	struct xb_cfi_rows *rows;
	size_t off = 0, pos = 0;

	if (!xb_cfi_index_find(ix, vaddr, &off, &pos, oom))
		return NULL;
	rows = &ix->done[pos];
	if (rows->len == 0 && !rows->damaged && !fill(cfi, ix, off, rows)) {
		*oom = true;
		return NULL;
	}
	return find_row(rows, vaddr);
}

const struct xb_cfi_row *xb_cfi_find(struct xb_cfi *cfi, xb_addr vaddr)
{
	struct slot *slot = &cfi->cache[vaddr * 0x9e3779b97f4a7c15ULL >> (64 - CACHE_BITS)];
	const struct xb_cfi_row *row;
	bool oom = false;

	cfi->stats.finds++;
	if (slot->pc == vaddr)
		return slot->row;
	cfi->stats.slow_finds++;
	row = find_in(cfi, &cfi->eh, vaddr, &oom);
	if (row == NULL)
		row = find_in(cfi, &cfi->debug, vaddr, &oom);
	/* Want of memory may pass; do not remember its answer. */
	if (row != NULL || !oom)
		*slot = (struct slot){ .pc = vaddr, .row = row };
	return row;
}

struct xb_cfi_rule xb_cfi_row_rule(const struct xb_cfi_row *row, enum xb_reg reg)
{
	struct xb_cfi_rule rule = { .kind = XB_CFI_RULE_UNSPECIFIED };
	unsigned i = 0;

	if ((row->flags & XB_CFI_GENERAL) != 0)
		return row->full->reg[reg];
	while (i < XB_CFI_SAVED_COUNT && xb_cfi_saved_reg[i] != reg)
		i++;
	if (i == XB_CFI_SAVED_COUNT)
		return rule;
	if (row->save[i] == XB_CFI_UNDEFINED)
		rule.kind = XB_CFI_RULE_UNDEFINED;
	else if (row->save[i] == XB_CFI_SAME)
		rule.kind = XB_CFI_RULE_SAME;
	else
		rule = (struct xb_cfi_rule){ .kind = XB_CFI_RULE_OFFSET, .off = row->save[i] };
	return rule;
}

struct xb_cfi_rule xb_cfi_row_cfa(const struct xb_cfi_row *row)
{
	if ((row->flags & XB_CFI_GENERAL) != 0)
		return row->full->cfa;
	return (struct xb_cfi_rule){ .kind = XB_CFI_RULE_OFFSET,
				     .reg = row->cfa_reg,
				     .off = row->cfa_off };
}

const struct xb_cfi_stats *xb_cfi_stats(const struct xb_cfi *cfi)
{
	return &cfi->stats;
}
