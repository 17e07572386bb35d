#!/bin/sh
# Runs `erl' of the Debian tree root/ beside this file: chrooted into it, in a
# mount namespace of its own, as the very process that called this.
# make-roots.sh installs it beside each tree as "erl".
#
# usage: as erl; root only
#
# Whatever is not part of a Debian system (/home, /tmp, /proc, a checkout...) is
# the host's, at the same place, and so is the current directory.  The mounts
# end with the last process of the namespace; the host never sees them.

set -eu
fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

if [ "${1-}" != --in-namespace ]; then
    self=$(readlink -f -- "$0")
    root=${self%/*}/root
    [ "$(id -u)" = 0 ] || fail "only root can do this (mount namespace, chroot)"
    [ -x "$root/usr/bin/erl" ] || fail "no Erlang in $root; run make-roots.sh"
    exec unshare --mount --propagation private -- "$self" --in-namespace "$root" "$(pwd -P)" "$@"
fi
root=$2 cwd=$3
shift 3

show() {        # an absolute directory of the host at the same place in the tree
    [ -d "$root$1" ] || mkdir -p -- "$root$1"
    mount --rbind -- "$1" "$root$1" || fail "cannot mount $1 in $root"
}
for dir in /* /var/tmp; do
    case $dir in
        # What makes one suite differ from another.
        /bin|/boot|/etc|/lib|/lib32|/lib64|/libx32|/lost+found|/sbin|/usr|/var) ;;
        *) [ ! -d "$dir" ] || show "$dir" ;;
    esac
done
# Working directories in those.  No file of the tree is ever hidden: only what it
# lacks is shown, or has as a directory without files (such as one made here).
out=${VMCTL_OUT:-}
for dir in "$cwd" "${HOME:-}" "${TMPDIR:-}" "${out%/*}" "${VMCTL_EBIN:-}"; do
    case $dir in
        /boot/*|/etc/*|/lib/*|/usr/*|/var/*)
            [ ! -d "$dir" ] || [ -n "$(find "$root$dir" ! -type d -print -quit 2>/dev/null)" ] || show "$dir"
            ;;
    esac
done

# chroot ends up in /, and there is no telling whether erl is a link in the tree
# that only resolves inside.
# shellcheck disable=SC2016  # for the inner shell
exec /usr/sbin/chroot "$root" /bin/sh -c 'cd -- "$1" && shift && exec /usr/bin/erl "$@"' erl "$cwd" "$@"
