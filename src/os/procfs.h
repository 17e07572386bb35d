/* What the kernel says about a process: maps, threads, status.  Text of /proc is untrusted only in its
 * names. */
#ifndef XB_OS_PROCFS_H
#define XB_OS_PROCFS_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/types.h>

/* One line of /proc/PID/maps.  Strings belong to the arena given. */
struct xb_map_line {
	xb_addr start, end; /* [start, end) */
	uint64_t offset;    /* into the file */
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	bool read, write, exec, shared;
	bool deleted;     /* the kernel appended " (deleted)"; cut from @path */
	const char *path; /* "" for anonymous memory, "[heap]" and the like as they are */
};

struct xb_maps {
	struct xb_map_line *lines; /* ascending */
	size_t len;
};

/** GONE when the process is no more, PERM when the kernel hides it. */
XB_NODISCARD struct xb_error *xb_proc_maps(pid_t pid, struct xb_arena *arena, struct xb_maps *ret);

/** The line that holds @addr, or NULL.  Cost: a binary search. */
const struct xb_map_line *xb_maps_find(const struct xb_maps *maps, xb_addr addr);

struct xb_task {
	pid_t tid;
	pid_t ns_tid;       /* as the thread itself sees it; 0 until xb_proc_ns_tids() */
	char comm[32];      /* cut by the kernel at 15 bytes */
	char state;         /* R S D T t Z X */
	uint64_t cpu_ticks; /* user + system time, in clock ticks */
};

struct xb_tasks {
	struct xb_task *tasks; /* ascending tid */
	size_t len;
};

/** Every thread at this moment; threads that die meanwhile are left out. */
XB_NODISCARD struct xb_error *xb_proc_tasks(pid_t pid, struct xb_arena *arena, struct xb_tasks *ret);

/**
 * Find out what the threads are called in the innermost pid namespace of @pid, which is what the process has in its
 * own memory.  Of threads that are gone it stays 0.
 * Cost: where the process has no pid namespace of its own one small file, else one for each thread.
 */
void xb_proc_ns_tids(pid_t pid, struct xb_tasks *tasks);

/**
 * Where a sleeping thread entered the kernel: its user-space stack pointer and program counter.
 * @return false when the thread is running, gone, or the kernel does not tell (needs the right to ptrace).
 */
bool xb_proc_syscall(pid_t pid, pid_t tid, xb_addr *ret_sp, xb_addr *ret_pc);

struct xb_proc_status {
	uid_t uid, euid;
	gid_t gid;
	pid_t ns_pid;        /* innermost pid of NSpid; the pid itself without namespaces */
	uint64_t start_time; /* clock ticks since boot; tells a re-used pid */
	char state;
	char comm[32];
	uint64_t rss_bytes;
	pid_t tracer;
};

/** /proc/PID/status and stat together.  GONE, PERM. */
XB_NODISCARD struct xb_error *xb_proc_status(pid_t pid, struct xb_proc_status *ret);

/** In the text of /proc/PID/status: what follows "@name:" in its line, blanks included; NULL without
 * such a line. */
const char *xb_proc_field(const char *text, const char *name);

/** The whole of a /proc file (or any other), NUL-terminated; @len may be NULL.  At most 64 MiB. */
XB_NODISCARD struct xb_error *xb_read_file(const char *path, struct xb_arena *arena, char **ret,
					   size_t *len);

/** argv of the process: @ret[0 .. *n), NUL-terminated strings in the arena. */
XB_NODISCARD struct xb_error *xb_proc_cmdline(pid_t pid, struct xb_arena *arena, const char ***ret,
					      size_t *n);

/** Target of /proc/PID/exe with " (deleted)" cut; @deleted says whether it was there. */
XB_NODISCARD struct xb_error *xb_proc_exe(pid_t pid, struct xb_arena *arena, const char **ret,
					  bool *deleted);

#endif
