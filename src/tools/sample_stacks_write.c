/*
 * What --process and --all say of one process.
 *
 * Text is gathered and written in large pieces.  Many processes share their frames: each program counter is rendered
 * once and then copied, and so is each function of their heads.
 */
#include "tools/sample_stacks.h"

#include "out/text.h"
#include "vm/atom.h"
#include "vm/code.h"

#include <string.h>

enum {
	PAGE_BYTES = 256 << 10, /* text gathered before it is written */
	MAX_RENDERED = 8 << 20, /* of frames and functions kept; beyond, they are rendered each time */
};

struct rendered {
	size_t len;
	char bytes[];
};

/* --- the page --- */

bool stacks_flush(struct stacks *k)
{
	if (k->page.err != 0 || k->page.text.oom) {
		if (k->err == NULL)
			k->err = xb_error_nomem();
		return false;
	}
	xb_sink_write(&k->run->out, xb_sink_text(&k->page), k->page.text.len);
	xb_str_clear(&k->page.text);
	return !xb_sink_failed(&k->run->out);
}

static bool flush_full(struct stacks *k)
{
	return k->page.text.len < PAGE_BYTES || stacks_flush(k);
}

/* --- what is rendered once --- */

static const struct rendered *find_rendered(const struct xb_map *map, uint64_t key)
{
	const uint64_t *at = xb_map_get(map, key);

	return at == NULL
		       ? NULL
		       : (const struct rendered *)(uintptr_t)*at; // NOLINT(performance-no-int-to-ptr)
}

/* Without memory or room it is rendered again next time. */
static void keep_rendered(struct stacks *k, struct xb_map *map, uint64_t key, const struct xb_str *text)
{
	struct rendered *r;

	if (k->n_rendered + text->len > MAX_RENDERED)
		return;
	r = xb_arena_alloc(&k->run->arena, sizeof(*r) + text->len);
	if (r == NULL)
		return;
	k->n_rendered += sizeof(*r) + text->len;
	r->len = text->len;
	memcpy(r->bytes, xb_str_get(text), text->len);
	(void)!xb_map_put(map, key, (uintptr_t)r);
}

/* A function as text, in JSON with its quotes; in k->text, k->frame or kept.  Borrowed until the next call. */
static const char *mfa_text(struct stacks *k, struct xb_mfa mfa, size_t *len)
{
	bool has_key = mfa.module < 1U << 24 && mfa.arity < 1U << 8;
	uint64_t key = (uint64_t)mfa.module << 40 | (uint64_t)mfa.function << 8 | mfa.arity;
	const struct rendered *r = has_key ? find_rendered(&k->mfas, key) : NULL;
	const struct xb_str *text = &k->text;

	if (r != NULL) {
		*len = r->len;
		return r->bytes;
	}
	xb_str_clear(&k->text);
	xb_mfa_write(k->session->vm, mfa, &k->text);
	if (k->run->common.json) {
		struct xb_json j;

		xb_str_clear(&k->frame.text);
		xb_json_init_inner(&j, &k->frame);
		xb_json_string(&j, xb_str_get(&k->text), k->text.len);
		text = &k->frame.text;
	}
	if (has_key)
		keep_rendered(k, &k->mfas, key, text);
	*len = text->len;
	return xb_str_get(text);
}

static void render_text(struct stacks *k, const struct xb_frame_name *name, struct xb_sink *to)
{
	const struct xb_tty *tty = &k->run->tty;
	struct xb_str *s = &k->text;

	xb_sink_puts(to, "    ");
	xb_str_clear(s);
	xb_text_safe(s, name->name, strlen(name->name));
	xb_tty_write(tty, to, XB_ROLE_ERLANG, xb_str_get(s), s->len);
	if (*name->file != '\0') {
		xb_str_clear(s);
		xb_str_add(s, " (");
		xb_text_safe(s, name->file, strlen(name->file));
		xb_str_addf(s, ":%u)", name->line);
		xb_tty_write(tty, to, XB_ROLE_PATH, xb_str_get(s), s->len);
	}
	xb_sink_putc(to, '\n');
}

static void render_json(const struct xb_frame_name *name, xb_addr pc, struct xb_sink *to)
{
	struct xb_json j;
	char addr[24];

	(void)snprintf(addr, sizeof(addr), "0x%llx", (unsigned long long)pc);
	xb_json_init_inner(&j, to);
	xb_json_object_begin(&j);
	xb_json_key(&j, "function");
	xb_json_text(&j, name->name);
	xb_json_key(&j, "file");
	if (*name->file == '\0')
		xb_json_null(&j);
	else
		xb_json_text(&j, name->file);
	xb_json_key(&j, "line");
	if (name->line == 0)
		xb_json_null(&j);
	else
		xb_json_u64(&j, name->line);
	xb_json_key(&j, "address");
	xb_json_text(&j, addr);
	xb_json_object_end(&j);
}

static void write_frame(struct stacks *k, xb_addr pc)
{
	const struct rendered *r = find_rendered(&k->frame_texts, pc);
	const char *bytes = r == NULL ? NULL : r->bytes;
	size_t len = r == NULL ? 0 : r->len;

	if (r == NULL) {
		struct xb_frame_name name;

		xb_namer_erlang(k->namer, pc, &name);
		xb_str_clear(&k->frame.text);
		if (k->run->common.json)
			render_json(&name, pc, &k->frame);
		else
			render_text(k, &name, &k->frame);
		bytes = xb_sink_text(&k->frame);
		len = k->frame.text.len;
		if (k->frame.err != 0)
			k->page.err = k->frame.err;
		else
			keep_rendered(k, &k->frame_texts, pc, &k->frame.text);
	}
	if (k->run->common.json)
		xb_json_raw(&k->json, bytes, len);
	else
		xb_str_addn(&k->page.text, bytes, len);
}

/* --- one process --- */

static void head_text(struct stacks *k, const struct xb_proc *p, const struct xb_stack_scan *scan)
{
	struct xb_vm *vm = k->session->vm;
	struct xb_str *s = &k->page.text;
	const char *mfa;
	size_t len;

	xb_str_clear(&k->text);
	xb_proc_write_id(vm, p->id, &k->text);
	xb_tty_write(&k->run->tty, &k->page, XB_ROLE_PROCESS, xb_str_get(&k->text), k->text.len);
	xb_str_addc(s, ' ');
	if (p->has_name) {
		xb_proc_write_label(vm, p, s);
	} else if (p->has_initial) {
		mfa = mfa_text(k, p->initial, &len);
		xb_str_addn(s, mfa, len);
	}
	xb_str_add(s, " (");
	xb_str_add(s, xb_proc_state_name(p->status));
	xb_str_add(s, ", ");
	xb_str_addu(s, p->reductions);
	xb_str_add(s, " reductions, ");
	xb_str_addu(s, p->messages);
	xb_str_add(s, " messages, heap ");
	xb_str_addu(s, (p->heap_words + p->old_heap_words) * 8);
	xb_str_add(s, " bytes");
	if (p->grade == XB_GRADE_RUNNING)
		xb_str_add(s, ", ~ running while it was read");
	else if (p->grade == XB_GRADE_CHANGED)
		xb_str_add(s, ", ~ changed while it was read");
	if (!scan->rooted && p->stack_words != 0)
		xb_str_add(s, ", ~ stack not whole");
	xb_str_add(s, ")\n");
	if (p->has_current) {
		xb_str_add(s, "    in ");
		mfa = mfa_text(k, p->current, &len);
		xb_str_addn(s, mfa, len);
		xb_str_addc(s, '\n');
	}
}

/* Of the key that was written. */
static void json_mfa(struct stacks *k, bool has, struct xb_mfa mfa)
{
	const char *text;
	size_t len;

	if (!has) {
		xb_json_null(&k->json);
		return;
	}
	text = mfa_text(k, mfa, &len);
	xb_json_raw(&k->json, text, len);
}

/* As process_info() has it: where a process has set no current function, the one it will go on in. */
static void json_current(struct stacks *k, const struct xb_proc *p)
{
	const struct xb_function *f =
		p->has_current || p->i == 0 ? NULL : xb_code_find(k->session->vm, p->i, NULL);

	if (f != NULL)
		json_mfa(k, true, f->mfa);
	else
		json_mfa(k, p->has_current, p->current);
}

/* Nothing in a pid needs more than its quotes. */
static void json_pid(struct stacks *k, const struct xb_proc *p)
{
	xb_str_clear(&k->text);
	xb_str_addc(&k->text, '"');
	xb_proc_write_id(k->session->vm, p->id, &k->text);
	xb_str_addc(&k->text, '"');
	xb_json_raw(&k->json, xb_str_get(&k->text), k->text.len);
}

static void json_name(struct stacks *k, const struct xb_proc *p)
{
	if (!p->has_name) {
		xb_json_null(&k->json);
		return;
	}
	xb_str_clear(&k->text);
	xb_atom_write(k->session->vm, p->name, &k->text);
	xb_json_string(&k->json, xb_str_get(&k->text), k->text.len);
}

static void head_json(struct stacks *k, const struct xb_proc *p, const struct xb_stack_scan *scan)
{
	static const char *const grades[] = { "A", "B", "C" };
	struct xb_json *j = &k->json;

	xb_json_object_begin(j);
	XB_JSON_KEY(j, "pid");
	json_pid(k, p);
	XB_JSON_KEY(j, "registered_name");
	json_name(k, p);
	XB_JSON_KEY(j, "initial_call");
	json_mfa(k, p->has_initial, p->initial);
	XB_JSON_KEY(j, "current_function");
	json_current(k, p);
	XB_JSON_KEY(j, "status");
	xb_json_text(j, xb_proc_state_name(p->status));
	XB_JSON_KEY(j, "grade");
	xb_json_text(j, grades[p->grade]);
	XB_JSON_KEY(j, "message_queue_len");
	xb_json_u64(j, p->messages);
	XB_JSON_KEY(j, "reductions");
	xb_json_u64(j, p->reductions);
	XB_JSON_KEY(j, "heap_size_bytes");
	xb_json_u64(j, p->heap_words * 8);
	XB_JSON_KEY(j, "old_heap_size_bytes");
	xb_json_u64(j, p->old_heap_words * 8);
	XB_JSON_KEY(j, "stack_size_bytes");
	xb_json_u64(j, p->stack_words * 8);
	XB_JSON_KEY(j, "rooted");
	xb_json_bool(j, scan->rooted);
}

static bool write_frames(struct stacks *k, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		write_frame(k, k->frames.data[i].pc);
		if (!flush_full(k))
			return false;
	}
	return true;
}

bool stacks_write(struct stacks *k, const struct xb_proc *p, const struct xb_stack_scan *scan)
{
	size_t n = k->frames.len;
	bool ok;

	if (k->opts->max_callchain_depth != 0)
		n = XB_MIN(n, (size_t)k->opts->max_callchain_depth);

	if (!k->run->common.json) {
		head_text(k, p, scan);
		ok = write_frames(k, n);
		if (k->frames.len > n)
			xb_sink_printf(&k->page, "    ... %zu more frames (--max-callchain-depth)\n",
				       k->frames.len - n);
		xb_sink_putc(&k->page, '\n');
	} else {
		head_json(k, p, scan);
		XB_JSON_KEY(&k->json, "frames");
		xb_json_array_begin(&k->json);
		ok = write_frames(k, n);
		xb_json_array_end(&k->json);
		XB_JSON_KEY(&k->json, "frames_cut");
		xb_json_u64(&k->json, k->frames.len - n);
		xb_json_object_end(&k->json);
	}
	k->n_frames += n;
	return ok && flush_full(k);
}
