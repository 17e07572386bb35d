/*
 * libextrospect: look into a running Erlang VM (beam.smp on Linux x86-64) from outside.
 *
 * Nothing here stops, attaches to, injects into or writes to the VM: its memory is read while it runs, and samples
 * come from the kernel's perf events.  What is read is therefore as true as a moving target allows, and every result
 * says how true that is (certainty, exact, rooted, the counts of a summary).
 *
 * Rules that hold everywhere
 *  - A function that can fail returns NULL, or an error object that belongs to the caller.  Outputs are untouched
 *    then, unless the function says otherwise.
 *  - Structures begin with their size.  In options and in results that the caller provides, set it to
 *    sizeof(the structure): the EXTROSPECT_INIT() macro does.  In structures handed to a callback the library sets
 *    it; a field beyond it is not there.  That is how fields are added without breaking older programs.
 *  - Text is UTF-8 and NUL-terminated, and comes from the target: make it safe before showing it on a terminal.
 *    Unless said otherwise it lives until the callback it was handed to returns, or else until the next call
 *    with the same VM.
 *  - One VM object is used by one thread at a time.  From a callback only extrospect_stack_*(),
 *    extrospect_error_*() and extrospect_version() may be called with the same VM; anything else is refused.
 *  - The library never prints, exits or installs signal handlers.
 */
#ifndef EXTROSPECT_H
#define EXTROSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTROSPECT_API __attribute__((visibility("default")))

/* All zero but the size: struct extrospect_frame f = EXTROSPECT_INIT(struct extrospect_frame); */
#ifdef __cplusplus
template <typename T> static inline T extrospect_init_()
{
	T t = T();

	t.size = sizeof(t);
	return t;
}
#define EXTROSPECT_INIT(type) extrospect_init_<type>()

extern "C" {
#else
#define EXTROSPECT_INIT(type)                                                                          \
	{                                                                                              \
		.size = sizeof(type)                                                                   \
	}
#endif

/** "0.1.0", the version of the library that is loaded; static. */
EXTROSPECT_API const char *extrospect_version(void);

/* --- errors --- */

enum extrospect_error_code {
	EXTROSPECT_ERR_NOMEM = 1,
	EXTROSPECT_ERR_SYSTEM = 2,      /* a system call failed */
	EXTROSPECT_ERR_PERMISSION = 3,  /* the kernel refuses; see the advice */
	EXTROSPECT_ERR_GONE = 4,        /* the target does not exist, or exited */
	EXTROSPECT_ERR_READ = 5,        /* memory of the target, or a file, makes no sense */
	EXTROSPECT_ERR_NOT_BEAM = 6,    /* the target is no Erlang VM */
	EXTROSPECT_ERR_UNSUPPORTED = 7, /* this release, flavor, build or kernel */
	EXTROSPECT_ERR_MISMATCH = 8,    /* a check of the layout failed on the live VM */
	EXTROSPECT_ERR_USAGE = 9,       /* the call makes no sense */
	EXTROSPECT_ERR_LIMIT = 10,      /* a bound of the library was reached */
};

struct extrospect_error;

/** What kind of failure.  Newer libraries may know codes that this header does not. */
EXTROSPECT_API enum extrospect_error_code extrospect_error_code(const struct extrospect_error *err);

/** One sentence without a final period; lives as long as @err. */
EXTROSPECT_API const char *extrospect_error_message(const struct extrospect_error *err);

/** The way out, perhaps of several lines; NULL when there is none.  Lives as long as @err. */
EXTROSPECT_API const char *extrospect_error_advice(const struct extrospect_error *err);

/** Accepts NULL. */
EXTROSPECT_API void extrospect_error_destroy(struct extrospect_error *err);

/* --- opening a VM --- */

struct extrospect_vm;

enum extrospect_log_level { EXTROSPECT_LOG_WARN, EXTROSPECT_LOG_INFO, EXTROSPECT_LOG_DEBUG };

struct extrospect_open_options {
	size_t size;
	const char *target;    /* process id or node name; NULL: the only VM that is visible */
	const char *debug_dir; /* one more directory for separate debug files; NULL: none */
	/* Receives one line at a time, without newline; NULL: nobody listens.  Must outlive the VM object. */
	void (*log)(void *arg, enum extrospect_log_level level, const char *line);
	void *log_arg;
	enum extrospect_log_level log_max; /* more talkative levels are dropped */
};

/**
 * Find the VM, identify it, find its tables and prove on the live VM that the layout of its structures is the one
 * that is assumed.  @options may be NULL.
 * Errors: USAGE (no such node, several VMs), GONE, PERMISSION, NOT_BEAM, UNSUPPORTED, MISMATCH, READ.
 * Cost: 5-15 ms, independent of the number of processes.
 */
EXTROSPECT_API struct extrospect_error *extrospect_open(const struct extrospect_open_options *options,
							struct extrospect_vm **ret);

/** Accepts NULL.  Not from a callback. */
EXTROSPECT_API void extrospect_close(struct extrospect_vm *vm);

struct extrospect_identity {
	size_t size;
	int pid;
	const char *chosen;         /* which VM was taken, and why */
	unsigned otp_release;       /* 25 */
	const char *erts_version;   /* "13.1.5" */
	const char *flavor;         /* "jit" or "emu" */
	const char *build_id;       /* hexadecimal, "" without one */
	const char *layout;         /* name of the layout that was proved: "otp-25-jit" */
	unsigned layout_from_dwarf; /* entries of it that the target's debug information gave */
	bool stripped;              /* the executable has no symbol table */
	bool frame_pointers;        /* JIT code keeps them (+JPperf true) */
	unsigned schedulers, dirty_cpu_schedulers, dirty_io_schedulers;
};

/** What the VM is.  @ret->size is set by the caller.  Text lives until extrospect_close().  Cost: none. */
EXTROSPECT_API struct extrospect_error *extrospect_identity(const struct extrospect_vm *vm,
							    struct extrospect_identity *ret);

/* --- frames --- */

enum extrospect_frame_kind {
	EXTROSPECT_FRAME_ERLANG,
	EXTROSPECT_FRAME_NATIVE,   /* C code: the VM, a NIF, a library */
	EXTROSPECT_FRAME_FRAGMENT, /* code the JIT shares between all modules */
	EXTROSPECT_FRAME_KERNEL,
};

struct extrospect_frame {
	size_t size;
	uint64_t address; /* to look up: a return address is already moved back into its call */
	enum extrospect_frame_kind kind;
	bool known;           /* false: @function is only an address, or must not be believed */
	bool later;           /* read after the sample: where the thread had been may be different */
	const char *function; /* "lists:map/2", "copy_struct_x", "beam.smp+0x203470" */
	const char *module;   /* "lists"; of C code the image, "[kernel]", "[fragments]" */
	const char *file;     /* "" where the VM has no line for it */
	uint32_t line;        /* 0 likewise */
};

/**
 * What is at @address of the target: a function of a loaded module, a shared fragment, or C code.
 * @ret->size is set by the caller.  An address nobody knows is no error: @ret->known is false.
 * Cost: a few binary searches; the first address in a module or an image reads that.
 */
EXTROSPECT_API struct extrospect_error *extrospect_symbolize(struct extrospect_vm *vm, uint64_t address,
							     struct extrospect_frame *ret);

/* A stack, innermost frame first; valid during the callback it was handed to. */
struct extrospect_stack;

/** Number of frames. */
EXTROSPECT_API size_t extrospect_stack_depth(const struct extrospect_stack *stack);

/** Whether it reaches the first frame of the process (or, without a process, of the thread). */
EXTROSPECT_API bool extrospect_stack_rooted(const struct extrospect_stack *stack);

/**
 * Frame @i, counted from 0.  @ret->size is set by the caller.  False (and @ret untouched): no such frame, or out of
 * memory.  Cost: a hash lookup; the first frame at an address names it.
 */
EXTROSPECT_API bool extrospect_stack_frame(const struct extrospect_stack *stack, size_t i,
					   struct extrospect_frame *ret);

/* --- processes --- */

/* How far a process as it was read can be trusted. */
enum extrospect_certainty {
	EXTROSPECT_PARKED,  /* not running, and the same before and after it was read: consistent */
	EXTROSPECT_CHANGED, /* changed while it was read, every time */
	EXTROSPECT_RUNNING, /* was running: what is in memory is older than what it does */
};

struct extrospect_process {
	size_t size;
	const char *pid;              /* "<0.80.0>" */
	const char *registered_name;  /* NULL without one */
	const char *initial_call;     /* "m:f/a", NULL where the VM has none */
	const char *current_function; /* the BIF or NIF it is in, NULL: the stack tells */
	const char *status;           /* "waiting", "runnable", "running", "garbage_collecting", … */
	enum extrospect_certainty certainty;
	uint64_t reductions;
	uint64_t messages;         /* in its queues */
	uint64_t heap_bytes;       /* of the young heap block */
	uint64_t total_heap_bytes; /* young and old */
	uint64_t stack_bytes;      /* in use */
};

enum extrospect_process_flags {
	EXTROSPECT_NO_STACKS = 1, /* rows only: half the cost; the callback's @stack has no frames */
};

/* Counts of one pass. */
struct extrospect_pass {
	size_t size;
	uint64_t seen;    /* processes handed out */
	uint64_t running; /* of these, running while they were read */
	uint64_t changed; /* of these, changed while they were read */
	uint64_t torn;    /* slots whose process ended while it was read: not handed out */
};

/** @process and @stack are valid during the call.  Returning false ends the pass. */
typedef bool (*extrospect_process_fn)(void *arg, const struct extrospect_process *process,
				      const struct extrospect_stack *stack);

/**
 * Hand every process to @fn, in the order of the VM's table.
 * @flags: bits of enum extrospect_process_flags.  @ret may be NULL; its size is set by the caller.
 * Errors: GONE, PERMISSION, READ, NOMEM; what was handed out before is good.
 * Cost: 1-3 us a process.
 */
EXTROSPECT_API struct extrospect_error *extrospect_processes(struct extrospect_vm *vm, unsigned flags,
							     extrospect_process_fn fn, void *arg,
							     struct extrospect_pass *ret);

/* --- perf map --- */

/**
 * The text of the map file by which Linux perf names the code the VM compiled, spelled as the VM spells it.
 * @ret_text: NUL-terminated, @ret_len bytes (may be NULL); release it with extrospect_free().
 * Errors: UNSUPPORTED for an interpreter, GONE, PERMISSION, READ, NOMEM.
 * Cost: about 10 ms for 15,000 functions.
 */
EXTROSPECT_API struct extrospect_error *extrospect_perf_map(struct extrospect_vm *vm, char **ret_text,
							    size_t *ret_len);

/** Release memory the library allocated for the caller.  Accepts NULL. */
EXTROSPECT_API void extrospect_free(void *memory);

/* --- sampling --- */

enum extrospect_backend {
	EXTROSPECT_BACKEND_AUTO, /* the first that is permitted of BPF, PERF, POLL; the summary says which */
	EXTROSPECT_BACKEND_PERF, /* perf events: what is not on the machine stack is read afterwards */
	EXTROSPECT_BACKEND_POLL, /* timed remote reads: no registers, no stack is exact */
	EXTROSPECT_BACKEND_BPF,  /* frozen in the kernel: every stack is exact */
};

struct extrospect_sample_options {
	size_t size;
	uint64_t duration_ns; /* 0: ten seconds */
	uint64_t period_ns;   /* of CPU time between two samples of a thread; 0: 1/99 s */
	uint32_t stack_bytes; /* of user stack copied with a sample, a multiple of 8; 0: 24 KiB */
	uint32_t max_depth;   /* frames of one stack; 0: 1024 */
	bool kernel;          /* kernel frames too, where permitted */
	enum extrospect_backend backend;
	/* Asked about a hundred times a second; true ends the run.  NULL: never. */
	bool (*stop)(void *arg);
	void *stop_arg;
};

/* Samples that were alike: the same stack, process, thread and CPU. */
struct extrospect_sample {
	size_t size;
	uint64_t count;
	const char *thread; /* "scheduler 1", "dirty_cpu_scheduler 2", or the thread's own name */
	int tid;
	unsigned cpu;
	const char *pid;     /* of the Erlang process, NULL: none, or it ended before it was asked */
	const char *process; /* its registered name, else its initial call; NULL likewise */
	bool exact;          /* every frame is known from the instant of the sample */
	bool cut;            /* deeper than max_depth: the outermost frames are missing */
};

struct extrospect_sample_summary {
	size_t size;
	uint64_t samples;
	uint64_t erlang;        /* of these, with an Erlang process */
	uint64_t exact, rooted; /* of the latter */
	uint64_t lost;          /* dropped by the kernel */
	uint64_t torn;          /* stacks that could not be read, or made no sense */
	uint64_t elapsed_ns;
	uint64_t median_skid_ns; /* of stacks that are not exact: how late the rest was read */
	uint64_t worst_skid_ns;
	bool target_gone; /* exited before the time was over: what was seen until then is handed out */
	bool stopped;     /* stop() ended the run */
	const char *backend; /* "bpf", "perf" or "poll"; static */
};

/** @sample and @stack are valid during the call.  Returning false: no more is handed out. */
typedef bool (*extrospect_sample_fn)(void *arg, const struct extrospect_sample *sample,
				     const struct extrospect_stack *stack);

/**
 * Sample all threads of the VM, then hand every distinct stack with its count to @fn, in no particular order.
 * @options and @ret may be NULL; their sizes are set by the caller.
 * Errors: USAGE (options), PERMISSION and UNSUPPORTED (perf events asked for and refused), LIMIT, GONE, NOMEM.
 * Cost on the target: about 4 us a sample.  Blocks for the duration.
 */
EXTROSPECT_API struct extrospect_error *extrospect_sample(
	struct extrospect_vm *vm, const struct extrospect_sample_options *options,
	extrospect_sample_fn fn, void *arg, struct extrospect_sample_summary *ret);

#ifdef __cplusplus
}
#endif

#endif
