/*
 * Roots that the JIT leaves traces of.
 *
 *	JIT descriptor ─► the list that debuggers read ─► the VM's own code, by name: normal exit, the stubs that tracing
 *	                                               │  returns to; and the frame layout
 *	                                               └► shared fragments, whose code has &the_active_code_index in it
 */
#include "base/rd.h"
#include "vm/atom.h"
#include "vm/mfa.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

struct xb_error *xb_search_jitlist(struct xb_search *s, const struct xb_jitlist **ret)
{
	*ret = NULL;
	if (s->list_state == XB_LIST_UNTRIED && s->vm->roots.at[XB_ROOT_JIT_DESCRIPTOR].addr != 0) {
		struct xb_error *err = xb_jitlist_read(s->vm, NULL, &s->list);

		if (err != NULL && xb_error_code(err) != XB_ERR_UNSUPPORTED &&
		    xb_error_code(err) != XB_ERR_MISMATCH && xb_error_code(err) != XB_ERR_FAULT)
			return err;
		s->list_state = err == NULL ? XB_LIST_READ : XB_LIST_NONE;
		xb_error_destroy(err);
	}
	if (s->list_state == XB_LIST_READ)
		*ret = &s->list;
	return NULL;
}

static bool is_atom(struct xb_vm *vm, uint32_t index, const char *name)
{
	struct xb_atom_text text;

	return xb_atom_get(vm, index, &text) && text.len == strlen(name) &&
	       memcmp(text.name, name, text.len) == 0;
}

/* Mirrors erts/emulator/beam/jit/beam_jit_main.cpp:beamasm_init(): the name is in the ErtsCodeInfo in front of the code. */
bool xb_is_stub(struct xb_vm *vm, enum xb_root_id id, xb_addr stub)
{
	const char *const *name = xb_root_specs[id].stub;
	unsigned char bytes[XB_MFA_BYTES];
	struct xb_mfa mfa;

	return stub > sizeof(bytes) &&
	       xb_mem_try(vm->mem, stub - sizeof(bytes), bytes, sizeof(bytes)) == sizeof(bytes) &&
	       xb_mfa_decode(vm, bytes, &mfa) && mfa.arity == 0 &&
	       is_atom(vm, mfa.module, "erts_beamasm") &&
	       (is_atom(vm, mfa.function, name[0]) ||
		(name[1] != NULL && is_atom(vm, mfa.function, name[1])));
}

static bool is_named(const struct xb_jitrange *range, const char *function)
{
	static const char module[] = "erts_beamasm:", arity[] = "/0";
	size_t head = sizeof(module) - 1, len = strlen(function), tail = sizeof(arity) - 1;

	return range->name_len == head + len + tail && memcmp(range->name, module, head) == 0 &&
	       memcmp(range->name + head, function, len) == 0 &&
	       memcmp(range->name + head + len, arity, tail) == 0;
}

/* The code of that name among the VM's own; 0: none. */
static xb_addr own_code(const struct xb_jitlist *list, const char *function)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct xb_jitentry *e = list->entries[i];

		for (uint32_t k = 0; e->own && k < e->n_ranges; k++) {
			if (is_named(&e->ranges[k], function))
				return e->ranges[k].start;
		}
	}
	return 0;
}

struct xb_error *xb_ask_jitlist(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	enum { FRAME_LAYOUT_AT = 8 };
	struct xb_opinion o = { .source = XB_ROOT_BY_JITLIST, .is_value = true };
	const struct xb_jitlist *list;

	const struct root_spec *spec = &xb_root_specs[id];

	if (id != XB_ROOT_FRAME_LAYOUT && !spec->is_stub)
		return NULL;
	XB_TRY(xb_search_jitlist(s, &list));
	if (list == NULL)
		return NULL;
	if (id == XB_ROOT_FRAME_LAYOUT && list->has_emulator) {
		for (size_t i = 0; i < list->len; i++) {
			const struct xb_jitentry *e = list->entries[i];

			/* It is a variable, if not the one that code reads. */
			if (e->kind == XB_JITENTRY_EMULATOR)
				*ret = (struct xb_opinion){ .addr = e->symfile + FRAME_LAYOUT_AT,
							    .source = XB_ROOT_BY_JITLIST };
		}
		return NULL;
	}
	for (size_t i = 0; o.addr == 0 && i < XB_ARRAY_LEN(spec->stub) && spec->stub[i] != NULL; i++)
		o.addr = own_code(list, spec->stub[i]);
	/* The entry about the emulator has this one too, and has to say the same. */
	if (id == XB_ROOT_NORMAL_EXIT && list->has_emulator && o.addr != list->normal_exit)
		o.addr = 0;
	if (o.addr != 0)
		*ret = o;
	return NULL;
}

/*
 * erts/emulator/beam/jit/x86/process_main.cpp and beam_asm.hpp:emit_leave_runtime(): ARG1 gets the address of
 * the_active_code_index, and soon a 32-bit load through it follows.  As machine code: 48|49 b8+R and the address, or
 * b8+R and 32 bits of it in an executable that is not position independent; [44] 8b with R as base and nothing else.
 */
static xb_addr loaded_through(const unsigned char *code, size_t len, size_t at)
{
	enum { SOON = 16, REX = 0x40, REX_W = 8, REX_B = 1 };
	bool wide = (code[at] & 0xfe) == (REX | REX_W);
	size_t op = at + wide, next = op + 1 + (wide ? 8 : 4);
	unsigned reg = code[op] & 7U;

	if ((code[op] & 0xf8) != 0xb8 || (wide && (code[at] & REX_B) != 0) || reg == 4 || reg == 5 ||
	    next + SOON > len)
		return 0;
	for (size_t i = next; i + 1 < next + SOON; i++) {
		if (code[i] == 0x8b && (code[i + 1] & 0xc7) == reg && (code[i - 1] & 0xf8) != 0x48)
			return wide ? xb_load64(code, op + 1) : xb_load32(code, op + 1);
	}
	return 0;
}

/* The variable of 0, 1 or 2 that most of the fragments' code loads from. */
struct vote {
	xb_addr addr;
	size_t votes;
};

static void count_votes(struct xb_finder *f, const unsigned char *code, size_t len, struct vote *vote,
			size_t n_votes)
{
	enum { SHORTEST = 24 };

	for (size_t at = 0; at + SHORTEST <= len; at++) {
		xb_addr a = loaded_through(code, len, at);

		if (a == 0 || a % 4 != 0 || !xb_finder_in_data(f, a) || xb_finder_half(f, a) > 2)
			continue;
		for (size_t i = 0; i < n_votes; i++) {
			if (vote[i].addr != 0 && vote[i].addr != a)
				continue;
			vote[i].addr = a;
			vote[i].votes++;
			break;
		}
	}
}

struct xb_error *xb_ask_jit_code(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	enum { CANDIDATES = 64, MAX_FRAGMENTS = 1 << 20 };
	struct vote vote[CANDIDATES] = { 0 };
	const struct xb_jitlist *list;
	size_t best = 0;

	if (id != XB_ROOT_CODE_INDEX)
		return NULL;
	XB_TRY(xb_search_jitlist(s, &list));
	for (size_t i = 0; list != NULL && i < list->len; i++) {
		const struct xb_jitentry *e = list->entries[i];
		unsigned char *code;

		if (!e->fragments || e->code_size > MAX_FRAGMENTS)
			continue;
		code = malloc((size_t)e->code_size + 1);
		if (code == NULL)
			return xb_error_nomem();
		count_votes(s->f, code, xb_mem_try(s->source->mem, e->base, code, e->code_size), vote,
			    CANDIDATES);
		free(code);
	}
	for (size_t i = 1; i < CANDIDATES; i++)
		best = vote[i].votes > vote[best].votes ? i : best;
	for (size_t i = 0; i < CANDIDATES; i++) {
		if (i != best && vote[i].votes > 0 && vote[i].votes == vote[best].votes)
			return NULL;
	}
	if (vote[best].votes > 0)
		*ret = (struct xb_opinion){ .addr = vote[best].addr, .source = XB_ROOT_BY_JIT_CODE };
	return NULL;
}
