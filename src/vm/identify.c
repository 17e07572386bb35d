#include "vm/identify.h"

#include "elf/image.h"

#include <ctype.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "Erlang/OTP 25%s [erts-13.1.5] [source] [64-bit] [smp:%beu:%beu] … [jit:ns%s]" */
static const char banner_start[] = "Erlang/OTP ";

static bool parse_banner(const char *text, size_t len, struct xb_identity *id)
{
	const char *erts, *end;
	size_t n = strnlen(text, XB_MIN(len, sizeof(id->banner) - 1));

	memcpy(id->banner, text, n);
	id->banner[n] = '\0';
	while (n > 0 && isspace((unsigned char)id->banner[n - 1]))
		id->banner[--n] = '\0';
	if (!isdigit((unsigned char)id->banner[sizeof(banner_start) - 1]))
		return false;
	id->otp = (unsigned)strtoul(id->banner + sizeof(banner_start) - 1, NULL, 10);
	erts = strstr(id->banner, "[erts-");
	end = erts == NULL ? NULL : strchr(erts, ']');
	if (end == NULL)
		return false;
	(void)snprintf(id->erts, sizeof(id->erts), "%.*s", (int)(end - erts - 6), erts + 6);
	id->flavor = strstr(id->banner, "[jit") != NULL ? XB_FLAVOR_JIT : XB_FLAVOR_EMU;
	return true;
}

void xb_identify_build(const struct xb_image *image, char ret[XB_BUILD_ID_TEXT])
{
	const unsigned char *bytes;
	size_t len;

	ret[0] = '\0';
	if (!xb_image_build_id(image, &bytes, &len))
		return;
	for (size_t i = 0; i < len && 2 * i + 2 < XB_BUILD_ID_TEXT; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/*
 * The first banner in @len bytes at @at that begins within the first @begins; other texts start like it ("Erlang/OTP 25
 * compiler").
 */
static bool search(const unsigned char *at, size_t len, size_t begins, struct xb_identity *id)
{
	const unsigned char *hit, *end = at + begins;

	while ((hit = memmem(at, len, banner_start, sizeof(banner_start) - 1)) != NULL && hit < end) {
		len -= (size_t)(hit - at);
		at = hit;
		if (parse_banner((const char *)at, len, id))
			return true;
		at++;
		len--;
	}
	return false;
}

/* In pieces, as what is read of a file to find it costs more than the finding. */
static bool search_segment(struct xb_image *image, const struct xb_segment *seg, struct xb_identity *id)
{
	enum { PIECE = 256 << 10, OVERLAP = sizeof(id->banner) };

	for (uint64_t at = 0; at < seg->filesz; at += PIECE) {
		size_t len = (size_t)XB_MIN(seg->filesz - at, (uint64_t)PIECE + OVERLAP);
		const unsigned char *bytes = xb_image_bytes(image, seg->vaddr + at, len);

		if (bytes != NULL && search(bytes, len, PIECE, id))
			return true;
	}
	return false;
}

struct xb_error *xb_identify(struct xb_image *image, struct xb_identity *ret)
{
	struct xb_identity id = { .stripped = xb_image_is_stripped(image) };
	const struct xb_segment *seg;
	bool found = false;
	size_t n;

	xb_identify_build(image, id.build_id);
	seg = xb_image_segments(image, &n);
	/* It is a constant, and constants follow the code; in front of it are headers and symbols. */
	for (size_t i = n; i > 0 && !found; i--) {
		if ((seg[i - 1].flags & (PF_X | PF_W)) == 0)
			found = search_segment(image, &seg[i - 1], &id);
	}
	for (size_t i = 0; i < n && !found; i++) {
		if ((seg[i].flags & PF_X) == 0)
			found = search_segment(image, &seg[i], &id);
	}
	if (!found)
		return xb_errorf(XB_ERR_NOT_BEAM,
				 "%s is no Erlang VM: it holds no \"Erlang/OTP\" version banner",
				 xb_image_path(image));
	*ret = id;
	return NULL;
}
