#!/bin/sh
# Makes trees of other Debian suites with the Erlang/OTP they have, below a cache
# directory outside the repository, and beside each a launcher "erl" that runs
# its Erlang in a chroot.  So there are VMs of other releases to look into, as
# Debian ships them.  See README.md.
#
# usage: make-roots.sh [--remove] [CELL...]
#
#   CELL      otp23 (bullseye), otp27 (trixie), otp29 (forky), otp29sid (sid);
#             default: all of them
#   --remove  delete instead of make
#
# Environment: EXTROSPECT_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/extrospect),
# MIRROR (a Debian mirror; default: that of the host's own apt sources).

set -eu
LC_ALL=C.UTF-8
LANG=C
export LC_ALL LANG
umask 022
unset CDPATH TMPDIR ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS

recipe=1        # increase when the trees this script makes change
all='otp23 otp27 otp29 otp29sid'
packages=erlang-base,erlang-crypto,erlang-runtime-tools,erlang-tools,erlang-dev
suite_of() {
    case $1 in
        otp23) echo bullseye ;;
        otp27) echo trixie ;;
        otp29) echo forky ;;
        otp29sid) echo sid ;;
        *) return 1 ;;
    esac
}
release_of() { expr "$1" : 'otp\([0-9]*\)'; }

remove=no
cells=
for arg in "$@"; do
    case $arg in
        --remove) remove=yes ;;
        -h|--help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) echo "$0: unknown option: $arg" >&2; exit 2 ;;
        *)
            suite_of "$arg" >/dev/null || { echo "$0: unknown cell: $arg (there are: $all)" >&2; exit 2; }
            cells="$cells $arg"
            ;;
    esac
done
cells=${cells:-$all}

here=$(cd -- "$(dirname -- "$0")" && pwd -P)
scripts=/usr/share/debootstrap/scripts

cache_user="make-roots"
# shellcheck source=../lib/cache.sh
. "$here/../lib/cache.sh"

# --- the cache ---------------------------------------------------------------

cache_find
case $cache in
    *[[:space:]\\]*) die "a tree cannot be made below a name with blanks: $cache" ;;
esac
[ "$(id -u)" = 0 ] || die "only root can do this (chroot, mounts)"
if [ $remove = yes ] && [ ! -d "$cache/roots" ]; then
    say "nothing at $cache/roots"
    exit 0
fi
cache_open
roots=$cache/roots
mkdir -p "$roots"

if [ $remove = yes ]; then
    for cell in $cells; do
        cache_delete "$roots/$cell.new"
        cache_delete "$roots/$cell"
        say "$cell: removed"
    done
    rmdir "$roots" 2>/dev/null || :
    exit 0
fi

stamp_of() {
    echo "cell: $1"
    echo "suite: $(suite_of "$1")"
    echo "packages: $packages"
    echo "recipe: $recipe"
}
up_to_date() {
    [ -x "$roots/$1/root/usr/bin/erl" ] && stamp_of "$1" | cmp -s - "$roots/$1/stamp"
}
launcher() {    # put into <directory>; replaced whole, as it may be running
    cp "$here/launcher.sh" "$1/erl.new"
    chmod 755 "$1/erl.new"
    mv "$1/erl.new" "$1/erl"
}
report() {
    for cell in $cells; do
        say "$cell: $(cat "$roots/$cell/version"): $roots/$cell/erl"
    done
}
missing_cells=
for cell in $cells; do
    if up_to_date "$cell"; then
        cmp -s "$here/launcher.sh" "$roots/$cell/erl" || launcher "$roots/$cell"
    else
        missing_cells="$missing_cells $cell"
    fi
done
if [ -z "$missing_cells" ]; then
    say "up to date"
    report
    exit 0
fi

# --- what is needed ----------------------------------------------------------

missing=
need() { [ -e "$1" ] || missing="$missing $2"; }
need /usr/sbin/debootstrap debootstrap
need /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
need /usr/bin/unshare util-linux
[ -z "$missing" ] || command -v apt-get >/dev/null || die "needs a Debian system (no apt-get)"
# shellcheck disable=SC2086  # a list of packages
cache_packages $missing

# The mirror this system itself is installed from; one of another suite of the
# same archive.  Not the security archive, which has no base system.
mirror_of_host() {
    # shellcheck disable=SC1091  # not ours
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$file" ] || sed -nE 's/^deb[ 	]+(\[[^]]*\][ 	]+)?//p' "$file"
    done | awk -v suite="$codename" '$2 == suite || $2 == "stable" { print $1 }'
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || grep -v '^#' "$file" | awk -v RS= -v FS='\n' -v suite="$codename" '
            {
                uri = suites = types = ""
                for (i = 1; i <= NF; i++) {
                    value = $i
                    sub(/^[^:]*:[ \t]*/, "", value)
                    if ($i ~ /^[Uu][Rr][Ii]s:/) uri = value
                    if ($i ~ /^[Ss]uites:/) suites = " " value " "
                    if ($i ~ /^[Tt]ypes:/) types = " " value " "
                }
                sub(/[ \t].*/, "", uri)
                if (types ~ / deb / && (index(suites, " " suite " ") || index(suites, " stable ")))
                    print uri
            }'
    done
}
mirror=${MIRROR:-$(mirror_of_host | grep -E '^(https?|ftp|file):' | head -n 1)}
[ -n "$mirror" ] || die "no Debian mirror in /etc/apt; set MIRROR"

# --- the trees ---------------------------------------------------------------

for cell in $missing_cells; do
    suite=$(suite_of "$cell")
    new=$roots/$cell.new
    cache_delete "$new"
    mkdir "$new"
    say "$cell: debootstrap of $suite"
    # A debootstrap may be older than the suite: sid's way does for what is next.
    script=
    [ -e "$scripts/$suite" ] || script=$scripts/sid
    # Its mounts stay in a namespace, so none is left over when it is interrupted.
    run "root-$cell" unshare --mount --propagation private -- \
        /usr/sbin/debootstrap --variant=minbase --include="$packages" "$suite" "$new/root" "$mirror" \
        ${script:+"$script"}

    # Nothing is ever installed into it again, and nobody reads in it.
    for path in var/cache/apt var/lib/apt/lists var/cache/debconf var/log usr/share/doc usr/share/man \
        usr/share/info usr/share/locale usr/share/lintian; do
        rm -rf "$new/root/$path"
        mkdir -p "$new/root/$path"
    done

    launcher "$new"
    # shellcheck disable=SC2016  # dpkg-query's own
    chroot "$new/root" dpkg-query -W -f '${Package} ${Version}\n' 'erlang-*' libc6 >"$new/packages" ||
        die "no dpkg in $new/root"
    version=$("$new/erl" -noshell -noinput -eval \
        'io:format("~s erts ~s", [erlang:system_info(otp_release), erlang:system_info(version)]), halt().' \
        </dev/null) || version=
    [ "${version%% *}" = "$(release_of "$cell")" ] ||
        die "the Erlang/OTP of $suite is not $(release_of "$cell") or does not run ('$version')"
    echo "OTP $version, erlang-base $(sed -n 's/^erlang-base //p' "$new/packages")" >"$new/version"
    stamp_of "$cell" >"$new/stamp"
    cache_delete "$roots/$cell"
    mv "$new" "$roots/$cell"
    say "$cell: $(du -sm "$roots/$cell" | cut -f 1) MB"
done
report
