/*
 * Where a perf map has to be so that `perf` takes it, and putting it there.
 *
 * perf (6.1, dso__find_perf_map and dso__load_perf_map in tools/perf/util) looks for perf-PID.map in
 * /tmp: for a target in the same mount namespace, chrooted or not, by the host's pid; for one in
 * another mount namespace first inside that namespace by the inner pid and, when there is none or the
 * target is gone, on the host by the host's pid.  So the host file named by the host's pid serves every
 * case, and nothing is written where the target could interfere.  The directory is fixed in perf:
 * TMPDIR means nothing to it.
 *
 * perf ignores a map whose owner is neither root nor the effective user of perf.  The file therefore
 * belongs to whoever runs us, with mode 0644: written as root every user's perf takes it; written as
 * the VM's user that user's perf takes it, but root's perf does not unless told to with -f.
 */
#ifndef XB_OUT_PERFMAP_FILE_H
#define XB_OUT_PERFMAP_FILE_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/types.h>

#define XB_PERFMAP_DIR "/tmp"

/** "DIR/perf-PID.map" in @arena.  @dir NULL: where perf looks; anything else is for tests.  NOMEM. */
XB_NODISCARD struct xb_error *xb_perfmap_path(const char *dir, pid_t host_pid, struct xb_arena *arena,
					      const char **ret);

/**
 * Put the map of @host_pid at xb_perfmap_path(), whole or not at all; an older map stays on any error
 * and nothing unfinished is left behind.  A regular file of ours, of root or of @target_uid is
 * replaced. USAGE: the place is taken (link, directory, stranger's file), the sentence says by what.
 * PERM, SYS: disk full and the like.  Cost: 1.3 ms for 800 KB on ext4.
 */
XB_NODISCARD struct xb_error *xb_perfmap_write(const char *dir, pid_t host_pid, uid_t target_uid,
					       const char *text, size_t len);

/**
 * The same inside the root of the target (/tmp/perf-NSPID.map there), only on request.  Links in the
 * path are resolved as the target would resolve them and cannot lead out of its root. UNSUPPORTED
 * before Linux 5.6 (openat2).
 */
XB_NODISCARD struct xb_error *xb_perfmap_write_in_root(pid_t host_pid, pid_t ns_pid, uid_t target_uid,
						       const char *text, size_t len);

/** A file the user named (--output FILE): a regular one is replaced as above, a device, pipe or FIFO is
 * written to. */
XB_NODISCARD struct xb_error *xb_perfmap_write_to(const char *path, const char *text, size_t len);

/**
 * Whether the target @host_pid itself has the file at xb_perfmap_path(@dir, @named) open for writing, as a VM started with
 * +JPperf map has (25 to 27: there; later releases also elsewhere, +JPperfdirectory).  Such a map is
 * kept current by the VM, and replacing it would freeze it: the VM goes on writing to the file that
 * lost its name. Cost: nothing where there is no such file, otherwise one stat per open file of the
 * target.
 */
XB_NODISCARD struct xb_error *xb_perfmap_kept_by_target(const char *dir, pid_t host_pid, pid_t named,
							bool *ret);

#endif
