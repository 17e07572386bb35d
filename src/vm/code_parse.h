/* Reading one module instance; for code.c and codecheck.c. */
#ifndef XB_VM_CODE_PARSE_H
#define XB_VM_CODE_PARSE_H

#include "vm/code.h"

/** Fill functions, lines and file names of @m from the target; false when they make no sense. */
bool xb_module_parse(struct xb_vm *vm, struct xb_module *m);

/** The functions of @m alone, without its line table; @m stays unloaded.  False when its memory makes no sense. */
bool xb_module_parse_functions(struct xb_vm *vm, struct xb_module *m);

/** Fill the MD5 of @n module instances, two batched reads for all; unreadable ones stay zero. */
void xb_module_read_md5s(struct xb_vm *vm, struct xb_module *modules, size_t n);

void xb_module_deinit(struct xb_module *m);

#endif
