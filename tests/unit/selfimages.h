/* The images of the test's own process, as the elf layer wants them; and its own registers and stack.
 */
#ifndef XB_TESTS_SELFIMAGES_H
#define XB_TESTS_SELFIMAGES_H

#include "elf/cfi.h"

#include <libelf.h>

enum { SELF_MAX_IMAGES = 64 };

struct self_image {
	char path[512];
	xb_addr bias, start, end; /* of its executable segments */
	int fd;
	Elf *elf;
	struct xb_cfi *cfi;
};

struct self_images {
	struct self_image at[SELF_MAX_IMAGES];
	size_t n;
};

void self_images_open(struct self_images *ret);
void self_images_close(struct self_images *images);
struct self_image *self_images_find(struct self_images *images, xb_addr pc);

/* Registers as getcontext() gives them and the stack from there up to @max bytes, copied. */
struct self_stack {
	struct xb_regs regs;
	struct xb_stack_slice slice;
	unsigned char *copy;
};

#define self_stack_take(ret, max)                                                                      \
	do {                                                                                           \
		ucontext_t self_uc;                                                                    \
		getcontext(&self_uc);                                                                  \
		self_stack_from(&self_uc, (max), (ret));                                               \
	} while (0)

struct ucontext_t;
void self_stack_from(const struct ucontext_t *uc, size_t max, struct self_stack *ret);
void self_stack_free(struct self_stack *stack);

#endif
