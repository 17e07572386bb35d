/* Any bytes as a perf.data file: no crash, and only names of JIT mappings may change. */
#include "perfdata_check.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)perfdata_check(data, size);
	return 0;
}
