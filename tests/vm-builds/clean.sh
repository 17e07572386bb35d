#!/bin/sh
# Removes the cache that make-roots.sh and make-builds.sh made: all of it.  Refuses a directory that does not carry
# its mark, and while a VM runs in one of the roots.
set -eu
unset CDPATH
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
cache_user="clean"
# shellcheck source=../lib/cache.sh
. "$here/../lib/cache.sh"

cache_find
if [ ! -e "$cache" ] && [ ! -L "$cache" ]; then
    say "nothing at $cache"
    exit 0
fi
real=$(cd -- "$cache" 2>/dev/null && pwd -P) || real=
home=$(cd -- "${HOME:-/}" 2>/dev/null && pwd -P) || home=/
case $real in
    ''|/|"$home") die "refusing to remove $cache" ;;
esac
if [ -L "$cache" ] || ! cache_marked "$real"; then
    die "$cache does not look like the cache of extrospect; not removed"
fi
cache=$real
cache_lock
cache_delete "$cache/roots"
rm -rf --one-file-system -- "$cache"
say "removed $cache"
