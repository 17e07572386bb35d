/*
 * Loaded code: which function and which source line is at an address.
 *
 *   r[active].modules ──► [ start, end ) …  sorted, one per loaded module instance, old instances
 * included │ └─► BeamCodeHeader { num_functions, …, line_table, …, functions[0..n] } functions[k] ──►
 * ErtsCodeInfo { …, mfa }   function k is [functions[k], functions[k+1]) line_table ──► { fname_ptr,
 * loc_size, loc_tab, func_tab[0..n] }
 *
 * Mirrors erts/emulator/beam/beam_ranges.c:erts_lookup_function_info(), lookup_loc().  A code change
 * writes a new ranges array and switches the active index (the_active_code_index); purging sets end =
 * start in place.  A module instance never changes while it is loaded, so each is read once, in one
 * block, when first asked for.
 */
#ifndef XB_VM_CODE_H
#define XB_VM_CODE_H

#include "base/arena.h"
#include "base/error.h"
#include "vm/mfa.h"

struct xb_vm;
struct xb_code;

/* One function of one module instance.  Valid until the instance is dropped by xb_code_refresh(). */
struct xb_function {
	xb_addr start, end; /* [start, end), ErtsCodeInfo included */
	struct xb_mfa mfa;
	uint32_t first_line, n_lines; /* rows of the module's line table */
};

struct xb_module {
	xb_addr start, end;            /* the BeamCodeHeader is at start */
	struct xb_function *functions; /* ascending */
	uint32_t n_functions;
	xb_addr *line_pc;   /* n_lines + 1 ascending addresses; the last one ends the last row */
	uint32_t *line_loc; /* file << 24 | line; 0: no location */
	uint32_t n_lines;
	const char **files; /* by file number, UTF-8; "" where unreadable */
	uint32_t n_files;
	struct xb_arena arena; /* holds all of the above */
	unsigned char md5[16];
	bool second; /* came in so long a time that another one may have been there before, unseen */
	bool loaded, broken; /* broken: its memory did not make sense; it names nothing */
};

struct xb_line {
	uint32_t line;
	const char *file; /* UTF-8; lives as long as the module instance */
};

/** The code of @vm, nothing read yet.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_code_create(struct xb_vm *vm, struct xb_code **ret);
void xb_code_destroy(struct xb_code *code);

/**
 * Re-read the ranges array; module instances that are still the same (range and MD5) are kept.
 * @changed says whether any instance came or went; NULL: nobody looks regularly, so nothing is said of what may have been
 * there in between (struct xb_module.second).
 * Cost: 3 reads, plus 2 batched reads when the array moved.
 */
XB_NODISCARD struct xb_error *xb_code_refresh(struct xb_vm *vm, bool *changed);

/**
 * Whether code was loaded or purged since the last refresh: three small reads, for the sampling loop.
 */
XB_NODISCARD struct xb_error *xb_code_is_stale(struct xb_vm *vm, bool *ret);

/** Read every module now, so that addresses resolve even after their code is gone.  Cost: about 5 ms
 * for 15,000 functions. */
XB_NODISCARD struct xb_error *xb_code_load_all(struct xb_vm *vm);

/**
 * The function that holds @pc, as the VM itself would find it; NULL when no module does.
 * @module (may be NULL) receives the instance.
 * Cost: two binary searches; the first address in a module reads the module.
 */
const struct xb_function *xb_code_find(struct xb_vm *vm, xb_addr pc, const struct xb_module **module);

/** Source line of @pc inside @f; false when the VM has none.  Cost: a binary search. */
bool xb_code_line(const struct xb_module *module, const struct xb_function *f, xb_addr pc,
		  struct xb_line *ret);

/**
 * The function that held @pc in a module instance which the last refresh found gone; NULL when none did.  For samples
 * taken before the change was noticed: where both this and xb_code_find() answer, the sample is ambiguous.
 */
const struct xb_function *xb_code_find_retired(const struct xb_vm *vm, xb_addr pc,
					       const struct xb_module **module);

/** Forget the modules that xb_code_find_retired() answers for. */
void xb_code_drop_retired(struct xb_vm *vm);

/** Whether @pc lies in any loaded module; no module is read. */
bool xb_code_holds(const struct xb_vm *vm, xb_addr pc);

/** Module instances, ascending by address; not necessarily loaded. */
struct xb_module *xb_code_modules(struct xb_vm *vm, size_t *n);

/** Read module @m now if it was not; false when it is broken. */
bool xb_code_load(struct xb_vm *vm, struct xb_module *m);

/** Modules whose memory made no sense so far. */
size_t xb_code_broken(const struct xb_vm *vm);

#endif
