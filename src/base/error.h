/*
 * The one error type.
 *
 * NULL means success everywhere.  An error is what stops an operation; damage found in the target (a
 * torn stack, an unreadable term) is data and travels in the result.  An error carries a code, one
 * sentence that names the cause, and, where there is one, the way out (the advice).  Sentences are
 * built from the inside out with xb_error_wrap(): "atom table: cannot read 8 bytes at 0x…".
 */
#ifndef XB_BASE_ERROR_H
#define XB_BASE_ERROR_H

#include "base/base.h"

enum xb_err_code {
	XB_ERR_NOMEM,       /* out of memory */
	XB_ERR_SYS,         /* a system call failed; the sentence holds strerror() */
	XB_ERR_PERM,        /* the kernel refuses; the advice says which rule */
	XB_ERR_GONE,        /* the target exited */
	XB_ERR_FAULT,       /* target memory that must be readable is not */
	XB_ERR_NOT_BEAM,    /* the target is no Erlang VM */
	XB_ERR_BAD_FILE,    /* a file is not what it claims to be */
	XB_ERR_NO_SYMBOL,   /* no source knows an address that is needed */
	XB_ERR_NO_LAYOUT,   /* no layout for this release and flavor */
	XB_ERR_MISMATCH,    /* a layout check failed on the live VM */
	XB_ERR_USAGE,       /* the user asked for something that makes no sense */
	XB_ERR_LIMIT,       /* a bound of ours was reached */
	XB_ERR_UNSUPPORTED, /* cannot be done on this kernel or this VM */
	XB_ERR_INTERRUPTED, /* the user said stop */
	XB_ERR_INCOMPLETE,  /* a result was written, but parts are missing */
};

struct xb_error;

/**
 * Make an error.  @fmt is one sentence without a final period or newline.
 * Never fails: when memory runs out the static NOMEM error is returned instead.
 */
XB_NODISCARD XB_NONNULL struct xb_error *xb_errorf(enum xb_err_code code, const char *fmt, ...)
	XB_PRINTF(2, 3);

/** Like xb_errorf(), ": strerror(@err)" appended; EPERM/EACCES become PERM, ESRCH GONE, ENOMEM NOMEM,
 * else SYS. */
XB_NODISCARD XB_NONNULL struct xb_error *xb_error_sys(int err, const char *fmt, ...) XB_PRINTF(2, 3);

/** The static out-of-memory error. */
XB_NODISCARD XB_NONNULL struct xb_error *xb_error_nomem(void);

/** Put "context: " before the sentence of @err.  Consumes @err, keeps code and advice; NULL stays NULL.
 */
XB_NODISCARD struct xb_error *xb_error_wrap(struct xb_error *err, const char *fmt, ...) XB_PRINTF(2, 3);

/** Set the way out.  Consumes @err and returns it; an earlier advice is replaced. */
XB_NODISCARD struct xb_error *xb_error_advise(struct xb_error *err, const char *fmt, ...)
	XB_PRINTF(2, 3);

/** What kind of failure; @err is not NULL. */
enum xb_err_code xb_error_code(const struct xb_error *err);

/** Borrowed until @err is destroyed. */
const char *xb_error_message(const struct xb_error *err);

/** NULL where there is none; borrowed until @err is destroyed. */
const char *xb_error_advice(const struct xb_error *err);

/** Accepts NULL. */
void xb_error_destroy(struct xb_error *err);

static inline void xb_error_cleanup(struct xb_error **err)
{
	xb_error_destroy(*err);
}

/* Forward an error unchanged. */
#define XB_TRY(expr)                                                                                   \
	do {                                                                                           \
		struct xb_error *xb_try_err_ = (expr);                                                 \
		if (xb_try_err_ != NULL)                                                               \
			return xb_try_err_;                                                            \
	} while (0)

#endif
