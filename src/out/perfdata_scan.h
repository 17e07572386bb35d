/*
 * Finding the bytes to change in a perf.data file.  Reads only; all lengths are taken for lies until
 *checked.
 *
 * A file (tools/perf/Documentation/perf.data-file-format.txt):
 *
 *	0   "PERFILE2"  u64 header size = 104  u64 attribute entry size
 *	24  {offset, size} attributes, {offset, size} data, {offset, size} event types, 256 feature bits
 *	    …attributes…   …data: records up to data.offset + data.size…   …feature sections…
 *
 * A stream: "PERFILE2", u64 16, then records to the end of file, attributes among them.
 *
 *	record  { u32 type; u16 misc; u16 size } …body…           size counts the header
 *	MMAP    pid tid addr len pgoff                @40 name NUL …sample id
 *	MMAP2   pid tid addr len pgoff  (maj min ino gen | build id)  @64 prot flags  @72 name NUL
 *…sample id
 */
#ifndef XB_OUT_PERFDATA_SCAN_H
#define XB_OUT_PERFDATA_SCAN_H

#include "out/perfdata.h"

#define XB_PERFDATA_ANON "//anon"

/* Names to replace; all are longer than XB_PERFDATA_ANON. */
bool xb_perfdata_is_jit_name(const char *name, size_t len);

struct xb_perfdata_source {
	void *self;
	uint64_t size;
	/* Exactly @len bytes at @offset; the caller keeps inside @size. */
	struct xb_error *(*read)(void *self, uint64_t offset, void *buf, size_t len);
};

/* @len bytes at @offset of the file are a name to be replaced by XB_PERFDATA_ANON and NULs. */
struct xb_perfdata_edit {
	uint64_t offset;
	uint32_t len;
};

XB_VEC(xb_perfdata_edits, struct xb_perfdata_edit);

/**
 * Parse all of it.  Edits come with ascending, disjoint offsets.  report.renamed counts them.
 * Errors as xb_perfdata_fix(); then @report and @edits hold nothing that needs freeing.
 */
XB_NODISCARD struct xb_error *xb_perfdata_scan(const struct xb_perfdata_source *source, uint32_t pid,
					       struct xb_perfdata_report *report,
					       struct xb_perfdata_edits *edits);

#endif
