#include "out/perfdata_scan.h"

#include "base/map.h"
#include "base/rd.h"

#include <stdlib.h>
#include <string.h>

enum {
	FILE_HEADER_SIZE = 104,
	STREAM_HEADER_SIZE = 16,
	RECORD_HEADER_SIZE = 8,
	ATTR_SIZE_MIN = 64, /* PERF_ATTR_SIZE_VER0 */
	ATTRS_LOOKED_AT = 4096,
	EDITS_MAX = 1000000,
	WINDOW = 1 << 18, /* holds at least one record of the greatest length */
};

enum record_type {
	RECORD_MMAP = 1,
	RECORD_MMAP2 = 10,
	RECORD_HEADER_ATTR = 64,
	RECORD_HEADER_TRACING_DATA = 66,
	RECORD_AUXTRACE = 71,
	RECORD_COMPRESSED = 81,
	RECORD_COMPRESSED2 = 83,
};

enum {
	MISC_MMAP_DATA = 1 << 13, /* MMAP without execute permission */
	PROT_X = 4,
	MMAP_NAME = 40,
	MMAP2_PROT = 64,
	MMAP2_NAME = 72,
};

struct scan {
	const struct xb_perfdata_source *source;
	uint32_t pid;
	struct xb_perfdata_report *report;
	struct xb_perfdata_edits *edits;
	struct xb_map pids_seen;
	unsigned char *window;
	uint64_t window_at;
	size_t window_len;
	size_t id_size; /* bytes of sample id behind the name; SIZE_MAX before the first attribute */
};

struct record {
	uint64_t at;
	const unsigned char *bytes;
	uint32_t type;
	uint16_t misc, size;
};

bool xb_perfdata_is_jit_name(const char *name, size_t len)
{
	static const char plain[] = "/memfd:vmem", deleted[] = "/memfd:vmem (deleted)";

	return (len == sizeof(plain) - 1 && memcmp(name, plain, len) == 0) ||
	       (len == sizeof(deleted) - 1 && memcmp(name, deleted, len) == 0);
}

/* @len (at most WINDOW) bytes at @at, which the caller has checked to lie in the source. */
static struct xb_error *look(struct scan *s, uint64_t at, size_t len, const unsigned char **ret)
{
	if (at < s->window_at || at - s->window_at > s->window_len ||
	    s->window_len - (at - s->window_at) < len) {
		size_t n = (size_t)XB_MIN((uint64_t)WINDOW, s->source->size - at);

		s->window_len = 0;
		XB_TRY(s->source->read(s->source->self, at, s->window, n));
		s->window_at = at;
		s->window_len = n;
	}
	*ret = s->window + (at - s->window_at);
	return NULL;
}

/* Size of the sample id that closes every record, from the first bytes of a perf_event_attr. */
static size_t id_size_of(const unsigned char *attr)
{
	enum {
		TID = 1 << 1,
		TIME = 1 << 2,
		ID = 1 << 6,
		CPU = 1 << 7,
		STREAM_ID = 1 << 9,
		IDENTIFIER = 1 << 16
	};
	uint64_t sample_type = xb_load64(attr, 24), flags = xb_load64(attr, 40);
	uint64_t words = sample_type & (TID | TIME | ID | CPU | STREAM_ID | IDENTIFIER);

	return (flags >> 18 & 1) != 0 ? 8 * (size_t)__builtin_popcountll(words) : 0;
}

/* The least of all events: what a record has at the very least behind its name. */
static void learn_attr(struct scan *s, const unsigned char *attr)
{
	s->id_size = XB_MIN(s->id_size, id_size_of(attr));
}

static struct xb_error *note_pid(struct scan *s, uint32_t pid)
{
	if (xb_map_get(&s->pids_seen, pid) != NULL)
		return NULL;
	if (!xb_map_put(&s->pids_seen, pid, 1) || !xb_perfdata_pids_push(&s->report->pids, pid))
		return xb_error_nomem();
	return NULL;
}

static struct xb_error *bad_record(const struct record *r, const char *why)
{
	return xb_errorf(XB_ERR_BAD_FILE, "record at offset %lu (type %u, size %u): %s", r->at, r->type,
			 r->size, why);
}

/*
 * Whether a "//anon" is one of ours: perf and the kernel pad a name to 8 bytes, so theirs leaves 8 for
 * the name and the rest is the sample id.
 */
static bool was_renamed(const struct scan *s, const unsigned char *name, size_t room)
{
	size_t id_size = s->id_size == SIZE_MAX ? 0 : s->id_size;

	if (room < id_size + 16)
		return false;
	for (size_t i = sizeof(XB_PERFDATA_ANON) - 1; i < room - id_size; i++)
		if (name[i] != 0)
			return false;
	return true;
}

static struct xb_error *mmap_record(struct scan *s, const struct record *r)
{
	bool two = r->type == RECORD_MMAP2;
	size_t at = two ? MMAP2_NAME : MMAP_NAME, room, len;
	const char *name;
	uint32_t pid;

	s->report->mappings++;
	if (r->size <= at)
		return bad_record(r, "too short for a mapping");
	room = r->size - at;
	name = (const char *)r->bytes + at;
	len = strnlen(name, room);
	if (len == room)
		return bad_record(r, "the name of the mapping has no end");
	pid = xb_load32(r->bytes, RECORD_HEADER_SIZE);
	if (two ? (xb_load32(r->bytes, MMAP2_PROT) & PROT_X) == 0 : (r->misc & MISC_MMAP_DATA) != 0)
		return NULL; /* the VM's writable alias of the same memory file is no code */
	if (len == sizeof(XB_PERFDATA_ANON) - 1 && memcmp(name, XB_PERFDATA_ANON, len) == 0 &&
	    was_renamed(s, (const unsigned char *)name, room)) {
		if (s->pid != 0 && pid != s->pid)
			return NULL;
		s->report->already++;
		return note_pid(s, pid);
	}
	if (!xb_perfdata_is_jit_name(name, len))
		return NULL;
	if (s->pid != 0 && pid != s->pid) {
		s->report->other++;
		return NULL;
	}
	if (s->edits->len >= EDITS_MAX)
		return xb_errorf(XB_ERR_LIMIT, "more than %d mappings of JIT code", EDITS_MAX);
	if (!xb_perfdata_edits_push(
		    s->edits, (struct xb_perfdata_edit){ .offset = r->at + at, .len = (uint32_t)len }))
		return xb_error_nomem();
	s->report->renamed++;
	return note_pid(s, pid);
}

/* Bytes that follow the record without being counted in its size. */
static struct xb_error *payload_of(const struct record *r, uint64_t *ret)
{
	*ret = 0;
	if (r->type == RECORD_AUXTRACE) {
		if (r->size < RECORD_HEADER_SIZE + 8)
			return bad_record(r, "too short");
		*ret = xb_load64(r->bytes, RECORD_HEADER_SIZE);
	} else if (r->type == RECORD_HEADER_TRACING_DATA) {
		if (r->size < RECORD_HEADER_SIZE + 4)
			return bad_record(r, "too short");
		*ret = xb_align_up(xb_load32(r->bytes, RECORD_HEADER_SIZE), 8);
	}
	return NULL;
}

static struct xb_error *record(struct scan *s, const struct record *r)
{
	switch (r->type) {
	case RECORD_MMAP:
	case RECORD_MMAP2:
		return mmap_record(s, r);
	case RECORD_HEADER_ATTR:
		if (r->size < RECORD_HEADER_SIZE + ATTR_SIZE_MIN)
			return bad_record(r, "too short for an event attribute");
		learn_attr(s, r->bytes + RECORD_HEADER_SIZE);
		return NULL;
	case RECORD_COMPRESSED:
	case RECORD_COMPRESSED2:
		return xb_error_advise(
			xb_errorf(XB_ERR_UNSUPPORTED, "the records are compressed (perf record -z)"),
			"record without -z");
	default:
		return NULL;
	}
}

/* Records fill [@at, @end) exactly. */
static struct xb_error *walk(struct scan *s, uint64_t at, uint64_t end)
{
	while (at < end) {
		struct record r = { .at = at };
		uint64_t payload;

		if (end - at < RECORD_HEADER_SIZE)
			return xb_errorf(XB_ERR_BAD_FILE, "truncated inside the record at offset %lu",
					 at);
		XB_TRY(look(s, at, RECORD_HEADER_SIZE, &r.bytes));
		r.type = xb_load32(r.bytes, 0);
		r.misc = xb_load16(r.bytes, 4);
		r.size = xb_load16(r.bytes, 6);
		if (r.size < RECORD_HEADER_SIZE)
			return bad_record(&r, "smaller than its own header");
		if (r.size > end - at)
			return bad_record(&r,
					  "reaches beyond the end: the file is truncated or damaged");
		XB_TRY(look(s, at, r.size, &r.bytes));
		s->report->records++;
		XB_TRY(record(s, &r));
		XB_TRY(payload_of(&r, &payload));
		at += r.size;
		if (payload > end - at)
			return bad_record(
				&r,
				"its payload reaches beyond the end: the file is truncated or damaged");
		at += payload;
	}
	return NULL;
}

static struct xb_error *learn_attrs(struct scan *s, uint64_t at, uint64_t size, uint64_t each)
{
	if (at > s->source->size || size > s->source->size - at)
		return xb_errorf(XB_ERR_BAD_FILE,
				 "the event attributes lie beyond the end of the file");
	if (size == 0)
		return NULL;
	if (each < ATTR_SIZE_MIN || each > WINDOW || each > size)
		return xb_errorf(XB_ERR_BAD_FILE, "event attributes of %lu bytes", each);
	for (uint64_t i = 0; i < XB_MIN(size / each, (uint64_t)ATTRS_LOOKED_AT); i++) {
		const unsigned char *attr;

		XB_TRY(look(s, at + i * each, ATTR_SIZE_MIN, &attr));
		learn_attr(s, attr);
	}
	return NULL;
}

static struct xb_error *scan_file(struct scan *s)
{
	uint64_t attr_size, attrs_at, attrs_size, data_at, data_size, size = s->source->size;
	const unsigned char *h;

	if (size < FILE_HEADER_SIZE)
		return xb_errorf(XB_ERR_BAD_FILE, "truncated inside the file header");
	XB_TRY(look(s, 0, FILE_HEADER_SIZE, &h));
	attr_size = xb_load64(h, 16);
	attrs_at = xb_load64(h, 24);
	attrs_size = xb_load64(h, 32);
	data_at = xb_load64(h, 40);
	data_size = xb_load64(h, 48);
	if (data_size == 0)
		return xb_error_advise(
			xb_errorf(XB_ERR_BAD_FILE,
				  "the data size is 0: perf still writes it or was killed"),
			"end perf record with Ctrl-C (SIGINT) and wait for it");
	if (data_at < FILE_HEADER_SIZE || data_at > size || data_size > size - data_at)
		return xb_errorf(XB_ERR_BAD_FILE,
				 "truncated: %lu bytes of data at offset %lu in a file of %lu bytes",
				 data_size, data_at, size);
	XB_TRY(learn_attrs(s, attrs_at, attrs_size, attr_size));
	return walk(s, data_at, data_at + data_size);
}

static struct xb_error *scan_any(struct scan *s)
{
	static const char magic[8] = "PERFILE2", swapped[8] = "2ELIFREP", old[8] = "PERFFILE";
	const unsigned char *h;
	uint64_t header_size;

	if (s->source->size < STREAM_HEADER_SIZE)
		return xb_errorf(XB_ERR_BAD_FILE, "%lu bytes are no perf.data file", s->source->size);
	XB_TRY(look(s, 0, STREAM_HEADER_SIZE, &h));
	if (memcmp(h, swapped, 8) == 0)
		return xb_errorf(XB_ERR_UNSUPPORTED, "recorded on a machine of the other byte order");
	if (memcmp(h, old, 8) == 0)
		return xb_errorf(XB_ERR_UNSUPPORTED,
				 "a perf.data file of the first format (before Linux 3.6)");
	if (memcmp(h, magic, 8) != 0)
		return xb_errorf(XB_ERR_BAD_FILE, "not a perf.data file (no PERFILE2 at its start)");
	header_size = xb_load64(h, 8);
	if (header_size == STREAM_HEADER_SIZE)
		return walk(s, STREAM_HEADER_SIZE, s->source->size);
	if (header_size != FILE_HEADER_SIZE)
		return xb_errorf(XB_ERR_BAD_FILE, "a file header of %lu bytes is unknown", header_size);
	return scan_file(s);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct xb_error *xb_perfdata_scan(const struct xb_perfdata_source *source, uint32_t pid,
				  struct xb_perfdata_report *report, struct xb_perfdata_edits *edits)
{
	struct scan s = {
		.source = source, .pid = pid, .report = report, .edits = edits, .id_size = SIZE_MAX
	};
	struct xb_error *err;

	*report = (struct xb_perfdata_report){ 0 };
	*edits = (struct xb_perfdata_edits){ 0 };
	s.window = malloc((size_t)XB_MIN((uint64_t)WINDOW, source->size) + 1);
	err = s.window == NULL ? xb_error_nomem() : scan_any(&s);
	free(s.window);
	xb_map_deinit(&s.pids_seen);
	if (err != NULL) {
		xb_perfdata_report_deinit(report);
		xb_perfdata_edits_deinit(edits);
	} else if (report->pids.len > 1) {
		qsort(report->pids.data, report->pids.len, sizeof(uint32_t), by_value);
	}
	return err;
}
