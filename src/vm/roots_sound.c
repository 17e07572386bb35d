/* Whether what is at a root's place can be it: content, never where it lies. */
#include "base/rd.h"
#include "vm/roots_method.h"
#include "vm/vm.h"

/* The JIT's stubs have names.  What an interpreter has there points into its own code, perhaps in two steps. */
static bool is_stub(struct xb_search *s, enum xb_root_id id, xb_addr at)
{
	uint64_t word = 0;

	if (s->vm->id.flavor != XB_FLAVOR_JIT)
		return at % 8 == 0 && xb_mem_try(s->source->mem, at, &word, 8) == 8 &&
		       xb_finder_in_image(s->f, word) && !xb_finder_in_data(s->f, word);
	return xb_is_stub(s->vm, id, at);
}

static bool is_count(struct xb_search *s, enum xb_root_id id, uint64_t value)
{
	struct xb_opinion o = { 0 };
	struct xb_error *err = xb_ask_count(s, id, &o);
	bool ok = err == NULL && o.addr == value && value != 0;

	xb_error_destroy(err);
	return ok;
}

static bool is_array(struct xb_search *s, enum xb_root_id id, uint64_t value)
{
	uint64_t n = 0;
	struct xb_error *err = xb_sched_run(s->vm, value, xb_root_specs[id].kind, &n);

	xb_error_destroy(err);
	return n > 0;
}

/* The first scheduler's queue is the first. */
static bool is_queues(struct xb_search *s, uint64_t value)
{
	xb_addr first = s->vm->roots.value[XB_ROOT_SCHEDULERS], queue = 0;

	return xb_mem_try(s->source->mem,
			  first + xb_layout_at(&s->vm->layout, XB_F_ErtsSchedulerData_run_queue),
			  &queue, 8) == 8 &&
	       (queue & ~(xb_addr)XB_SCHED_QUEUE_FLAGS) == value;
}

static bool is_index(struct xb_search *s, xb_addr at)
{
	return at % 4 == 0 && xb_finder_in_data(s->f, at) && xb_finder_half(s->f, at) <= 2;
}

/* What a zero may be in the wrong place: the cache needs the word of the processes for it. */
static bool is_frame_layout(struct xb_search *s, const struct xb_opinion *o, uint64_t value)
{
	struct xb_opinion other = { 0 };
	struct xb_error *err;
	bool same;

	if (o->source != XB_ROOT_BY_CACHE)
		return value <= 1;
	err = xb_ask_processes(s, XB_ROOT_FRAME_LAYOUT, &other);
	same = err == NULL && other.source != 0 && other.addr == value;
	xb_error_destroy(err);
	return same;
}

bool xb_root_is_sound(struct xb_search *s, enum xb_root_id id, const struct xb_opinion *o,
		      uint64_t value)
{
	const struct root_spec *spec = &xb_root_specs[id];

	/* What is ambiguous is one of several that look right. */
	if (spec->looks != NULL)
		return o->only_agrees || spec->looks(s->f, o->addr);
	/* These are judged by vm/check.c, which knows the fields that would be wrong. */
	if ((o->source & XB_ROOT_BY_SYMBOL) != 0)
		return true;
	if (id == XB_ROOT_CODE_INDEX)
		return is_index(s, o->addr);
	if (spec->is_array)
		return is_array(s, id, value);
	if (spec->is_count)
		return is_count(s, id, value);
	if (spec->is_stub)
		return is_stub(s, id, value);
	return id == XB_ROOT_FRAME_LAYOUT ? is_frame_layout(s, o, value) : is_queues(s, value);
}
