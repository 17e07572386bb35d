/* Between site.c (where E is while C runs) and site_frame.c (how much of the stack is the frame of a place). */
#ifndef XB_SAMPLE_SITE_PRIV_H
#define XB_SAMPLE_SITE_PRIV_H

#include "base/map.h"
#include "base/vec.h"
#include "sample/site.h"

#include <capstone/capstone.h>

enum { SITE_WINDOW = 4096 };

/* A place on the path that is being followed, or one to go on from. */
struct site_place {
	xb_addr pc;
	int32_t delta; /* bytes that rsp has grown since the first place */
	uint32_t path; /* length of the path when the branch to here was met */
};

XB_VEC(site_places, struct site_place);

struct xb_sites {
	struct xb_vm *vm;
	const int *reg;      /* by role; borrowed */
	struct xb_map rules; /* return address -> enum xb_site_rule, in bits 8 and above the register */
	struct xb_map frames; /* pc -> words of the frame, plus a bias */
	struct site_places path, branches;
	struct xb_map seen; /* places of the search that is going on */
	uint8_t window[SITE_WINDOW];
	xb_addr window_at;
	size_t window_len;
	csh handle;
	cs_insn *insn;
};

#endif
