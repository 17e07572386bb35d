#include "vm/stack.h"

#include "vm/vm.h"

/* Special return addresses are variables of the VM read once at attach (vm/roots.h). */
static bool is(const struct xb_vm *vm, enum xb_root_id root, xb_addr addr)
{
	return addr != 0 && vm->roots.value[root] == addr;
}

static bool is_first_frame(const struct xb_vm *vm, xb_addr addr)
{
	return is(vm, XB_ROOT_NORMAL_EXIT, addr);
}

/* Words above the CP of a tracing frame, or -1 for an ordinary one. */
static int tracing_words(const struct xb_vm *vm, xb_addr addr)
{
	const uint64_t *k = vm->layout.konst;

	if (is(vm, XB_ROOT_RETURN_TRACE, addr) || is(vm, XB_ROOT_EXCEPTION_TRACE, addr))
		return (int)k[XB_K_RETURN_TRACE_WORDS];
	if (is(vm, XB_ROOT_TIME_TRACE, addr))
		return (int)k[XB_K_TIME_TRACE_WORDS];
	if (is(vm, XB_ROOT_RETURN_TO_TRACE, addr))
		return (int)k[XB_K_RETURN_TO_WORDS];
	return -1;
}

bool xb_stack_is_return(const struct xb_vm *vm, xb_addr addr)
{
	return (addr & 3) == 0 && (xb_code_holds(vm, addr - 1) || is_first_frame(vm, addr) ||
				   tracing_words(vm, addr) >= 0);
}

/*
 * The return address of the CP at @words[@i] and how many words it takes.  With frame pointers a CP is
 * two words; a sample may have hit a prologue between the pushes, then the top of the stack is a bare
 * return address.
 */
static xb_addr inspect(const struct xb_vm *vm, const uint64_t *words, size_t n, size_t i, size_t *size)
{
	*size = 1;
	if (!vm->id.frame_pointers)
		return words[i];
	if (i + 1 < n && xb_stack_is_return(vm, words[i + 1]) &&
	    (words[i] == 0 || !xb_stack_is_return(vm, words[i]))) {
		*size = 2;
		return words[i + 1];
	}
	return words[i];
}

bool xb_stack_frames(struct xb_vm *vm, const struct xb_stack *stack, struct xb_frames *out,
		     struct xb_stack_scan *ret)
{
	uint64_t adjust = vm->layout.konst[XB_K_RETURN_ADJUST],
		 tag_catch = vm->layout.konst[XB_K_TAG_CATCH];
	struct xb_stack_scan scan = { 0 };
	xb_addr prev = stack->pc;

	/* In a dirty NIF and in hibernation it is code of the VM, which is no frame: Process.current says what runs. */
	if (stack->pc != 0 && xb_code_holds(vm, stack->pc) &&
	    !xb_frames_push(out, (struct xb_frame){ stack->pc, XB_FRAME_PC, 0 }))
		return false;
	for (size_t i = 0; i < stack->n;) {
		size_t size;
		xb_addr ra;
		int extra;

		if ((stack->words[i] & 3) != 0) {
			scan.catches += (stack->words[i] & 0x3f) == tag_catch;
			i++;
			continue;
		}
		ra = inspect(vm, stack->words, stack->n, i, &size);
		if (is_first_frame(vm, ra)) {
			scan.rooted = true;
			break;
		}
		extra = tracing_words(vm, ra);
		if (extra >= 0) {
			scan.tracing++;
			i += size + (size_t)extra;
			continue;
		}
		if (!xb_code_holds(vm, ra - adjust)) {
			scan.unknown++;
		} else if (ra != prev) {
			struct xb_frame f = { ra - adjust, XB_FRAME_RETURN, (uint32_t)i };

			if (!xb_frames_push(out, f))
				return false;
			prev = ra;
		}
		i += size;
	}
	*ret = scan;
	return true;
}
