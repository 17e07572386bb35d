#include "elf/image.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SEGMENTS = 64, MAX_HEADERS = 4096 };

/* What one pread() of file bytes fetches: somebody who wants 12 bytes of 3 MiB pays for little more. */
enum { CHUNK = 32 << 10 };

/* The file bytes of one segment, in one piece of address space that is filled where it is asked for. */
struct content {
	unsigned char *bytes;
	unsigned char *have; /* one per chunk */
};

struct xb_image {
	Elf *elf;
	int fd;
	char *path;
	char *memory;       /* our copy of an image in memory */
	uint64_t file_size; /* bytes */
	dev_t dev;
	ino_t inode;
	uint16_t type;
	bool stripped, debug_only;
	size_t section_count, names_index;
	const unsigned char *build_id;
	size_t build_id_len;
	size_t n_segments;
	struct xb_segment segments[MAX_SEGMENTS];
	struct content contents[MAX_SEGMENTS];
	uint64_t reserved; /* bytes of address space in @contents */
	struct {
		xb_addr vaddr;
		uint64_t size;
	} eh_frame_hdr;
};

static struct xb_error *check_kind(const struct xb_image *img)
{
	GElf_Ehdr eh;

	if (elf_kind(img->elf) != ELF_K_ELF)
		return xb_errorf(XB_ERR_BAD_FILE, "%s is not an ELF file", img->path);
	if (gelf_getehdr(img->elf, &eh) == NULL)
		return xb_errorf(XB_ERR_BAD_FILE, "%s has a damaged ELF header: %s", img->path,
				 elf_errmsg(-1));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_machine != EM_X86_64)
		return xb_errorf(
			XB_ERR_BAD_FILE,
			"%s is ELF for another machine (class %d, data %d, machine %d), not for 64-bit x86",
			img->path, eh.e_ident[EI_CLASS], eh.e_ident[EI_DATA], eh.e_machine);
	return NULL;
}

static void add_segment(struct xb_image *img, const GElf_Phdr *ph)
{
	struct xb_segment *s = &img->segments[img->n_segments];
	uint64_t end;

	if (img->n_segments == MAX_SEGMENTS || ph->p_memsz == 0 ||
	    __builtin_add_overflow(ph->p_vaddr, ph->p_memsz, &end))
		return;
	*s = (struct xb_segment){
		.vaddr = ph->p_vaddr,
		.memsz = ph->p_memsz,
		.filesz = XB_MIN(ph->p_filesz, ph->p_memsz),
		.offset = ph->p_offset,
		.flags = ph->p_flags,
	};
	if (s->offset > img->file_size)
		s->filesz = 0;
	s->filesz = XB_MIN(s->filesz, img->file_size - XB_MIN(s->offset, img->file_size));
	img->n_segments++;
}

static void read_program_headers(struct xb_image *img)
{
	size_t n = 0;

	if (elf_getphdrnum(img->elf, &n) != 0)
		return;
	for (size_t i = 0; i < n && i < MAX_HEADERS; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(img->elf, (int)i, &ph) == NULL)
			return;
		if (ph.p_type == PT_LOAD)
			add_segment(img, &ph);
		if (ph.p_type == PT_GNU_EH_FRAME && img->eh_frame_hdr.size == 0) {
			img->eh_frame_hdr.vaddr = ph.p_vaddr;
			img->eh_frame_hdr.size = ph.p_memsz;
		}
	}
}

static void read_section_headers(struct xb_image *img)
{
	img->stripped = true;
	if (elf_getshdrnum(img->elf, &img->section_count) != 0)
		img->section_count = 0;
	if (elf_getshdrstrndx(img->elf, &img->names_index) != 0)
		img->names_index = 0;
	for (size_t i = 1; i < img->section_count; i++) {
		struct xb_section s;

		if (!xb_image_section_at(img, i, &s))
			continue;
		if (s.type == SHT_SYMTAB)
			img->stripped = false;
		if (s.type == SHT_NOBITS && (s.flags & SHF_EXECINSTR) != 0 && s.size > 0)
			img->debug_only = true;
	}
}

static struct xb_error *setup(struct xb_image *img)
{
	const void *id = NULL;
	ssize_t id_len;

	if (img->elf == NULL)
		return xb_errorf(XB_ERR_BAD_FILE, "%s: %s", img->path, elf_errmsg(-1));
	XB_TRY(check_kind(img));
	img->type = ((const Elf64_Ehdr *)elf64_getehdr(img->elf))->e_type;
	read_program_headers(img);
	read_section_headers(img);
	id_len = dwelf_elf_gnu_build_id(img->elf, &id);
	if (id_len > 0 && id_len <= 64) {
		img->build_id = id;
		img->build_id_len = (size_t)id_len;
	}
	return NULL;
}

static struct xb_image *image_alloc(const char *path, int fd)
{
	struct xb_image *img = calloc(1, sizeof(*img));

	if (img != NULL) {
		img->fd = fd;
		img->path = strdup(path);
	}
	if (img == NULL || img->path == NULL) {
		free(img);
		return NULL;
	}
	return img;
}

struct xb_error *xb_image_open_fd(int fd, const char *path, struct xb_image **ret)
{
	xb_cleanup(xb_image_cleanup) struct xb_image *img = image_alloc(path, fd);
	struct stat st;

	if (img == NULL) {
		close(fd);
		return xb_error_nomem();
	}
	if (fstat(fd, &st) != 0)
		return xb_error_sys(errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode))
		return xb_errorf(XB_ERR_BAD_FILE, "%s is not a regular file", path);
	img->file_size = (uint64_t)st.st_size;
	img->dev = st.st_dev;
	img->inode = st.st_ino;
	(void)elf_version(EV_CURRENT);
	img->elf = elf_begin(fd, ELF_C_READ, NULL);
	XB_TRY(setup(img));
	*ret = xb_take(img);
	return NULL;
}

struct xb_error *xb_image_open(const char *path, struct xb_image **ret)
{
	/* Should @path be a FIFO, opening it must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return xb_error_sys(errno, "cannot open %s", path);
	return xb_image_open_fd(fd, path, ret);
}

struct xb_error *xb_image_open_memory(const void *bytes, size_t len, const char *name,
				      struct xb_image **ret)
{
	xb_cleanup(xb_image_cleanup) struct xb_image *img = image_alloc(name, -1);

	if (img == NULL)
		return xb_error_nomem();
	if (len == 0)
		return xb_errorf(XB_ERR_BAD_FILE, "%s is empty", name);
	/* libelf wants a writable image, though it only reads it. */
	img->memory = malloc(len);
	if (img->memory == NULL)
		return xb_error_nomem();
	memcpy(img->memory, bytes, len);
	img->file_size = len;
	(void)elf_version(EV_CURRENT);
	img->elf = elf_memory(img->memory, len);
	XB_TRY(setup(img));
	*ret = xb_take(img);
	return NULL;
}

void xb_image_close(struct xb_image *img)
{
	if (img == NULL)
		return;
	if (img->elf != NULL)
		elf_end(img->elf);
	xb_closep(&img->fd);
	for (size_t i = 0; i < img->n_segments; i++) {
		free(img->contents[i].bytes);
		free(img->contents[i].have);
	}
	free(img->memory);
	free(img->path);
	free(img);
}

Elf *xb_image_elf(const struct xb_image *img)
{
	return img->elf;
}

const char *xb_image_path(const struct xb_image *img)
{
	return img->path;
}

uint16_t xb_image_type(const struct xb_image *img)
{
	return img->type;
}

bool xb_image_file_id(const struct xb_image *img, dev_t *ret_dev, ino_t *ret_inode)
{
	if (img->fd < 0)
		return false;
	*ret_dev = img->dev;
	*ret_inode = img->inode;
	return true;
}

bool xb_image_build_id(const struct xb_image *img, const unsigned char **ret_bytes, size_t *ret_len)
{
	if (img->build_id == NULL)
		return false;
	*ret_bytes = img->build_id;
	*ret_len = img->build_id_len;
	return true;
}

bool xb_image_is_stripped(const struct xb_image *img)
{
	return img->stripped;
}

bool xb_image_is_debug_only(const struct xb_image *img)
{
	return img->debug_only;
}

bool xb_image_eh_frame_hdr(const struct xb_image *img, xb_addr *ret_vaddr, uint64_t *ret_size)
{
	if (img->eh_frame_hdr.size == 0)
		return false;
	*ret_vaddr = img->eh_frame_hdr.vaddr;
	*ret_size = img->eh_frame_hdr.size;
	return true;
}

const struct xb_segment *xb_image_segments(const struct xb_image *img, size_t *ret_n)
{
	*ret_n = img->n_segments;
	return img->segments;
}

const struct xb_segment *xb_image_segment_at(const struct xb_image *img, xb_addr vaddr)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct xb_segment *s = &img->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz)
			return s;
	}
	return NULL;
}

/* Segments of a sane file do not overlap; a made-up one must not make us hold the file 64 times. */
static bool reserve(struct xb_image *img, struct content *c, const struct xb_segment *s)
{
	if (s->filesz > SIZE_MAX / 2 || img->reserved + s->filesz > 2 * img->file_size)
		return false;
	c->bytes = malloc((size_t)s->filesz);
	c->have = calloc((size_t)s->filesz / CHUNK + 1, 1);
	if (c->bytes == NULL || c->have == NULL) {
		free(c->bytes);
		free(c->have);
		*c = (struct content){ 0 };
		return false;
	}
	img->reserved += s->filesz;
	return true;
}

static bool read_chunk(const struct xb_image *img, struct content *c, const struct xb_segment *s,
		       size_t nr)
{
	size_t at = nr * CHUNK, end = (size_t)XB_MIN(s->filesz, (uint64_t)at + CHUNK);

	while (at < end) {
		ssize_t n = pread(img->fd, c->bytes + at, end - at, (off_t)(s->offset + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	c->have[nr] = 1;
	return true;
}

/* Bytes [@at, @at + @len) of segment number @i, which has that many. */
static const unsigned char *segment_bytes(struct xb_image *img, size_t i, size_t at, size_t len)
{
	const struct xb_segment *s = &img->segments[i];
	struct content *c = &img->contents[i];

	if (img->memory != NULL)
		return (const unsigned char *)img->memory + s->offset + at;
	if (c->bytes == NULL && !reserve(img, c, s))
		return NULL;
	for (size_t nr = at / CHUNK; nr * CHUNK < at + len; nr++) {
		if (c->have[nr] == 0 && !read_chunk(img, c, s, nr))
			return NULL;
	}
	return c->bytes + at;
}

const unsigned char *xb_image_bytes(struct xb_image *img, xb_addr vaddr, size_t len)
{
	if (img->debug_only)
		return NULL;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct xb_segment *s = &img->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz &&
		    len <= s->filesz - (vaddr - s->vaddr))
			return segment_bytes(img, i, (size_t)(vaddr - s->vaddr), len);
	}
	return NULL;
}
