/* From the bytes of one entry to its ranges; used by vm/jitlist.c and its tests. */
#ifndef XB_VM_JITLIST_PARSE_H
#define XB_VM_JITLIST_PARSE_H

#include "vm/jitlist.h"

/**
 * Fill @entry from the @len bytes its symfile_addr leads to, which must stay as long as the entry does.  One
 * allocation, entry->storage.  For an EMULATOR entry @ret_layout and @ret_exit receive what it says.
 * Bytes that make no sense give kind BROKEN.  False: out of memory.  Cost: one pass, 1 GB/s.
 */
XB_NODISCARD bool xb_jitentry_parse(struct xb_jitentry *entry, const void *bytes, size_t len,
				    bool lines, uint32_t *ret_layout, xb_addr *ret_exit);

/**
 * The same for an entry as OTP 24 makes it: the layout's JIT_LIST_PLAIN says so.  It has no lines, and what it says of the
 * emulator is of no use, being written before beam_normal_exit was.
 */
XB_NODISCARD bool xb_jitentry_parse_plain(struct xb_jitentry *entry, const void *bytes, size_t len);

#endif
