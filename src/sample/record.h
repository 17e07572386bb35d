/* The records the kernel writes into a perf ring, read with bounds: bytes in, samples and events out.
 */
#ifndef XB_SAMPLE_RECORD_H
#define XB_SAMPLE_RECORD_H

#include "sample/source.h"

/* perf's numbers of the 17 registers asked for: ax bx cx dx si di bp sp ip and r8 … r15. */
#define XB_RECORD_REGS 0xff01ffULL

/* What the event was opened with: decides which fields a record has. */
struct xb_record_format {
	uint64_t sample_type; /* PERF_SAMPLE_*, of XB_RECORD_TYPES only */
	bool sample_id_all;
};

enum xb_record_got {
	XB_RECORD_SAMPLE,
	XB_RECORD_EVENT,
	XB_RECORD_OTHER,   /* a kind we do not know or do not need */
	XB_RECORD_DAMAGED, /* shorter than its own fields say */
};

struct xb_record {
	pid_t pid;   /* whose; 0 when the record does not say */
	uint64_t id; /* of the event that made it; an inherited event has its parent's */
	struct xb_raw_sample sample;
	struct xb_source_event event;
};

/** Whether every field of @sample_type is one xb_record_parse() can step over. */
bool xb_record_knows(uint64_t sample_type);

/**
 * Take one record apart.  @ret's pointers lead into @bytes, which must be 8-byte aligned; @ret is
 * undefined unless SAMPLE or EVENT is returned.  Mirrors perf_output_sample() of the kernel.
 */
enum xb_record_got xb_record_parse(const struct xb_record_format *format, const unsigned char *bytes,
				   size_t len, struct xb_record *ret);

#endif
