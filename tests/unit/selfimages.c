#include "selfimages.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

/* The stack is copied whole, red zones of the sanitizer included; a library memcpy would be checked. */
__attribute__((no_sanitize_address, noinline)) static void copy_raw(unsigned char *to,
								    const unsigned char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile unsigned char *)to)[i] = from[i];
}

static int add_image(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct self_images *images = arg;
	struct self_image *im = &images->at[images->n];
	const char *path = info->dlpi_name[0] == '\0' ? "/proc/self/exe" : info->dlpi_name;

	(void)size;
	if (images->n == SELF_MAX_IMAGES)
		return 1;
	*im = (struct self_image){ .bias = info->dlpi_addr, .start = UINT64_MAX };
	strncpy(im->path, path, sizeof(im->path) - 1);
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || (ph->p_flags & PF_X) == 0)
			continue;
		im->start = XB_MIN(im->start, info->dlpi_addr + ph->p_vaddr);
		im->end = XB_MAX(im->end, info->dlpi_addr + ph->p_vaddr + ph->p_memsz);
	}
	im->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (im->fd < 0) /* the vdso has no file */
		return 0;
	im->elf = elf_begin(im->fd, ELF_C_READ_MMAP, NULL);
	if (im->elf == NULL || xb_cfi_create(im->elf, NULL, &im->cfi) != NULL)
		abort();
	images->n++;
	return 0;
}

void self_images_open(struct self_images *ret)
{
	elf_version(EV_CURRENT);
	ret->n = 0;
	dl_iterate_phdr(add_image, ret);
}

void self_images_close(struct self_images *images)
{
	for (size_t i = 0; i < images->n; i++) {
		xb_cfi_destroy(images->at[i].cfi);
		elf_end(images->at[i].elf);
		close(images->at[i].fd);
	}
	images->n = 0;
}

struct self_image *self_images_find(struct self_images *images, xb_addr pc)
{
	for (size_t i = 0; i < images->n; i++) {
		if (pc >= images->at[i].start && pc < images->at[i].end)
			return &images->at[i];
	}
	return NULL;
}

static void from_context(const struct ucontext_t *uc, size_t max, struct self_stack *ret)
{
	static const uint8_t greg[XB_REG_COUNT] = {
		REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
		REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
	};
	pthread_attr_t attr;
	void *base = NULL;
	size_t size = 0;
	uint64_t sp;

	ret->regs.valid = 0;
	for (unsigned i = 0; i < XB_REG_COUNT; i++)
		xb_regs_set(&ret->regs, (enum xb_reg)i, (uint64_t)uc->uc_mcontext.gregs[greg[i]]);
	sp = ret->regs.r[XB_REG_RSP];
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &base, &size);
	pthread_attr_destroy(&attr);
	max = XB_MIN(max, (uintptr_t)base + size - sp);
	ret->copy = malloc(max);
	if (ret->copy == NULL)
		abort();
	copy_raw(ret->copy, (const unsigned char *)sp, max);
	ret->slice = (struct xb_stack_slice){ .addr = sp, .bytes = ret->copy, .len = max };
}

__attribute__((noinline)) void self_stack_take(size_t max, struct self_stack *ret)
{
	ucontext_t uc;

	getcontext(&uc);
	from_context(&uc, max, ret);
}

void self_stack_free(struct self_stack *stack)
{
	free(stack->copy);
	stack->copy = NULL;
}
