#include "os/procfs.h"

#include "base/num.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 64 << 20 };

XB_VEC(map_lines, struct xb_map_line);
XB_VEC(task_list, struct xb_task);
XB_VEC(arg_list, const char *);

static struct xb_error *slurp(int fd, const char *path, struct xb_arena *arena, char **ret, size_t *len)
{
	size_t cap = 64 << 10, used = 0;
	char *buf = malloc(cap);

	if (buf == NULL)
		return xb_error_nomem();
	for (;;) {
		ssize_t n = read(fd, buf + used, cap - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			free(buf);
			return xb_error_sys(err, "cannot read %s", path);
		}
		if (n == 0)
			break;
		used += (size_t)n;
		if (used == cap) {
			char *grown = cap >= MAX_FILE ? NULL : realloc(buf, cap * 2);

			if (grown == NULL) {
				free(buf);
				return cap >= MAX_FILE ? xb_errorf(XB_ERR_LIMIT,
								   "%s is larger than 64 MiB", path)
						       : xb_error_nomem();
			}
			buf = grown;
			cap *= 2;
		}
	}
	*ret = xb_arena_strndup(arena, buf, used);
	free(buf);
	if (*ret == NULL)
		return xb_error_nomem();
	if (len != NULL)
		*len = used;
	return NULL;
}

struct xb_error *xb_read_file(const char *path, struct xb_arena *arena, char **ret, size_t *len)
{
	xb_cleanup(xb_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return xb_error_sys(errno, "cannot open %s", path);
	return slurp(fd, path, arena, ret, len);
}

/* A vanished process shows as ENOENT on its directory: say what it means. */
static struct xb_error *read_proc(pid_t pid, const char *name, struct xb_arena *arena, char **ret,
				  size_t *len)
{
	char path[64];
	struct xb_error *err;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	err = xb_read_file(path, arena, ret, len);
	if (err != NULL && access(path, F_OK) != 0 && errno == ENOENT) {
		xb_error_destroy(err);
		return xb_errorf(XB_ERR_GONE, "process %d does not exist", (int)pid);
	}
	return err;
}

/* start-end perms offset major:minor inode path */
static bool parse_map_line(char *line, struct xb_map_line *m)
{
	unsigned long start, end, offset, inode;
	unsigned major_nr, minor_nr;
	char perms[5] = "";
	int at = 0;
	size_t len;

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, perms, &offset, &major_nr,
		   &minor_nr, &inode, &at) < 7 ||
	    at == 0)
		return false;
	*m = (struct xb_map_line){
		.start = start,
		.end = end,
		.offset = offset,
		.inode = inode,
		.dev_major = major_nr,
		.dev_minor = minor_nr,
		.read = perms[0] == 'r',
		.write = perms[1] == 'w',
		.exec = perms[2] == 'x',
		.shared = perms[3] == 's',
		.path = line + at,
	};
	len = strlen(m->path);
	if (len > 10 && strcmp(m->path + len - 10, " (deleted)") == 0) {
		line[(size_t)at + len - 10] = '\0';
		m->deleted = true;
	}
	return true;
}

struct xb_error *xb_proc_maps(pid_t pid, struct xb_arena *arena, struct xb_maps *ret)
{
	struct map_lines lines = { 0 };
	char *text, *save = NULL;

	XB_TRY(read_proc(pid, "maps", arena, &text, NULL));
	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		struct xb_map_line m;

		if (parse_map_line(l, &m) && !map_lines_push(&lines, m)) {
			map_lines_deinit(&lines);
			return xb_error_nomem();
		}
	}
	ret->lines = xb_arena_array(arena, lines.len + 1, sizeof(*ret->lines));
	if (ret->lines != NULL && lines.len > 0)
		memcpy(ret->lines, lines.data, lines.len * sizeof(*lines.data));
	ret->len = lines.len;
	map_lines_deinit(&lines);
	return ret->lines == NULL ? xb_error_nomem() : NULL;
}

const struct xb_map_line *xb_maps_find(const struct xb_maps *maps, xb_addr addr)
{
	size_t lo = 0, hi = maps->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (maps->lines[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < maps->len && maps->lines[lo].start <= addr ? &maps->lines[lo] : NULL;
}

/* The fields of a stat line after "(comm) ", which may itself hold spaces and parentheses. */
struct stat_line {
	char state;
	uint64_t utime, stime, start_time;
};

static bool parse_stat(const char *text, struct stat_line *st, char *comm, size_t comm_size)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long utime, stime;
	unsigned long long start;

	if (open == NULL || close == NULL || close < open)
		return false;
	(void)snprintf(comm, comm_size, "%.*s", (int)(close - open - 1), open + 1);
	if (sscanf(close + 1,
		   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu",
		   &st->state, &utime, &stime, &start) != 4)
		return false;
	st->utime = utime;
	st->stime = stime;
	st->start_time = start;
	return true;
}

static int by_tid(const void *a, const void *b)
{
	const struct xb_task *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* A small file read with one system call; false when it is not there (any more). */
static bool read_small(const char *path, char *buf, size_t size)
{
	xb_cleanup(xb_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* "running", "-1 SP PC", or "NR ARG0 … ARG5 SP PC". */
bool xb_proc_syscall(pid_t pid, pid_t tid, xb_addr *ret_sp, xb_addr *ret_pc)
{
	unsigned long long sp, pc;
	char path[96], text[512];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
	if (!read_small(path, text, sizeof(text)) ||
	    (sscanf(text, "-1 %llx %llx", &sp, &pc) != 2 &&
	     sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %llx %llx", &sp, &pc) != 2))
		return false;
	*ret_sp = sp;
	*ret_pc = pc;
	return true;
}

struct xb_error *xb_proc_tasks(pid_t pid, struct xb_arena *arena, struct xb_tasks *ret)
{
	struct task_list list = { 0 };
	char path[96], text[1024];
	struct dirent *e;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL && errno == ENOENT)
		return xb_errorf(XB_ERR_GONE, "process %d does not exist", (int)pid);
	if (dir == NULL)
		return xb_error_sys(errno, "cannot list the threads of process %d", (int)pid);
	while ((e = readdir(dir)) != NULL) {
		struct xb_task t = { 0 };
		struct stat_line st;
		uint64_t tid;

		if (!xb_num_u64(e->d_name, INT_MAX, &tid))
			continue;
		t.tid = (pid_t)tid;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
		if (!read_small(path, text, sizeof(text)) ||
		    !parse_stat(text, &st, t.comm, sizeof(t.comm)))
			continue;
		t.state = st.state;
		t.cpu_ticks = st.utime + st.stime;
		if (!task_list_push(&list, t)) {
			(void)closedir(dir);
			task_list_deinit(&list);
			return xb_error_nomem();
		}
	}
	(void)closedir(dir);
	ret->tasks = xb_arena_array(arena, list.len + 1, sizeof(*ret->tasks));
	ret->len = list.len;
	if (ret->tasks != NULL && list.len > 0) {
		memcpy(ret->tasks, list.data, list.len * sizeof(*list.data));
		qsort(ret->tasks, ret->len, sizeof(*ret->tasks), by_tid);
	}
	task_list_deinit(&list);
	return ret->tasks == NULL ? xb_error_nomem() : NULL;
}

const char *xb_proc_field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *l = text; l != NULL; l = strchr(l, '\n')) {
		if (*l == '\n')
			l++;
		if (strncmp(l, name, len) == 0 && l[len] == ':')
			return l + len + 1;
	}
	return NULL;
}

/* "NSpid: OURS … INNERMOST": the last of them, and how many there are; @ret is untouched without. */
static size_t innermost(const char *status, pid_t *ret)
{
	const char *f = xb_proc_field(status, "NSpid");
	size_t n = 0;

	while (f != NULL && *f != '\n' && *f != '\0') {
		char *end;
		long id = strtol(f, &end, 10);

		if (end == f)
			break;
		*ret = (pid_t)id;
		n++;
		f = end;
	}
	return n;
}

void xb_proc_ns_tids(pid_t pid, struct xb_tasks *tasks)
{
	char path[96], text[8192];
	bool nested = true;

	for (size_t i = 0; i < tasks->len; i++) {
		struct xb_task *t = &tasks->tasks[i];

		t->ns_tid = nested ? 0 : t->tid;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)t->tid);
		/* All threads of a process are in the same namespace. */
		if (nested && read_small(path, text, sizeof(text)) && innermost(text, &t->ns_tid) < 2) {
			nested = false;
			t->ns_tid = t->tid;
		}
	}
}

struct xb_error *xb_proc_status(pid_t pid, struct xb_proc_status *ret)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_proc_status s = { .ns_pid = pid };
	const char *f;
	char *text, *stat_text;
	struct stat_line st;

	XB_TRY(read_proc(pid, "status", &arena, &text, NULL));
	XB_TRY(read_proc(pid, "stat", &arena, &stat_text, NULL));
	if (!parse_stat(stat_text, &st, s.comm, sizeof(s.comm)))
		return xb_errorf(XB_ERR_BAD_FILE, "/proc/%d/stat has an unknown form", (int)pid);
	s.state = st.state;
	s.start_time = st.start_time;
	if ((f = xb_proc_field(text, "Uid")) != NULL) {
		char *end;

		s.uid = (uid_t)strtoul(f, &end, 10);
		s.euid = (uid_t)strtoul(end, NULL, 10);
	}
	if ((f = xb_proc_field(text, "Gid")) != NULL)
		s.gid = (gid_t)strtoul(f, NULL, 10);
	if ((f = xb_proc_field(text, "TracerPid")) != NULL)
		s.tracer = (pid_t)strtol(f, NULL, 10);
	if ((f = xb_proc_field(text, "VmRSS")) != NULL)
		s.rss_bytes = strtoull(f, NULL, 10) * 1024;
	(void)innermost(text, &s.ns_pid);
	*ret = s;
	return NULL;
}

struct xb_error *xb_proc_cmdline(pid_t pid, struct xb_arena *arena, const char ***ret, size_t *n)
{
	struct arg_list args = { 0 };
	char *text;
	size_t len;

	XB_TRY(read_proc(pid, "cmdline", arena, &text, &len));
	for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
		if (!arg_list_push(&args, text + at)) {
			arg_list_deinit(&args);
			return xb_error_nomem();
		}
	}
	*ret = xb_arena_array(arena, args.len + 1, sizeof(**ret));
	*n = args.len;
	if (*ret != NULL && args.len > 0)
		memcpy(*ret, args.data, args.len * sizeof(*args.data));
	arg_list_deinit(&args);
	return *ret == NULL ? xb_error_nomem() : NULL;
}

struct xb_error *xb_proc_exe(pid_t pid, struct xb_arena *arena, const char **ret, bool *deleted)
{
	static const char mark[] = " (deleted)";
	char link[64], path[PATH_MAX + 16];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0 && errno == ENOENT)
		return xb_errorf(XB_ERR_GONE, "process %d does not exist or has no executable",
				 (int)pid);
	if (n < 0)
		return xb_error_sys(errno, "cannot see the executable of process %d", (int)pid);
	path[n] = '\0';
	*deleted = (size_t)n > strlen(mark) && strcmp(path + n - strlen(mark), mark) == 0;
	if (*deleted)
		n -= (ssize_t)strlen(mark);
	*ret = xb_arena_strndup(arena, path, (size_t)n);
	return *ret == NULL ? xb_error_nomem() : NULL;
}
