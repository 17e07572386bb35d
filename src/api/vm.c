#include "api/impl.h"

#include "out/perfmap_list.h"
#include "vm/code.h"

#include <stdlib.h>

/* Frames kept between two calls of extrospect_symbolize(). */
enum { MAX_NAMED = 65536 };

const char *extrospect_version(void)
{
	return XB_VERSION;
}

static void log_line(void *arg, enum xb_log_level level, const char *line)
{
	const struct extrospect_vm *vm = arg;

	vm->options.log(vm->options.log_arg, (enum extrospect_log_level)level, line);
}

void extrospect_close(struct extrospect_vm *vm)
{
	if (vm == NULL)
		return;
	xb_namer_destroy(vm->namer);
	xb_jitlist_deinit(&vm->jit);
	xb_map_deinit(&vm->named);
	xb_arena_deinit(&vm->names);
	xb_session_close(vm->session);
	free(vm);
}

static struct xb_error *open_vm(struct extrospect_vm *vm, const struct extrospect_open_options *options)
{
	struct xb_session_opts so = { .log = &vm->log };

	XB_TRY(xb_api_take(options, &vm->options, sizeof(vm->options)));
	if (vm->options.log != NULL)
		vm->log = (struct xb_log){ .sink = log_line,
					   .arg = vm,
					   .max = (enum xb_log_level)vm->options.log_max };
	so.target = vm->options.target;
	so.debug_dir = vm->options.debug_dir;
	return xb_session_open(&so, &vm->session);
}

struct extrospect_error *extrospect_open(const struct extrospect_open_options *options,
					 struct extrospect_vm **ret)
{
	struct extrospect_vm *vm = calloc(1, sizeof(*vm));
	struct xb_error *err = vm == NULL ? xb_error_nomem() : open_vm(vm, options);

	if (err != NULL) {
		extrospect_close(vm);
		return xb_api_error(err);
	}
	*ret = vm;
	return NULL;
}

struct extrospect_error *extrospect_identity(const struct extrospect_vm *vm,
					     struct extrospect_identity *ret)
{
	const struct xb_session *s = vm->session;
	const struct xb_identity *id = &s->vm->id;
	const struct extrospect_identity i = {
		.pid = (int)s->proc.pid,
		.chosen = s->how,
		.otp_release = id->otp,
		.erts_version = id->erts,
		.flavor = xb_flavor_name(id->flavor),
		.build_id = id->build_id,
		.layout = s->vm->layout.name,
		.layout_from_dwarf = s->vm->layout.from_dwarf,
		.stripped = id->stripped,
		.frame_pointers = id->frame_pointers,
		.schedulers = (unsigned)s->scheds.n_normal,
		.dirty_cpu_schedulers = (unsigned)s->scheds.n_dirty_cpu,
		.dirty_io_schedulers = (unsigned)s->scheds.n_dirty_io,
	};

	return xb_api_error(xb_api_give(&i, sizeof(i), ret));
}

struct xb_error *xb_api_enter(struct extrospect_vm *vm)
{
	if (vm->busy)
		return xb_errorf(XB_ERR_USAGE, "this VM is in use by the call whose callback this is");
	vm->busy = true;
	return NULL;
}

void xb_api_leave(struct extrospect_vm *vm)
{
	vm->busy = false;
}

static void forget_names(struct extrospect_vm *vm)
{
	xb_map_clear(&vm->named);
	xb_arena_reset(&vm->names);
}

static struct xb_error *refresh_code(struct extrospect_vm *vm)
{
	struct xb_vm *v = vm->session->vm;
	bool stale;

	XB_TRY(xb_code_is_stale(v, &stale));
	if (!stale)
		return NULL;
	forget_names(vm);
	XB_TRY(xb_code_refresh(v, NULL));
	xb_code_drop_retired(v);
	return NULL;
}

struct xb_error *xb_api_refresh(struct extrospect_vm *vm)
{
	struct xb_error *err = refresh_code(vm);

	forget_names(vm);
	if (err == NULL)
		err = xb_session_refresh_maps(vm->session);
	return xb_session_explain(vm->session, err);
}

/* The list is only needed for shared fragments, so it waits for an address that nothing else knows. */
static struct xb_error *read_list(struct extrospect_vm *vm)
{
	struct xb_vm *v = vm->session->vm;

	if (v->id.flavor != XB_FLAVOR_JIT)
		return NULL;
	if (vm->has_jit)
		return xb_jitlist_update(v, &vm->jit, NULL);
	XB_TRY(xb_jitlist_read(v, NULL, &vm->jit));
	vm->has_jit = true;
	return NULL;
}

/* Libraries come and fragments may: what nothing known holds is worth a second look. */
static struct xb_error *find_native(struct extrospect_vm *vm, xb_addr pc, enum xb_mixed_kind *ret)
{
	struct xb_session *s = vm->session;

	*ret = XB_MIXED_NATIVE;
	if (xb_loaded_find(s->loaded, pc, NULL) != NULL)
		return NULL;
	XB_TRY(read_list(vm));
	if (vm->has_jit && xb_jitlist_fragment(&vm->jit, pc) != NULL) {
		*ret = XB_MIXED_FRAGMENT;
		return NULL;
	}
	return xb_session_refresh_maps(s);
}

static struct xb_error *name_address(struct extrospect_vm *vm, xb_addr pc, struct extrospect_frame *ret)
{
	enum xb_mixed_kind kind = XB_MIXED_ERLANG;
	const struct extrospect_frame *f;

	if (vm->named.len >= MAX_NAMED)
		forget_names(vm);
	XB_TRY(xb_session_explain(vm->session, refresh_code(vm)));
	if (!xb_code_holds(vm->session->vm, pc))
		XB_TRY(xb_session_explain(vm->session, find_native(vm, pc, &kind)));
	f = xb_api_name(vm, xb_mixed_frame(kind, pc, false));
	return f == NULL ? xb_error_nomem() : xb_api_give(f, sizeof(*f), ret);
}

struct extrospect_error *extrospect_symbolize(struct extrospect_vm *vm, uint64_t address,
					      struct extrospect_frame *ret)
{
	struct xb_error *err = xb_api_enter(vm);

	if (err != NULL)
		return xb_api_error(err);
	err = name_address(vm, address, ret);
	xb_api_leave(vm);
	return xb_api_error(err);
}

static struct xb_error *perf_map(struct extrospect_vm *vm, struct xb_str *out)
{
	if (vm->session->vm->id.flavor != XB_FLAVOR_JIT)
		return xb_errorf(
			XB_ERR_UNSUPPORTED,
			"nothing to map: process %d runs the interpreter, which makes no machine code",
			(int)vm->session->proc.pid);
	XB_TRY(xb_session_explain(vm->session, read_list(vm)));
	return xb_perfmap_of_list(&vm->jit, XB_PERFMAP_NEWEST, out, NULL);
}

struct extrospect_error *extrospect_perf_map(struct extrospect_vm *vm, char **ret_text, size_t *ret_len)
{
	struct xb_str text = XB_STR_INIT;
	struct xb_error *err = xb_api_enter(vm);
	size_t len;
	char *taken;

	if (err != NULL)
		return xb_api_error(err);
	err = perf_map(vm, &text);
	xb_api_leave(vm);
	len = text.len;
	taken = err == NULL ? xb_str_take(&text) : NULL;
	if (err == NULL && taken == NULL)
		err = xb_error_nomem();
	xb_str_deinit(&text);
	if (err != NULL)
		return xb_api_error(err);
	*ret_text = taken;
	if (ret_len != NULL)
		*ret_len = len;
	return NULL;
}

void extrospect_free(void *memory)
{
	free(memory);
}
