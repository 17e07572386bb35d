/*
 * Making a recorded perf.data use perf maps.
 *
 * Since OTP 25 the VM runs JIT code from a shared mapping of a memory file, "/memfd:vmem (deleted)",
 * unless it was started with +JPperf.  `perf report` and `perf script` take that name for a file on
 * disk and never look at perf-PID.map.  They do for mappings named "//anon" (is_anon_memory in
 * tools/perf/util/map.h). So the name of every executable mapping of that memory file is replaced in
 * the MMAP and MMAP2 records: in place, the rest of the old name filled with NUL, no record changes its
 * length, nothing else is touched.
 * The build-id table is left alone: perf 6.1 does not list the memory file there (it is no ELF file),
 * and an entry nobody maps would name nothing.
 */
#ifndef XB_OUT_PERFDATA_H
#define XB_OUT_PERFDATA_H

#include "base/error.h"
#include "base/vec.h"

XB_VEC(xb_perfdata_pids, uint32_t);

struct xb_perfdata_report {
	uint64_t records;  /* event records in the file */
	uint64_t mappings; /* MMAP and MMAP2 among them */
	uint64_t renamed;  /* now; 0 on a second run */
	uint64_t already;  /* JIT mappings an earlier run had renamed */
	uint64_t other;    /* JIT mappings of processes not asked for, left alone */
	/* Processes of the renamed and the already renamed, ascending: each needs its perf-PID.map. */
	struct xb_perfdata_pids pids;
};

struct xb_perfdata_options {
	const char *output; /* NULL: in place; else a new file, complete or not at all */
	uint32_t pid;       /* only mappings of this process as perf saw it; 0: of all */
	bool force;         /* @output may replace a regular file of ours */
};

/**
 * Fix the file at @path.  It is parsed to the end first: on a damaged file nothing is written.  In
 * place only the bytes of the names are written; a write that fails midway can be repeated, what is
 * done stays done. Files and streams (`perf record -o -` into a file) of this byte order are
 * understood.
 *
 * BAD_FILE: not perf.data, truncated, still being written, or damaged; the sentence has the offset.
 * UNSUPPORTED: compressed (-z), recorded by several threads (a directory), other byte order, format 1.
 * USAGE: a link (in place), or @output exists.  PERM, SYS, NOMEM, LIMIT (more than a million such
 * mappings). On success the caller deinits @ret (xb_perfdata_report_deinit).  Cost: one pass, about 1
 * GB/s.
 */
XB_NODISCARD struct xb_error *xb_perfdata_fix(const char *path,
					      const struct xb_perfdata_options *options,
					      struct xb_perfdata_report *ret);

void xb_perfdata_report_deinit(struct xb_perfdata_report *report);

#endif
