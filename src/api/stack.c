#include "api/impl.h"

#include <string.h>

static enum extrospect_frame_kind kind_of(enum xb_mixed_kind kind)
{
	switch (kind) {
	case XB_MIXED_NATIVE:
		return EXTROSPECT_FRAME_NATIVE;
	case XB_MIXED_ERLANG:
		return EXTROSPECT_FRAME_ERLANG;
	case XB_MIXED_FRAGMENT:
		return EXTROSPECT_FRAME_FRAGMENT;
	case XB_MIXED_KERNEL:
		return EXTROSPECT_FRAME_KERNEL;
	}
	return EXTROSPECT_FRAME_NATIVE;
}

static const char *keep(struct extrospect_vm *vm, const char *text)
{
	return xb_arena_strndup(&vm->names, text, strlen(text));
}

/* Frames of processes are few and met often: 100,000 processes share some hundred. */
const struct extrospect_frame *xb_api_name(struct extrospect_vm *vm, uint64_t word)
{
	uint64_t *at = xb_map_at(&vm->named, word);
	struct xb_frame_name name;
	struct extrospect_frame *f;

	if (at == NULL)
		return NULL;
	if (*at != 0)
		// NOLINTNEXTLINE(performance-no-int-to-ptr)
		return (const struct extrospect_frame *)(uintptr_t)*at;
	if (vm->namer == NULL) {
		struct xb_error *err = xb_namer_create(vm->session, &vm->jit, &vm->namer);

		xb_error_destroy(err); /* no memory: the only way it fails */
		if (err != NULL)
			return NULL;
	}
	f = xb_arena_alloc(&vm->names, sizeof(*f));
	if (f == NULL)
		return NULL;
	xb_namer_frame(vm->namer, word, &name);
	*f = (struct extrospect_frame){
		.size = sizeof(*f),
		.address = xb_mixed_frame_addr(word),
		.kind = kind_of(name.kind),
		.known = name.known && !name.ambiguous,
		.function = keep(vm, name.name),
		.module = keep(vm, name.module),
		.file = keep(vm, name.file),
		.line = name.line,
	};
	if (f->function == NULL || f->module == NULL || f->file == NULL)
		return NULL;
	*at = (uintptr_t)f;
	return f;
}

size_t extrospect_stack_depth(const struct extrospect_stack *stack)
{
	return stack->counted != NULL ? stack->counted->n : stack->frames->len;
}

bool extrospect_stack_rooted(const struct extrospect_stack *stack)
{
	return stack->rooted;
}

static struct extrospect_frame counted_frame(const struct extrospect_stack *stack, size_t i)
{
	const struct xb_pframe *f = xb_profile_frame(stack->profile, stack->counted, (uint32_t)i);
	const struct xb_pfunction *fn = xb_profile_function(stack->profile, f);

	return (struct extrospect_frame){
		.size = sizeof(struct extrospect_frame),
		.address = xb_mixed_frame_addr(f->word),
		.kind = kind_of(fn->kind),
		.known = fn->known,
		.later = (f->word & XB_MIXED_LATER) != 0,
		.function = fn->name,
		.module = fn->module,
		.file = f->file,
		.line = f->line,
	};
}

bool extrospect_stack_frame(const struct extrospect_stack *stack, size_t i,
			    struct extrospect_frame *ret)
{
	struct extrospect_frame f;
	struct xb_error *err;

	if (i >= extrospect_stack_depth(stack))
		return false;
	if (stack->counted != NULL) {
		f = counted_frame(stack, i);
	} else {
		uint64_t word = xb_mixed_frame(XB_MIXED_ERLANG, stack->frames->data[i].pc, false);
		const struct extrospect_frame *named = xb_api_name(stack->vm, word);

		if (named == NULL)
			return false;
		f = *named;
	}
	err = xb_api_give(&f, sizeof(f), ret);
	xb_error_destroy(err);
	return err == NULL;
}
