#!/bin/sh
# erlang-write-perf-map against live VMs: the VM's own map, the module tables, places that refuse, --watch.
# limit: 180
#
# Needs BUILD (the tools); SRC and TMP are found when they are not given.
# Functions are called through check, programs of their own expand their own.
# shellcheck disable=SC2015,SC2016,SC2031,SC2317
set -u
SRC=${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SRC/build}
own_tmp=
[ -n "${TMP:-}" ] || own_tmp=$(mktemp -d)
TMP=${TMP:-$own_tmp}
export TMP
VM_SRC=$SRC/tests/vm
# shellcheck source=tests/lib/vm.sh
. "$SRC/tests/lib/vm.sh"
tool=$BUILD/erlang-write-perf-map
maps=
tmpfs=
sleeper=
watcher=

cleanup() {
	[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
	[ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null
	[ -z "$tmpfs" ] || umount "$tmpfs" 2>/dev/null
	vm_stop_all
	for p in $maps; do rm -rf "/tmp/perf-$p.map"; done
	[ -z "$own_tmp" ] || rm -rf "$own_tmp"
}
trap cleanup EXIT

failed=0
# check NAME COMMAND...: the command's exit code is the verdict.
check() {
	name=$1
	shift
	if "$@" >"$TMP/check.log" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' "$TMP/check.log" | head -n 12
		failed=1
	fi
}
skip() {
	echo "ok $1 # SKIP $2"
}

# exits CODE PATTERN COMMAND...: ends with CODE and says PATTERN.
exits() {
	want=$1 pattern=$2
	shift 2
	"$@" >"$TMP/said.out" 2>"$TMP/said"
	got=$?
	cat "$TMP/said"
	[ "$got" -eq "$want" ] || {
		echo "exit code $got, not $want"
		return 1
	}
	grep -q -- "$pattern" "$TMP/said" || {
		echo "nothing said about: $pattern"
		return 1
	}
}

# until_true SECONDS COMMAND...
until_true() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

command -v "${VM_ERL:-erl}" >/dev/null || {
	echo "no erl to run"
	exit 77
}
vm_compile "$TMP/vm" || exit 1

if ! vm_is_jit; then
	vm_start emu codeload || exit 1
	check "target: interpreter" exits 5 "nothing to map" "$tool" "$VM_PID"
	check "target: interpreter, no map" test ! -e "/tmp/perf-$VM_PID.map"
	exit "$failed"
fi

# --- the VM's own map ---------------------------------------------------------------------------------------------
release=$(vm__erl 'io:put_chars(erlang:system_info(otp_release))')
vm_start own codeload +JPperf map || exit 1
own=$VM_PID
maps="$maps $own"

# same_map [OPTION...]: every line the same, in the same order.  The VM's file is a log.  From OTP 26 on its list
# forgets what was purged; then the log's other lines are of modules that this test replaced or purged, of no others.
same_map() {
	"$tool" "$@" --output - "$own" >"$TMP/ours" || return 1
	[ "$(wc -l <"$TMP/ours")" -gt 10000 ] || return 1
	case $release in
	23 | 24 | 25) cmp "$TMP/ours" "/tmp/perf-$own.map" ;;
	*)
		diff "/tmp/perf-$own.map" "$TMP/ours" >"$TMP/diff"
		! grep '^>' "$TMP/diff" && ! grep '^<' "$TMP/diff" | grep -v ' \$codeload_[a-z0-9_]*:'
		;;
	esac
}
check "own map: as started" same_map
# The first module is not worth comparing again: the compiler comes with it.
names=$(vm_ask own load 20)
first=$(echo "$names" | sed -n 1p)
second=$(echo "$names" | sed -n 2p)
third=$(echo "$names" | sed -n 3p)
check "own map: after loading" same_map
vm_ask own reload "$first" >/dev/null
vm_ask own reload "$first" >/dev/null
check "own map: after reloading twice" same_map
vm_ask own delete "$second" >/dev/null
vm_ask own purge "$second" >/dev/null
check "own map: after purging" same_map
vm_ask own load 5 >/dev/null
vm_ask own reload "$third" >/dev/null
vm_ask own churn 50 >/dev/null
sleep 1
vm_ask own churn 0 >/dev/null
check "own map: after churning, memory used again" same_map
check "own map: --replaced says the same" same_map --replaced
# Lines whose memory is used twice exist by now, so the two forms of the map must differ for perf's sake.
used_twice() {
	awk '{ if (seen[$1]++) n++ } END { exit !n }' "/tmp/perf-$own.map"
}
check "own map: some memory was used again" used_twice
before=$(stat -c '%i' "/tmp/perf-$own.map")
untouched() {
	exits 0 "the VM keeps" "$tool" "$own" && [ "$(stat -c '%i' "/tmp/perf-$own.map")" = "$before" ]
}
check "own map: left to the VM" untouched
kept_json() {
	"$tool" --json "$own" | jq -e '.rows[0].kept_by_vm and (.rows[0].written | not)'
}
check "own map: left to the VM, in JSON" kept_json
vm_stop own

# --- a VM that was never prepared ---------------------------------------------------------------------------------
vm_start plain codeload || exit 1
plain=$VM_PID
maps="$maps $plain"
map=/tmp/perf-$plain.map
rm -f "$map"

written() {
	"$tool" "$plain" && [ "$(stat -c '%u %a %F' "$map")" = "$(id -u) 644 regular file" ]
}
check "plain: written, ours, mode 644" written

# What the VM itself says of its functions; a command is one line.
vm_functions() {
	vm_ask plain eval "ok = file:write_file(\"$TMP/mfas\", [io_lib:format(\"~tw:~tw/~w~n\", [M, F, A]) || {M, _} <- code:all_loaded(), {F, A} <- M:module_info(functions)])." >/dev/null
}
every_function() {
	vm_functions || return 1
	"$tool" -q "$plain" || return 1
	[ "$(wc -l <"$TMP/mfas")" -gt 7000 ] || return 1
	# @ and reserved words are spelled another way by the VM's own printf: compare without quotes.
	sed "s/'//g" "$TMP/mfas" | sort >"$TMP/mfas.vm"
	sed -n 's/^0x[0-9a-f]* [0-9a-f]* \$//p' "$map" | grep -v -e '-CodeInfoPrologue$' -e '::' |
		sed "s/'//g" | sort >"$TMP/mfas.map"
	comm -23 "$TMP/mfas.vm" "$TMP/mfas.map" >"$TMP/missing"
	head -n 5 "$TMP/missing"
	[ ! -s "$TMP/missing" ]
}
check "plain: every function the VM knows is in the map" every_function

agreed() {
	"$tool" --json "$plain" >"$TMP/json" && jq -e '.health |
		.differing == 0 and .functions_compared > 7000 and .modules_unreadable == 0 and (.cut | not)
		and .entries_broken == 0' "$TMP/json" || { cat "$TMP/json"; return 1; }
}
check "plain: list and module tables agree" agreed
names=$(vm_ask plain load 10)
first=$(echo "$names" | sed -n 1p)
second=$(echo "$names" | sed -n 2p)
vm_ask plain reload "$first" >/dev/null
vm_ask plain delete "$second" >/dev/null
vm_ask plain purge "$second" >/dev/null
check "plain: they agree after loading, reloading, purging" agreed
vm_ask plain churn 5 >/dev/null
# Whoever looks while code is loaded may see a difference, but then has to say that it moved.
agreed_meanwhile() {
	clean=0
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$tool" --json "$plain" >"$TMP/json"
		if jq -e '.health.moving' "$TMP/json"; then continue; fi
		jq -e '.health | .differing == 0 and .modules_unreadable == 0 and .entries_broken == 0 and (.cut | not)' \
			"$TMP/json" || { cat "$TMP/json"; return 1; }
		clean=$((clean + 1))
	done
	[ "$clean" -gt 0 ]
}
check "plain: they agree while code is loaded" agreed_meanwhile
vm_ask plain churn 0 >/dev/null
disjoint() {
	"$tool" -q --output "$TMP/map" "$plain" && sort "$TMP/map" | awk '
		function hex(s,  i, n) { n = 0; s = tolower(s)
			for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n }
		{ start = hex(substr($1, 3)); size = hex($2); if (size > 0) { if (start < end) bad++; end = start + size } }
		END { exit bad > 0 || NR < 10000 }'
}
check "plain: no address is listed twice" disjoint

# --- places -------------------------------------------------------------------------------------------------------
occupied_by_link() {
	rm -f "$map"
	echo precious >"$TMP/precious"
	ln -s "$TMP/precious" "$map"
	exits 2 "symbolic link" "$tool" "$plain" && [ "$(cat "$TMP/precious")" = precious ] && [ -L "$map" ]
}
check "place: occupied by a link" occupied_by_link
rm -f "$map"
occupied_by_directory() {
	mkdir "$map" && exits 2 "directory" "$tool" "$plain" && [ -d "$map" ]
}
check "place: occupied by a directory" occupied_by_directory
rmdir "$map"
check "place: /dev/full" exits 1 "No space left" "$tool" --output /dev/full "$plain"
full_stdout() {
	exits 1 "No space left" sh -c '"$0" --output - "$1" >/dev/full' "$tool" "$plain"
}
check "place: standard output full" full_stdout
no_directory() {
	exits 1 "No such file" "$tool" --output "$TMP/none/map" "$plain"
}
check "place: no such directory" no_directory
disk_full() {
	echo old >"$tmpfs/map"
	exits 1 "No space left" "$tool" --output "$tmpfs/map" "$plain" && [ "$(cat "$tmpfs/map")" = old ] &&
		[ "$(ls -A "$tmpfs")" = map ]
}
if [ "$(id -u)" -eq 0 ] && mkdir "$TMP/full" && mount -t tmpfs -o size=64k none "$TMP/full" 2>/dev/null; then
	tmpfs=$TMP/full
	check "place: disk full, the old map stays" disk_full
	umount "$tmpfs" && tmpfs=
else
	skip "place: disk full, the old map stays" "cannot mount a small tmpfs"
fi
check "inside the target's root" sh -c '"$0" -q --inside-target "$1" && [ -f "/proc/$1/root/tmp/perf-$1.map" ]' \
	"$tool" "$plain"

# --- targets ------------------------------------------------------------------------------------------------------
sleep 300 &
sleeper=$!
check "target: no Erlang VM" exits 2 "no Erlang VM" "$tool" "$sleeper"
kill "$sleeper"
wait "$sleeper" 2>/dev/null
check "target: gone" exits 4 "no such process" "$tool" "$sleeper"
sleeper=

# --- watch --------------------------------------------------------------------------------------------------------
"$tool" --watch --interval 20ms "$plain" 2>"$TMP/watch" &
watcher=$!
check "watch: the first map" until_true 10 grep -q " functions and " "$TMP/watch"
new=$(vm_ask plain load 1)
check "watch: picks up a new module" until_true 10 grep -qF "\$$new:f1/1" "$map"
vm_ask plain reload "$new" >/dev/null
check "watch: picks up a reloaded module" until_true 10 grep -qF "\$$new:f11/1" "$map"
vm_stop plain
ends() {
	# 0 when it ends by itself.
	wait "$watcher"
	code=$?
	cat "$TMP/watch"
	[ "$code" -eq 0 ] && grep -q "has ended" "$TMP/watch" && [ -s "$map" ]
}
check "watch: ends with the VM, the map stays" ends
watcher=
vm_start again codeload || exit 1
maps="$maps $VM_PID"
"$tool" --watch --json --interval 20ms "$VM_PID" >"$TMP/watch.json" &
watcher=$!
until_true 10 test -s "/tmp/perf-$VM_PID.map"
sleep 0.1
interrupted() {
	kill -TERM "$watcher" && wait "$watcher" && jq -e '.rows[0].written' "$TMP/watch.json"
}
check "watch: a signal ends it, the report is whole" interrupted
watcher=

# --- time ---------------------------------------------------------------------------------------------------------
vm_ask again fill 15000 >/dev/null
for _ in 1 2 3 4 5 6 7; do
	"$tool" --json "$VM_PID" | jq '.health | "\(.duration_ns) \(.attach_ns) \(.list_ns) \(.check_ns)"' -r
done | sort -n | sed -n 4p >"$TMP/time"
awk '{ printf "# 15,000 functions: %.1f ms in all: attach %.1f, list %.1f, check %.1f\n",
    $1 / 1e6, $2 / 1e6, $3 / 1e6, $4 / 1e6 }' "$TMP/time"
# Other work on the machine must not fail this; the figure proper is in bench.
in_time() {
	awk '{ exit !($1 < 400e6 && $3 < 100e6) }' "$TMP/time"
}
check "time: 15,000 functions" in_time
exit "$failed"
