#include "out/perfmap_list.h"

#include <stdlib.h>

struct xb_error *xb_perfmap_of_list(const struct xb_jitlist *list, enum xb_perfmap_keep keep,
				    struct xb_str *out, struct xb_perfmap_stats *ret_stats)
{
	struct xb_perfmap_entry *entries = calloc(list->n_ranges + 1, sizeof(*entries));
	struct xb_error *err;
	size_t n = 0;

	if (entries == NULL)
		return xb_error_nomem();
	for (size_t i = 0; i < list->len; i++) {
		const struct xb_jitentry *e = list->entries[i];

		for (uint32_t k = 0; k < e->n_ranges; k++) {
			const struct xb_jitrange *r = &e->ranges[k];

			entries[n++] = (struct xb_perfmap_entry){
				.addr = r->start,
				.size = r->end - r->start,
				.name = r->name,
				.name_len = r->name_len,
			};
		}
	}
	err = xb_perfmap_format(entries, n, keep, out, ret_stats);
	free(entries);
	return err;
}
