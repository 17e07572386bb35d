#include "os/find.h"

#include "base/num.h"
#include "base/str.h"
#include "base/vec.h"
#include "os/namespace.h"
#include "os/procfs.h"
#include "os/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMM_MAX = 15, CONTAINER_ID = 64, CANDIDATES_MAX = 10 };

XB_VEC(beam_list, struct xb_beam);

/* "beam", then any of the emulator's types and flavors (erts/emulator/Makefile.in). */
bool xb_find_is_beam_name(const char *name)
{
	static const char *const parts[] = { "smp",   "emu",  "jit",  "opt",      "debug",  "lcnt",
					     "gprof", "gcov", "asan", "valgrind", "icount", "frmptr" };
	bool cut = strlen(name) >= COMM_MAX;
	const char *at = name;

	if (strncmp(at, "beam", 4) != 0)
		return false;
	for (at += 4; *at == '.';) {
		size_t len = strcspn(++at, ".");
		bool last = at[len] == '\0', known = false;

		for (size_t i = 0; i < XB_ARRAY_LEN(parts) && !known; i++)
			known = strncmp(at, parts[i], len) == 0 &&
				(parts[i][len] == '\0' || (cut && last));
		if (!known)
			return false;
		at += len;
	}
	return *at == '\0';
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* The value of a flag for init; what follows -extra is the program's own. */
static const char *flag_value(const char *const *argv, size_t argc, const char *flag)
{
	for (size_t i = 1; i + 1 < argc && strcmp(argv[i], "-extra") != 0; i++) {
		if (strcmp(argv[i], flag) == 0 && argv[i + 1][0] != '-')
			return argv[i + 1];
	}
	return NULL;
}

/* Names are shown on terminals: nothing that steers one. */
static bool is_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	}
	return text[0] != '\0';
}

const char *xb_find_node(const char *const *argv, size_t argc)
{
	const char *node = flag_value(argv, argc, "-name");

	if (node == NULL)
		node = flag_value(argv, argc, "-sname");
	/* "undefined" asks for a name from the first node it connects to. */
	return node == NULL || !is_plain(node) || strcmp(node, "undefined") == 0 ? NULL : node;
}

static void look_at_namespaces(struct xb_beam *b)
{
	static const char *const kinds[] = { "mnt", "pid" };
	bool same[2] = { false, false };

	b->ns_known = true;
	for (size_t i = 0; i < XB_ARRAY_LEN(kinds); i++) {
		char path[64], ours[64], theirs[64];
		ssize_t a, t;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		a = readlink(path, ours, sizeof(ours));
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)b->pid, kinds[i]);
		t = readlink(path, theirs, sizeof(theirs));
		if (a <= 0 || t <= 0)
			b->ns_known = false;
		else
			same[i] = a == t && memcmp(ours, theirs, (size_t)a) == 0;
	}
	b->same_mnt_ns = b->ns_known && same[0];
	b->same_pid_ns = b->ns_known && same[1];
}

/* Docker, containerd, CRI-O and Podman all put the id, 64 hexadecimal digits, into the path of the
 * cgroup; the last one is the innermost. */
const char *xb_find_container(struct xb_arena *arena, pid_t pid)
{
	char path[64], *text;
	const char *id = NULL;
	struct xb_error *err;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	err = xb_read_file(path, arena, &text, NULL);
	xb_error_destroy(err);
	if (err != NULL)
		return NULL;
	for (const char *at = text; *at != '\0';) {
		size_t n = strspn(at, "0123456789abcdef");

		if (n == CONTAINER_ID)
			id = at;
		at += n > 0 ? n : 1;
	}
	return id == NULL ? NULL : xb_arena_strndup(arena, id, CONTAINER_ID);
}

/* True with @b filled when @pid is one.  Whatever cannot be read is left out: processes come and go. */
static bool look_at(struct xb_arena *arena, pid_t pid, struct xb_beam *b)
{
	struct xb_proc_status status;
	const char **argv = NULL;
	const char *exe = NULL;
	struct xb_error *err;
	bool deleted;
	size_t argc = 0;

	*b = (struct xb_beam){ .pid = pid };
	err = xb_proc_status(pid, &status);
	xb_error_destroy(err);
	if (err != NULL || status.state == 'Z' || status.state == 'X')
		return false;
	err = xb_proc_exe(pid, arena, &exe, &deleted);
	xb_error_destroy(err);
	b->exe = err == NULL ? exe : NULL;
	if (!xb_find_is_beam_name(status.comm) &&
	    (b->exe == NULL || !xb_find_is_beam_name(base_name(b->exe))))
		return false;
	b->ns_pid = status.ns_pid;
	b->uid = status.uid;
	b->start_time = status.start_time;
	err = xb_proc_cmdline(pid, arena, &argv, &argc);
	xb_error_destroy(err);
	if (err == NULL) {
		b->node = xb_find_node(argv, argc);
		b->home = flag_value(argv, argc, "-home");
		b->progname = flag_value(argv, argc, "-progname");
	}
	look_at_namespaces(b);
	b->container = xb_find_container(arena, pid);
	b->root = xb_ns_root(arena, pid);
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct xb_beam *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

struct xb_error *xb_find_beams(struct xb_arena *arena, struct xb_beams *ret)
{
	struct beam_list list = { 0 };
	struct dirent *e;
	DIR *dir = opendir("/proc");
	bool oom = false;

	if (dir == NULL)
		return xb_error_sys(errno, "cannot list /proc");
	while (!oom && (e = readdir(dir)) != NULL) {
		struct xb_beam b;
		uint64_t pid;

		if (isdigit((unsigned char)e->d_name[0]) && xb_num_u64(e->d_name, INT_MAX, &pid) &&
		    look_at(arena, (pid_t)pid, &b))
			oom = !beam_list_push(&list, b);
	}
	(void)closedir(dir);
	ret->beams = oom ? NULL : xb_arena_array(arena, list.len + 1, sizeof(*ret->beams));
	ret->len = list.len;
	if (ret->beams != NULL && list.len > 0) {
		memcpy(ret->beams, list.data, list.len * sizeof(*list.data));
		qsort(ret->beams, ret->len, sizeof(*ret->beams), by_pid);
	}
	beam_list_deinit(&list);
	return ret->beams == NULL ? xb_error_nomem() : NULL;
}

/* Whole names when both have a host, else the part before it. */
static bool node_matches(const char *node, const char *text)
{
	size_t node_len = strcspn(node, "@"), text_len = strcspn(text, "@");

	if (node[node_len] == '@' && text[text_len] == '@')
		return strcmp(node, text) == 0;
	return node_len == text_len && strncmp(node, text, node_len) == 0;
}

static void add_candidate(struct xb_str *s, const struct xb_beam *b)
{
	xb_str_addf(s, "\n  %d", (int)b->pid);
	if (b->node != NULL)
		xb_str_addf(s, "  %s", b->node);
	if (b->container != NULL)
		xb_str_addf(s, "  in container %.12s", b->container);
	if (b->root != NULL)
		xb_str_addf(s, "  with root %s", b->root);
}

static struct xb_error *with_candidates(struct xb_error *err, const struct xb_beams *beams,
					const char *only)
{
	struct xb_str s = XB_STR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < beams->len; i++) {
		const struct xb_beam *b = &beams->beams[i];

		if (only != NULL && (b->node == NULL || !node_matches(b->node, only)))
			continue;
		if (n++ < CANDIDATES_MAX)
			add_candidate(&s, b);
	}
	if (n > CANDIDATES_MAX)
		xb_str_addf(&s, "\n  and %zu more", n - CANDIDATES_MAX);
	if (n > 0)
		err = xb_error_advise(err, "name one of these by pid or node name:%s", xb_str_get(&s));
	xb_str_deinit(&s);
	return err;
}

struct xb_error *xb_find_choose(const struct xb_beams *beams, const char *text,
				const struct xb_beam **ret)
{
	const struct xb_beam *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < beams->len; i++) {
		const struct xb_beam *b = &beams->beams[i];

		if (text == NULL || (b->node != NULL && node_matches(b->node, text))) {
			found = b;
			n++;
		}
	}
	if (n == 1) {
		*ret = found;
		return NULL;
	}
	if (beams->len == 0)
		return xb_error_advise(
			text == NULL ? xb_errorf(XB_ERR_USAGE, "no Erlang VM is visible here")
				     : xb_errorf(XB_ERR_USAGE,
						 "no Erlang VM is visible here, none named %s", text),
			"give a pid, or run this where the processes of the VM can be seen");
	if (text == NULL)
		return with_candidates(
			xb_errorf(XB_ERR_USAGE, "%zu Erlang VMs are visible", beams->len), beams, NULL);
	if (n > 1)
		return with_candidates(xb_errorf(XB_ERR_USAGE, "%zu nodes match %s", n, text), beams,
				       text);
	return with_candidates(xb_errorf(XB_ERR_USAGE, "no visible Erlang VM is a node named %s", text),
			       beams, NULL);
}

struct xb_error *xb_find_target(struct xb_arena *arena, const char *text, pid_t *ret_pid,
				const char **ret_how)
{
	struct xb_proc_handle handle = XB_PROC_HANDLE_NONE;
	const struct xb_beam *b = NULL;
	const char *how;
	struct xb_beams beams;
	uint64_t n = 0;
	pid_t pid;

	if (text != NULL && text[0] == '\0')
		return xb_errorf(XB_ERR_USAGE, "the process to look at is given as an empty text");
	if (text != NULL && xb_num_u64(text, UINT64_MAX, &n)) {
		if (n > INT_MAX)
			return xb_errorf(XB_ERR_GONE, "no such process %s", text);
		pid = (pid_t)n;
		XB_TRY(xb_target_open(pid, &handle));
		xb_target_close(&handle);
		how = xb_arena_printf(arena, "PID %d", (int)pid);
	} else {
		XB_TRY(xb_find_beams(arena, &beams));
		XB_TRY(xb_find_choose(&beams, text, &b));
		pid = b->pid;
		how = xb_arena_printf(arena, "%s: PID %d%s%s%s",
				      text == NULL ? "the only Erlang VM visible"
						   : "found by node name",
				      (int)pid, b->node != NULL ? " (node " : "",
				      b->node != NULL ? b->node : "", b->node != NULL ? ")" : "");
	}
	if (how == NULL)
		return xb_error_nomem();
	*ret_pid = pid;
	*ret_how = how;
	return NULL;
}
