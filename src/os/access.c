/* The facts about us and the target; the rules are in access_judge.c. */
#include "os/access.h"

#include "base/arena.h"
#include "base/num.h"
#include "os/procfs.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A whole small file; NULL when it cannot be read. */
static char *text_of(struct xb_arena *arena, const char *path)
{
	char *text;
	struct xb_error *err = xb_read_file(path, arena, &text, NULL);

	xb_error_destroy(err);
	return err == NULL ? text : NULL;
}

static int number_of(struct xb_arena *arena, const char *path, int none)
{
	char *text = text_of(arena, path);

	return text == NULL ? none : (int)strtol(text, NULL, 10);
}

static void three(const char *field, uid_t *a, uid_t *b, uid_t *c)
{
	char *end;

	if (field == NULL)
		return;
	*a = (uid_t)strtoul(field, &end, 10);
	*b = (uid_t)strtoul(end, &end, 10);
	*c = (uid_t)strtoul(end, &end, 10);
}

static uint64_t mask_of(const char *field)
{
	return field == NULL ? 0 : strtoull(field, NULL, 16);
}

static void ids_of(const char *status, struct xb_access_ids *ids)
{
	three(xb_proc_field(status, "Uid"), &ids->uid, &ids->euid, &ids->suid);
	three(xb_proc_field(status, "Gid"), &ids->gid, &ids->egid, &ids->sgid);
	ids->caps_permitted = mask_of(xb_proc_field(status, "CapPrm"));
	ids->caps_effective = mask_of(xb_proc_field(status, "CapEff"));
}

static void name_of(uid_t uid, char *buf, size_t size)
{
	struct passwd pw, *found = NULL;
	char text[4096];

	if (getpwuid_r(uid, &pw, text, sizeof(text), &found) == 0 && found != NULL)
		(void)snprintf(buf, size, "%.40s (uid %u)", found->pw_name, uid);
	else
		(void)snprintf(buf, size, "uid %u", uid);
}

/* The files of a process that may not be dumped belong to (the namespace's) root, except for the
 * directory itself. */
static bool is_dumpable(pid_t pid, uid_t euid)
{
	struct stat st;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	return stat(path, &st) != 0 || st.st_uid == euid;
}

static void look_at_user_ns(struct xb_arena *arena, pid_t pid, struct xb_access_facts *f)
{
	char path[64], theirs[64], ours[64], *map = text_of(arena, "/proc/self/uid_map");
	unsigned inside, outside, count;
	ssize_t a, b;

	f->initial_user_ns = map == NULL || (sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
					     inside == 0 && outside == 0 && count == UINT32_MAX);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	a = readlink("/proc/self/ns/user", ours, sizeof(ours));
	b = readlink(path, theirs, sizeof(theirs));
	f->user_ns_known = a > 0 && b > 0;
	f->same_user_ns = !f->user_ns_known || (a == b && memcmp(ours, theirs, (size_t)a) == 0);
}

static bool in_container(struct xb_arena *arena)
{
	static const char *const files[] = { "/.dockerenv", "/run/.containerenv",
					     "/run/systemd/container" };
	static const char *const marks[] = { "docker", "kubepods", "containerd", "libpod", "lxc" };
	char *cgroup = text_of(arena, "/proc/self/cgroup");

	for (size_t i = 0; i < XB_ARRAY_LEN(files); i++) {
		if (access(files[i], F_OK) == 0)
			return true;
	}
	for (size_t i = 0; cgroup != NULL && i < XB_ARRAY_LEN(marks); i++) {
		if (strstr(cgroup, marks[i]) != NULL)
			return true;
	}
	return false;
}

struct xb_error *xb_access_gather(pid_t pid, struct xb_access_facts *ret)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	char path[64], *theirs, *ours = text_of(&arena, "/proc/self/status");
	const char *seccomp;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	theirs = text_of(&arena, path);
	if (theirs == NULL)
		return xb_errorf(XB_ERR_GONE, "no such process %d", (int)pid);
	*ret = (struct xb_access_facts){ .pid = pid };
	ids_of(theirs, &ret->target);
	if (ours != NULL) {
		ids_of(ours, &ret->we);
		seccomp = xb_proc_field(ours, "Seccomp");
		ret->we_have_seccomp = seccomp != NULL && strtol(seccomp, NULL, 10) == 2;
	}
	name_of(ret->we.uid, ret->we_name, sizeof(ret->we_name));
	name_of(ret->target.uid, ret->target_name, sizeof(ret->target_name));
	ret->target_dumpable = is_dumpable(pid, ret->target.euid);
	look_at_user_ns(&arena, pid, ret);
	ret->we_are_in_container = in_container(&arena);
	ret->yama = number_of(&arena, "/proc/sys/kernel/yama/ptrace_scope", -1);
	ret->paranoid = number_of(&arena, "/proc/sys/kernel/perf_event_paranoid", INT_MIN);
	n = readlink("/proc/self/exe", ret->our_exe, sizeof(ret->our_exe) - 1);
	ret->our_exe[n < 0 ? 0 : n] = '\0';
	return NULL;
}

struct xb_error *xb_access_explain(pid_t pid, enum xb_access_what what, int err)
{
	struct xb_access_facts facts;

	if (err == ESRCH)
		return xb_errorf(XB_ERR_GONE, "process %d has exited", (int)pid);
	XB_TRY(xb_access_gather(pid, &facts));
	return xb_access_judge(&facts, what, err);
}

struct xb_error *xb_access_check_memory(pid_t pid)
{
	unsigned char byte;
	struct iovec local = { .iov_base = &byte, .iov_len = 1 };
	struct iovec remote = { .iov_base = NULL, .iov_len = 1 };

	/* The right is checked before the address: where it is granted, nothing lies at 0 (EFAULT). */
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		return NULL;
	return xb_access_explain(pid, XB_ACCESS_MEMORY, errno);
}

bool xb_access_have_cap(enum xb_cap cap)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	char *status = text_of(&arena, "/proc/self/status");

	return status != NULL && (mask_of(xb_proc_field(status, "CapEff")) >> cap & 1) != 0;
}
