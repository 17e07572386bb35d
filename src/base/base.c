#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void xb_freep(void *pointer_to_pointer)
{
	void **pp = pointer_to_pointer;

	free(*pp);
	*pp = NULL;
}

void xb_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

_Noreturn void xb_assert_failed(const char *what, const char *file, int line)
{
	(void)fprintf(stderr, "extrospect: internal error at %s:%d: %s\n", file, line, what);
	abort();
}
