#include "session/hosts.h"

#include "elf/image.h"
#include "layout/threads.h"
#include "os/find.h"
#include "os/procfs.h"

#include <stdio.h>

/*
 * Through the kernel's link: it leads to the file that runs, also in another root, deleted or replaced.  False for a
 * program that only has the name of an emulator.
 */
static bool identify(struct xb_host_vm *vm)
{
	bool other;

	struct xb_image *image = NULL;
	struct xb_error *err;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)vm->pid);
	err = xb_image_open(path, &image);
	if (err == NULL)
		err = xb_identify(image, &vm->id);
	vm->identified = err == NULL;
	other = err != NULL && xb_error_code(err) == XB_ERR_NOT_BEAM;
	xb_error_destroy(err);
	xb_image_close(image);
	return !other;
}

static struct xb_error *look_at(pid_t pid, struct xb_arena *arena, struct xb_host_vm *ret)
{
	struct xb_host_vm vm = { .pid = pid };
	struct xb_tasks tasks;

	XB_TRY(xb_proc_about(pid, arena, &vm.os));
	XB_TRY(xb_proc_tasks(pid, arena, &tasks));
	for (size_t i = 0; i < tasks.len; i++)
		vm.schedulers += xb_thread_role_of(tasks.tasks[i].comm, NULL) == XB_THREAD_SCHEDULER;
	if (!identify(&vm))
		return xb_errorf(XB_ERR_NOT_BEAM, "process %d is no Erlang VM", (int)pid);
	*ret = vm;
	return NULL;
}

struct xb_error *xb_host_list(struct xb_arena *arena, struct xb_host_vms *ret)
{
	struct xb_host_vms out = { 0 };
	struct xb_beams beams;

	XB_TRY(xb_find_beams(arena, &beams));
	out.list = xb_arena_array(arena, beams.len + 1, sizeof(*out.list));
	if (out.list == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < beams.len; i++) {
		struct xb_error *err = look_at(beams.beams[i].pid, arena, &out.list[out.len]);

		if (err != NULL && xb_error_code(err) == XB_ERR_NOMEM)
			return err;
		if (err == NULL) {
			out.unidentified += !out.list[out.len].identified;
			out.len++;
		}
		xb_error_destroy(err);
	}
	*ret = out;
	return NULL;
}
