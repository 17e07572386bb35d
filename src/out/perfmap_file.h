/*
 * Where a perf map has to be so that `perf` takes it, and putting it there.
 *
 * perf (6.1, dso__find_perf_map and dso__load_perf_map in tools/perf/util) looks for perf-PID.map in
 * /tmp: for a target in the same mount namespace, chrooted or not, by the host's pid; for one in
 * another mount namespace first inside that namespace by the inner pid and, when there is none or the
 * target is gone, on the host by the host's pid.  So the host file named by the host's pid serves every
 * case, and nothing is written where the target could interfere; but a map inside, which may be what an
 * earlier container with the same inner pid left, is taken before it: xb_perfmap_inner() finds those.  The directory is fixed in perf: TMPDIR means nothing to it.
 *
 * Releases of perf differ in whether they take a map whose owner is neither root nor the user of perf
 * (6.1 does, others want -f).  The file belongs to whoever runs us, with mode 0644: written as root every
 * user's perf takes it; written as the VM's user that user's perf takes it.
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

/* A process and what it is inside its namespaces. */
struct xb_perfmap_target {
	pid_t pid, ns_pid;
	uid_t uid; /* effective, as seen out here */
	gid_t gid;
};

/**
 * The same inside the root of the target (/tmp/perf-NSPID.map there), only on request.  Links in the
 * path are resolved as the target would resolve them and cannot lead out of its root.  In another user
 * namespace, where root out here may be nobody, the file belongs to root in there. UNSUPPORTED before
 * Linux 5.6 (openat2).
 */
XB_NODISCARD struct xb_error *xb_perfmap_write_in_root(const struct xb_perfmap_target *target,
						       const char *text, size_t len);

struct xb_perfmap_inner {
	bool exists; /* the host's perf finds it, and takes it instead of the one on the host */
	bool kept;   /* the target has it open for writing */
	uid_t owner; /* as seen out here */
	char path[48];
};

/**
 * Look for a map in the mount namespace of the target, where that is another than ours.
 * @return NULL, also where we may not enter that namespace (then exists is false); GONE, SYS.
 */
XB_NODISCARD struct xb_error *xb_perfmap_inner(const struct xb_perfmap_target *target,
					       struct xb_perfmap_inner *ret);

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
