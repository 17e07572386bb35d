#!/bin/sh
# Removes the cache that build-emu-debug.sh made.  Refuses a directory that
# does not carry its mark.
set -eu
unset CDPATH
cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/extrospect}
tag='# extrospect cache'

case $cache in
    /*) ;;
    *) echo "clean: not an absolute path: $cache" >&2; exit 1 ;;
esac
if [ ! -e "$cache" ] && [ ! -L "$cache" ]; then
    echo "clean: nothing at $cache"
    exit 0
fi
real=$(cd -- "$cache" 2>/dev/null && pwd -P) || real=
home=$(cd -- "${HOME:-/}" 2>/dev/null && pwd -P) || home=/
case $real in
    ''|/|"$home") echo "clean: refusing to remove $cache" >&2; exit 1 ;;
esac
if [ -L "$cache" ] || [ -L "$real/CACHEDIR.TAG" ] || ! grep -qsxF "$tag" "$real/CACHEDIR.TAG"; then
    echo "clean: $cache does not look like the cache of extrospect; not removed" >&2
    exit 1
fi
rm -rf -- "$real"
echo "clean: removed $real"
