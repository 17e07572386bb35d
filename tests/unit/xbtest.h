/* cmocka.h needs these first; every unit test includes this instead. */
#ifndef XB_TESTS_XBTEST_H
#define XB_TESTS_XBTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> // IWYU pragma: export

#include "base/error.h"

/* Fails with the sentence of the error. */
#define assert_ok(expr)                                                                                \
	do {                                                                                           \
		struct xb_error *assert_ok_err = (expr);                                               \
		if (assert_ok_err != NULL)                                                             \
			fail_msg("%s: %s", #expr, xb_error_message(assert_ok_err));                    \
	} while (0)

/* The call must fail with @want_code and a sentence that holds @part. */
#define assert_err(expr, want_code, part)                                                              \
	do {                                                                                           \
		struct xb_error *assert_err_err = (expr);                                              \
		assert_non_null(assert_err_err);                                                       \
		assert_int_equal(xb_error_code(assert_err_err), want_code);                            \
		if (strstr(xb_error_message(assert_err_err), part) == NULL)                            \
			fail_msg("'%s' does not hold '%s'", xb_error_message(assert_err_err), part);   \
		xb_error_destroy(assert_err_err);                                                      \
	} while (0)

#endif
