#include "sample/bpf.h"

#include "base/map.h"
#include "os/bpf.h"
#include "sample/freeze.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BATCH = 256,
	MAX_THREADS = 1 << 16,
	RING_MIN = 4 << 20,
	RING_MAX = 256 << 20,
	USUAL_BYTES = 8 << 10, /* of a record; few are larger */
	RING_MS = 500,         /* of samples that a ring holds */
	ABOVE_REGISTERS = 128, /* of ErtsSchedulerRegisters, which begin with TMP_MEM */
};

/* The initial pid namespace: include/linux/proc_ns.h. */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCU

struct bpf_source {
	struct xb_session *s;
	struct xb_source perf;
	struct xb_bpf_ring ring;
	int scratch_fd, threads_fd, counts_fd, program_fd;
	struct xb_map known; /* tid -> 1: in the threads map */
	size_t proc_bytes;
	struct xb_source_stats stats;
	struct xb_raw_sample batch[BATCH];
	struct xb_frozen frozen[BATCH];
	size_t n_batch;
};

static struct xb_error *check_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == INITIAL_PID_NAMESPACE)
		return NULL;
	return xb_error_advise(
		xb_errorf(XB_ERR_UNSUPPORTED,
			  "BPF sees the process numbers of the host, not of this pid namespace"),
		"run on the host");
}

/* --- threads --- */

static struct xb_error *tell(struct bpf_source *b, pid_t tid, const struct xb_freeze_thread *t)
{
	uint32_t key = (uint32_t)tid;

	if (!xb_map_put(&b->known, key, 1))
		return xb_error_nomem();
	return xb_bpf_map_put(b->threads_fd, &key, t);
}

/* Where a scheduler's C stack is, and what of it matters. */
static struct xb_error *tell_scheduler(struct bpf_source *b, const struct xb_sched *sched)
{
	const struct xb_layout *l = &b->s->vm->layout;
	xb_addr on_it = sched->registers != 0 ? sched->registers : sched->pthread;
	const struct xb_map_line *stack = xb_maps_find(&b->s->maps, on_it);
	struct xb_freeze_thread t = {
		.current_at = sched->addr + xb_layout_at(l, XB_F_ErtsSchedulerData_current_process)
	};

	if (stack != NULL) {
		t.low = stack->start;
		/* The C library keeps the thread's descriptor at the top. */
		t.top = sched->pthread > stack->start && sched->pthread < stack->end ? sched->pthread
										     : stack->end;
	}
	t.c_end = t.top;
	if (sched->kind == XB_SCHED_NORMAL && sched->registers != 0) {
		t.c_end = sched->registers + ABOVE_REGISTERS;
		t.scan_end = sched->registers;
	}
	return tell(b, sched->tid, &t);
}

static struct xb_error *tell_schedulers(struct bpf_source *b)
{
	for (size_t i = 0; i < b->s->scheds.n; i++) {
		if (b->s->scheds.list[i].tid != 0)
			XB_TRY(tell_scheduler(b, &b->s->scheds.list[i]));
	}
	return NULL;
}

/* A thread that is no scheduler: where its stack ends, so that no more is copied. */
static void introduce(struct bpf_source *b, pid_t tid, xb_addr rsp)
{
	const struct xb_map_line *stack;
	struct xb_freeze_thread t = { 0 };

	if (b->known.len >= MAX_THREADS || xb_map_get(&b->known, (uint64_t)tid) != NULL)
		return;
	stack = xb_maps_find(&b->s->maps, rsp);
	if (stack != NULL) {
		t.low = stack->start;
		t.top = t.c_end = stack->end;
	}
	xb_error_destroy(tell(b, tid, &t)); /* copies too much the next time, no more */
}

/* --- records --- */

static struct xb_error *flush(struct bpf_source *b, const struct xb_taker *sink)
{
	struct xb_error *err = NULL;
	size_t n = b->n_batch;

	b->n_batch = 0;
	b->stats.samples += n;
	if (n > 0)
		err = sink->samples(sink->arg, b->batch, n);
	xb_bpf_ring_release(&b->ring);
	return err;
}

/* Whether the parts of a record are all in it. */
static bool fits(const struct bpf_source *b, const struct xb_freeze_head *h, size_t len)
{
	size_t fixed = sizeof(*h) + b->proc_bytes, c = (size_t)(h->c_len + 7) & ~(size_t)7;

	return len >= fixed && h->c_len <= XB_FREEZE_C_MAX + 4096 && h->e_len <= XB_FREEZE_E_MAX + 8 &&
	       h->k_len <= XB_FREEZE_KERNEL_MAX && len - fixed >= c + h->e_len + h->k_len;
}

static void take(struct bpf_source *b, const unsigned char *bytes, size_t len)
{
	const struct xb_freeze_head *h = (const void *)bytes;
	struct xb_raw_sample *r = &b->batch[b->n_batch];
	struct xb_frozen *f = &b->frozen[b->n_batch];
	const unsigned char *c = bytes + sizeof(*h) + b->proc_bytes, *e;

	b->stats.bytes += len;
	if (len < sizeof(*h) || !fits(b, h, len)) {
		b->stats.bad_records++;
		return;
	}
	e = c + ((h->c_len + 7) & ~UINT64_C(7));
	*f = (struct xb_frozen){
		.proc = h->proc,
		.proc_bytes = bytes + sizeof(*h),
		.proc_len = b->proc_bytes,
		.e_addr = h->e_addr,
		.e_stack = e,
		.e_len = (size_t)h->e_len,
		.moving = (h->flags & XB_FREEZE_MOVING) != 0,
	};
	*r = (struct xb_raw_sample){
		.tid = (pid_t)(uint32_t)h->pid_tgid,
		.cpu = (uint32_t)h->cpu,
		.time_ns = h->time_ns,
		.ip = h->ip,
		.period_ns = h->period_ns,
		.kernel_mode = (h->cs & 3) == 0,
		.n_kernel_ips = (size_t)h->k_len / 8,
		.kernel_ips = (const void *)(e + h->e_len),
		.stack_addr = h->c_addr,
		.stack_len = (size_t)h->c_len,
		.stack = c,
		.frozen = f,
	};
	xb_freeze_regs(h, &r->regs);
	/* On the Erlang stack that is the stack. */
	if ((h->flags & XB_FREEZE_ON_ERLANG) != 0) {
		r->stack_addr = f->e_addr;
		r->stack = f->e_stack;
		r->stack_len = f->e_len;
	}
	if ((h->flags & XB_FREEZE_STRANGER) != 0)
		introduce(b, r->tid, r->regs.r[XB_REG_RSP]);
	b->n_batch++;
}

static struct xb_error *no_samples(void *arg, const struct xb_raw_sample *samples, size_t n)
{
	(void)arg, (void)samples, (void)n;
	return NULL;
}

static struct xb_error *bpf_drain(void *self, const struct xb_taker *sink)
{
	struct bpf_source *b = self;
	struct xb_taker events = { .arg = sink->arg, .samples = no_samples, .event = sink->event };
	uint64_t end = __atomic_load_n(b->ring.producer, __ATOMIC_ACQUIRE);
	const unsigned char *bytes;
	struct xb_error *err = NULL;
	size_t len;

	while (err == NULL && b->ring.at < end && (bytes = xb_bpf_ring_next(&b->ring, &len)) != NULL) {
		take(b, bytes, len);
		if (b->n_batch == BATCH)
			err = flush(b, sink);
	}
	if (err == NULL)
		err = flush(b, sink);
	return err != NULL ? err : xb_source_drain(&b->perf, &events);
}

static struct xb_error *bpf_wait(void *self, int timeout_ms, int caller_fd, unsigned *ret_why)
{
	struct bpf_source *b = self;
	/* Not the ring: it is readable as soon as it holds anything, and no sample is worth a look of its own. */
	struct pollfd fds[2] = { { .fd = b->s->proc.pidfd, .events = POLLIN },
				 { .fd = caller_fd, .events = POLLIN } };
	unsigned why = 0;

	if (poll(fds, 2, timeout_ms) < 0) {
		if (errno != EINTR)
			return xb_error_sys(errno, "cannot wait for samples");
		*ret_why = XB_WAKE_SIGNAL;
		return NULL;
	}
	why |= fds[0].revents != 0 || (b->s->proc.pidfd < 0 && !xb_target_alive(&b->s->proc))
		       ? (unsigned)XB_WAKE_EXIT
		       : 0;
	why |= fds[1].revents != 0 ? (unsigned)XB_WAKE_CALLER : 0;
	*ret_why = why;
	return NULL;
}

static struct xb_error *bpf_start(void *self)
{
	return xb_source_start(&((struct bpf_source *)self)->perf);
}

static struct xb_error *bpf_stop(void *self)
{
	return xb_source_stop(&((struct bpf_source *)self)->perf);
}

static void bpf_stats(void *self, struct xb_source_stats *ret)
{
	struct bpf_source *b = self;
	uint64_t samples = b->stats.samples, bad = b->stats.bad_records, bytes = b->stats.bytes;
	uint32_t key = XB_FREEZE_N_LOST;
	uint64_t lost = 0;

	xb_source_stats(&b->perf, ret);
	ret->samples = samples;
	ret->bytes += bytes;
	ret->bad_records += bad;
	if (xb_bpf_map_get(b->counts_fd, &key, &lost))
		ret->lost += lost;
	ret->ring_bytes = b->ring.size;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void bpf_destroy(void *self)
{
	struct bpf_source *b = self;

	xb_source_destroy(&b->perf);
	xb_bpf_ring_close(&b->ring);
	close_fd(b->program_fd);
	close_fd(b->scratch_fd);
	close_fd(b->threads_fd);
	close_fd(b->counts_fd);
	xb_map_deinit(&b->known);
	free(b);
}

static const struct xb_source_ops bpf_ops = {
	.name = "bpf",
	.freezes = true,
	.start = bpf_start,
	.drain = bpf_drain,
	.wait = bpf_wait,
	.stop = bpf_stop,
	.stats = bpf_stats,
	.destroy = bpf_destroy,
};

/* --- opening --- */

static size_t ring_size(uint64_t period_ns, long cpus)
{
	uint64_t want =
		(uint64_t)cpus * USUAL_BYTES * (RING_MS * UINT64_C(1000000) / XB_MAX(period_ns, 1) + 1);
	size_t size = RING_MIN;

	while (size < want && size < RING_MAX)
		size *= 2;
	return size;
}

static struct xb_error *make_maps(struct bpf_source *b, const struct xb_perf_options *o)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	cpus = cpus < 1 ? 1 : cpus;
	XB_TRY(xb_bpf_map_create(BPF_MAP_TYPE_ARRAY, 4, XB_FREEZE_SCRATCH, (uint32_t)cpus,
				 &b->scratch_fd));
	XB_TRY(xb_bpf_map_create(BPF_MAP_TYPE_HASH, 4, sizeof(struct xb_freeze_thread), MAX_THREADS,
				 &b->threads_fd));
	XB_TRY(xb_bpf_map_create(BPF_MAP_TYPE_ARRAY, 4, 8, XB_FREEZE_N_COUNTS, &b->counts_fd));
	return xb_bpf_ring_open(ring_size(o->period_ns, cpus), &b->ring);
}

static struct xb_error *load(struct bpf_source *b, const struct xb_perf_options *o)
{
	struct xb_freeze_config c = {
		.layout = &b->s->vm->layout,
		.frame_pointers = b->s->vm->id.frame_pointers,
		.kernel_chain = o->kernel_stacks && !o->user_only,
		.tgid = b->s->proc.pid,
		.scratch_fd = b->scratch_fd,
		.threads_fd = b->threads_fd,
		.ring_fd = b->ring.fd,
		.counts_fd = b->counts_fd,
	};
	struct xb_bpf_asm *a = calloc(1, sizeof(*a));
	struct xb_error *err = a == NULL ? xb_error_nomem() : xb_freeze_program(&c, a);

	if (err == NULL)
		err = xb_bpf_load(a->insn, a->n, &b->program_fd);
	free(a);
	return err;
}

static struct xb_error *open_all(struct bpf_source *b, const struct xb_perf_options *o)
{
	struct xb_perf_options po = *o;

	XB_TRY(check_namespace());
	XB_TRY(make_maps(b, o));
	XB_TRY(tell_schedulers(b));
	XB_TRY(load(b, o));
	po.program_fd = b->program_fd;
	po.stack_bytes = 0;
	po.wake_each = false;
	return xb_perf_open(b->s->proc.pid, &po, &b->perf);
}

struct xb_error *xb_bpf_open(struct xb_session *s, const struct xb_perf_options *options,
			     struct xb_source *ret)
{
	struct bpf_source *b = calloc(1, sizeof(*b));
	struct xb_error *err;

	if (b == NULL)
		return xb_error_nomem();
	b->s = s;
	b->ring.fd = b->scratch_fd = b->threads_fd = b->counts_fd = b->program_fd = -1;
	b->proc_bytes = xb_freeze_proc_bytes(&s->vm->layout);
	err = open_all(b, options);
	if (err != NULL) {
		bpf_destroy(b);
		return err;
	}
	*ret = (struct xb_source){ .ops = &bpf_ops, .self = b };
	return NULL;
}
