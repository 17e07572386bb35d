/* The few words every file of extrospect uses: remote addresses, attributes, cleanup. */
#ifndef XB_BASE_BASE_H
#define XB_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address in the target.  Never a host pointer: it cannot be dereferenced by mistake. */
typedef uint64_t xb_addr;

/* An Erlang term word of the target.  A struct, so that a term passed as an address does not compile.
 */
typedef struct {
	uint64_t w;
} xb_term;

#define XB_NODISCARD         __attribute__((warn_unused_result))
#define XB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define XB_NONNULL           __attribute__((returns_nonnull)) /* what it returns is never NULL */
#define XB_UNUSED            __attribute__((unused))

#define XB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define XB_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define XB_MAX(a, b)    ((a) > (b) ? (a) : (b))

/* Runs @fn(&variable) when the variable leaves its scope. */
#define xb_cleanup(fn) __attribute__((cleanup(fn)))

/** For xb_cleanup(): free() what the variable points to; close() unless negative. */
void xb_freep(void *pointer_to_pointer);
void xb_closep(int *fd);

/* For our own bugs only, never for data of the target; stays on in release builds. */
#define xb_assert(cond) ((cond) ? (void)0 : xb_assert_failed(#cond, __FILE__, __LINE__))
/** Says where on stderr and aborts. */
_Noreturn void xb_assert_failed(const char *what, const char *file, int line);

/* Moves a pointer out of a cleanup variable. */
#define xb_take(p)                                                                                     \
	({                                                                                             \
		__typeof__(p) xb_taken_ = (p);                                                         \
		(p) = NULL;                                                                            \
		xb_taken_;                                                                             \
	})

static inline uint64_t xb_align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

#endif
