/* The section half of elf/image.h. */
#include "elf/image.h"

#include <elfutils/libdwelf.h>
#include <gelf.h>
#include <string.h>

size_t xb_image_section_count(const struct xb_image *img)
{
	size_t n = 0;

	return elf_getshdrnum(xb_image_elf(img), &n) == 0 ? n : 0;
}

bool xb_image_section_at(const struct xb_image *img, size_t index, struct xb_section *ret)
{
	Elf *elf = xb_image_elf(img);
	Elf_Scn *scn = index == 0 ? NULL : elf_getscn(elf, index);
	GElf_Shdr sh;
	size_t names = 0;
	const char *name;

	if (scn == NULL || gelf_getshdr(scn, &sh) == NULL)
		return false;
	name = elf_getshdrstrndx(elf, &names) == 0 ? elf_strptr(elf, names, sh.sh_name) : NULL;
	*ret = (struct xb_section){
		.name = name == NULL ? "" : name,
		.vaddr = sh.sh_addr,
		.size = sh.sh_size,
		.flags = sh.sh_flags,
		.type = sh.sh_type,
		.link = sh.sh_link,
	};
	return true;
}

bool xb_image_section_read(struct xb_image *img, size_t index, struct xb_section *ret)
{
	struct xb_section s;
	Elf_Data *data;

	if (!xb_image_section_at(img, index, &s))
		return false;
	if (s.type != SHT_NOBITS && (s.flags & SHF_COMPRESSED) == 0) {
		data = elf_rawdata(elf_getscn(xb_image_elf(img), index), NULL);
		if (data != NULL && data->d_buf != NULL) {
			s.data = data->d_buf;
			s.len = data->d_size;
		}
	}
	*ret = s;
	return true;
}

bool xb_image_section(struct xb_image *img, const char *name, struct xb_section *ret)
{
	struct xb_section s;
	size_t n = xb_image_section_count(img);

	for (size_t i = 1; i < n; i++) {
		if (xb_image_section_at(img, i, &s) && strcmp(s.name, name) == 0)
			return xb_image_section_read(img, i, ret);
	}
	return false;
}

bool xb_image_section_of_type(struct xb_image *img, uint32_t type, struct xb_section *ret)
{
	struct xb_section s;
	size_t n = xb_image_section_count(img);

	for (size_t i = 1; i < n; i++) {
		if (xb_image_section_at(img, i, &s) && s.type == type)
			return xb_image_section_read(img, i, ret);
	}
	return false;
}

bool xb_image_debuglink(struct xb_image *img, const char **ret_name, uint32_t *ret_crc)
{
	GElf_Word crc = 0;
	const char *name = dwelf_elf_gnu_debuglink(xb_image_elf(img), &crc);

	if (name == NULL || name[0] == '\0')
		return false;
	*ret_name = name;
	*ret_crc = crc;
	return true;
}

bool xb_image_build_id_vaddr(struct xb_image *img, xb_addr *ret_vaddr)
{
	const unsigned char *id, *bytes;
	const struct xb_segment *segs;
	size_t len, n;

	if (!xb_image_build_id(img, &id, &len))
		return false;
	segs = xb_image_segments(img, &n);
	/* The note lies in the page of the ELF header, before the dynamic symbols: no need for a
	 * parser. */
	for (size_t i = 0; i < n; i++) {
		size_t look = (size_t)XB_MIN(segs[i].filesz, 1U << 16);

		bytes = look < len ? NULL : xb_image_bytes(img, segs[i].vaddr, look);
		bytes = bytes == NULL ? NULL : memmem(bytes, look, id, len);
		if (bytes == NULL)
			continue;
		*ret_vaddr =
			segs[i].vaddr + (uint64_t)(bytes - xb_image_bytes(img, segs[i].vaddr, look));
		return true;
	}
	return false;
}
