/*
 * roots PID: every root of a living VM by every method.  TAP lines:
 *
 *   each root is found by two methods at least, and they agree;
 *   with each method left out, and with symbols left out as well, what the others find is the same;
 *   what contradicts is told: a count that is wrong, a frame layout that is wrong;
 *   a cache that lies, in all of it or in one root, changes nothing, is noticed, and is written anew.
 */
#include "base/log.h"
#include "session/session.h"
#include "vm/jitlist.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_tests, n_failed;

static bool ok(bool good, const char *fmt, ...) XB_PRINTF(2, 3);
static bool ok(bool good, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n_failed += !good;
	(void)printf("%sok %d - %s\n", good ? "" : "not ", ++n_tests, text);
	return good;
}

static void because(struct xb_error *err)
{
	if (err != NULL)
		(void)printf("# %s\n", xb_error_message(err));
	xb_error_destroy(err);
}

/* What all attachments have to find. */
struct truth {
	const char *pid;
	struct xb_roots roots;
	struct xb_root_hints hints;
	enum xb_flavor flavor;
	bool symbols;              /* the VM's variables have names */
	xb_addr frame_layout_copy; /* in the JIT list; 0 without one */
};

/* What identifies a root, however it was found: a place, or for variables what they hold. */
static uint64_t identity(const struct xb_roots *r, enum xb_root_id id)
{
	return id >= XB_ROOT_SCHEDULERS && id != XB_ROOT_PORT_TABLE && id != XB_ROOT_REGISTRY
		       ? r->value[id]
		       : r->at[id].addr;
}

static bool same_roots(const struct truth *t, const struct xb_roots *got)
{
	bool same = true;

	for (int i = 0; i < XB_ROOT__COUNT; i++) {
		enum xb_root_id id = (enum xb_root_id)i;

		/* Those that nothing reads yet may have one method only; none may be wrong. */
		if (got->at[id].sources == 0 &&
		    (t->roots.at[id].sources == 0 || id >= XB_ROOT_PORT_TABLE))
			continue;
		if (got->at[id].sources != 0 && identity(got, id) == identity(&t->roots, id))
			continue;
		(void)printf("# %s: 0x%llx, should be 0x%llx\n", xb_root_name(id),
			     (unsigned long long)identity(got, id),
			     (unsigned long long)identity(&t->roots, id));
		same = false;
	}
	return same;
}

/* --- all methods --- */

static void test_agreement(const struct truth *t)
{
	for (int i = 0; i < XB_ROOT__COUNT; i++) {
		enum xb_root_id id = (enum xb_root_id)i;
		const struct xb_root *r = &t->roots.at[id];
		struct xb_str by = XB_STR_INIT;
		bool jit_only = id == XB_ROOT_JIT_DESCRIPTOR || id == XB_ROOT_FRAME_LAYOUT;

		xb_root_write_sources(r->sources, &by);
		if (jit_only && t->flavor != XB_FLAVOR_JIT)
			(void)ok(r->sources == 0, "%s: the interpreter has none", xb_root_name(id));
		else
			(void)ok(xb_root_methods(r->sources) >= 2 && r->against == 0,
				 "%s: %u methods agree: %s", xb_root_name(id),
				 xb_root_methods(r->sources), xb_str_get(&by));
		xb_str_deinit(&by);
	}
}

static void test_without(const struct truth *t, unsigned without)
{
	struct xb_session_opts opts = { .target = t->pid, .thorough = true, .without = without };
	struct xb_str name = XB_STR_INIT;
	struct xb_session *s = NULL;
	struct xb_error *err = xb_session_open(&opts, &s);

	xb_root_write_sources(without, &name);
	(void)ok(err == NULL && same_roots(t, &s->vm->roots), "without %s the others find the same",
		 xb_str_get(&name));
	because(err);
	for (int i = 0; s != NULL && i < XB_ROOT__COUNT; i++) {
		if ((s->vm->roots.at[i].sources & without) != 0)
			(void)ok(false, "%s was asked nevertheless", xb_str_get(&name));
	}
	xb_session_close(s);
	xb_str_deinit(&name);
}

/* --- what contradicts --- */

struct heard {
	int warnings;
	char last[512];
};

static void hear(void *arg, enum xb_log_level level, const char *line)
{
	struct heard *h = arg;

	if (level != XB_LOG_WARN)
		return;
	h->warnings++;
	(void)snprintf(h->last, sizeof(h->last), "%s", line);
}

/*
 * Attach again while what is at @addr, which has to do with @id, seems to hold @value.  @warned: it is told, else the VM
 * is refused.
 */
static void test_contradiction(const struct truth *t, enum xb_root_id id, xb_addr addr, uint64_t value,
			       size_t width, bool warned)
{
	struct heard heard = { 0 };
	struct xb_log log = { .sink = hear, .arg = &heard, .max = XB_LOG_WARN };
	struct xb_session_opts opts = { .target = t->pid };
	struct xb_vm_source source = { .thorough = true, .log = &log };
	struct xb_session *s = NULL;
	struct xb_vm *vm = NULL;
	struct xb_error *err = xb_session_open(&opts, &s);
	const struct xb_root *r;
	bool told;

	if (err == NULL)
		err = xb_object_image(s->main, &source.image);
	if (err == NULL)
		err = xb_object_symbols(s->main, &source.symbols);
	if (err == NULL)
		err = xb_object_bias(s->main, &source.bias);
	if (err != NULL) {
		(void)ok(false, "attached to be contradicted");
		because(err);
		xb_session_close(s);
		return;
	}
	source.mem = s->mem;
	xb_mem_overlay(s->mem, addr, &value, width);
	err = xb_vm_attach(&source, &vm);
	if (warned) {
		r = vm == NULL ? NULL : &vm->roots.at[id];
		told = r != NULL && r->against != 0 && heard.warnings > 0 &&
		       strstr(heard.last, "methods disagree") != NULL &&
		       strstr(heard.last, xb_root_name(id)) != NULL;
	} else {
		told = err != NULL && xb_error_code(err) == XB_ERR_MISMATCH &&
		       strstr(xb_error_message(err), "methods disagree") != NULL &&
		       strstr(xb_error_message(err), xb_root_name(id)) != NULL;
	}
	(void)ok(told, "%s is %llu instead of %llu: %s", xb_root_name(id), (unsigned long long)value,
		 (unsigned long long)t->roots.value[id],
		 warned ? "a warning, and told in the root" : "refused");
	if (!told && heard.warnings > 0)
		(void)printf("# %s\n", heard.last);
	because(err);
	xb_vm_detach(vm);
	xb_mem_overlay(s->mem, 0, NULL, 0);
	xb_session_close(s);
}

/* --- the cache --- */

struct lie {
	struct xb_root_hints told, saved;
	int saves;
};

static bool load(void *arg, const char *build_id, struct xb_root_hints *ret)
{
	const struct lie *l = arg;

	(void)build_id;
	*ret = l->told;
	return true;
}

static void save(void *arg, const char *build_id, const struct xb_root_hints *hints)
{
	struct lie *l = arg;

	(void)build_id;
	l->saved = *hints;
	l->saves++;
}

static bool same_hints(const struct truth *t, const struct xb_root_hints *got)
{
	/* Only a thorough search knows all of them. */
	for (int i = 0; i < XB_ROOT_PORT_TABLE; i++) {
		if (got->has[i] && (!t->hints.has[i] || got->vaddr[i] != t->hints.vaddr[i])) {
			(void)printf("# %s: 0x%llx is kept, should be 0x%llx\n",
				     xb_root_name((enum xb_root_id)i),
				     (unsigned long long)got->vaddr[i],
				     (unsigned long long)t->hints.vaddr[i]);
			return false;
		}
	}
	return true;
}

static void test_lie(const struct truth *t, const char *what, const struct xb_root_hints *told,
		     bool thorough, bool noticed)
{
	struct lie l = { .told = *told };
	struct xb_session_cache cache = { .arg = &l, .load = load, .save = save };
	struct xb_session_opts opts = { .target = t->pid, .thorough = thorough, .cache = &cache };
	struct xb_session *s = NULL;
	struct xb_error *err = xb_session_open(&opts, &s);
	bool good = err == NULL && same_roots(t, &s->vm->roots);

	if (good && noticed)
		good = s->vm->roots.stale_hints > 0 && l.saves == 1 && same_hints(t, &l.saved);
	else if (good)
		good = s->vm->roots.stale_hints == 0 && l.saves == 0;
	(void)ok(good, "a cache that %s%s: %s", what, thorough ? ", thorough" : "",
		 noticed ? "noticed, written anew" : "used, and left as it is");
	if (!good && err == NULL)
		(void)printf("# %u stale, %d saves\n", s->vm->roots.stale_hints, l.saves);
	because(err);
	xb_session_close(s);
}

/* Every root in turn a word further, and where the next root is. */
static void test_lies_one_by_one(const struct truth *t)
{
	for (int i = 0; i < XB_ROOT_PORT_TABLE; i++) {
		const char *name = xb_root_name((enum xb_root_id)i);
		struct xb_root_hints h = t->hints;
		char what[128];
		int next = i;

		if (!h.has[i])
			continue;
		do
			next = (next + 1) % XB_ROOT_PORT_TABLE;
		while (!h.has[next]);
		/* What does not decide where there is the VM's own word is not even looked at. */
		h.vaddr[i] += i == XB_ROOT_CODE_INDEX ? (xb_addr)-4 : 8;
		(void)snprintf(what, sizeof(what), "is a little off about %s", name);
		test_lie(t, what, &h, true, true);
		h.vaddr[i] = t->hints.vaddr[next];
		(void)snprintf(what, sizeof(what), "says %s for %s",
			       xb_root_name((enum xb_root_id)next), name);
		test_lie(t, what, &h, true, true);
	}
}

static void test_cache(const struct truth *t)
{
	struct xb_root_hints h = t->hints;

	test_lie(t, "is right", &h, false, false);
	test_lie(t, "is right", &h, true, false);
	for (int i = 0; i < XB_ROOT__COUNT; i++)
		h.vaddr[i] = t->hints.vaddr[i] + 8;
	test_lie(t, "is of another build", &h, false, true);
	test_lie(t, "is of another build", &h, true, true);
	for (int i = 0; i < XB_ROOT__COUNT; i++)
		h.vaddr[i] = t->hints.vaddr[(i + 1) % XB_ROOT__COUNT];
	test_lie(t, "mixes roots up", &h, false, true);
	for (int i = 0; i < XB_ROOT__COUNT; i++)
		h.vaddr[i] = 0xfffffffffffffff0U - 3 * (xb_addr)i;
	test_lie(t, "holds garbage", &h, false, true);
	for (int i = 0; i < XB_ROOT__COUNT; i++) {
		h.has[i] = true;
		h.vaddr[i] = 0;
	}
	test_lie(t, "holds zeroes", &h, true, true);
	test_lies_one_by_one(t);
}

static xb_addr find_copy(struct xb_vm *vm)
{
	enum { FRAME_LAYOUT_AT = 8 };
	struct xb_jitlist list = XB_JITLIST_INIT;
	struct xb_error *err = xb_jitlist_read(vm, NULL, &list);
	xb_addr found = 0;

	for (size_t i = 0; err == NULL && i < list.len; i++) {
		if (list.entries[i]->kind == XB_JITENTRY_EMULATOR)
			found = list.entries[i]->symfile + FRAME_LAYOUT_AT;
	}
	xb_error_destroy(err);
	xb_jitlist_deinit(&list);
	return found;
}

static bool learn(struct truth *t)
{
	struct lie l = { .saves = 0 };
	struct xb_session_cache cache = { .arg = &l, .load = load, .save = save };
	struct xb_session_opts opts = { .target = t->pid, .thorough = true, .cache = &cache };
	struct xb_session *s = NULL;
	struct xb_error *err;

	/* A first cache that says nothing of anything. */
	err = xb_session_open(&opts, &s);
	if (err == NULL) {
		struct xb_vm_source source = { .mem = s->mem };
		size_t n;

		t->roots = s->vm->roots;
		t->flavor = s->vm->id.flavor;
		t->frame_layout_copy = find_copy(s->vm);
		t->symbols = (t->roots.at[XB_ROOT_SCHEDULERS].sources & XB_ROOT_BY_SYMBOL) != 0;
		err = xb_object_image(s->main, &source.image);
		if (err == NULL)
			err = xb_object_bias(s->main, &source.bias);
		if (err == NULL)
			err = xb_vm_hints(s->vm, &source, &t->hints, &n);
	}
	if (err != NULL)
		(void)printf("Bail out! %s\n", xb_error_message(err));
	xb_session_close(s);
	if (err == NULL)
		return true;
	xb_error_destroy(err);
	return false;
}

int main(int argc, char **argv)
{
	static const unsigned methods[] = {
		XB_ROOT_BY_SYMBOL, XB_ROOT_BY_OPERANDS,   XB_ROOT_BY_SCAN,
		XB_ROOT_BY_LINKS,  XB_ROOT_BY_NEIGHBOURS, XB_ROOT_BY_JITLIST,
		XB_ROOT_BY_COUNT,  XB_ROOT_BY_JIT_CODE,   XB_ROOT_BY_PROCESSES,
	};
	struct truth t = { .pid = argc > 1 ? argv[1] : NULL };

	if (!learn(&t))
		return 1;
	test_agreement(&t);
	for (size_t i = 0; i < XB_ARRAY_LEN(methods); i++)
		test_without(&t, methods[i]);
	/* As if a release hid its symbols; the JIT leaves more traces than the interpreter. */
	for (size_t i = 1; t.symbols && t.flavor == XB_FLAVOR_JIT && i < XB_ARRAY_LEN(methods); i++)
		test_without(&t, XB_ROOT_BY_SYMBOL | methods[i]);
	if (t.symbols)
		test_contradiction(&t, XB_ROOT_N_DIRTY_IO_SCHEDULERS,
				   t.roots.at[XB_ROOT_N_DIRTY_IO_SCHEDULERS].addr,
				   t.roots.value[XB_ROOT_N_DIRTY_IO_SCHEDULERS] - 1, 8, true);
	if (t.flavor == XB_FLAVOR_JIT) {
		uint64_t other = 1 - t.roots.value[XB_ROOT_FRAME_LAYOUT];

		/* The VM's variable alone; then the copy of it that debuggers read. */
		test_contradiction(&t, XB_ROOT_FRAME_LAYOUT, t.roots.at[XB_ROOT_FRAME_LAYOUT].addr,
				   other, 4, true);
		test_contradiction(&t, XB_ROOT_FRAME_LAYOUT, t.frame_layout_copy, other, 4, t.symbols);
	}
	test_cache(&t);
	(void)printf("1..%d\n", n_tests);
	return n_failed == 0 ? 0 : 1;
}
