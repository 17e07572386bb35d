/*
 * One ELF file: its segments, sections and identity.
 *
 * Only what this project can interpret is accepted: 64-bit little-endian x86-64.  A file is read with
 * pread() and never mapped: a library that is overwritten in place while we look at it must give us
 * stale bytes, not SIGBUS.  Everything in the file is untrusted; damage makes a part absent.
 *
 * All addresses here are vaddrs of the file (as in p_vaddr, st_value); elf/loaded.h knows where they
 * are in a process.  An image is not safe to share between threads: its parts are read on first use.
 */
#ifndef XB_ELF_IMAGE_H
#define XB_ELF_IMAGE_H

#include "base/error.h"

#include <libelf.h>
#include <sys/types.h>

struct xb_image;

/* One PT_LOAD, checked: memsz and vaddr do not wrap, filesz is cut at memsz and at the end of the file.
 */
struct xb_segment {
	xb_addr vaddr;
	uint64_t memsz, filesz; /* bytes */
	uint64_t offset;        /* into the file */
	uint32_t flags;         /* PF_R, PF_W, PF_X */
};

struct xb_section {
	const char *name;
	xb_addr vaddr; /* 0 for sections that are not loaded */
	uint64_t size; /* bytes, as the header says */
	uint64_t flags;
	uint32_t type;             /* SHT_… */
	uint32_t link;             /* sh_link */
	const unsigned char *data; /* NULL for SHT_NOBITS, compressed and unreadable sections */
	size_t len;                /* bytes at @data; 0 when there are none */
};

/**
 * Open @path, which may be a link below /proc.  @path is copied.
 * @return NULL; SYS/PERM when it cannot be opened; BAD_FILE when it is no ELF file for x86-64.
 * Cost: reads the headers only.
 */
XB_NODISCARD struct xb_error *xb_image_open(const char *path, struct xb_image **ret);

/** The same for an open descriptor, which the image owns from here on, also on error. */
XB_NODISCARD struct xb_error *xb_image_open_fd(int fd, const char *path, struct xb_image **ret);

/** The same for a copy of @len bytes at @bytes, such as the vdso. */
XB_NODISCARD struct xb_error *xb_image_open_memory(const void *bytes, size_t len, const char *name,
						   struct xb_image **ret);

/** Accepts NULL. */
void xb_image_close(struct xb_image *img);

static inline void xb_image_cleanup(struct xb_image **img)
{
	xb_image_close(*img);
}

/** Borrowed until the image is closed; for libdw. */
Elf *xb_image_elf(const struct xb_image *img);

/** The path or name given at opening. */
const char *xb_image_path(const struct xb_image *img);

/** ET_EXEC, ET_DYN, … */
uint16_t xb_image_type(const struct xb_image *img);

/** dev and inode of the file; false for images in memory. */
bool xb_image_file_id(const struct xb_image *img, dev_t *ret_dev, ino_t *ret_inode);

/** False when there is none.  Bytes are borrowed. */
bool xb_image_build_id(const struct xb_image *img, const unsigned char **ret_bytes, size_t *ret_len);

/** Where the note with the build-id is loaded, to compare it with a process; false when it is not. */
bool xb_image_build_id_vaddr(struct xb_image *img, xb_addr *ret_vaddr);

/** The PT_LOADs in file order, at most 64. */
const struct xb_segment *xb_image_segments(const struct xb_image *img, size_t *ret_n);

/** The segment whose memory (not only its file bytes) holds @vaddr, or NULL. */
const struct xb_segment *xb_image_segment_at(const struct xb_image *img, xb_addr vaddr);

/**
 * First section called @name.  Reads its data, which the image keeps.
 * Cost: linear in the number of sections, plus the data on first use.
 */
bool xb_image_section(struct xb_image *img, const char *name, struct xb_section *ret);

/** Section number @index (1 …).  Without data: data is NULL, len 0. */
bool xb_image_section_at(const struct xb_image *img, size_t index, struct xb_section *ret);

/** First section of type @type, with data. */
bool xb_image_section_of_type(struct xb_image *img, uint32_t type, struct xb_section *ret);

/** Section number @index with data. */
bool xb_image_section_read(struct xb_image *img, size_t index, struct xb_section *ret);

/** Sections including number 0. */
size_t xb_image_section_count(const struct xb_image *img);

/** Where the exception header of the image is (PT_GNU_EH_FRAME), for images without section headers. */
bool xb_image_eh_frame_hdr(const struct xb_image *img, xb_addr *ret_vaddr, uint64_t *ret_size);

/**
 * The @len bytes at @vaddr as the file has them, before relocation; NULL unless all of them are backed
 * by the file.  Borrowed until the image is closed.  Cost: pieces of 32 KiB are
 * read on first use.
 */
const unsigned char *xb_image_bytes(struct xb_image *img, xb_addr vaddr, size_t len);

/** No .symtab. */
bool xb_image_is_stripped(const struct xb_image *img);

/** A separate debug file: code sections are there in name only, so xb_image_bytes() gives nothing. */
bool xb_image_is_debug_only(const struct xb_image *img);

/** Name and CRC of .gnu_debuglink; false when there is none or it is damaged.  Borrowed. */
bool xb_image_debuglink(struct xb_image *img, const char **ret_name, uint32_t *ret_crc);

#endif
