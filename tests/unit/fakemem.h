/* Memory of a process that does not exist: one region, nothing around it. */
#ifndef XB_TESTS_FAKEMEM_H
#define XB_TESTS_FAKEMEM_H

#include "mem/mem.h"

enum { FAKEMEM_SIZE = 8 << 20 };
#define FAKEMEM_BASE UINT64_C(0x7f0000000000) /* like the addresses of a real process */

struct fakevm_memory {
	unsigned char *bytes; /* FAKEMEM_SIZE of them */
	size_t used;          /* how many are mapped */
};

/** For xb_mem_create() with a struct fakevm_memory from malloc(). */
extern const struct xb_mem_ops fakemem_ops;

#endif
