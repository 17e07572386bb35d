/*
 * The frame of the function a sample hit, from its code.
 *
 *	f/1:	...             ┐ no frame: [rsp] is the return address
 *		sub rsp, 16     ┘                               allocate 2
 *		mov [rsp], ...  ┐ two slots, which hold whatever the stack held there before until they are written,
 *		call g/1        │ return addresses of functions that ended long ago included
 *		add rsp, 16     ┘                               deallocate 2 (or less: trim)
 *		ret
 *
 * The VM looks at stacks only where all slots are written; a sample does not choose.  What leads from the place to a
 * return takes off the frame it has there, so following the code to one and adding up what happens to rsp tells the
 * size.  Mirrors erts/emulator/beam/jit/x86/instr_common.cpp: emit_allocate(), emit_deallocate(), emit_i_trim(),
 * emit_return(), and beam_asm.hpp: emit_enter_frame(), emit_leave_frame().
 */
#include "base/rd.h"
#include "sample/site_priv.h"

#include <string.h>

enum {
	BUDGET = 600, /* instructions of one search */
	MAX_INSN = 15,
	MAX_FRAME_WORDS = 1 << 16,
	BIAS = 8, /* so that no stored value is 0, which is none */
};

/* How a path ended. */
enum path_end { PATH_GOES_ON, PATH_RETURN, PATH_LEAVE, PATH_ENTER, PATH_NOWHERE };

/* The instruction at @pc, in s->insn. */
static bool decode_at(struct xb_sites *s, xb_addr pc)
{
	const uint8_t *at;
	uint64_t addr = pc;
	size_t left;

	if (pc < s->window_at || pc - s->window_at + MAX_INSN > s->window_len) {
		s->window_at = pc & ~(xb_addr)255;
		s->window_len = xb_mem_try(s->vm->mem, s->window_at, s->window, SITE_WINDOW);
		if (pc - s->window_at >= s->window_len)
			return false;
	}
	at = s->window + (pc - s->window_at);
	left = s->window_len - (size_t)(pc - s->window_at);
	return cs_disasm_iter(s->handle, &at, &left, &addr, s->insn);
}

static bool is_imm(const cs_x86_op *op)
{
	return op->type == X86_OP_IMM;
}

static bool is_rsp(const cs_x86_op *op)
{
	return op->type == X86_OP_REG && op->reg == X86_REG_RSP;
}

/* What the instruction adds to rsp.  Switching to the C stack and back is no change: samples in between are in C. */
static int64_t effect(const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;

	switch (insn->id) {
	case X86_INS_ADD:
		return x->op_count == 2 && is_rsp(&x->operands[0]) && is_imm(&x->operands[1])
			       ? x->operands[1].imm
			       : 0;
	case X86_INS_SUB:
		return x->op_count == 2 && is_rsp(&x->operands[0]) && is_imm(&x->operands[1])
			       ? -x->operands[1].imm
			       : 0;
	case X86_INS_LEA:
		return x->op_count == 2 && is_rsp(&x->operands[0]) &&
				       x->operands[1].mem.base == X86_REG_RSP &&
				       x->operands[1].mem.index == X86_REG_INVALID
			       ? x->operands[1].mem.disp
			       : 0;
	case X86_INS_PUSH:
		return -8;
	case X86_INS_POP:
		return 8;
	default:
		return 0;
	}
}

/* Fragments that raise: nothing returns from them to the place that called. */
static bool never_returns(const struct xb_jitlist *jit, xb_addr target)
{
	const struct xb_jitrange *r = xb_jitlist_fragment(jit, target);

	return r != NULL &&
	       (strstr(r->name, "raise_exception") != NULL || strstr(r->name, "func_info") != NULL ||
		strstr(r->name, "process_exit") != NULL ||
		(strstr(r->name, "_error") != NULL && strstr(r->name, "float") == NULL));
}

static bool inside(const struct xb_function *f, xb_addr pc)
{
	return pc >= f->start && pc < f->end;
}

/* The instruction in s->insn at the end of the path; @place moves on. */
static enum path_end follow(struct xb_sites *s, const struct xb_function *f,
			    const struct xb_jitlist *jit, struct site_place *place)
{
	const cs_x86 *x = &s->insn->detail->x86;
	bool direct = x->op_count == 1 && is_imm(&x->operands[0]);
	xb_addr target = direct ? (xb_addr)x->operands[0].imm : 0;
	xb_addr next = place->pc + s->insn->size;

	if (s->insn->id == X86_INS_RET)
		return PATH_RETURN;
	if (s->insn->id == X86_INS_LEAVE)
		return PATH_LEAVE;
	/* With frame pointers: the frame is being entered, the return address is one above the word at rsp. */
	if (s->vm->id.frame_pointers && s->insn->id == X86_INS_MOV && x->op_count == 2 &&
	    x->operands[0].type == X86_OP_REG && x->operands[0].reg == X86_REG_RBP &&
	    is_rsp(&x->operands[1]))
		return PATH_ENTER;
	if (s->insn->id == X86_INS_CALL && direct && never_returns(jit, target))
		return PATH_NOWHERE;
	if (s->insn->id == X86_INS_JMP) {
		/* To itself, as every loop that serves something ends: likewise the last call, and there may be no
		 * return at all. */
		if (direct && s->vm->layout.has_konst[XB_K_PROLOGUE_BYTES] &&
		    target == f->start + s->vm->layout.konst[XB_K_PROLOGUE_BYTES])
			return PATH_RETURN;
		/* To another function: the last call, for which the frame has been taken off.  Through a table or
		 * a pointer: cannot be told from a choice among clauses. */
		if (direct && !inside(f, target))
			return xb_code_find(s->vm, target, NULL) != NULL ? PATH_RETURN : PATH_NOWHERE;
		if (!direct)
			return PATH_NOWHERE;
		next = target;
	} else if (direct && s->insn->id != X86_INS_CALL && inside(f, target)) {
		/* A condition.  When there is no memory for the branch there is one path less. */
		(void)!site_places_push(&s->branches,
					(struct site_place){ .pc = target,
							     .delta = place->delta,
							     .path = (uint32_t)s->path.len });
	}
	place->delta += (int32_t)effect(s->insn);
	place->pc = next;
	return inside(f, next) ? PATH_GOES_ON : PATH_NOWHERE;
}

/* Follow @place until something is certain; the path then is s->path. */
static enum path_end walk(struct xb_sites *s, const struct xb_function *f, const struct xb_jitlist *jit,
			  struct site_place *place, unsigned *budget)
{
	enum path_end end = PATH_GOES_ON;

	while (end == PATH_GOES_ON) {
		uint64_t *seen = xb_map_at(&s->seen, place->pc);

		if (seen == NULL || *seen != 0 || *budget == 0 || place->delta > MAX_FRAME_WORDS * 8 ||
		    place->delta < -MAX_FRAME_WORDS * 8 || !decode_at(s, place->pc) ||
		    !site_places_push(&s->path, *place))
			return PATH_NOWHERE;
		*seen = 1;
		--*budget;
		end = follow(s, f, jit, place);
	}
	return end;
}

static int32_t words_of(enum path_end end, int32_t delta)
{
	if (end == PATH_LEAVE)
		return XB_FRAME_BY_RBP;
	if (end == PATH_ENTER)
		return words_of(PATH_RETURN, delta + 8);
	return end != PATH_RETURN || delta < 0 || delta % 8 != 0 ? XB_FRAME_UNKNOWN : delta / 8;
}

static void remember(struct xb_sites *s, xb_addr pc, int32_t words)
{
	(void)!xb_map_put(&s->frames, pc, (uint64_t)((int64_t)words + BIAS));
}

int32_t xb_sites_frame(struct xb_sites *s, const struct xb_function *f, const struct xb_jitlist *jit,
		       xb_addr pc)
{
	const uint64_t *known = xb_map_get(&s->frames, pc);
	struct site_place place = { .pc = pc };
	unsigned budget = BUDGET;
	enum path_end end;

	if (known != NULL && *known != 0)
		return (int32_t)*known - BIAS;
	xb_map_clear(&s->seen);
	s->path.len = s->branches.len = 0;
	end = walk(s, f, jit, &place, &budget);
	while (end == PATH_NOWHERE && s->branches.len > 0) {
		place = s->branches.data[--s->branches.len];
		s->path.len = place.path;
		end = walk(s, f, jit, &place, &budget);
	}
	if (end == PATH_NOWHERE) {
		remember(s, pc, XB_FRAME_UNKNOWN);
		return XB_FRAME_UNKNOWN;
	}
	/* The same for every place on the way: most code is decoded once. */
	for (size_t i = 0; i < s->path.len; i++) {
		const struct site_place *on = &s->path.data[i];

		if (on->pc != pc)
			remember(s, on->pc, words_of(end, place.delta - on->delta));
	}
	remember(s, pc, words_of(end, place.delta));
	return words_of(end, place.delta);
}
