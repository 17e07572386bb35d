/*
 * Two sources, one truth: what the VM's code ranges say (vm/code.h) against what it told its gdb JIT list
 * (vm/jitlist.h).
 *
 * Both were made from the same assembler, by different code and into different memory, so agreement means that both
 * were read right.  What is compared: for every module instance of the code ranges its extent, start, end and name of
 * every function, and, where the list was read with line rows, address, line and file of every row.  Entries of the
 * list whose code is no longer in the ranges are purged code, which OTP 25 never takes off the list: counted, no
 * disagreement.
 */
#ifndef XB_VM_CODECHECK_H
#define XB_VM_CODECHECK_H

#include "base/error.h"

struct xb_vm;
struct xb_jitlist;

enum { XB_CODECHECK_TEXTS = 4, XB_CODECHECK_TEXT = 400 };

struct xb_codecheck {
	size_t modules;    /* instances in the code ranges */
	size_t unreadable; /* of them: their memory made no sense, nothing was compared */
	size_t functions_compared, lines_compared;
	size_t differing; /* modules, functions and rows that are not the same in both */
	size_t purged;    /* entries of the list whose code is gone */
	bool moving;      /* code kept being loaded meanwhile: differences may come from that */
	size_t n_texts;
	char text[XB_CODECHECK_TEXTS][XB_CODECHECK_TEXT]; /* the first differences, one sentence each */
};

/**
 * Bring the code tables and @list up to date, read every module, compare.  Repeated a few times when code changes
 * under way.
 * Errors as xb_code_refresh() and xb_jitlist_update(); a difference is no error.
 * Cost: 5-10 ms for 15,000 functions, most of it reading their code; line rows cost as much again.
 */
XB_NODISCARD struct xb_error *xb_codecheck(struct xb_vm *vm, struct xb_jitlist *list,
					   struct xb_codecheck *ret);

#endif
