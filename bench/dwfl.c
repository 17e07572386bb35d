#include "dwfl.h"

#include "base/rd.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>

static const struct stack *dwfl_stack;
static pid_t dwfl_of;
static Dwfl *dwfl;

static pid_t next_thread(Dwfl *of, void *arg, void **thread_arg)
{
	(void)of;
	(void)arg;
	if (*thread_arg != NULL)
		return 0;
	*thread_arg = &dwfl_of;
	return dwfl_of;
}

static bool read_memory(Dwfl *of, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	uint64_t at = addr - dwfl_stack->slice.addr;

	(void)of;
	(void)arg;
	if (at >= dwfl_stack->slice.len || dwfl_stack->slice.len - at < 8)
		return false;
	*ret = xb_load64(dwfl_stack->slice.bytes, at);
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < XB_REG_COUNT; i++) {
		Dwarf_Word v = dwfl_stack->regs.r[i];

		if (xb_regs_has(&dwfl_stack->regs, i) &&
		    !dwfl_thread_state_registers(thread, (int)i, 1, &v))
			return false;
	}
	dwfl_thread_state_register_pc(thread, dwfl_stack->regs.r[XB_REG_RIP]);
	return true;
}

static int on_frame(Dwfl_Frame *frame, void *arg)
{
	size_t *n = arg;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(frame, &pc, NULL))
		return DWARF_CB_ABORT;
	return ++*n < MAX_FRAMES ? DWARF_CB_OK : DWARF_CB_ABORT;
}

static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base,
			const char *file, const char *link, GElf_Word crc, char **ret)
{
	(void)mod, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret;
	return -1;
}

void dwfl_open(pid_t pid, Elf *elf)
{
	static const Dwfl_Callbacks callbacks = { .find_elf = dwfl_linux_proc_find_elf,
						  .find_debuginfo = no_debuginfo };
	static const Dwfl_Thread_Callbacks threads = { .next_thread = next_thread,
						       .memory_read = read_memory,
						       .set_initial_registers = set_registers };

	dwfl = dwfl_begin(&callbacks);
	dwfl_of = pid;
	dwfl_report_begin(dwfl);
	if (dwfl_linux_proc_report(dwfl, pid) != 0 || dwfl_report_end(dwfl, NULL, NULL) != 0 ||
	    !dwfl_attach_state(dwfl, elf, pid, &threads, NULL)) {
		fprintf(stderr, "bench_unwind: dwfl: %s\n", dwfl_errmsg(-1));
		exit(1);
	}
}

void dwfl_close(void)
{
	dwfl_end(dwfl);
}

size_t walk_dwfl(const struct stack *s)
{
	size_t n = 0;

	dwfl_stack = s;
	(void)dwfl_getthread_frames(dwfl, dwfl_of, on_frame, &n);
	return n > 0 ? n - 1 : 0; /* the first frame is where the thread is; we count steps */
}
