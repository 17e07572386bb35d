/*
 * The processes that the checks look at: copied once, in batches, for all of them.
 *
 * The VM goes on meanwhile.  A process that breaks a rule may have been running or exiting while it was copied, so it
 * is read again before that counts.
 */
#include "mem/gather.h"
#include "vm/check_impl.h"
#include "vm/vm.h"

#include <stdlib.h>

enum { AGAIN = 3, SLOTS = 32768 /* read at once: 256 KiB */ };

/* A slot taken into the sample. */
struct pick {
	xb_addr addr;
	uint32_t slot;
};

/* The first ones, and every step-th of the rest; when that list is full every second of it goes. */
struct picks {
	struct pick first[XB_CHECK_FIRST], spread[XB_CHECK_SPREAD];
	size_t n_first, n_spread;
	size_t seen, step;
};

static void take(struct picks *p, xb_addr addr, uint32_t slot)
{
	struct pick pick = { addr, slot };

	p->seen++;
	if (p->n_first < XB_CHECK_FIRST) {
		p->first[p->n_first++] = pick;
		return;
	}
	if ((p->seen - XB_CHECK_FIRST - 1) % p->step != 0)
		return;
	if (p->n_spread == XB_CHECK_SPREAD) {
		for (size_t i = 0; i < XB_CHECK_SPREAD / 2; i++)
			p->spread[i] = p->spread[2 * i];
		p->n_spread /= 2;
		p->step *= 2;
	}
	p->spread[p->n_spread++] = pick;
}

static struct xb_error *walk(struct xb_vm *vm, struct picks *p)
{
	const struct xb_roots *roots = &vm->roots;
	uint64_t *slots = malloc(SLOTS * sizeof(*slots));
	struct xb_error *err = slots == NULL ? xb_error_nomem() : NULL;

	for (uint32_t at = 0; err == NULL && at < roots->proc_max; at += SLOTS) {
		uint32_t n = XB_MIN((uint32_t)SLOTS, roots->proc_max - at);

		err = xb_error_wrap(
			xb_mem_read(vm->mem, roots->proc_tab + 8 * (uint64_t)at, slots, (size_t)n * 8),
			"process table");
		for (uint32_t i = 0; err == NULL && i < n; i++) {
			if (slots[i] != 0 && slots[i] != roots->proc_invalid)
				take(p, slots[i], at + i);
		}
	}
	free(slots);
	return err;
}

static struct xb_error *read_structures(struct xb_vm *vm, struct xb_check_subject *s, size_t n,
					struct xb_io *io)
{
	size_t size = XB_MIN(vm->layout.size[XB_S_Process], sizeof(s->bytes));

	for (size_t i = 0; i < n; i++)
		io[i] = (struct xb_io){ .addr = s[i].addr, .len = size, .buf = s[i].bytes };
	XB_TRY(xb_mem_gather(vm->mem, io, n));
	for (size_t i = 0; i < n; i++)
		s[i].rec = (struct xb_rec){ &vm->layout, s[i].bytes, io[i].got == size ? size : 0 };
	return NULL;
}

static struct xb_error *read_pointed(struct xb_vm *vm, struct xb_check_subject *s, size_t n,
				     struct xb_io *io)
{
	for (size_t i = 0; i < n; i++) {
		xb_addr reg = xb_rec_get(&s[i].rec, XB_F_Process_reg);
		xb_addr mfa = xb_rec_get(&s[i].rec, XB_F_Process_current);

		io[2 * i] = (struct xb_io){ .addr = reg,
					    .len = reg == 0 ? 0 : XB_CHECK_REG_BYTES,
					    .buf = s[i].reg_bytes };
		io[2 * i + 1] = (struct xb_io){ .addr = mfa,
						.len = mfa == 0 ? 0 : XB_MFA_BYTES,
						.buf = s[i].mfa };
	}
	XB_TRY(xb_mem_gather(vm->mem, io, 2 * n));
	for (size_t i = 0; i < n; i++) {
		s[i].reg = (struct xb_rec){ &vm->layout, s[i].reg_bytes, io[2 * i].got };
		s[i].mfa_len = io[2 * i + 1].got;
	}
	return NULL;
}

static struct xb_error *read_subjects(struct xb_vm *vm, struct xb_check_subject *s, size_t n)
{
	struct xb_io *io = calloc(2 * n + 1, sizeof(*io));
	struct xb_error *err = io == NULL ? xb_error_nomem() : read_structures(vm, s, n, io);

	if (err == NULL)
		err = read_pointed(vm, s, n, io);
	free(io);
	return err;
}

void xb_check_release(struct xb_check_ctx *c)
{
	free(c->subject);
	c->subject = NULL;
	c->n = 0;
}

struct xb_error *xb_check_sample(struct xb_check_ctx *c)
{
	struct picks p = { .step = 1 };

	xb_check_release(c);
	XB_TRY(walk(c->vm, &p));
	c->occupied = p.seen;
	c->subject = calloc(p.n_first + p.n_spread + 1, sizeof(*c->subject));
	if (c->subject == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < p.n_first + p.n_spread; i++) {
		const struct pick *k = i < p.n_first ? &p.first[i] : &p.spread[i - p.n_first];

		c->subject[c->n++] =
			(struct xb_check_subject){ .vm = c->vm, .addr = k->addr, .slot = k->slot };
	}
	return read_subjects(c->vm, c->subject, c->n);
}

static bool still_there(const struct xb_check_subject *s)
{
	xb_addr now = 0;

	(void)xb_mem_try(s->vm->mem, s->vm->roots.proc_tab + 8 * (uint64_t)s->slot, &now, 8);
	return now == s->addr;
}

static bool holds_when_read_again(struct xb_check_subject *s, xb_check_rule rule)
{
	for (int i = 0; i < AGAIN; i++) {
		struct xb_error *err;

		if (!still_there(s))
			return true;
		err = read_subjects(s->vm, s, 1);
		if (err != NULL) {
			xb_error_destroy(err);
			return false;
		}
		if (s->rec.len > 0 && rule(s))
			return true;
	}
	return !still_there(s);
}

void xb_check_each(struct xb_check_ctx *c, struct xb_check_result *r, xb_check_rule rule)
{
	for (size_t i = 0; i < c->n; i++, r->tested++) {
		struct xb_check_subject *s = &c->subject[i];

		if (s->rec.len == 0 || !rule(s))
			r->failed += !holds_when_read_again(s, rule);
	}
}

size_t xb_check_count(const struct xb_check_ctx *c, xb_check_rule is)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->subject[i].rec.len > 0 && is(&c->subject[i]);
	return n;
}
