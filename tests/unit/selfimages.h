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

/* Registers, and a copy of the stack from there up to @max bytes, as they are inside self_stack_take().
 */
struct self_stack {
	struct xb_regs regs;
	struct xb_stack_slice slice;
	unsigned char *copy;
};

void self_stack_take(size_t max, struct self_stack *ret);
void self_stack_free(struct self_stack *stack);

#endif
