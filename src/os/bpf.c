#include "os/bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOG_BYTES = 1 << 20 };

/* All of it: the kernel refuses what it does not know, and an initializer need not reach beyond its first member. */
static void clear(union bpf_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
}

static int call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static struct xb_error *refused(int err, const char *what)
{
	if (err == ENOSYS)
		return xb_errorf(XB_ERR_UNSUPPORTED, "%s: this kernel has no BPF", what);
	if (err == EPERM || err == EACCES)
		return xb_error_advise(
			xb_error_sys(err, "%s", what),
			"BPF needs CAP_BPF and CAP_PERFMON (or root), and a container runtime that allows bpf()");
	return xb_error_sys(err, "%s", what);
}

struct xb_error *xb_bpf_map_create(enum bpf_map_type type, uint32_t key_size, uint32_t value_size,
				   uint32_t entries, int *ret_fd)
{
	union bpf_attr attr;
	int fd;

	clear(&attr);
	attr.map_type = type;
	attr.key_size = key_size;
	attr.value_size = value_size;
	attr.max_entries = entries;
	fd = call(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		return refused(errno, "cannot make a BPF map");
	*ret_fd = fd;
	return NULL;
}

static union bpf_attr element(int fd, const void *key, const void *value)
{
	union bpf_attr attr;

	clear(&attr);
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return attr;
}

struct xb_error *xb_bpf_map_put(int fd, const void *key, const void *value)
{
	union bpf_attr attr = element(fd, key, value);

	return call(BPF_MAP_UPDATE_ELEM, &attr) == 0 ? NULL : refused(errno, "cannot fill a BPF map");
}

bool xb_bpf_map_get(int fd, const void *key, void *value)
{
	union bpf_attr attr = element(fd, key, value);

	return call(BPF_MAP_LOOKUP_ELEM, &attr) == 0;
}

/* The last line of the verifier that says something: those behind it are statistics. */
static const char *last_words(char *log)
{
	char *words = log, *line, *rest = log;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0' && strncmp(line, "processed ", 10) != 0 &&
		    strncmp(line, "verification time", 17) != 0 &&
		    strncmp(line, "stack depth", 11) != 0)
			words = line;
	}
	return words;
}

struct xb_error *xb_bpf_load(const struct bpf_insn *insns, size_t n, int *ret_fd)
{
	union bpf_attr attr;
	struct xb_error *err;
	char *log;
	int fd;

	clear(&attr);
	attr.prog_type = BPF_PROG_TYPE_PERF_EVENT;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t) "GPL";
	fd = call(BPF_PROG_LOAD, &attr);
	if (fd >= 0) {
		*ret_fd = fd;
		return NULL;
	}
	if (errno == EPERM || errno == ENOSYS)
		return refused(errno, "cannot load a BPF program");
	/* Once more, to hear why; the log costs time, so not at first. */
	log = calloc(1, LOG_BYTES);
	if (log == NULL)
		return xb_error_nomem();
	attr.log_level = 1;
	attr.log_size = LOG_BYTES;
	attr.log_buf = (uintptr_t)log;
	fd = call(BPF_PROG_LOAD, &attr);
	if (fd >= 0) {
		*ret_fd = fd;
		free(log);
		return NULL;
	}
	err = xb_errorf(XB_ERR_UNSUPPORTED, "this kernel does not accept the BPF program: %s (%s)",
			strerror(errno), last_words(log));
	free(log);
	return err;
}

/* --- the ring --- */

struct xb_error *xb_bpf_ring_open(size_t size, struct xb_bpf_ring *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct xb_bpf_ring r = { .fd = -1, .size = size };

	XB_TRY(xb_bpf_map_create(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)size, &r.fd));
	r.map_len[0] = page;
	r.map_len[1] = page + 2 * size;
	r.map[0] = mmap(NULL, r.map_len[0], PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, 0);
	if (r.map[0] == MAP_FAILED) {
		r.map[0] = NULL;
	} else {
		r.map[1] = mmap(NULL, r.map_len[1], PROT_READ, MAP_SHARED, r.fd, (off_t)page);
		if (r.map[1] == MAP_FAILED)
			r.map[1] = NULL;
	}
	if (r.map[1] == NULL) {
		struct xb_error *err = xb_error_sys(errno, "cannot map the BPF ring");

		xb_bpf_ring_close(&r);
		return err;
	}
	r.consumer = r.map[0];
	r.producer = r.map[1];
	r.data = (const unsigned char *)r.map[1] + page;
	*ret = r;
	return NULL;
}

void xb_bpf_ring_close(struct xb_bpf_ring *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->map[i] != NULL)
			(void)munmap(r->map[i], r->map_len[i]);
	}
	if (r->fd >= 0)
		(void)close(r->fd);
	*r = (struct xb_bpf_ring){ .fd = -1 };
}

const unsigned char *xb_bpf_ring_next(struct xb_bpf_ring *r, size_t *ret_len)
{
	uint64_t end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);

	while (r->at < end) {
		const unsigned char *head = r->data + (r->at & (r->size - 1));
		uint32_t word = __atomic_load_n((const uint32_t *)(const void *)head, __ATOMIC_ACQUIRE);
		uint64_t len = word & ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if ((word & BPF_RINGBUF_BUSY_BIT) != 0)
			return NULL; /* still being written */
		/* Nobody but the kernel writes here; all the same nothing is believed that leaves the ring. */
		if (len + BPF_RINGBUF_HDR_SZ > end - r->at)
			return NULL;
		r->at += (len + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7);
		if ((word & BPF_RINGBUF_DISCARD_BIT) != 0)
			continue;
		*ret_len = (size_t)len;
		return head + BPF_RINGBUF_HDR_SZ;
	}
	return NULL;
}

void xb_bpf_ring_release(struct xb_bpf_ring *r)
{
	__atomic_store_n(r->consumer, r->at, __ATOMIC_RELEASE);
}
