/* The bytes of a section, by name. */
#ifndef XB_ELF_RAWSECTION_H
#define XB_ELF_RAWSECTION_H

#include "base/base.h"

#include <gelf.h>

/** @want_addr 0: any.  False when there is no such section. */
XB_NODISCARD bool xb_section_find(Elf *elf, const char *name, xb_addr want_addr, Elf_Scn **ret,
				  GElf_Shdr *ret_sh);

/**
 * Borrowed from @elf.  A compressed section is inflated in place (the handle, not the file).
 * @return false when there is no such section or it has no bytes here.
 */
XB_NODISCARD bool xb_section_bytes(Elf *elf, const char *name, const unsigned char **ret,
				   size_t *ret_len, xb_addr *ret_vaddr);

#endif
