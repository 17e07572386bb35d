/* C frames: rows of every image, from the frozen stack only. */
#include "base/rd.h"
#include "sample/mixed_impl.h"

#include <string.h>

enum {
	MAX_NATIVE = 256,
	PAGE = 4096,
	C_STACK_PAGES = 32, /* twice what a sample can hold of a stack */
};

static struct xb_cfi *open_cfi(struct xb_mixer *m, struct xb_object *o)
{
	struct xb_image *image, *debug = NULL;
	struct xb_symbols *symbols;
	struct xb_cfi *cfi = NULL;
	struct xb_error *err = xb_object_image(o, &image);

	if (err == NULL)
		err = xb_object_symbols(o, &symbols);
	if (err == NULL)
		debug = xb_symbols_debug_image(symbols);
	if (err == NULL)
		err = xb_cfi_create(xb_image_elf(image), debug == NULL ? NULL : xb_image_elf(debug),
				    &cfi);
	if (err != NULL) {
		xb_logf(m->vm->log, XB_LOG_DEBUG, "no call-frame rows of %s: %s", o->name,
			xb_error_message(err));
		xb_error_destroy(err);
	}
	return cfi;
}

/* Rows of an object; made on first use. */
static struct xb_cfi *cfi_of(struct xb_mixer *m, struct xb_object *o)
{
	uint64_t *known = xb_map_at(&m->cfi_of, (uintptr_t)o);

	if (known == NULL)
		return NULL;
	if (*known == 0) {
		if (!mixed_cfis_push(&m->cfis, NULL))
			return NULL;
		*known = m->cfis.len;
		m->cfis.data[*known - 1] = open_cfi(m, o);
	}
	return m->cfis.data[*known - 1];
}

const struct xb_cfi_row *xb_mixer_row(struct xb_mixer *m, xb_addr pc)
{
	xb_addr vaddr;
	struct xb_object *o = xb_loaded_find(m->s->loaded, pc, &vaddr);
	struct xb_cfi *cfi;

	if (o == NULL || vaddr == XB_NO_VADDR)
		return NULL;
	cfi = cfi_of(m, o);
	return cfi == NULL ? NULL : xb_cfi_find(cfi, vaddr);
}

void xb_mixer_map_c_stack(struct xb_mixer *m, size_t i)
{
	unsigned char byte[C_STACK_PAGES];
	struct xb_io io[C_STACK_PAGES];
	xb_addr page = m->s->scheds.list[i].registers & ~(xb_addr)(PAGE - 1);
	size_t n = 0;

	for (; n < C_STACK_PAGES && m->c_stack_low[i] != 0 && page > m->c_stack_low[i]; n++) {
		page -= PAGE;
		io[n] = (struct xb_io){ .addr = page, .len = 1, .buf = &byte[n] };
	}
	/* Only the reading matters; a stack that cannot be read shows later. */
	xb_error_destroy(n == 0 ? NULL : xb_mem_readv(m->vm->mem, io, n));
}

/*
 * When rows fail (a hand-written routine, a copy that was too short), a scheduler's outermost C call still is where the
 * JIT always puts it: its return address is in the word below the scheduler's register structure, which lies at the
 * top of the C stack.  Only rip and E by c_p->stop are known then.  Without the native stack fragments may lie between,
 * and what aligned the stack: the lowest of the next words that is in JIT code.
 */
static bool shortcut(struct xb_mixer *m, struct mixed_item *it, struct xb_regs *regs)
{
	enum { SLOTS = 5 };
	const struct xb_raw_sample *raw = it->raw;
	size_t n = m->on_c_stack ? SLOTS : 1;
	uint64_t words[SLOTS];
	xb_addr slot;

	if (it->out.sched == NULL || it->out.sched->registers < 8 * (xb_addr)SLOTS ||
	    m->vm->id.flavor != XB_FLAVOR_JIT)
		return false;
	slot = it->out.sched->registers - 8 * n;
	/* The kernel's copy ends at the first page never touched, such as one in a large frame: then ask the target. */
	it->late = slot < raw->stack_addr || slot - raw->stack_addr + 8 * n > raw->stack_len;
	for (size_t i = 0; !it->late && i < n; i++)
		words[i] = xb_load64(raw->stack, (size_t)(slot - raw->stack_addr) + 8 * i);
	if (it->late && xb_mem_try(m->vm->mem, slot, words, 8 * n) < 8 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (words[i] != 0 && xb_mixer_is_jit(m, words[i] - 1)) {
			regs->valid = 0;
			xb_regs_set(regs, XB_REG_RIP, words[i]);
			return true;
		}
	}
	return false;
}

bool xb_mixer_native(struct xb_mixer *m, struct mixed_item *it, struct xb_regs *regs, bool *ended)
{
	struct xb_stack_slice slice = { it->raw->stack_addr, it->raw->stack, it->raw->stack_len };
	bool exact = true;

	*ended = false;
	for (int depth = 0; depth < MAX_NATIVE; depth++) {
		xb_addr pc = xb_unwind_pc(regs, exact);
		const struct xb_cfi_row *row;
		enum xb_step step;

		if (depth > 0 && (xb_mixer_is_jit(m, pc) || xb_mixer_is_loop(m, pc)))
			return true;
		if (!xb_mixer_push(m, it, XB_MIXED_NATIVE, pc, false))
			return false;
		row = xb_mixer_row(m, pc);
		if (row == NULL) {
			m->stats.no_row++;
			return shortcut(m, it, regs);
		}
		step = xb_unwind_step(row, regs, &slice, NULL);
		if (step == XB_STEP_END) {
			*ended = true;
			return false;
		}
		if (step != XB_STEP_OK) {
			m->stats.short_copy += step == XB_STEP_FAULT;
			m->stats.bad_step += step == XB_STEP_BAD;
			return shortcut(m, it, regs);
		}
		exact = xb_unwind_next_exact(row);
	}
	return false;
}
