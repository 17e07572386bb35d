/*
 * Samples, counted.
 *
 *	sample ─► frames (words) ─► stack id ─► counter (stack, process, thread, CPU, mode)
 *
 * Stacks are kept as frame ids and frames are named as late as possible: when code changes, or at the end.  Names are
 * then kept, so that samples of code that is gone still resolve.  Memory is bounded; what does not fit is counted.
 */
#ifndef XB_VIEW_PROFILE_H
#define XB_VIEW_PROFILE_H

#include "base/map.h"
#include "base/vec.h"
#include "sample/mixed.h"
#include "view/namer.h"
#include "view/skid.h"

struct xb_pfunction {
	const char *name, *module; /* live as long as the profile */
	enum xb_mixed_kind kind;
	bool known; /* false: an address, or an ambiguous one: counts as unresolved */
};

struct xb_pframe {
	uint64_t word;     /* as sampled */
	uint32_t function; /* index; UINT32_MAX until named */
	uint32_t line;
	const char *file; /* lives as long as the profile; "" for none */
};

struct xb_pstack {
	uint32_t first, n; /* frame ids in profile.pool, innermost first */
	bool rooted, cut;
	uint64_t check; /* private: second hash of its words */
};

struct xb_pprocess {
	uint64_t id;
	const char *pid, *label,
		*initial; /* "<0.80.0>"; registered name, else initial call; "m:f/a" or "" */
	bool has_name;
};

struct xb_pthread {
	pid_t tid;
	const char *label; /* "scheduler 1", "dirty_cpu 2", or the thread's name */
};

struct xb_pcounter {
	uint32_t stack, process, thread,
		cpu; /* process UINT32_MAX: none; UINT32_MAX - 1: not known, or gone before it was asked */
	enum xb_mixed_mode mode;
	bool exact;
	uint64_t count;
};

enum { XB_PROFILE_NO_PROCESS = UINT32_MAX, XB_PROFILE_GONE = UINT32_MAX - 1 };

XB_VEC(xb_pfunctions, struct xb_pfunction);
XB_VEC(xb_pframes, struct xb_pframe);
XB_VEC(xb_pstacks, struct xb_pstack);
XB_VEC(xb_pprocesses, struct xb_pprocess);
XB_VEC(xb_pthreads, struct xb_pthread);
XB_VEC(xb_pcounters, struct xb_pcounter);
XB_VEC(xb_u32s, uint32_t);

struct xb_profile {
	struct xb_session *s;
	struct xb_mixer *mixer;
	struct xb_namer *namer;
	struct xb_pfunctions functions;
	struct xb_pframes frames;
	struct xb_pstacks stacks;
	struct xb_pprocesses processes;
	struct xb_pthreads threads;
	struct xb_pcounters counters;
	struct xb_u32s pool;
	/* Sums. */
	uint64_t samples;
	uint64_t erlang, exact,
		rooted;  /* with a process; of these: known from the instant, reaching the root */
	uint64_t broken; /* C stacks that led nowhere: there may have been a process */
	uint64_t code_changes, overflow, ambiguous;
	struct xb_skid skid;
	/* Private. */
	struct xb_arena arena;
	struct xb_map frame_of, stack_of, function_of, process_of, thread_of, counter_of;
	size_t named; /* frames below this index have names */
	bool window;  /* the batch to come may hold samples from before a code change */
};

/** @s and @mixer are borrowed.  Errors: NOMEM, or what loading all code says. */
XB_NODISCARD struct xb_error *xb_profile_create(struct xb_session *s, struct xb_mixer *mixer,
						struct xb_profile **ret);
void xb_profile_destroy(struct xb_profile *p);

/**
 * To be called before a batch is mixed: notices code changes.  When there was one, everything so far is named with
 * the old code, and the coming batch with both.
 * Cost: three small reads.
 */
XB_NODISCARD struct xb_error *xb_profile_before(struct xb_profile *p);

/** One sample; an xb_mixed_fn with the profile as argument. */
XB_NODISCARD struct xb_error *xb_profile_add(void *profile, const struct xb_mixed *m);

/** To be called after a batch was added. */
XB_NODISCARD struct xb_error *xb_profile_after(struct xb_profile *p);

/** Name everything; the profile can be viewed then. */
XB_NODISCARD struct xb_error *xb_profile_finish(struct xb_profile *p);

static inline const struct xb_pframe *xb_profile_frame(const struct xb_profile *p,
						       const struct xb_pstack *s, uint32_t i)
{
	return &p->frames.data[p->pool.data[s->first + i]];
}

static inline const struct xb_pfunction *xb_profile_function(const struct xb_profile *p,
							     const struct xb_pframe *f)
{
	return &p->functions.data[f->function];
}

#endif
