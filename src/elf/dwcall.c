/*
 * Entry values: what a register held when a function was entered, from what the caller's debug
 *information says it passes at that call (DWARF 5, 3.4; GNU extensions in DWARF 4).
 *
 *	caller:  call F          DW_TAG_call_site  return pc, origin F
 *	                           parameter  location rdi, value rbx + 16     ─▶ evaluated with the
 *caller's rbx
 *
 * The answer is only true when the frame's return address belongs to a call of this very function: a
 *callee entered by a jump from another one returns to the same place with other registers.  So the call
 *site must name the function, and a function that itself jumps to others (and might be re-entered by
 *one) is refused.
 */
#include "elf/dwloc_priv.h"

#include "elf/dwutil.h"

#include <dwarf.h>
#include <string.h>

enum { MAX_CALLS = 4096 }; /* return addresses remembered */

static bool address(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Addr addr;

	if (dwarf_attr(die, name, &attr) == NULL || dwarf_formaddr(&attr, &addr) != 0)
		return false;
	*ret = addr;
	return true;
}

static bool returns_to(Dwarf_Die *site, uint64_t pc)
{
	uint64_t at;

	if (dwarf_tag(site) == DW_TAG_call_site)
		return address(site, DW_AT_call_return_pc, &at) && at == pc;
	return dwarf_tag(site) == DW_TAG_GNU_call_site && address(site, DW_AT_low_pc, &at) && at == pc;
}

static bool calls(Dwarf_Die *site, const char *function)
{
	bool gnu = dwarf_tag(site) == DW_TAG_GNU_call_site;
	Dwarf_Die callee;
	const char *name;

	if (function == NULL ||
	    !xb_dw_ref(site, gnu ? DW_AT_abstract_origin : DW_AT_call_origin, &callee))
		return false;
	name = dwarf_diename(&callee);
	return name != NULL && strcmp(name, function) == 0;
}

static bool find_site(Dwarf_Die *die, uint64_t pc, unsigned depth, Dwarf_Die *ret)
{
	Dwarf_Die child;

	if (depth == XB_DWLOC_MAX_DEPTH || dwarf_child(die, &child) != 0)
		return false;
	do {
		if (returns_to(&child, pc)) {
			*ret = child;
			return true;
		}
		if ((dwarf_tag(&child) == DW_TAG_lexical_block ||
		     dwarf_tag(&child) == DW_TAG_inlined_subroutine) &&
		    find_site(&child, pc, depth + 1, ret))
			return true;
	} while (xb_dw_next(&child, &child));
	return false;
}

static bool site_of(struct xb_dwloc *obj, uint64_t pc, Dwarf_Die *ret)
{
	Dwarf_Die unit, die;

	if (dwarf_addrdie(obj->dw, pc - 1, &unit) == NULL || dwarf_child(&unit, &die) != 0)
		return false;
	do {
		if (dwarf_tag(&die) == DW_TAG_subprogram && dwarf_haspc(&die, pc - 1) == 1 &&
		    find_site(&die, pc, 0, ret))
			return true;
	} while (xb_dw_next(&die, &die));
	return false;
}

/* An expression that cannot be read is one we do not have. */
static bool expr(struct xb_dwloc *obj, Dwarf_Die *die, unsigned name, struct xb_dwspan *ret)
{
	Dwarf_Attribute attr;
	struct xb_error *err;

	if (dwarf_attr(die, name, &attr) == NULL)
		return false;
	err = xb_dwlist_expr(&attr, &obj->arena, ret);
	if (err == NULL)
		return true;
	xb_error_destroy(err);
	return false;
}

/* False: out of memory. */
static bool add_params(struct xb_dwloc *obj, Dwarf_Die *site, uint64_t pc)
{
	bool gnu = dwarf_tag(site) == DW_TAG_GNU_call_site;
	Dwarf_Die child;

	if (dwarf_child(site, &child) != 0)
		return true;
	do {
		struct xb_dwloc_param p = { .return_pc = pc };
		struct xb_dwspan where, value;

		if (dwarf_tag(&child) !=
			    (gnu ? DW_TAG_GNU_call_site_parameter : DW_TAG_call_site_parameter) ||
		    !expr(obj, &child, DW_AT_location, &where) || where.n != 1 ||
		    where.ops->atom < DW_OP_reg0 || where.ops->atom > DW_OP_reg31 ||
		    !expr(obj, &child, gnu ? DW_AT_GNU_call_site_value : DW_AT_call_value, &value) ||
		    value.n == 0 || value.uninit)
			continue;
		p.reg = (unsigned)(where.ops->atom - DW_OP_reg0);
		p.ops = value.ops;
		p.n = value.n;
		if (!xb_dwloc_params_push(&obj->params, p))
			return false;
	} while (xb_dw_next(&child, &child));
	return true;
}

/* Look a call up once; what was found or not is remembered. */
static void learn(struct xb_dwloc *obj, const struct xb_dwloc_instance *in, uint64_t pc)
{
	Dwarf_Die site;

	if (xb_map_get(&obj->calls_seen, pc) != NULL || obj->calls_seen.len >= MAX_CALLS ||
	    !xb_map_put(&obj->calls_seen, pc, 1))
		return;
	if (site_of(obj, pc, &site) && calls(&site, in->entered_as))
		(void)!add_params(obj, &site, pc);
}

bool xb_dwloc_entry_reg(struct xb_dwloc *obj, const struct xb_dwloc_instance *in,
			const struct xb_dwloc_frame *frame, unsigned reg, uint64_t *ret)
{
	uint64_t pc;

	if (frame->caller == NULL || !xb_regs_has(frame->caller, XB_REG_RIP) || in->has_tail_calls)
		return false;
	pc = frame->caller->r[XB_REG_RIP] - frame->bias;
	learn(obj, in, pc);
	for (size_t i = 0; i < obj->params.len; i++) {
		struct xb_dwloc_param *p = &obj->params.data[i];
		/* No memory: what the caller's frame holds now need not be what it held at the call. */
		struct xb_dwexpr_ctx ctx = { .regs = frame->caller, .bias = frame->bias };
		struct xb_dwexpr_result res;

		if (p->return_pc != pc || p->reg != reg)
			continue;
		/* A value expression: what is left on the stack is the value, not an address of it. */
		if (xb_dwexpr_run(&ctx, p->ops, p->n, 0, NULL, &res) != XB_DWEXPR_OK ||
		    res.next != p->n || (res.kind != XB_DWEXPR_ADDR && res.kind != XB_DWEXPR_VALUE))
			return false;
		*ret = res.value;
		return true;
	}
	return false;
}
