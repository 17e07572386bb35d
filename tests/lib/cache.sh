# shellcheck shell=sh
# The cache outside the repository in which trees and builds of Erlang VMs are kept: found, marked, locked, emptied.
#
#   cache_user="make-roots"
#   . "$here/../lib/cache.sh"
#   cache_find                     sets $cache; refuses what cannot be one
#   cache_open                     makes it if need be, marks it, holds its lock from now on
#   say, die, run LOG COMMAND...   what a script that fills it tells
#   cache_packages PACKAGE...      installs them when root, else says how
#   cache_delete DIRECTORY         of the cache, whole: no VM runs in it, nothing is mounted there
#
# For POSIX shells under `set -eu'.  Whatever is wrong ends the script, with one sentence.
#
# Environment: EXTROSPECT_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/extrospect).

cache_mark='# extrospect cache'
cache__start=$(date +%s)

say() { printf '%s: [%3d s] %s\n' "${cache_user:?}" $(($(date +%s) - cache__start)) "$*"; }
die() { printf '%s: error: %s\n' "${cache_user:?}" "$*" >&2; exit 1; }

# run LOG COMMAND...: shows what the command said only if it fails.
run() {
	cache__log=$cache/log/$1.log
	shift
	"$@" >"$cache__log" 2>&1 </dev/null || {
		tail -n 30 "$cache__log" >&2
		die "'$*' failed; all of its output is in $cache__log"
	}
}

cache_find() {
	cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/extrospect}
	case $cache in
	/*) ;;
	*) die "the cache must be an absolute path: $cache" ;;
	esac
}

# cache_marked DIRECTORY: whether it is a cache of ours, by the file that says so.
cache_marked() { [ ! -L "$1/CACHEDIR.TAG" ] && grep -qsxF "$cache_mark" "$1/CACHEDIR.TAG"; }

cache_lock() {
	exec 9>"$cache/lock"
	flock -n 9 || {
		say "waiting for another run"
		flock 9
	}
}

cache_open() {
	mkdir -p "$cache"
	if ! cache_marked "$cache"; then
		# The tools keep what they know of builds there.
		[ -z "$(find "$cache" -mindepth 1 -maxdepth 1 ! -name roots-of -print -quit)" ] ||
			die "$cache is neither empty nor a cache of extrospect; set EXTROSPECT_CACHE"
		printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' "$cache_mark" >"$cache/CACHEDIR.TAG"
	fi
	cache=$(cd -- "$cache" && pwd -P)
	mkdir -p "$cache/log"
	cache_lock
}

cache_packages() {
	[ $# -gt 0 ] || return 0
	# shellcheck disable=SC2046  # a list, of names without blanks
	set -- $(printf '%s\n' "$@" | sort -u)
	[ "$(id -u)" = 0 ] || die "missing packages; run: apt-get install --no-install-recommends $*"
	say "installing $*"
	apt-get update -qq >/dev/null || :
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null ||
		die "could not install: $*"
}

# Nothing is deleted that lives: a process that has its root directory there would lose the files it runs from, and
# through a mount rm would leave the tree.
cache_delete() {
	case $1 in
	"${cache:?}"/?*) ;;
	*) die "not in the cache: $1" ;;
	esac
	[ -e "$1" ] || return 0
	cache__users=$(find /proc -mindepth 2 -maxdepth 2 -name root -printf '%h %l\n' 2>/dev/null |
		awk -v below="$1/" 'index($2 "/", below) == 1 { sub("/proc/", "", $1); print $1 }' | tr '\n' ' ')
	[ -z "$cache__users" ] || die "$1 is in use by the processes $cache__users"
	# Launchers mount in namespaces of their own; somebody may have done so by hand.
	cache__mounted "$1" | sort -r | while IFS= read -r cache__dir; do umount -- "$cache__dir" || :; done
	[ -z "$(cache__mounted "$1")" ] || die "cannot unmount what is mounted in $1"
	rm -rf --one-file-system -- "$1"
}
cache__mounted() { awk -v tree="$1/" 'index($5, tree) == 1 { print $5 }' /proc/self/mountinfo; }
