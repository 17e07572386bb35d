/*
 * Finding the separate debug information of an image.
 *
 * Two products.  The debug file: a second ELF file with .symtab and .debug_*, looked for by build-id,
 * then by .gnu_debuglink; below an extra directory first, then below the target's root, then below
 * ours.  And .gnu_debugdata: a small xz-compressed ELF file inside the image that holds only .symtab.
 *
 * A debug file is believed when its build-id equals that of the image; where one of them has none, when
 * its CRC is the one in .gnu_debuglink.  A file with neither symbols nor DWARF is not a debug file,
 * which also stops an image from being its own.
 */
#ifndef XB_ELF_DEBUGFILE_H
#define XB_ELF_DEBUGFILE_H

#include "base/str.h"
#include "elf/image.h"

struct xb_debug_opts {
	const char *path; /* of the image as the target sees it; NULL: the path it was opened with */
	const char *root; /* the target's root, such as /proc/PID/root; NULL: ours */
	const char *dir;  /* extra directory, of our own root, searched first; NULL: none */
	bool off;         /* do not look at all */
};

/**
 * Look for the debug file of @img.
 * @param opts  May be NULL.
 * @param why   Receives one line: the file that was found, or every reason why none was.
 * @param ret   The debug file, the caller's to close; NULL when there is none, which is no error.
 * @return NULL or NOMEM.
 * Cost: some ten failing opens; with a CRC to check also reading the whole debug file.
 */
XB_NODISCARD struct xb_error *xb_debugfile_find(struct xb_image *img, const struct xb_debug_opts *opts,
						struct xb_str *why, struct xb_image **ret);

/**
 * The image inside .gnu_debugdata, at most 64 MiB once unpacked.  Same contract as xb_debugfile_find().
 * Cost: xz decompression, about 10 ms for 1 MiB of result.
 */
XB_NODISCARD struct xb_error *xb_debugfile_embedded(struct xb_image *img, struct xb_str *why,
						    struct xb_image **ret);

#endif
