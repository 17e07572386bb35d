/* The sampling loop: source to mixer to profile, until time is up, the user says stop or the target is gone. */
#ifndef XB_VIEW_COLLECT_H
#define XB_VIEW_COLLECT_H

#include "sample/source.h"
#include "view/profile.h"

struct xb_collect_opts {
	uint64_t duration_ns;
	int drain_ms; /* how long samples may wait in the ring; what is read afterwards is that old; 0: as suits the
			 source and the rate */
	bool (*interrupted)(void *arg); /* asked often; NULL: never */
	void (*progress)(void *arg, uint64_t elapsed_ns,
			 uint64_t samples); /* at most ten times a second; NULL: none */
	void *arg;
	/* Sees every stack before it is counted; a true return ends the run.  NULL: none. */
	bool (*look)(void *arg, const struct xb_mixed *m);
};

struct xb_collect_result {
	uint64_t elapsed_ns, own_cpu_ns;
	bool target_gone, interrupted, satisfied; /* satisfied: look() ended the run */
	struct xb_source_stats source;
	uint64_t threads_started, threads_ended;
};

/**
 * Run @source until the end.  The target's exit and the user's wish to stop are results, not errors: what was gathered
 * is in @p either way.
 */
XB_NODISCARD struct xb_error *xb_collect(struct xb_profile *p, struct xb_source *source,
					 const struct xb_collect_opts *opts,
					 struct xb_collect_result *ret);

#endif
