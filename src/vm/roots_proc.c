/*
 * What every process knows of the VM's own code.
 *
 *	hend ┐
 *	     ├ normal exit       the return address that each process starts with; its name is in front of the code there,
 *	     ├ [saved frame]     and the stubs that tracing returns to were written together with it
 *	     ┊
 *	stop ┘
 */
#include "base/rd.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

#include <string.h>

enum {
	PROCESSES = 64,
	FEWEST = 4,  /* that have to agree */
	NEAR = 4096, /* bytes around normal exit where the other stubs are looked for */
	INFO_ALIGN = 8,
};

/* The words @field of @n processes at @at. */
static struct xb_error *fields_of(struct xb_vm *vm, const xb_addr *at, size_t n,
				  enum xb_layout_field field, uint64_t *ret)
{
	xb_addr place[PROCESSES];

	for (size_t i = 0; i < n; i++)
		place[i] = at[i] + xb_layout_at(&vm->layout, field);
	return xb_mem_words(vm->mem, place, n, ret);
}

/* What three quarters of the words are; 0: nothing is. */
static uint64_t most_common(const uint64_t *word, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t same = 0;

		for (size_t k = 0; k < n; k++)
			same += word[k] == word[i];
		if (word[i] != 0 && same >= FEWEST && same * 4 >= n * 3)
			return word[i];
	}
	return 0;
}

/*
 * With frame pointers every process that is scheduled out has one, inside its stack; without, the field stays zero.
 * One that is running or is being made has what it had before.
 */
static int judge_frames(const uint64_t *fp, const uint64_t *stop, const uint64_t *hend, size_t n)
{
	size_t with = 0, without = 0;

	for (size_t i = 0; i < n; i++) {
		without += fp[i] == 0;
		with += fp[i] != 0 && fp[i] >= stop[i] && fp[i] <= hend[i];
	}
	return without * 4 >= n * 3 && with == 0 ? 0 : with >= FEWEST && with * 4 >= n * 3 ? 1 : -1;
}

static struct xb_error *look_at_processes(struct xb_search *s)
{
	xb_addr at[PROCESSES];
	uint64_t hend[PROCESSES], stop[PROCESSES], word[PROCESSES];
	size_t n = xb_some_processes(s->vm, at, PROCESSES);

	s->frame_layout = -1;
	s->exit = 0;
	XB_TRY(fields_of(s->vm, at, n, XB_F_Process_hend, hend));
	XB_TRY(fields_of(s->vm, at, n, XB_F_Process_stop, stop));
	if (xb_layout_has(&s->vm->layout, XB_F_Process_frame_pointer)) {
		XB_TRY(fields_of(s->vm, at, n, XB_F_Process_frame_pointer, word));
		s->frame_layout = judge_frames(word, stop, hend, n);
	}
	for (size_t i = 0; i < n; i++)
		at[i] = hend[i] >= 8 ? hend[i] - 8 : 0;
	XB_TRY(xb_mem_words(s->vm->mem, at, n, word));
	s->exit = most_common(word, n);
	s->exit_known = true;
	return NULL;
}

/* The only code near normal exit with that name in front of it; names are told by the module's atom first. */
static xb_addr near_exit(struct xb_search *s, enum xb_root_id id)
{
	enum { MODULE = 24 }; /* bytes from the module's atom to the code */
	unsigned char bytes[2 * NEAR];
	xb_addr from = s->exit < NEAR ? 0 : s->exit - NEAR, found = 0;
	uint64_t module = 0;
	size_t len;

	if (from == 0 || xb_mem_try(s->vm->mem, s->exit - MODULE, &module, 8) < 8)
		return 0;
	/* What is mapped in front of it may begin later. */
	len = xb_mem_try(s->vm->mem, from, bytes, sizeof(bytes));
	if (len == 0) {
		from = s->exit - s->exit % NEAR;
		len = xb_mem_try(s->vm->mem, from, bytes, NEAR);
	}
	for (size_t at = 0; at + MODULE <= len; at += INFO_ALIGN) {
		xb_addr stub = from + at + MODULE;

		if (xb_load64(bytes, at) != module)
			continue;
		if (!xb_is_stub(s->vm, id, stub))
			continue;
		if (found != 0)
			return 0;
		found = stub;
	}
	return found;
}

struct xb_error *xb_ask_processes(struct xb_search *s, enum xb_root_id id, struct xb_opinion *ret)
{
	struct xb_opinion o = { .source = XB_ROOT_BY_PROCESSES, .is_value = true };

	if (id != XB_ROOT_FRAME_LAYOUT && !xb_root_specs[id].is_stub)
		return NULL;
	if (!s->exit_known)
		XB_TRY(look_at_processes(s));
	if (id == XB_ROOT_FRAME_LAYOUT) {
		if (s->frame_layout >= 0) {
			o.addr = (xb_addr)s->frame_layout;
			*ret = o;
		}
		return NULL;
	}
	o.addr = id == XB_ROOT_NORMAL_EXIT           ? s->exit
		 : s->vm->id.flavor == XB_FLAVOR_JIT ? near_exit(s, id)
						     : 0;
	if (o.addr != 0)
		*ret = o;
	return NULL;
}
