/*
 * scribble BUILD PID tables            one word of the VM's tables after the other is overwritten
 * scribble BUILD PID random N [SEED]   N words somewhere in what the roots lead to
 *
 * PID is a stopped VM, which belongs to the test; every word is put back.  For each damage the tools of BUILD are run.
 * What they may do is refuse (5, with a sentence), or answer (0).  As nothing moves in a stopped VM, an answer about
 * damaged tables must be the one before the damage, to the byte; damage somewhere else may show, in well-formed rows.
 * Prints TAP.
 */
#include "base/map.h"
#include "scribble_places.h"

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
	scribble_tables(s, &words);
	scribble_regions(s, &regions);
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
