/*
 *	"Process.common.u.alive"        a question ─┐
 *	 root    path                               ├─ same root: asked together, in every unit that
 *defines it "Process.htop"                  a question ─┘
 */
#include "elf/dwtypes.h"

#include "base/map.h"
#include "base/vec.h"
#include "elf/dwutil.h"

#include <dwarf.h>
#include <string.h>

enum { MAX_NESTING = 16 }; /* unnamed structures within each other */

/* Which DIEs a root name may stand for. */
enum root_tag { ROOT_ANY, ROOT_STRUCT, ROOT_UNION, ROOT_ENUMERATOR, ROOT_VARIABLE };

struct question {
	struct xb_dwtypes_want *want;
	const char *root, *path,
		*unit; /* path: after the first dot, or NULL; unit: before ':', or NULL */
	size_t root_len, unit_len;
	enum root_tag tag;
	size_t next; /* of the same root name, + 1; 0: the last */
	bool answered;
};
XB_VEC(questions, struct question);

struct pass {
	struct questions qs;
	struct xb_map roots; /* hash of the root name -> index + 1 of the first question */
	struct xb_arena *arena;
	Dwarf_Die unit;
	bool enumerators;
	bool oom;
};

struct answer {
	enum xb_dwtypes_status
		status; /* FOUND, REFUSED, or ABSENT: the root is there, the member is not */
	uint64_t value, width;
	const char *why;
};

static const char *unit_name(struct pass *p)
{
	const char *name = dwarf_diename(&p->unit);

	return name == NULL ? "?" : name;
}

/* Two answers agree when they say the same; the first disagreement sticks. */
static void answer(struct pass *p, struct question *q, const struct answer *a)
{
	struct xb_dwtypes_want *w = q->want;

	if (!q->answered) {
		q->answered = true;
		w->status = a->status;
		w->value = a->value;
		w->width = a->width;
		w->why = a->why;
		return;
	}
	if (w->status == XB_DWTYPES_CONFLICT ||
	    (w->status == a->status && w->value == a->value && w->width == a->width))
		return;
	if (w->kind == XB_DWTYPES_VARIABLE)
		w->why = xb_arena_printf(p->arena, "%s is not one variable: %s has another", w->name,
					 unit_name(p));
	else
		w->why = xb_arena_printf(
			p->arena,
			"%s differs between units: %llu width %llu, and in %s %llu width %llu", w->name,
			(unsigned long long)w->value, (unsigned long long)w->width, unit_name(p),
			(unsigned long long)a->value, (unsigned long long)a->width);
	p->oom |= w->why == NULL;
	w->status = XB_DWTYPES_CONFLICT;
	w->value = w->width = 0;
}

static bool member_offset(Dwarf_Die *member, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops = NULL;
	Dwarf_Word v = 0;
	size_t n = 0;

	if (dwarf_attr(member, DW_AT_data_member_location, &attr) == NULL) {
		*ret = 0; /* a member of a union */
		return true;
	}
	if (dwarf_formudata(&attr, &v) != 0) {
		/* DWARF 2 wrote it as an expression that adds. */
		if (dwarf_getlocation(&attr, &ops, &n) != 0 || n != 1 ||
		    ops[0].atom != DW_OP_plus_uconst)
			return false;
		v = ops[0].number;
	}
	*ret = v;
	return true;
}

static bool is_aggregate(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type;
}

/* Find @name in @type or in its unnamed members; *@off grows by where it is. */
static bool find_member(Dwarf_Die *type, const char *name, size_t len, unsigned nesting, Dwarf_Die *ret,
			uint64_t *off)
{
	Dwarf_Die m, inner;

	if (nesting == MAX_NESTING || dwarf_child(type, &m) != 0)
		return false;
	do {
		const char *got;
		uint64_t at = 0;

		if (dwarf_tag(&m) != DW_TAG_member)
			continue;
		got = dwarf_diename(&m);
		if (got != NULL) {
			if (strncmp(got, name, len) != 0 || got[len] != '\0')
				continue;
			if (!member_offset(&m, &at))
				return false;
			*off += at;
			*ret = m;
			return true;
		}
		if (xb_dw_type(&m, &inner) && is_aggregate(&inner) && member_offset(&m, &at)) {
			uint64_t inside = *off + at;

			if (find_member(&inner, name, len, nesting + 1, ret, &inside)) {
				*off = inside;
				return true;
			}
		}
	} while (xb_dw_next(&m, &m));
	return false;
}

/* Follow @path from the structure @type.  False: out of memory. */
static bool follow(struct pass *p, struct question *q, Dwarf_Die *type, struct answer *ret)
{
	const char *path = q->path;
	Dwarf_Die die = *type, member;
	uint64_t off = 0;

	while (path != NULL) {
		size_t len = strcspn(path, ".");

		if (!is_aggregate(&die)) {
			*ret = (struct answer){ XB_DWTYPES_REFUSED, 0, 0,
						"a member is asked of something that is no structure" };
			return true;
		}
		if (!find_member(&die, path, len, 0, &member, &off)) {
			const char *why =
				xb_arena_printf(p->arena, "there is no member %.*s", (int)len, path);

			*ret = (struct answer){ XB_DWTYPES_ABSENT, 0, 0, why };
			return why != NULL;
		}
		if (dwarf_hasattr(&member, DW_AT_bit_size)) {
			*ret = (struct answer){ XB_DWTYPES_REFUSED, 0, 0, "it is a bit field" };
			return true;
		}
		if (!xb_dw_type(&member, &die)) {
			*ret = (struct answer){ XB_DWTYPES_REFUSED, 0, 0, "its type is not known" };
			return true;
		}
		path = path[len] == '.' ? path + len + 1 : NULL;
	}
	*ret = (struct answer){ .status = XB_DWTYPES_FOUND, .value = off };
	if (!xb_dw_sizeof(&die, &ret->width))
		*ret = (struct answer){ XB_DWTYPES_REFUSED, 0, 0, "its size is not known" };
	return true;
}

static void see_type(struct pass *p, struct question *q, Dwarf_Die *die)
{
	struct answer a;
	Dwarf_Die type;
	int tag = dwarf_tag(die);

	if ((q->tag == ROOT_STRUCT && tag != DW_TAG_structure_type && tag != DW_TAG_class_type) ||
	    (q->tag == ROOT_UNION && tag != DW_TAG_union_type))
		return;
	/* A declaration, or a typedef of one: another unit knows more. */
	if (!xb_dw_peel(die, &type) || xb_dw_flag(&type, DW_AT_declaration))
		return;
	if (!follow(p, q, &type, &a))
		p->oom = true;
	else
		answer(p, q, &a);
}

static void see_variable(struct pass *p, struct question *q, Dwarf_Die *die)
{
	struct answer a = { .status = XB_DWTYPES_REFUSED };
	Dwarf_Attribute attr, indirect;
	Dwarf_Op *ops = NULL;
	Dwarf_Addr addr = 0;
	Dwarf_Die type;
	size_t n = 0;

	if (xb_dw_flag(die, DW_AT_declaration))
		return;
	if (q->unit != NULL && !xb_dw_unit_is(&p->unit, q->unit, q->unit_len))
		return;
	if (dwarf_attr(die, DW_AT_location, &attr) == NULL) {
		a.why = "it has no address: a constant, or optimised out";
	} else if (dwarf_getlocation(&attr, &ops, &n) != 0 || n != 1) {
		a.why = "its location is not one address: thread-local, or in parts";
	} else if (ops[0].atom == DW_OP_addr) {
		a = (struct answer){ .status = XB_DWTYPES_FOUND, .value = ops[0].number };
	} else if ((ops[0].atom == DW_OP_addrx || ops[0].atom == DW_OP_GNU_addr_index) &&
		   dwarf_getlocation_attr(&attr, &ops[0], &indirect) == 0 &&
		   dwarf_formaddr(&indirect, &addr) == 0) {
		a = (struct answer){ .status = XB_DWTYPES_FOUND, .value = addr };
	} else {
		a.why = "its location is no address";
	}
	if (a.status == XB_DWTYPES_FOUND && (!xb_dw_type(die, &type) || !xb_dw_sizeof(&type, &a.width)))
		a.width = 0;
	answer(p, q, &a);
}

static void see_enumerator(struct pass *p, struct question *q, Dwarf_Die *die)
{
	struct answer a = { .status = XB_DWTYPES_REFUSED, .why = "its value is no number" };
	Dwarf_Attribute attr;
	Dwarf_Sword s;
	Dwarf_Word u;

	if (dwarf_attr(die, DW_AT_const_value, &attr) != NULL) {
		unsigned form = dwarf_whatform(&attr);

		/* data1 … data8 do not say their sign; gcc and clang use sdata for what is negative. */
		if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
			if (dwarf_formsdata(&attr, &s) == 0)
				a = (struct answer){ .status = XB_DWTYPES_FOUND, .value = (uint64_t)s };
		} else if (dwarf_formudata(&attr, &u) == 0) {
			a = (struct answer){ .status = XB_DWTYPES_FOUND, .value = u };
		}
	}
	answer(p, q, &a);
}

static bool name_is(const struct question *q, const char *name)
{
	return strncmp(q->root, name, q->root_len) == 0 && name[q->root_len] == '\0';
}

/* Everybody who asks for this DIE. */
static void see(struct pass *p, Dwarf_Die *die, enum root_tag tag)
{
	const char *name = dwarf_diename(die);
	const uint64_t *first =
		name == NULL ? NULL : xb_map_get(&p->roots, xb_hash_bytes(name, strlen(name)));

	for (size_t i = first == NULL ? 0 : (size_t)*first; i != 0; i = p->qs.data[i - 1].next) {
		struct question *q = &p->qs.data[i - 1];

		if (!name_is(q, name))
			continue;
		if (q->tag == ROOT_VARIABLE && tag == ROOT_VARIABLE)
			see_variable(p, q, die);
		else if (q->tag == ROOT_ENUMERATOR && tag == ROOT_ENUMERATOR)
			see_enumerator(p, q, die);
		else if (q->tag <= ROOT_UNION && tag == ROOT_ANY)
			see_type(p, q, die);
	}
}

static void scan_unit(struct pass *p)
{
	Dwarf_Die die, e;

	if (dwarf_child(&p->unit, &die) != 0)
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_class_type:
		case DW_TAG_typedef:
		case DW_TAG_base_type:
			see(p, &die, ROOT_ANY);
			break;
		case DW_TAG_variable:
			see(p, &die, ROOT_VARIABLE);
			break;
		case DW_TAG_enumeration_type:
			see(p, &die, ROOT_ANY);
			if (!p->enumerators || dwarf_child(&die, &e) != 0)
				break;
			do {
				if (dwarf_tag(&e) == DW_TAG_enumerator)
					see(p, &e, ROOT_ENUMERATOR);
			} while (xb_dw_next(&e, &e));
			break;
		default:
			break;
		}
	} while (!p->oom && xb_dw_next(&die, &die));
}

static struct xb_error *parse(struct xb_dwtypes_want *want, struct question *ret)
{
	const char *name = want->name, *colon, *dot;
	struct question q = { .want = want, .root = name };

	if (want->kind == XB_DWTYPES_TYPE) {
		if (strncmp(name, "struct ", 7) == 0)
			q.tag = ROOT_STRUCT, q.root += 7;
		else if (strncmp(name, "union ", 6) == 0)
			q.tag = ROOT_UNION, q.root += 6;
		dot = strchr(q.root, '.');
		q.root_len = dot != NULL ? (size_t)(dot - q.root) : strlen(q.root);
		q.path = dot != NULL ? dot + 1 : NULL;
		if (q.path != NULL &&
		    (*q.path == '\0' || *q.path == '.' || strstr(q.path, "..") != NULL ||
		     q.path[strlen(q.path) - 1] == '.'))
			return xb_errorf(XB_ERR_USAGE, "'%s' has an empty member name", name);
	} else {
		q.tag = want->kind == XB_DWTYPES_ENUMERATOR ? ROOT_ENUMERATOR : ROOT_VARIABLE;
		colon = q.tag == ROOT_VARIABLE ? strrchr(name, ':') : NULL;
		if (colon != NULL) {
			q.unit = name;
			q.unit_len = (size_t)(colon - name);
			q.root = colon + 1;
		}
		q.root_len = strlen(q.root);
	}
	if (q.root_len == 0)
		return xb_errorf(XB_ERR_USAGE, "'%s' names nothing", name);
	*ret = q;
	return NULL;
}

static struct xb_error *ask(struct pass *p, struct xb_dwtypes_want *want)
{
	struct question q = { .next = 0 };
	uint64_t *slot;

	XB_TRY(parse(want, &q));
	want->status = XB_DWTYPES_ABSENT;
	want->value = want->width = 0;
	want->why = "the file does not define it";
	p->enumerators |= q.tag == ROOT_ENUMERATOR;
	slot = xb_map_at(&p->roots, xb_hash_bytes(q.root, q.root_len));
	if (slot == NULL)
		return xb_error_nomem();
	q.next = (size_t)*slot;
	if (!questions_push(&p->qs, q))
		return xb_error_nomem();
	*slot = p->qs.len;
	return NULL;
}

struct xb_error *xb_dwtypes_resolve(Dwarf *dw, struct xb_dwtypes_want *wants, size_t n,
				    struct xb_arena *arena)
{
	struct pass p = { .arena = arena };
	struct xb_error *err = NULL;
	Dwarf_CU *cu = NULL;
	size_t units = 0;

	for (size_t i = 0; i < n && err == NULL; i++)
		err = ask(&p, &wants[i]);
	while (err == NULL && !p.oom && xb_dw_next_unit(dw, &cu, &p.unit)) {
		scan_unit(&p);
		units++;
	}
	if (err == NULL && p.oom)
		err = xb_error_nomem();
	if (err == NULL && units == 0)
		err = xb_errorf(XB_ERR_BAD_FILE, "no debug information in the file");
	questions_deinit(&p.qs);
	xb_map_deinit(&p.roots);
	return err;
}
