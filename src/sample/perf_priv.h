/* Shared by perf.c (taking samples) and perf_open.c (attaching); nobody else includes it. */
#ifndef XB_SAMPLE_PERF_PRIV_H
#define XB_SAMPLE_PERF_PRIV_H

#include "base/map.h"
#include "base/vec.h"
#include "os/target.h"
#include "sample/perf.h"
#include "sample/record.h"
#include "sample/ring.h"

#include <linux/perf_event.h>
#include <poll.h>

enum { XB_PERF_BATCH = 256 };

struct xb_perf_ring {
	struct xb_ring ring;
	void *map;
	size_t map_len;
	int fd;  /* whose ring it is; owned by xb_perf.fds */
	int cpu; /* -1 in thread mode */
};

XB_VEC(xb_perf_fds, int);
XB_VEC(xb_perf_rings, struct xb_perf_ring);
XB_VEC(xb_perf_cpus, int);

struct xb_perf {
	struct xb_proc_handle target;
	struct xb_perf_options options;
	struct perf_event_attr attr;
	struct xb_record_format format;
	enum xb_perf_mode mode; /* as chosen, never AUTO */
	size_t ring_bytes;
	bool ring_refused; /* while attaching: it was the ring, not the event */

	struct xb_perf_cpus cpus;
	struct xb_perf_rings rings;
	struct xb_perf_fds fds;
	struct xb_map seen; /* tid -> 1: has events of its own */
	/* Threads found only after others were opened may also have inherited an event of their
	 * creator: samples of theirs count only when they come from an event of their own. */
	struct xb_map late;     /* tid -> 1 */
	struct xb_map late_ids; /* event id -> tid */

	struct pollfd *polls;        /* rings, pidfd, caller's */
	struct xb_raw_sample *batch; /* XB_PERF_BATCH */
	size_t n_batch;
	size_t draining;   /* ring that is drained; rings.len after the last */
	size_t unreleased; /* first ring with records that the kernel does not have back */
	struct xb_source_stats stats;
	uint64_t lost_told, lost_read; /* by records; by the counters of the events */
};

/** Fill cpus, rings and fds; on error everything is closed again. */
XB_NODISCARD struct xb_error *xb_perf_attach(struct xb_perf *p);

/** Close and unmap what xb_perf_attach() made. */
void xb_perf_detach(struct xb_perf *p);

/** The CPUs that are online now. */
XB_NODISCARD struct xb_error *xb_perf_online(struct xb_perf_cpus *ret);

#endif
