/*
 * What a frame costs: ours, libdw's row by row, libdwfl's walk, and the in-process unwinders, over the
 * same stacks.  Without argument over a deep chain of this process; with a PID over every thread of it
 * that waits in the kernel (where /proc tells sp and pc), its stack read once and frozen.
 */
#include "base/rd.h"
#include "dwfl.h"
#include "elf/unwind.h"
#include "fixtures/chain.h"
#include "os/procfs.h"
#include "selfimages.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif

enum { MAX_IMAGES = 128, MAX_STACKS = 64, SLICE = 64 << 10 };

struct image {
	xb_addr start, end, bias;
	Elf *elf;
	struct xb_cfi *cfi;
	Dwarf_CFI *dw;
};

static struct image images[MAX_IMAGES];
static size_t n_images;
static struct stack stacks[MAX_STACKS];
static size_t n_stacks;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(struct xb_error *err)
{
	if (err == NULL)
		return;
	fprintf(stderr, "bench_unwind: %s\n", xb_error_message(err));
	exit(1);
}

/* The executable segment that holds file offset @off tells where its addresses lie. */
static bool bias_of(Elf *elf, const struct xb_map_line *line, xb_addr *ret)
{
	size_t n = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (gelf_getphdr(elf, (int)i, &ph) != NULL && ph.p_type == PT_LOAD &&
		    (ph.p_flags & PF_X) != 0 && line->offset <= ph.p_offset &&
		    ph.p_offset < line->offset + (line->end - line->start)) {
			*ret = line->start + (ph.p_offset - line->offset) - ph.p_vaddr;
			return true;
		}
	}
	return false;
}

static void open_images(pid_t pid)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_maps maps;

	elf_version(EV_CURRENT);
	must(xb_proc_maps(pid, &arena, &maps));
	for (size_t i = 0; i < maps.len && n_images < MAX_IMAGES; i++) {
		struct image im = { .start = maps.lines[i].start, .end = maps.lines[i].end };
		int fd;

		if (!maps.lines[i].exec || maps.lines[i].path[0] != '/')
			continue;
		fd = open(maps.lines[i].path, O_RDONLY | O_CLOEXEC);
		im.elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
		if (im.elf == NULL || !bias_of(im.elf, &maps.lines[i], &im.bias))
			continue;
		im.dw = dwarf_getcfi_elf(im.elf);
		images[n_images++] = im;
	}
	xb_arena_deinit(&arena);
}

static void open_cfi(void)
{
	for (size_t i = 0; i < n_images; i++) {
		xb_cfi_destroy(images[i].cfi);
		must(xb_cfi_create(images[i].elf, NULL, &images[i].cfi));
	}
}

static struct image *image_of(xb_addr pc)
{
	for (size_t i = 0; i < n_images; i++) {
		if (pc >= images[i].start && pc < images[i].end)
			return &images[i];
	}
	return NULL;
}

static size_t walk_ours(const struct stack *s)
{
	struct xb_regs regs = s->regs;
	bool exact = true;
	size_t n = 0;

	while (n < MAX_FRAMES) {
		xb_addr pc = xb_unwind_pc(&regs, exact);
		struct image *im = image_of(pc);
		const struct xb_cfi_row *row = im == NULL ? NULL : xb_cfi_find(im->cfi, pc - im->bias);

		if (row == NULL || xb_unwind_step(row, &regs, &s->slice, NULL) != XB_STEP_OK)
			break;
		exact = xb_unwind_next_exact(row);
		n++;
	}
	return n;
}

/* The same walk with a question to libdw per frame and register, as it is without rows of one's own. */
static size_t walk_libdw(const struct stack *s)
{
	struct xb_regs regs = s->regs;
	bool exact = true;
	size_t n = 0;

	while (n < MAX_FRAMES) {
		xb_addr pc = xb_unwind_pc(&regs, exact), cfa;
		struct image *im = image_of(pc);
		struct xb_regs next = { .valid = 0 };
		Dwarf_Frame *frame = NULL;
		Dwarf_Op mem[3], *ops;
		size_t n_ops;
		bool ok;

		if (im == NULL || im->dw == NULL ||
		    dwarf_cfi_addrframe(im->dw, pc - im->bias, &frame) != 0)
			break;
		ok = dwarf_frame_cfa(frame, &ops, &n_ops) == 0 && n_ops == 1 &&
		     ops[0].atom == DW_OP_bregx && xb_regs_has(&regs, (unsigned)ops[0].number);
		cfa = ok ? regs.r[ops[0].number] + ops[0].number2 : 0;
		for (unsigned i = 0; ok && i < XB_CFI_SAVED_COUNT; i++) {
			unsigned reg = xb_cfi_saved_reg[i];
			uint64_t at;

			ok = dwarf_frame_register(frame, (int)reg, mem, &ops, &n_ops) == 0;
			if (ok && n_ops == 0 && (ops == NULL || reg == XB_REG_RBX) &&
			    xb_regs_has(&regs, reg))
				xb_regs_set(&next, (enum xb_reg)reg, regs.r[reg]);
			if (!ok || n_ops == 0)
				continue;
			at = cfa + (n_ops > 1 ? ops[1].number : 0) - s->slice.addr;
			ok = at < s->slice.len && s->slice.len - at >= 8;
			if (ok)
				xb_regs_set(&next, (enum xb_reg)reg, xb_load64(s->slice.bytes, at));
		}
		free(frame);
		if (!ok || next.r[XB_REG_RIP] == 0 || !xb_regs_has(&next, XB_REG_RIP))
			break;
		xb_regs_set(&next, XB_REG_RSP, cfa);
		regs = next;
		exact = false;
		n++;
	}
	return n;
}

typedef size_t walk(const struct stack *s);

static void report(const char *what, walk *fn, size_t rounds)
{
	size_t frames = 0;
	double first, t0 = now_ns();

	for (size_t i = 0; i < n_stacks; i++)
		frames += fn(&stacks[i]);
	first = now_ns() - t0;
	t0 = now_ns();
	for (size_t r = 0; r < rounds; r++) {
		for (size_t i = 0; i < n_stacks; i++)
			(void)fn(&stacks[i]);
	}
	printf("%-34s %5zu frames  first %9.1f us  then %8.1f ns/frame\n", what, frames, first / 1e3,
	       (now_ns() - t0) / (double)(rounds * (frames == 0 ? 1 : frames)));
}

static void bench(pid_t pid)
{
	double t0;

	open_images(pid);
	t0 = now_ns();
	open_cfi();
	printf("%zu images, %zu stacks; opening all rows %.1f us\n", n_images, n_stacks,
	       (now_ns() - t0) / 1e3);
	report("rows (this project)", walk_ours, 2000);
	report("libdw, asked per frame", walk_libdw, 20);
	dwfl_open(pid, images[0].elf);
	report("libdwfl frames", walk_dwfl, 20);
	dwfl_close();
}

static void add_stack(const struct xb_regs *regs, const struct xb_stack_slice *slice)
{
	if (n_stacks < MAX_STACKS)
		stacks[n_stacks++] = (struct stack){ .regs = *regs, .slice = *slice };
}

/* libunwind has functions of the same names as glibc and libgcc; ask each library for its own. */
static void report_backtrace(const char *what, const char *library)
{
	void *lib = dlopen(library, RTLD_NOW);
	int (*fn)(void **, int) = NULL;
	size_t frames = 1, rounds = 2000;
	double t0;

	if (lib != NULL)
		*(void **)&fn = dlsym(lib, "backtrace");
	if (fn == NULL)
		return;
	t0 = now_ns();
	for (size_t r = 0; r < rounds; r++) {
		void *pcs[MAX_FRAMES];

		frames = (size_t)fn(pcs, MAX_FRAMES);
	}
	printf("%-34s %5zu frames  %39.1f ns/frame\n", what, frames,
	       (now_ns() - t0) / (double)(rounds * frames));
}

static void on_self(void *arg)
{
	struct self_stack self;
#ifdef HAVE_LIBUNWIND
	size_t frames = 0, rounds = 2000;
	double t0;
#endif

	(void)arg;
	self_stack_take(SLICE, &self);
	add_stack(&self.regs, &self.slice);
	bench(getpid());
	/* In-process unwinders walk the live stack of this very call; they cannot walk a frozen one. */
	report_backtrace("glibc backtrace(), in process", "libc.so.6");
#ifdef HAVE_LIBUNWIND
	/* Its backtrace() remembers where each pc keeps rbp and the return address, and nothing else.
	 */
	report_backtrace("libunwind backtrace(), in process", "libunwind.so.8");
	t0 = now_ns();
	for (size_t r = 0; r < rounds; r++) {
		unw_context_t uc;
		unw_cursor_t cursor;

		frames = 1;
		unw_getcontext(&uc);
		unw_init_local(&cursor, &uc);
		while (unw_step(&cursor) > 0)
			frames++;
	}
	printf("%-34s %5zu frames  %39.1f ns/frame\n", "libunwind unw_step(), in process", frames,
	       (now_ns() - t0) / (double)(rounds * frames));
#endif
	self_stack_free(&self);
}

/* Threads that wait in the kernel: /proc/PID/task/TID/syscall ends in sp and pc. */
static void freeze_threads(pid_t pid)
{
	struct xb_arena arena = XB_ARENA_INIT;
	struct xb_mem *mem = NULL;
	struct xb_tasks tasks;

	must(xb_mem_live(pid, &mem));
	must(xb_proc_tasks(pid, &arena, &tasks));
	for (size_t i = 0; i < tasks.len; i++) {
		struct xb_regs regs = { .valid = 0 };
		struct xb_stack_slice slice;
		unsigned char *copy = malloc(SLICE);
		char path[64], line[256] = "";
		unsigned long long sp, pc;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid,
			 (int)tasks.tasks[i].tid);
		f = fopen(path, "re");
		if (f == NULL || copy == NULL || fgets(line, sizeof(line), f) == NULL ||
		    sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %llx %llx", &sp, &pc) != 2) {
			free(copy);
		} else {
			xb_regs_set(&regs, XB_REG_RSP, sp);
			xb_regs_set(&regs, XB_REG_RIP, pc);
			slice = (struct xb_stack_slice){ .addr = sp, .bytes = copy };
			slice.len = xb_mem_try(mem, sp, copy, SLICE);
			add_stack(&regs, &slice);
		}
		if (f != NULL)
			fclose(f);
	}
	xb_mem_destroy(mem);
	xb_arena_deinit(&arena);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		chain_qsort(40, 1, 2, 3, 4, on_self, NULL);
		return 0;
	}
	freeze_threads((pid_t)atoi(argv[1]));
	bench((pid_t)atoi(argv[1]));
	return 0;
}
