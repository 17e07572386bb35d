#include "fakemem.h"

#include <stdlib.h>
#include <string.h>

static struct xb_error *fake_readv(void *self, struct xb_io *io, size_t n)
{
	const struct fakevm_memory *m = self;

	for (size_t i = 0; i < n; i++) {
		if (io[i].addr < FAKEMEM_BASE || io[i].addr >= FAKEMEM_BASE + m->used)
			continue;
		io[i].got = XB_MIN(io[i].len, (size_t)(FAKEMEM_BASE + m->used - io[i].addr));
		memcpy(io[i].buf, m->bytes + (io[i].addr - FAKEMEM_BASE), io[i].got);
	}
	return NULL;
}

static bool fake_is_stable(void *self)
{
	(void)self;
	return true;
}

static void fake_destroy(void *self)
{
	struct fakevm_memory *m = self;

	free(m->bytes);
	free(m);
}

const struct xb_mem_ops fakemem_ops = { "fake VM", fake_readv, fake_is_stable, fake_destroy };
