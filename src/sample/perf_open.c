/* Opening perf events on a running process: threads, CPUs, rings and the limits on all three. */
#include "sample/perf_priv.h"

#include "os/access.h"
#include "os/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS = 16,        /* of listing threads until no new one shows */
	SPARE_FDS = 64,     /* for the rest of the program */
	RECORD_EXTRA = 512, /* of a sample besides the stack, call chain not counted */
	RING_DEFAULT = 4 << 20,
	RING_MAX = 64 << 20,
	RINGS_TOTAL = 256 << 20,
};

static size_t pow2_up(uint64_t n)
{
	size_t p = 4096;

	while (p < n && p < RING_MAX)
		p *= 2;
	return p;
}

struct xb_error *xb_perf_online(struct xb_perf_cpus *ret)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_perf_cpus cpus = { 0 };
	struct xb_error *err;
	char *text, *at, *end;

	/* "0-3,8,10-11" */
	err = xb_read_file("/sys/devices/system/cpu/online", &arena, &text, NULL);
	if (err != NULL) { /* no sysfs: then CPUs are numbered without holes, or opening one fails */
		xb_error_destroy(err);
		text = xb_arena_printf(&arena, "0-%ld", sysconf(_SC_NPROCESSORS_CONF) - 1);
		if (text == NULL)
			return xb_error_nomem();
	}
	for (at = text; *at >= '0' && *at <= '9'; at = *end == ',' ? end + 1 : end) {
		long first = strtol(at, &end, 10), last = first;

		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		for (long c = first; c <= last && c < 1 << 16; c++) {
			if (!xb_perf_cpus_push(&cpus, (int)c)) {
				xb_perf_cpus_deinit(&cpus);
				return xb_error_nomem();
			}
		}
	}
	*ret = cpus;
	return NULL;
}

static void fill_attr(struct xb_perf *p)
{
	struct perf_event_attr *a = &p->attr;

	*a = (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(*a),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = p->options.period_ns,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID |
			       PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_REGS_USER,
		.read_format = PERF_FORMAT_LOST,
		.disabled = 1,
		.inherit = p->mode == XB_PERF_INHERIT,
		.inherit_thread = p->mode == XB_PERF_INHERIT, /* not the programs the VM starts */
		.exclude_kernel = p->options.user_only,
		.exclude_hv = 1,
		.exclude_idle = p->mode == XB_PERF_CPU,
		.exclude_callchain_user = 1,
		.mmap = 1, /* mmap2 alone only chooses the form */
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.sample_id_all = 1,
		.watermark = 1,
		.wakeup_watermark = p->options.wake_each ? 1 : (uint32_t)(p->ring_bytes / 4),
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.sample_regs_user = XB_RECORD_REGS,
		.sample_stack_user = (uint32_t)p->options.stack_bytes,
	};
	if (p->options.program_fd >
	    0) { /* which copies what it wants; only other records are written */
		a->sample_type &= ~(uint64_t)PERF_SAMPLE_REGS_USER;
		a->sample_regs_user = 0;
		a->sample_stack_user = 0;
		return;
	}
	if (p->options.stack_bytes > 0)
		a->sample_type |= PERF_SAMPLE_STACK_USER;
	if (p->options.kernel_stacks && !p->options.user_only)
		a->sample_type |= PERF_SAMPLE_CALLCHAIN;
}

/* What this kernel and our rights do not allow is left out, least important first. */
static bool give_in(struct xb_perf *p, int err)
{
	struct perf_event_attr *a = &p->attr;

	if (err == EINVAL && a->read_format != 0) {
		a->read_format = 0; /* Linux 6.0 */
		return true;
	}
	if (err == EINVAL && a->inherit_thread) {
		a->inherit_thread = 0; /* Linux 5.13; samples of children are dropped by pid */
		return true;
	}
	if ((err == EACCES || err == EPERM) && !a->exclude_kernel) {
		a->exclude_kernel = 1;
		a->sample_type &= ~(uint64_t)PERF_SAMPLE_CALLCHAIN;
		p->stats.kernel_excluded = true;
		return true;
	}
	return false;
}

static struct xb_error *refused(const struct xb_perf *p, int err)
{
	return xb_access_explain(p->target.pid,
				 p->mode == XB_PERF_CPU ? XB_ACCESS_CPUS : XB_ACCESS_PERF, err);
}

/* A descriptor or -errno.  The first success settles the attributes for all events. */
static int open_event(struct xb_perf *p, pid_t tid, int cpu)
{
	int fd;

	do {
		fd = (int)syscall(SYS_perf_event_open, &p->attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	} while (fd < 0 && p->fds.len == 0 && give_in(p, errno));
	return fd < 0 ? -errno : fd;
}

/* Map the ring of @fd.  0 or an errno. */
static int add_ring(struct xb_perf *p, int fd, int cpu)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len = page + p->ring_bytes;
	struct perf_event_mmap_page *meta;
	struct xb_perf_ring r = { .fd = fd, .cpu = cpu, .map_len = len };

	r.map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r.map == MAP_FAILED) {
		p->ring_refused = true;
		return errno;
	}
	meta = r.map;
	r.ring = (struct xb_ring){
		.data = (unsigned char *)r.map + page,
		.size = p->ring_bytes,
		.head = (const uint64_t *)&meta->data_head,
		.tail = (uint64_t *)&meta->data_tail,
		.bounce = malloc(XB_RING_BOUNCE),
	};
	if (r.ring.bounce == NULL || !xb_perf_rings_push(&p->rings, r)) {
		free(r.ring.bounce);
		(void)munmap(r.map, len);
		return ENOMEM;
	}
	return 0;
}

static struct xb_perf_ring *ring_of_cpu(struct xb_perf *p, int cpu)
{
	for (size_t i = 0; i < p->rings.len; i++) {
		if (p->rings.data[i].cpu == cpu)
			return &p->rings.data[i];
	}
	return NULL;
}

/* One event; 0 or an errno.  ESRCH: the thread is gone; ENODEV: the CPU is. */
static int cover(struct xb_perf *p, pid_t tid, int cpu, bool late)
{
	struct xb_perf_ring *ring = cpu < 0 ? NULL : ring_of_cpu(p, cpu);
	int fd = open_event(p, tid, cpu), err = 0;
	uint64_t id = 0;

	if (fd < 0)
		return -fd;
	if (!xb_perf_fds_push(&p->fds, fd)) {
		(void)close(fd);
		return ENOMEM;
	}
	if (p->options.program_fd > 0 && ioctl(fd, PERF_EVENT_IOC_SET_BPF, p->options.program_fd) != 0)
		return errno;
	if (ring == NULL)
		err = add_ring(p, fd, cpu);
	else if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) != 0)
		err = errno;
	if (err == 0 && late && p->attr.inherit) {
		if (ioctl(fd, PERF_EVENT_IOC_ID, &id) != 0)
			return errno;
		if (!xb_map_put(&p->late_ids, id, (uint64_t)tid) ||
		    !xb_map_put(&p->late, (uint64_t)tid, 1))
			return ENOMEM;
	}
	return err;
}

static int cover_thread(struct xb_perf *p, pid_t tid, bool late)
{
	int err = 0;

	if (p->mode == XB_PERF_THREAD)
		return cover(p, tid, -1, late);
	for (size_t i = 0; i < p->cpus.len && (err == 0 || err == ENODEV); i++)
		err = cover(p, tid, p->cpus.data[i], late);
	return err == ENODEV ? 0 : err;
}

/* Every thread, looking again until no new one shows.  0 or an errno. */
static int cover_all(struct xb_perf *p)
{
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_tasks tasks;
	size_t found = 1;

	if (p->mode == XB_PERF_CPU) {
		int err = 0;

		for (size_t i = 0; i < p->cpus.len && (err == 0 || err == ENODEV); i++)
			err = cover(p, -1, p->cpus.data[i], false);
		return err == ENODEV && p->rings.len > 0 ? 0 : err;
	}
	for (int round = 0; round < ROUNDS && found > 0; round++) {
		struct xb_error *list_err;

		xb_arena_reset(&arena);
		list_err = xb_proc_tasks(p->target.pid, &arena, &tasks);
		if (list_err != NULL) {
			xb_error_destroy(list_err);
			return ESRCH;
		}
		found = 0;
		for (size_t i = 0; i < tasks.len; i++) {
			int err;

			if (xb_map_get(&p->seen, (uint64_t)tasks.tasks[i].tid) != NULL)
				continue;
			if (!xb_map_put(&p->seen, (uint64_t)tasks.tasks[i].tid, 1))
				return ENOMEM;
			found++;
			err = cover_thread(p, tasks.tasks[i].tid, round > 0);
			if (err != 0 && err != ESRCH)
				return err;
		}
	}
	p->stats.threads = p->seen.len;
	return p->rings.len == 0 ? ESRCH : 0;
}

void xb_perf_detach(struct xb_perf *p)
{
	for (size_t i = 0; i < p->rings.len; i++) {
		free(p->rings.data[i].ring.bounce);
		(void)munmap(p->rings.data[i].map, p->rings.data[i].map_len);
	}
	for (size_t i = 0; i < p->fds.len; i++)
		(void)close(p->fds.data[i]);
	xb_perf_rings_deinit(&p->rings);
	xb_perf_fds_deinit(&p->fds);
	xb_map_deinit(&p->seen);
	xb_map_deinit(&p->late);
	xb_map_deinit(&p->late_ids);
}

/* Bytes per ring: enough for @ms of samples from a CPU that runs the target all the time. */
static size_t ring_for(const struct xb_perf *p, uint64_t ms)
{
	uint64_t per_record = p->options.stack_bytes + RECORD_EXTRA;

	return pow2_up(ms * 1000000 / p->options.period_ns * per_record + 4 * per_record);
}

static size_t choose_ring(const struct xb_perf *p, size_t rings)
{
	size_t size = XB_MAX(ring_for(p, 100), (size_t)RING_DEFAULT);

	if (p->options.ring_bytes != 0)
		return p->options.ring_bytes;
	while (size > ring_for(p, 25) && size * rings > RINGS_TOTAL)
		size /= 2;
	return size;
}

/* Our own limit on open files, as far up as it goes.  Whether @need fit. */
static bool room_for_fds(size_t need)
{
	struct rlimit lim, want;

	need += SPARE_FDS;
	if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur >= need)
		return true;
	want = (struct rlimit){ .rlim_cur = XB_MIN(lim.rlim_max, need), .rlim_max = lim.rlim_max };
	if (lim.rlim_max < need) { /* with CAP_SYS_RESOURCE the hard limit moves too */
		struct rlimit more = { .rlim_cur = need, .rlim_max = need };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return true;
	}
	return setrlimit(RLIMIT_NOFILE, &want) == 0 && want.rlim_cur >= need;
}

static struct xb_error *no_memory(const struct xb_perf *p, int err)
{
	return xb_error_advise(
		xb_error_sys(err, "cannot get %zu buffers of %zu KiB for samples", p->cpus.len,
			     p->ring_bytes >> 10),
		"ask for less stack per sample, or raise kernel.perf_event_mlock_kb or the limit on locked "
		"memory (ulimit -l)");
}

/* Attach in one mode; rings shrink until they may be locked.  @ret_full: too few files allowed. */
static struct xb_error *attach_in(struct xb_perf *p, enum xb_perf_mode mode, size_t threads,
				  bool *ret_full)
{
	size_t cpus = p->cpus.len;
	size_t rings = mode == XB_PERF_THREAD ? threads : cpus;
	size_t fds = mode == XB_PERF_INHERIT ? threads * cpus : rings;
	int err;

	*ret_full = false;
	p->mode = mode;
	p->ring_bytes = choose_ring(p, rings);
	if (!room_for_fds(fds)) {
		*ret_full = true;
		return xb_error_advise(xb_errorf(XB_ERR_LIMIT, "sampling needs %zu open files", fds),
				       "raise the limit: ulimit -n %zu", fds + SPARE_FDS);
	}
	for (;; p->ring_bytes /= 2) {
		p->stats.kernel_excluded = p->options.user_only;
		p->ring_refused = false;
		fill_attr(p);
		err = cover_all(p);
		p->format = (struct xb_record_format){ .sample_type = p->attr.sample_type,
						       .sample_id_all = true };
		if (err == 0)
			return NULL;
		xb_perf_detach(p);
		if (!p->ring_refused || (err != EPERM && err != ENOMEM))
			break;
		if (p->ring_bytes / 2 < 4 * (p->options.stack_bytes + RECORD_EXTRA))
			return no_memory(p, err);
	}
	*ret_full = err == EMFILE || err == ENFILE;
	return *ret_full ? xb_errorf(XB_ERR_LIMIT, "sampling needs %zu open files", fds)
			 : refused(p, err);
}

struct xb_error *xb_perf_attach(struct xb_perf *p)
{
	static const enum xb_perf_mode order[] = { XB_PERF_INHERIT, XB_PERF_THREAD, XB_PERF_CPU };
	xb_cleanup(xb_arena_deinit) struct xb_arena arena = XB_ARENA_INIT;
	struct xb_error *err = NULL;
	struct xb_tasks tasks;
	bool full = true;

	xb_perf_cpus_deinit(&p->cpus);
	XB_TRY(xb_perf_online(&p->cpus));
	XB_TRY(xb_proc_tasks(p->target.pid, &arena, &tasks));
	if (p->options.mode != XB_PERF_AUTO)
		return attach_in(p, p->options.mode, tasks.len, &full);
	for (size_t i = 0; i < XB_ARRAY_LEN(order) && full; i++) {
		struct xb_error *e = attach_in(p, order[i], tasks.len, &full);

		if (e == NULL) {
			xb_error_destroy(err);
			return NULL;
		}
		if (err == NULL)
			err = e; /* the first refusal is the one to cure */
		else
			xb_error_destroy(e);
		if (full)
			xb_logf(p->options.log, XB_LOG_INFO, "%s; trying with fewer",
				xb_error_message(err));
	}
	return err;
}
