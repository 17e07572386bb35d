/*
 * scribble BUILD PID tables            one word of the VM's tables after the other is overwritten
 * scribble BUILD PID random N [SEED]   N words somewhere in what the roots lead to
 *
 * PID is a stopped VM, which belongs to the test; every word is put back.  For each damage the tools of BUILD are run.
 * What they may do is refuse (5, with a sentence), or answer (0).  As nothing moves in a stopped VM, an answer about
 * damaged tables must be the one before the damage, to the byte; damage somewhere else may show, in well-formed rows.
 * Prints TAP.
 */
#include "session/session.h"
#include "vm/atom.h"
#include "vm/code.h"
#include "vm/jitlist.h"
#include "vm/process.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum tool { ALL, SAMPLE, MAP, INSPECT, N_TOOLS };

static const char *const tool_names[] = { "--all", "sampling", "perf map", "inspect" };

enum {
	HANG_S = 20,
	EVERY = (1 << N_TOOLS) - 1,
	MAX_MEMORY = 1 << 30, /* of a tool that looks at a VM with some hundred processes */
	SAID = 1 << 10,
};

struct word {
	const char *name; /* NULL: one of a region */
	xb_addr addr;
	size_t width;
	bool is_index; /* one of few numbers */
};

struct region {
	const char *name;
	xb_addr start;
	size_t words;
};

XB_VEC(words, struct word);
XB_VEC(regions, struct region);

/* What a run of a tool came to. */
struct outcome {
	int status; /* as wait() has it */
	char *text; /* standard output, of the map the file */
	size_t len;
	char said[SAID]; /* standard error */
};

struct test {
	const char *build;
	pid_t pid;
	char out[512], err[512];
	int mem; /* /proc/PID/mem */
	struct outcome before[N_TOOLS];
	int n, failed, refused, answered;
};

/* --- running a tool --- */

static void slurp(const char *path, char **ret, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct xb_str s = XB_STR_INIT;
	char buf[4096];
	size_t n;

	while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		xb_str_addn(&s, buf, n);
	if (f != NULL)
		(void)fclose(f);
	*len = s.len;
	*ret = xb_str_take(&s);
}

static void exec_tool(const struct test *t, enum tool tool)
{
	char program[PATH_MAX], pid[16];
	struct rlimit limit = { MAX_MEMORY, MAX_MEMORY };
	int out = open(t->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
	    err = open(t->err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)snprintf(pid, sizeof(pid), "%d", (int)t->pid);
	(void)snprintf(program, sizeof(program), "%s/%s", t->build,
		       tool == INSPECT ? "erlang-inspect"
		       : tool == MAP   ? "erlang-write-perf-map"
				       : "erlang-sample");
	if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	(void)setrlimit(RLIMIT_AS, &limit);
	(void)alarm(HANG_S);
	if (tool == ALL)
		(void)execl(program, program, "--all", "--json", pid, (char *)NULL);
	else if (tool == SAMPLE)
		(void)execl(program, program, "--json", "--duration", "30ms", pid, (char *)NULL);
	else if (tool == MAP)
		(void)execl(program, program, "--output", "-", pid, (char *)NULL);
	else
		(void)execl(program, program, "--json", pid, "system", (char *)NULL);
	_exit(127);
}

/* From the rows to the health line, and without what passes while the VM stands still. */
static void keep_rows(struct outcome *o)
{
	const char *rows = strstr(o->text, "\"rows\":"), *end = strstr(o->text, "\"health\":");
	struct xb_str s = XB_STR_INIT;

	if (rows == NULL || end == NULL || end < rows)
		return;
	while (rows < end) {
		size_t n = strcspn(rows, "\n");

		if (memmem(rows, n, "uptime", 6) == NULL && memmem(rows, n, "rss", 3) == NULL &&
		    memmem(rows, n, "via", 3) == NULL)
			xb_str_addn(&s, rows, n + 1);
		rows += n + 1;
	}
	free(o->text);
	o->len = s.len;
	o->text = xb_str_take(&s);
}

static bool run(struct test *t, enum tool tool, struct outcome *ret)
{
	pid_t child = fork();
	size_t len;
	char *said;

	if (child == 0)
		exec_tool(t, tool);
	if (child < 0 || waitpid(child, &ret->status, 0) != child)
		return false;
	slurp(t->out, &ret->text, &ret->len);
	slurp(t->err, &said, &len);
	(void)snprintf(ret->said, sizeof(ret->said), "%s", said == NULL ? "" : said);
	free(said);
	if (ret->text == NULL)
		ret->text = strdup("");
	return ret->text != NULL;
}

static bool is_whole_json(const struct outcome *o)
{
	return o->len > 2 && o->text[0] == '{' && strcmp(o->text + o->len - 2, "}\n") == 0;
}

/* What is wrong with the outcome, or NULL.  @same: it must be as before, or a refusal. */
static const char *judge(struct test *t, enum tool tool, struct outcome *o, bool same)
{
	int code = WIFEXITED(o->status) ? WEXITSTATUS(o->status) : -1;

	if (WIFSIGNALED(o->status))
		return WTERMSIG(o->status) == SIGALRM ? "hangs" : "crashes";
	if (code == 5) {
		t->refused++;
		return strchr(o->said, ':') != NULL && strlen(o->said) > 40
			       ? NULL
			       : "refuses without a sentence";
	}
	/* A map may also be incomplete, and says so. */
	if (code == 6 && tool == MAP && strstr(o->said, "the map is written, but") != NULL)
		return NULL;
	if (code != 0)
		return "ends with another code";
	t->answered++;
	if (tool != MAP && !is_whole_json(o))
		return "answers with damaged JSON";
	if (!same || tool == SAMPLE)
		return NULL;
	if (tool != MAP)
		keep_rows(o);
	if (o->len != t->before[tool].len || memcmp(o->text, t->before[tool].text, o->len) != 0)
		return "answers something else";
	return NULL;
}

/* --- damage --- */

static bool peek(const struct test *t, const struct word *w, uint64_t *ret)
{
	*ret = 0;
	return pread(t->mem, ret, w->width, (off_t)w->addr) == (ssize_t)w->width;
}

static bool poke(const struct test *t, const struct word *w, uint64_t v)
{
	return pwrite(t->mem, &v, w->width, (off_t)w->addr) == (ssize_t)w->width;
}

/* The tools of the set (bits) on one damage; false when one of them misbehaved. */
static bool try_value(struct test *t, const struct word *w, const char *what, uint64_t value, bool same,
		      unsigned tools)
{
	uint64_t old;
	bool ok = true;

	if (!peek(t, w, &old) || !poke(t, w, value))
		return true;
	for (int tool = 0; tool < N_TOOLS; tool++) {
		struct outcome o = { 0 };
		const char *bad;

		if ((tools >> tool & 1) == 0)
			continue;
		bad = run(t, (enum tool)tool, &o) ? judge(t, (enum tool)tool, &o, same)
						  : "could not be run";

		if (bad != NULL) {
			(void)printf(
				"# %s %s, %zu bytes at %#llx, %#llx for %#llx: status %#x: %.300s\n",
				tool_names[tool], bad, w->width, (unsigned long long)w->addr,
				(unsigned long long)value, (unsigned long long)old, (unsigned)o.status,
				o.said);
			ok = false;
		}
		free(o.text);
	}
	if (!poke(t, w, old)) {
		(void)printf("Bail out! %s could not be put back\n", what);
		exit(1);
	}
	return ok;
}

static void tell(struct test *t, bool ok, const char *what)
{
	t->n++;
	t->failed += !ok;
	(void)printf("%sok %d - %s\n", ok ? "" : "not ", t->n, what);
	(void)fflush(stdout);
}

/* --- what can be damaged --- */

static void add_field(struct words *list, const struct xb_vm *vm, enum xb_root_id root,
		      enum xb_layout_field f, size_t width)
{
	if (vm->roots.at[root].addr != 0 && xb_layout_has(&vm->layout, f) &&
	    !words_push(list, (struct word){ xb_layout_field_name(f),
					     vm->roots.at[root].addr + xb_layout_at(&vm->layout, f),
					     width, false }))
		abort();
}

static void add_variable(struct words *list, const struct xb_vm *vm, enum xb_root_id root, size_t width)
{
	const struct xb_root *r = &vm->roots.at[root];

	if (r->addr != 0 && !r->is_value &&
	    !words_push(list, (struct word){ xb_root_name(root), r->addr, width,
					     root == XB_ROOT_CODE_INDEX }))
		abort();
}

static void collect_tables(struct xb_session *s, struct words *list)
{
	const struct xb_vm *vm = s->vm;
	uint64_t at = vm->roots.at[XB_ROOT_RANGES].addr, code_index = 0;

	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_tab, 8);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_max, 4);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_pix_mask, 4);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_element_size, 8);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_invalid_element, 8);
	add_field(list, vm, XB_ROOT_PROC_TABLE, XB_F_ErtsPTab_count, 4);
	add_field(list, vm, XB_ROOT_ATOM_TABLE, XB_F_IndexTable_entries, 4);
	add_field(list, vm, XB_ROOT_ATOM_TABLE, XB_F_IndexTable_seg_table, 8);
	add_field(list, vm, XB_ROOT_MODULE_TABLES, XB_F_IndexTable_entries, 4);
	add_field(list, vm, XB_ROOT_MODULE_TABLES, XB_F_IndexTable_seg_table, 8);
	(void)xb_mem_try(s->mem, vm->roots.at[XB_ROOT_CODE_INDEX].addr, &code_index, 4);
	at += code_index % 3 * vm->layout.size[XB_S_ranges];
	for (size_t i = 0; i < 4; i++) {
		static const enum xb_layout_field f[] = { XB_F_ranges_modules, XB_F_ranges_n,
							  XB_F_ranges_allocated, XB_F_ranges_mid };

		if (!words_push(list, (struct word){ xb_layout_field_name(f[i]),
						     at + xb_layout_at(&vm->layout, f[i]), 8, false }))
			abort();
	}
	add_variable(list, vm, XB_ROOT_CODE_INDEX, 4);
	add_variable(list, vm, XB_ROOT_SCHEDULERS, 8);
	add_variable(list, vm, XB_ROOT_N_SCHEDULERS, 8);
	add_variable(list, vm, XB_ROOT_N_DIRTY_IO_SCHEDULERS, 8);
	add_variable(list, vm, XB_ROOT_NORMAL_EXIT, 8);
	add_variable(list, vm, XB_ROOT_FRAME_LAYOUT, 4);
}

static void add_region(struct regions *list, const char *name, xb_addr start, uint64_t bytes)
{
	if (start != 0 && bytes >= 8 &&
	    !regions_push(list, (struct region){ name, start & ~(xb_addr)7, (size_t)(bytes / 8) }))
		abort();
}

static bool add_process(void *arg, const struct xb_proc *p, const struct xb_stack *stack)
{
	add_region(arg, "a process", p->addr, 512);
	add_region(arg, "a stack", p->stop, stack->n * 8);
	return true;
}

static void collect_regions(struct xb_session *s, struct regions *list)
{
	struct xb_vm *vm = s->vm;
	struct xb_proc_stats stats;
	struct xb_jitlist jit = XB_JITLIST_INIT;
	uint64_t pointers[4] = { 0 };
	size_t n;
	struct xb_module *m = xb_code_modules(vm, &n);

	xb_error_destroy(xb_proc_each(vm, XB_PROC_STACKS, add_process, list, &stats));
	for (size_t i = 0; i < n; i++)
		add_region(list, "the header of a module", m[i].start, 256);
	for (int i = 0; i < XB_ROOT__COUNT; i++)
		add_region(list, "what is beside a root", vm->roots.at[i].addr, 256);
	for (int i = 0; i < 64; i++) {
		add_region(list, "the slots of the process table", vm->roots.proc_tab, 8 * 512);
		add_region(list, "the schedulers", vm->roots.value[XB_ROOT_SCHEDULERS], 2048);
	}
	(void)xb_mem_try(s->mem,
			 vm->roots.at[XB_ROOT_ATOM_TABLE].addr +
				 xb_layout_at(&vm->layout, XB_F_IndexTable_seg_table),
			 &pointers[0], 8);
	(void)xb_mem_try(s->mem, pointers[0], &pointers[1], 8);
	(void)xb_mem_try(s->mem, pointers[1] + 8 * 40, &pointers[2], 8);
	for (int i = 0; i < 64; i++) {
		add_region(list, "the segments of the atom table", pointers[0], 8 * 8);
		add_region(list, "atoms of a segment", pointers[1], 8 * 1024);
		add_region(list, "atoms", pointers[2], 1 << 14);
	}
	if (vm->id.flavor == XB_FLAVOR_JIT)
		xb_error_destroy(xb_jitlist_read(vm, NULL, &jit));
	for (size_t i = 0; i < jit.len; i++) {
		add_region(list, "an entry of the JIT list", jit.entries[i]->node, 32);
		add_region(list, "a symbol file of the JIT list", jit.entries[i]->symfile, 512);
	}
	xb_jitlist_deinit(&jit);
	for (size_t i = 0; i < s->maps.len; i++) {
		const struct xb_map_line *l = &s->maps.lines[i];

		/* Variables: many regions, so that they are chosen often. */
		for (int k = 0; l->write && strstr(l->path, "/beam") != NULL && k < 128; k++)
			add_region(list, "the emulator's data", l->start, l->end - l->start);
	}
}

/* --- the two modes --- */

static void garbage(struct test *t, const struct words *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct word *w = &list->data[i];
		const uint64_t values[] = { 0, UINT64_MAX, 0x4141414141414141, 12345 };
		bool ok = true;

		for (size_t k = 0; k < XB_ARRAY_LEN(values); k++) {
			/* Another index leads to an earlier set of tables, which is as consistent as this one. */
			if (w->is_index && values[k] <= 2)
				continue;
			ok &= try_value(t, w, w->name, values[k], true,
					k == 0 ? EVERY : EVERY & ~(1U << SAMPLE));
		}
		tell(t, ok, w->name);
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	return xb_hash_u64(*state);
}

static void random_words(struct test *t, const struct regions *list, long n, uint64_t state)
{
	for (long i = 0; i < n; i++) {
		const struct region *r = &list->data[next_random(&state) % list->len];
		struct word w = { r->name, r->start + 8 * (next_random(&state) % r->words), 8, false };
		uint64_t old, other = list->data[next_random(&state) % list->len].start,
			      bits = next_random(&state);
		char what[96];

		if (!peek(t, &w, &old))
			continue;
		const uint64_t values[] = { 0,        UINT64_MAX,  old ^ 1ULL << bits % 64,
					    old + 8,  old - 8,     bits,
					    other,    bits % 4096, old | 1,
					    old << 1, w.addr,      1ULL << 47 };

		(void)snprintf(what, sizeof(what), "%s", r->name);
		if (!try_value(t, &w, what, values[next_random(&state) % XB_ARRAY_LEN(values)], false,
			       1U << ALL | 1U << i % N_TOOLS))
			tell(t, false, what);
	}
	tell(t, t->failed == 0, "damage at random: refused or answered");
}

int main(int argc, char **argv)
{
	struct test t = { .build = argc > 1 ? argv[1] : "" };
	struct xb_session_opts opts = { .target = argc > 2 ? argv[2] : NULL };
	struct xb_session *s = NULL;
	struct words words = { 0 };
	struct regions regions = { 0 };
	struct xb_error *err =
		argc < 4 ? xb_errorf(XB_ERR_USAGE, "scribble BUILD PID tables|random N [SEED]")
			 : xb_session_open(&opts, &s);
	const char *dir = getenv("TMP") == NULL ? "/tmp" : getenv("TMP");
	char path[64];

	if (err != NULL) {
		(void)printf("Bail out! %s\n", xb_error_message(err));
		xb_error_destroy(err);
		return 1;
	}
	t.pid = s->proc.pid;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)t.pid);
	t.mem = open(path, O_RDWR | O_CLOEXEC);
	(void)snprintf(t.out, sizeof(t.out), "%s/scribble.out", dir);
	(void)snprintf(t.err, sizeof(t.err), "%s/scribble.err", dir);
	for (int tool = 0; t.mem >= 0 && tool < N_TOOLS; tool++) {
		bool may_refuse = tool == MAP && s->vm->id.flavor != XB_FLAVOR_JIT;

		if (!run(&t, (enum tool)tool, &t.before[tool]) ||
		    t.before[tool].status != (may_refuse ? 5 << 8 : 0)) {
			(void)printf("Bail out! %s without damage: %s\n", tool_names[tool],
				     t.before[tool].said);
			return 1;
		}
		if (tool != MAP)
			keep_rows(&t.before[tool]);
	}
	collect_tables(s, &words);
	collect_regions(s, &regions);
	if (t.mem < 0)
		tell(&t, false, "the memory of the VM can be written");
	else if (strcmp(argv[3], "tables") == 0)
		garbage(&t, &words);
	else
		random_words(&t, &regions, argc > 4 ? strtol(argv[4], NULL, 10) : 200,
			     argc > 5 ? strtoull(argv[5], NULL, 10) : 1);
	(void)printf("1..%d\n# %d refused, %d answered\n", t.n, t.refused, t.answered);
	for (int tool = 0; tool < N_TOOLS; tool++)
		free(t.before[tool].text);
	words_deinit(&words);
	regions_deinit(&regions);
	xb_session_close(s);
	return t.failed == 0 ? 0 : 1;
}
