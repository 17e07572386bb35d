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
	id->native_stack = strstr(id->banner, "[jit:ns") != NULL;
	return true;
}

static void build_id_text(const struct xb_image *image, struct xb_identity *id)
{
	const unsigned char *bytes;
	size_t len;

	if (!xb_image_build_id(image, &bytes, &len))
		return;
	for (size_t i = 0; i < len && 2 * i + 2 < sizeof(id->build_id); i++)
		(void)snprintf(id->build_id + 2 * i, 3, "%02x", bytes[i]);
}

/* The first banner in @len bytes at @at; other texts start like it ("Erlang/OTP 25 compiler"). */
static bool search(const unsigned char *at, size_t len, struct xb_identity *id)
{
	const unsigned char *hit;

	while ((hit = memmem(at, len, banner_start, sizeof(banner_start) - 1)) != NULL) {
		len -= (size_t)(hit - at);
		at = hit;
		if (parse_banner((const char *)at, len, id))
			return true;
		at++;
		len--;
	}
	return false;
}

struct xb_error *xb_identify(struct xb_image *image, struct xb_identity *ret)
{
	struct xb_identity id = { .stripped = xb_image_is_stripped(image) };
	const struct xb_segment *seg;
	bool found = false;
	size_t n;

	build_id_text(image, &id);
	seg = xb_image_segments(image, &n);
	for (size_t i = 0; i < n && !found; i++) {
		const unsigned char *bytes =
			seg[i].flags & PF_X ? NULL : xb_image_bytes(image, seg[i].vaddr, seg[i].filesz);

		found = bytes != NULL && search(bytes, seg[i].filesz, &id);
	}
	if (!found)
		return xb_errorf(XB_ERR_NOT_BEAM,
				 "%s is no Erlang VM: it holds no \"Erlang/OTP\" version banner",
				 xb_image_path(image));
	*ret = id;
	return NULL;
}
