/* A copy of the writable data and what looks into it, for vm/roots.c and its methods. */
#ifndef XB_VM_ROOTS_FIND_H
#define XB_VM_ROOTS_FIND_H

#include "elf/mine.h"
#include "layout/layout.h"
#include "vm/roots.h"
#include "vm/sched.h"

/* The writable data of the emulator, copied, and what is needed to disassemble it. */
struct xb_finder;

struct root_spec {
	const char *name;           /* for people */
	const char *symbol, *other; /* the second: its name in other releases, or NULL */
	const char *file;           /* source file of a static, NULL for a global */
	const char *mine[4];        /* exported functions that refer to it */
	bool (*looks)(struct xb_finder *f, xb_addr addr); /* NULL: has no shape of its own */
	/* Decides between several that look like it: whether what lies around @addr is right too.  NULL: nothing does. */
	bool (*is_beside)(struct xb_finder *f, xb_addr addr);
	enum xb_layout_field parts[2]; /* fields of it that those functions refer to directly */
	size_t n_parts;
	/* Where @looks will read outside the data, so that it can be fetched for all candidates; 0: @addr is none. */
	xb_addr (*points)(struct xb_finder *f, xb_addr addr);
	unsigned align;
	unsigned width;
	unsigned other_at;       /* bytes behind the symbol @other */
	const char *stub[2];     /* of a stub: functions of erts_beamasm that it is; releases differ */
	enum xb_sched_kind kind; /* of schedulers, for the next two */
	bool is_array, is_count; /* the pointer to them; how many there are */
	bool is_stub; /* code that stands for no function: a pointer to it, or itself (STUBS_IN_PLACE) */
	bool is_live; /* its value changes: do not keep it */
	bool later;   /* nothing reads it yet: only a thorough search looks for it */
	bool jit_only;
	bool need;
};

extern const struct root_spec xb_root_specs[XB_ROOT__COUNT];

/** Ready to copy the writable data of the emulator, which happens when it is first looked at.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_finder_create(const struct xb_vm_source *source,
					       struct xb_finder **ret);

/** Accepts NULL. */
void xb_finder_destroy(struct xb_finder *f);

static inline void xb_finder_cleanup(struct xb_finder **f)
{
	xb_finder_destroy(*f);
}

/** Which layout shapes are judged by; borrowed.  Nothing may be asked before. */
void xb_finder_use(struct xb_finder *f, const struct xb_layout *layout);
const struct xb_layout *xb_finder_layout(const struct xb_finder *f);

/** Copy the data anew: lists that lead out of it (loaded code) change while a VM runs. */
void xb_finder_refresh(struct xb_finder *f);

/**
 * Everything in the writable data that looks like the root: *@hits of them.  Returns @expected when it
 * is among them, else the first, else 0.
 */
xb_addr xb_finder_scan(struct xb_finder *f, const struct root_spec *spec, xb_addr expected,
		       size_t *hits);

/** The one operand of the spec's functions that looks like the root, 0 when none or several do.  roots_mine.c */
xb_addr xb_finder_mine(struct xb_finder *f, const struct root_spec *spec, const char **via);

/** The one 32-bit variable that the spec's functions read where they also refer to @beside, and that is 0, 1 or 2. */
xb_addr xb_finder_mine_index(struct xb_finder *f, const struct root_spec *spec, xb_addr beside,
			     const char **via);

/** The one place that looks like the root and that some code of the emulator sets the second half word of to 1.
 * Cost: all of its code is read, about 1 ms for each MiB. */
xb_addr xb_finder_mine_store(struct xb_finder *f, const struct root_spec *spec);

/** The word at live address @addr of the writable data as it was copied; 0 outside. */
uint64_t xb_finder_word(struct xb_finder *f, xb_addr addr);

/** The aligned 32-bit word at @addr of the same copy; 0 outside. */
static inline uint32_t xb_finder_half(struct xb_finder *f, xb_addr addr)
{
	return (uint32_t)(xb_finder_word(f, addr & ~(xb_addr)7) >> (addr % 8 * 8));
}

/** The first place behind @after (0: from the start) in the writable data that holds @value; 0 when there is none. */
xb_addr xb_finder_next(struct xb_finder *f, xb_addr after, uint64_t value);

/** Whether @addr lies in the data as it was copied; in the emulator's image at all. */
bool xb_finder_in_data(struct xb_finder *f, xb_addr addr);
bool xb_finder_in_image(const struct xb_finder *f, xb_addr addr);

/** Every place of the data whose word is a pointer to outside the image that is a multiple of @align, ascending; NULL
 * with *@n 0 when memory is short.  Valid until the finder is refreshed. */
const xb_addr *xb_finder_pointers(struct xb_finder *f, unsigned align, size_t *n);

/** Memory that lives until the finder is refreshed. */
struct xb_arena *xb_finder_arena(struct xb_finder *f);

/** Whether @w may point to allocated memory: aligned, of a user, and not into the emulator's own image. */
bool xb_finder_is_pointer(const struct xb_finder *f, uint64_t w);

#define XB_FINDER_REMOTE_WORDS ((size_t)4)

/** The first words of what lies at @addr outside the data; zeroes when unreadable.  Valid until the next call. */
const uint64_t *xb_finder_remote(struct xb_finder *f, xb_addr addr);

/** The @len bytes at live address @addr as the executable has them when they are NUL-terminated text,
 * else NULL. */
const char *xb_finder_literal(struct xb_finder *f, xb_addr addr, size_t len);

/** What it was made of. */
const struct xb_vm_source *xb_finder_source(const struct xb_finder *f);

/** The disassembler, made when first asked for; NULL when that fails. */
struct xb_miner *xb_finder_miner(struct xb_finder *f);

/*
 * Shapes, in roots_shape.c: whether what is at the live address @addr can be the root.  Cost: the first comparison
 * refuses nearly every address.
 */
bool xb_looks_like_proc_table(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_port_table(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_registry(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_atom_table(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_ranges(struct xb_finder *f, xb_addr addr);
/** Whether the active and the staging code index are where the table says they are beside such ranges. */
bool xb_ranges_beside_index(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_module_tables(struct xb_finder *f, xb_addr addr);
bool xb_looks_like_jit_descriptor(struct xb_finder *f, xb_addr addr);
/** Where a would-be JIT descriptor at @addr points to, 0 when it cannot be one. */
xb_addr xb_jit_descriptor_points(struct xb_finder *f, xb_addr addr);

#endif
