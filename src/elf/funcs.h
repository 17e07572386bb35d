/*
 * Function bounds of an image that may have no symbols: the frame description entries of .eh_frame,
 * which survive stripping because unwinding needs them.
 *
 * .eh_frame_hdr holds a table of all starts, sorted by the linker.  The end of a function is in its
 * entry in .eh_frame and is read when somebody asks.  One source function may have several entries (hot
 * and .cold part); the whole .plt is one entry.
 */
#ifndef XB_ELF_FUNCS_H
#define XB_ELF_FUNCS_H

#include "elf/image.h"

struct xb_funcs;

/**
 * @param img  Must outlive the result.
 * @return NULL, NOMEM, or BAD_FILE when there is no usable table.
 * Cost: some 10 us for 5,500 functions; where .eh_frame_hdr is missing all of .eh_frame is walked.
 */
XB_NODISCARD struct xb_error *xb_funcs_load(struct xb_image *img, struct xb_funcs **ret);

/** Accepts NULL. */
void xb_funcs_destroy(struct xb_funcs *f);

static inline void xb_funcs_cleanup(struct xb_funcs **f)
{
	xb_funcs_destroy(*f);
}

/** [start, end) of the function that holds @vaddr.  False: none does.  Cost: a binary search. */
bool xb_funcs_at(struct xb_funcs *f, xb_addr vaddr, xb_addr *ret_start, xb_addr *ret_end);

/** Number of functions. */
size_t xb_funcs_count(const struct xb_funcs *f);

/** Number @i, ascending.  False when its entry is damaged. */
bool xb_funcs_get(struct xb_funcs *f, size_t i, xb_addr *ret_start, xb_addr *ret_end);

#endif
