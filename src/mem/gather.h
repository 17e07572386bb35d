/*
 * Many small ranges that lie close together, read as few large ones.
 *
 * What a VM allocates one after the other (atoms, process structures, registry entries) lies in runs; the kernel
 * charges for every range, not for the bytes between two of them.
 */
#ifndef XB_MEM_GATHER_H
#define XB_MEM_GATHER_H

#include "mem/mem.h"

/**
 * Like xb_mem_readv(), in any order of @io.  Neighbours at most some hundred bytes apart are read together; where such
 * a run cannot be read whole, its ranges are read one by one.
 * @return NULL, NOMEM, GONE, PERM.  Cost: sorting, a copy, and one range for each run of at most 64 KiB.
 */
XB_NODISCARD struct xb_error *xb_mem_gather(struct xb_mem *mem, struct xb_io *io, size_t n);

#endif
