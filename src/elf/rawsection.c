#include "elf/rawsection.h"

#include <string.h>

bool xb_section_find(Elf *elf, const char *want_name, xb_addr want_addr, Elf_Scn **ret,
		     GElf_Shdr *ret_sh)
{
	size_t names = 0;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn != NULL; scn = elf_nextscn(elf, scn)) {
		GElf_Shdr sh;
		const char *name;

		if (gelf_getshdr(scn, &sh) == NULL || (want_addr != 0 && sh.sh_addr != want_addr))
			continue;
		name = elf_strptr(elf, names, sh.sh_name);
		if (name == NULL || strcmp(name, want_name) != 0)
			continue;
		*ret = scn;
		*ret_sh = sh;
		return true;
	}
	return false;
}

bool xb_section_bytes(Elf *elf, const char *name, const unsigned char **ret, size_t *ret_len,
		      xb_addr *ret_vaddr)
{
	Elf_Data *data;
	Elf_Scn *scn;
	GElf_Shdr sh;

	if (!xb_section_find(elf, name, 0, &scn, &sh) || sh.sh_type == SHT_NOBITS)
		return false;
	if ((sh.sh_flags & SHF_COMPRESSED) != 0 && elf_compress(scn, 0, 0) < 0)
		return false;
	data = elf_rawdata(scn, NULL);
	if (data == NULL || data->d_buf == NULL)
		return false;
	*ret = data->d_buf;
	*ret_len = data->d_size;
	if (ret_vaddr != NULL)
		*ret_vaddr = sh.sh_addr;
	return true;
}
