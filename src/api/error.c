#include "api/impl.h"

#include <string.h>

static const struct xb_error *of(const struct extrospect_error *err)
{
	return (const struct xb_error *)err;
}

/* Numbers of the public header never change; ours may. */
enum extrospect_error_code extrospect_error_code(const struct extrospect_error *err)
{
	switch (xb_error_code(of(err))) {
	case XB_ERR_NOMEM:
		return EXTROSPECT_ERR_NOMEM;
	case XB_ERR_PERM:
		return EXTROSPECT_ERR_PERMISSION;
	case XB_ERR_GONE:
		return EXTROSPECT_ERR_GONE;
	case XB_ERR_FAULT:
	case XB_ERR_BAD_FILE:
	case XB_ERR_INCOMPLETE:
		return EXTROSPECT_ERR_READ;
	case XB_ERR_NOT_BEAM:
		return EXTROSPECT_ERR_NOT_BEAM;
	case XB_ERR_NO_SYMBOL:
	case XB_ERR_NO_LAYOUT:
	case XB_ERR_UNSUPPORTED:
		return EXTROSPECT_ERR_UNSUPPORTED;
	case XB_ERR_MISMATCH:
		return EXTROSPECT_ERR_MISMATCH;
	case XB_ERR_USAGE:
		return EXTROSPECT_ERR_USAGE;
	case XB_ERR_LIMIT:
		return EXTROSPECT_ERR_LIMIT;
	case XB_ERR_SYS:
	case XB_ERR_INTERRUPTED:
		return EXTROSPECT_ERR_SYSTEM;
	}
	return EXTROSPECT_ERR_SYSTEM;
}

const char *extrospect_error_message(const struct extrospect_error *err)
{
	return xb_error_message(of(err));
}

const char *extrospect_error_advice(const struct extrospect_error *err)
{
	return xb_error_advice(of(err));
}

void extrospect_error_destroy(struct extrospect_error *err)
{
	xb_error_destroy((struct xb_error *)err);
}

static size_t size_of(const void *sized)
{
	size_t size;

	memcpy(&size, sized, sizeof(size));
	return size;
}

static struct xb_error *no_size(void)
{
	return xb_errorf(XB_ERR_USAGE, "the size of a structure is not set; use EXTROSPECT_INIT()");
}

struct xb_error *xb_api_take(const void *theirs, void *ours, size_t our_size)
{
	size_t size;

	memset(ours, 0, our_size);
	if (theirs == NULL)
		return NULL;
	size = size_of(theirs);
	if (size < sizeof(size))
		return no_size();
	for (size_t i = our_size; i < size; i++) {
		if (((const unsigned char *)theirs)[i] != 0)
			return xb_errorf(XB_ERR_USAGE, "an option is set that libextrospect " XB_VERSION
						       " does not know");
	}
	memcpy(ours, theirs, XB_MIN(size, our_size));
	return NULL;
}

struct xb_error *xb_api_give(const void *ours, size_t our_size, void *theirs)
{
	size_t size = size_of(theirs);

	if (size < sizeof(size))
		return no_size();
	memset(theirs, 0, size);
	size = XB_MIN(size, our_size);
	memcpy(theirs, ours, size);
	memcpy(theirs, &size, sizeof(size));
	return NULL;
}
