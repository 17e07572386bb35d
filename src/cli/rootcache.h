/*
 * What attaching found out about a build, kept for the next time: where its roots lie in the image.
 *
 * One small text file for each build-id, in $XDG_CACHE_HOME/extrospect/roots-of or ~/.cache/extrospect/roots-of.  Nothing
 * in it is trusted: what it says is held against the VM before it is used (vm/roots.h).  And a file is not even read
 * unless it and its directory are ours alone: regular, not a link, owned by the effective user, writable by nobody else.
 * So root who still has a user's HOME neither believes nor creates anything there.
 * No failure is an error: it costs some milliseconds, and is said on the log at level INFO.
 */
#ifndef XB_CLI_ROOTCACHE_H
#define XB_CLI_ROOTCACHE_H

#include "base/log.h"
#include "session/session.h"

struct xb_rootcache {
	const struct xb_log *log; /* borrowed, may be NULL */
	const char *base;         /* directory of the cache, "" for none; borrowed */
	struct xb_session_cache ops;
};

/** Ready for use as &c->ops, which points into @c.  Touches nothing.  @log and @base are borrowed. */
void xb_rootcache_init(struct xb_rootcache *c, const char *base, const struct xb_log *log);

/** $XDG_CACHE_HOME when absolute, else ~/.cache; "" when neither is told.  @buf receives it.  Set-user-id programs have
 * none. */
const char *xb_rootcache_base(char *buf, size_t size);

#endif
