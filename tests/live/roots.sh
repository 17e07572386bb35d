#!/bin/bash
# The roots of a VM by every method, alone and against each other (roots.c), and the cache of where they are: its files,
# and what is in them.
# limit: 300
set -u
# shellcheck source=tests/lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
trap vm_stop_all EXIT
tap_needs jq "${VM_ERL:-erl}"
vm_compile "${VM_EBIN:-$TMP/ebin}" || exit 1
inspect=$BUILD/erlang-inspect
umask 022

# methods NAME: roots.c on the VM of that name; its lines become ours.
methods() {
	"$BUILD/tests/live/roots" "$(vm_pid "$1")" >"$TMP/tap"
	status=$?
	sed -n "s/^\(not \)\{0,1\}ok [0-9]* - /&$1: /p; s/^#/#/p" "$TMP/tap"
	tap_is "$1: the whole program" "0 1" "$status $(grep -c '^1\.\.' "$TMP/tap")"
	tap__failed=$((tap__failed + $(grep -c '^not ok' "$TMP/tap")))
}

vm_start plain many 200 +S 3:2 || exit 1
methods plain
if vm_is_jit; then
	vm_start perf many 20 +JPperf true || exit 1
	methods perf
	vm_stop perf
fi
# The tables move from one code index to the next all the time.
vm_start churn codeload churn 20 || exit 1
methods churn
vm_stop churn

# --- what the report says

pid=$(vm_pid plain)
tap_ok "system, as JSON" "$inspect" --no-cache --json "$pid" system
"$inspect" --no-cache --json "$pid" system >"$TMP/system.json"
roots='.rows[] | select(.section == "roots") | .items[]'
tap_is "every root is by two methods, or is not there" "" \
	"$(jq -r "$roots | select(.methods < 2 and .sources != \"not found\") | .root" "$TMP/system.json")"
tap_is "and said so" "" \
	"$(jq -r "$roots | select(.methods >= 2 and .agreement != \"\(.methods) methods agree\") | .root" \
		"$TMP/system.json")"
tap_is "in the health line too" "true 0 0" \
	"$(jq -r '.health | "\(.roots_by_two_methods > 15) \(.roots_by_one_method) \(.roots_contradicted)"' \
		"$TMP/system.json")"

# --- the files of the cache

build=$(jq -r '.rows[] | select(.section == "process") | .items[] | select(.name == "build_id") | .value' \
	"$TMP/system.json")
export XDG_CACHE_HOME=$TMP/cache
dir=$XDG_CACHE_HOME/extrospect/roots-of
file=$dir/$build

# attach OPTION…: what is said at --verbose about the cache, and whether it went well.
attach() {
	"$inspect" --verbose --json "$@" "$pid" system >"$TMP/system.json" 2>"$TMP/said"
	tap_is "${what:-}: attached, and nothing contradicts" "0 0" \
		"$? $(jq .health.roots_contradicted "$TMP/system.json")"
	said=$(grep -c 'cache: ' "$TMP/said")
}

# noticed WHAT: the cache was refused, aloud, and is whole again.
noticed() {
	what=$1
	attach
	tap_ok "$1: said so at --verbose" test "$said" -gt 0
	tap_is "$1: and replaced" "$good" "$(cat "$file")"
}

what="no cache yet"
attach
tap_is "$what: written for nobody else" "600 700 700" \
	"$(stat -c %a "$file") $(stat -c %a "$dir") $(stat -c %a "$XDG_CACHE_HOME/extrospect")"
tap_is "$what: nothing else is left" "$build" "$(ls -A "$dir")"
good=$(cat "$file")
what="from the cache"
attach
tap_is "$what: it is one source of every table" "" "$(jq -r "$roots |
	select(.sources | (. != \"not found\" and (contains(\"cache\") | not))) | .root" "$TMP/system.json" |
	grep -v -e '^number of ' -e '^frame layout')"
tap_is "$what: nothing to say" 0 "$said"

printf '%s\n' "$good" | head -c 200 >"$file"
noticed "truncated"
printf '%s\n' "$good" | sed 's/ process table/ process tabl/' >"$file"
noticed "changed"
head -c 8000 /dev/urandom >"$file"
noticed "garbage"
: >"$file"
noticed "empty"
# A sum that is right does not make it true: that of another build, and one that is a word off.
sum() { perl -e 'use integer; local $/; my $t = <STDIN>; my $h = 0xcbf29ce484222325;
	for (unpack "C*", $t) { $h ^= $_; $h *= 0x100000001b3 } printf "%ssum %016x\n", $t, $h'; }
tap_is "the sum is what it is said to be" "$good" "$(printf '%s\n' "$good" | grep -v '^sum ' | sum)"
printf '%s\n' "$good" | sed '/^sum /d; s/^build ..../build ffff/' | sum >"$file"
noticed "of another build"
printf '%s\n' "$good" | awk '$1 == "sum" { next } / (process|port) table$/ { sub(/0 /, "8 ") } { print }' |
	sum >"$file"
noticed "a word off"
ln -sf /etc/passwd "$file"
what="a link instead of the file"
attach
tap_ok "$what: said so" grep -q 'cache: not written' "$TMP/said"
tap_is "$what: left alone" /etc/passwd "$(readlink "$file")"
rm -f "$file"
mkfifo "$file"
what="a pipe instead of the file"
attach
tap_ok "$what: left alone" test -p "$file"
rm -f "$file"
printf '%s\n' "$good" >"$file"
chmod 666 "$file"
noticed "writable by everybody"
chmod 777 "$dir"
what="a directory that everybody may write to"
attach
tap_ok "$what: not used, said so" test "$said" -gt 0
chmod 700 "$dir"
mv "$XDG_CACHE_HOME/extrospect" "$TMP/elsewhere" && ln -s "$TMP/elsewhere" "$XDG_CACHE_HOME/extrospect"
what="a link instead of the directory"
attach
tap_ok "$what: not used, said so" test "$said" -gt 0
rm "$XDG_CACHE_HOME/extrospect"
: >"$XDG_CACHE_HOME/extrospect"
what="a file instead of the directory"
attach
tap_ok "$what: said so" test "$said" -gt 0
rm "$XDG_CACHE_HOME/extrospect"
if [ "$(id -u)" = 0 ]; then
	mkdir "$TMP/theirs" && chown 12345 "$TMP/theirs"
	what="the directory of somebody else"
	XDG_CACHE_HOME=$TMP/theirs attach
	tap_is "$what: root writes nothing there" "" "$(ls -A "$TMP/theirs")"
	tap_ok "$what: said so" test "$said" -gt 0
	mv "$TMP/elsewhere" "$XDG_CACHE_HOME/extrospect"
	chown 12345 "$file"
	what="the file of somebody else"
	attach
	tap_ok "$what: not used, said so" test "$said" -gt 0
	rm -rf "$XDG_CACHE_HOME/extrospect"
else
	tap_skip "the directory and the file of somebody else" "not root"
fi
what="--no-cache"
attach --no-cache
tap_ok "$what: nothing written" test ! -e "$XDG_CACHE_HOME/extrospect"
tap_is "$what: nothing said" 0 "$said"
what="without HOME"
mkdir "$TMP/empty"
(
	unset HOME XDG_CACHE_HOME
	cd "$TMP/empty" && "$inspect" --json "$pid" system
) >"$TMP/system.json" 2>"$TMP/said"
tap_is "$what: attached" "0 0" "$? $(jq .health.roots_contradicted "$TMP/system.json")"
tap_is "$what: nothing written" "" "$(ls -A "$TMP/empty")"
what="a relative XDG_CACHE_HOME"
(
	unset HOME
	cd "$TMP/empty" && XDG_CACHE_HOME=here "$inspect" --json "$pid" system
) >"$TMP/system.json" 2>"$TMP/said"
tap_is "$what: does not count" "0 " "$? $(ls -A "$TMP/empty")"
tap_done
