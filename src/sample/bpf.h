/*
 * Samples frozen by a BPF program: at the instant of the interrupt it copies, beside registers and C stack, the structure
 * of the process and its Erlang stack (sample/freeze.h).  So everything about a sample is of that instant, wherever the
 * thread was: in Erlang code, in C, half way through a collection.
 *
 * The events are those of sample/perf.h, whose rings then carry only what is no sample.  Records of all CPUs come in one
 * ring.  Needs CAP_BPF, CAP_PERFMON and Linux 5.15.
 */
#ifndef XB_SAMPLE_BPF_H
#define XB_SAMPLE_BPF_H

#include "sample/perf.h"
#include "session/session.h"

/**
 * Attach, not sampling yet.  @options: as for xb_perf_open(), without stack and ring sizes, which follow from what there
 * is to copy.  The session must outlive the source.
 * @return NULL; PERM, UNSUPPORTED (kernel, pid namespace), and what xb_perf_open() returns.
 * Cost: 10-30 ms, mostly the kernel's verifier.
 */
XB_NODISCARD struct xb_error *xb_bpf_open(struct xb_session *s, const struct xb_perf_options *options,
					  struct xb_source *ret);

#endif
