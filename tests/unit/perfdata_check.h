/* What must hold whatever bytes a perf.data file holds; shared by the unit test and the fuzzer. */
#ifndef XB_TESTS_PERFDATA_CHECK_H
#define XB_TESTS_PERFDATA_CHECK_H

#include "out/perfdata_scan.h"

#include <stdlib.h>
#include <string.h>

struct perfdata_bytes {
	unsigned char *data;
	size_t len;
};

static inline struct xb_error *perfdata_read(void *self, uint64_t offset, void *buf, size_t len)
{
	const struct perfdata_bytes *b = self;

	xb_assert(offset <= b->len && len <= b->len - offset);
	memcpy(buf, b->data + offset, len);
	return NULL;
}

/*
 * Scan, check that every edit lies inside, apart from the one before, and covers exactly a JIT name;
 * apply them and check that a second scan sees the same records and nothing left to rename. Returns
 * whether it was a file.  The bytes are copied to their own block, so that a sanitizer sees every step
 * beyond them.
 */
static inline bool perfdata_check(const unsigned char *bytes, size_t len)
{
	struct perfdata_bytes copy = { malloc(len + 1), len };
	struct xb_perfdata_source source = { .self = &copy, .size = len, .read = perfdata_read };
	struct xb_perfdata_report report, again;
	struct xb_perfdata_edits edits, none;
	uint64_t end = 0;
	struct xb_error *err;

	xb_assert(copy.data != NULL);
	memcpy(copy.data, bytes, len);
	err = xb_perfdata_scan(&source, 0, &report, &edits);
	if (err != NULL) {
		xb_error_destroy(err);
		free(copy.data);
		return false;
	}
	xb_assert(report.renamed == edits.len && report.mappings <= report.records);
	for (size_t i = 0; i < edits.len; i++) {
		const struct xb_perfdata_edit *e = &edits.data[i];

		xb_assert(e->offset >= end && e->offset <= len && e->len <= len - e->offset);
		end = e->offset + e->len;
		xb_assert(xb_perfdata_is_jit_name((const char *)copy.data + e->offset, e->len));
		memset(copy.data + e->offset, 0, e->len);
		memcpy(copy.data + e->offset, XB_PERFDATA_ANON, strlen(XB_PERFDATA_ANON));
	}
	err = xb_perfdata_scan(&source, 0, &again, &none);
	xb_assert(err == NULL && none.len == 0 && again.renamed == 0);
	xb_assert(again.records == report.records && again.mappings == report.mappings);
	xb_perfdata_report_deinit(&report);
	xb_perfdata_report_deinit(&again);
	xb_perfdata_edits_deinit(&edits);
	xb_perfdata_edits_deinit(&none);
	free(copy.data);
	return true;
}

#endif
