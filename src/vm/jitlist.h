/*
 * The VM's gdb JIT list: every range of compiled code with its name, as the VM itself tells a debugger.
 *
 * Next to the code ranges (vm/code.h) this is the second, independent source of names, and the only one for the
 * shared fragments of the JIT.  Mirrors erts/emulator/beam/jit/beam_jit_metadata.cpp (OTP 25):
 * beamasm_update_gdb_info(), beamasm_init_late_gdb().
 *
 * OTP 25 never takes an entry off its list: code that was purged stays on it, and when its memory is used again two
 * entries share addresses.  The newer one is right.  Later releases do take entries off; both are understood.
 */
#ifndef XB_VM_JITLIST_H
#define XB_VM_JITLIST_H

#include "base/error.h"
#include "base/map.h"
#include "base/ranges.h"

struct xb_vm;

/* One row of a line table: from @pc on, until the next row or the end of the range. */
struct xb_jitline {
	xb_addr pc;
	uint32_t line;
	uint32_t file_len;
	const char *file; /* UTF-8, not trusted; NUL-terminated at @file_len */
};

struct xb_jitrange {
	xb_addr start, end; /* [start, end) inside the entry's code; may be empty */
	const char *name;   /* not trusted; NUL-terminated at @name_len, a NUL may be inside as well */
	uint32_t name_len;
	uint32_t n_lines;
	const struct xb_jitline *lines; /* NULL unless asked for */
};

enum xb_jitentry_kind {
	XB_JITENTRY_EMULATOR, /* facts about the VM, no code */
	XB_JITENTRY_MODULE,   /* an Erlang module, or the blob of shared fragments */
	XB_JITENTRY_BROKEN,   /* made no sense; names nothing */
};

/* One entry.  All of it lives as long as the entry is on the list. */
struct xb_jitentry {
	enum xb_jitentry_kind kind;
	bool fragments; /* the pseudo module "global": code shared by all modules */
	bool own; /* the VM's own code, in no module table: fragments, and the pseudo module "erts_beamasm" */
	xb_addr node; /* struct jit_code_entry in the target */
	xb_addr next; /* the next older one, 0 at the end */
	xb_addr symfile;
	uint64_t symfile_size;
	xb_addr base;       /* of the code */
	uint32_t code_size; /* bytes */
	uint32_t name_len;
	uint32_t n_ranges;
	const char *name; /* of the module, raw UTF-8 of its atom */
	struct xb_jitrange *ranges;
	void *bytes, *storage; /* private: what was read, and the ranges made of it */
};

struct xb_jitlist_opts {
	bool lines;           /* read line rows too */
	size_t max_bytes;     /* of the target's text to keep, 0: 256 MiB */
	uint32_t max_entries; /* 0: 1,000,000 */
};

/* struct jit_descriptor of the target. */
struct xb_jitlist_state {
	uint32_t version, action;
	xb_addr relevant, first;
};

struct xb_jitlist {
	struct xb_jitentry **entries; /* oldest first: the order of loading */
	size_t len, cap;
	size_t n_ranges; /* of all modules together */
	size_t broken;   /* entries of kind BROKEN */
	bool cut; /* the list is longer than our bounds, or its end makes no sense: the oldest are missing */
	bool moving; /* the VM kept loading code while the list was read: newer entries may be missing */
	bool has_emulator;
	uint32_t frame_layout; /* of the EMULATOR entry: 0 return address only, 1 with frame pointer */
	xb_addr normal_exit;   /* of the EMULATOR entry */
	uint64_t bytes;        /* of the target, kept for the names */

	/* Private. */
	struct xb_jitlist_opts opts;
	struct xb_jitlist_state state;
	struct xb_ranges fragment_ranges; /* value: entry index << 32 | range index */
	struct xb_map by_base;            /* base -> index of the newest entry + 1 */
};

#define XB_JITLIST_INIT                                                                                \
	{                                                                                              \
		0                                                                                      \
	}

/**
 * Read the whole list into @ret (any state but uninitialised; what it held is released).
 * @opts may be NULL.
 * @return NULL; UNSUPPORTED when the VM has no such list (interpreter); MISMATCH when the descriptor is none; FAULT
 *         when it cannot be read; GONE, PERM, NOMEM.  Damage further down is data: broken, cut.
 * Cost: one small read an entry and a few bulk reads: 1-3 ms for 15,000 ranges.
 */
XB_NODISCARD struct xb_error *xb_jitlist_read(struct xb_vm *vm, const struct xb_jitlist_opts *opts,
					      struct xb_jitlist *ret);

/** Whether entries came or went since the list was read.  Cost: two small
 * reads. */
XB_NODISCARD struct xb_error *xb_jitlist_is_stale(struct xb_vm *vm, const struct xb_jitlist *list,
						  bool *ret);

/**
 * Bring @list up to date, reading only newer entries; all is read again where older ones are not what they were.
 * Entries that stay keep their address.  @ret_changed may be NULL.
 * Cost: as xb_jitlist_is_stale() when nothing changed, else 0.2 us for each entry known, plus the new ones.
 * Errors as xb_jitlist_read(); then @list is as it was or empty.
 */
XB_NODISCARD struct xb_error *xb_jitlist_update(struct xb_vm *vm, struct xb_jitlist *list,
						bool *ret_changed);

void xb_jitlist_deinit(struct xb_jitlist *list);

/** The VM's own code at @addr ("global::call_light_bif_shared", "erts_beamasm:normal_exit/0"), or NULL.  Cost: a
 * binary search. */
const struct xb_jitrange *xb_jitlist_fragment(const struct xb_jitlist *list, xb_addr addr);

/** The newest module entry whose code starts at @base, or NULL.  Cost: a hash lookup. */
const struct xb_jitentry *xb_jitlist_module(const struct xb_jitlist *list, xb_addr base);

/** Whether the EMULATOR entry says what the VM's variables say: the frame layout and beam_normal_exit.  Also true
 * where the list has no such entry. */
bool xb_jitlist_emulator_agrees(const struct xb_vm *vm, const struct xb_jitlist *list);

#endif
