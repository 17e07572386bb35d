/*
 * Which Erlang functions cause a native one.
 *
 * A sample counts when the native function, or one of its family, is anywhere in its C frames; it is blamed on the
 * first Erlang frame above it.  A family stands for what a job is called in different releases and paths: copying a
 * term is copy_struct_x() for most terms and copy_shared_perform_x() when sharing is kept.
 */
#ifndef XB_VIEW_BLAME_H
#define XB_VIEW_BLAME_H

#include "view/profile.h"

struct xb_blame_family {
	const char *name, *about;
	const char *const *members; /* ended by NULL; a member that ends in '*' is a prefix */
};

/** All families, ended by a NULL name; static. */
const struct xb_blame_family *xb_blame_families(void);

struct xb_blame_share {
	const char *name; /* caller "m:f/a", or process label */
	const char *pid;  /* of a process, else "" */
	uint64_t count;
	bool later; /* a caller from a frame that was read after the sample */
};

struct xb_blame_row {
	const char *function, *module, *file;
	uint32_t line; /* of the call, the most frequent one */
	uint64_t count;
	uint64_t later; /* samples in which this frame was read after the sample */
	struct xb_blame_share *callers, *processes; /* descending */
	size_t n_callers, n_processes;
};

struct xb_blame {
	struct xb_blame_row *rows; /* descending */
	size_t n;
	uint64_t matched;   /* samples with the native function */
	uint64_t no_erlang; /* of these: below no Erlang frame */
	uint64_t samples;   /* of the whole profile */
	const char **names; /* the native functions that were met */
	uint64_t *name_counts;
	size_t n_names;
};

/**
 * @param what  A family, or the exact name of a native function.
 * @return NULL or NOMEM.  Strings live as long as the profile and @arena.
 */
XB_NODISCARD struct xb_error *xb_blame_make(const struct xb_profile *p, const char *what,
					    struct xb_arena *arena, struct xb_blame *ret);

/** Every native function met in the profile, with the samples it is in; for `--blame list`.  Errors: NOMEM. */
XB_NODISCARD struct xb_error *xb_blame_list(const struct xb_profile *p, struct xb_arena *arena,
					    struct xb_blame *ret);

/**
 * Whether some function of the target's executable or libraries has a name that @what means.  Without one no sample can
 * ever match, and none that did not says anything.  True for places ("beam.smp+0x203470") and for shared fragments.
 * Cost: the symbol tables of all images when none has it; some milliseconds each.
 */
bool xb_blame_has_name(struct xb_session *s, const char *what);

/** Whether the native function @name belongs to @what. */
bool xb_blame_matches(const char *what, const char *name);

#endif
