#!/bin/sh
# The README's recipe, end to end: an unprepared VM, perf record, our map, --fix-perf-data, perf report.
# limit: 90
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
pid=

cleanup() {
	vm_stop_all
	[ -z "$pid" ] || rm -f "/tmp/perf-$pid.map"
	[ -z "$own_tmp" ] || rm -rf "$own_tmp"
}
trap cleanup EXIT

failed=0
# check NAME COMMAND...
check() {
	what=$1
	shift
	if "$@" >"$TMP/check.log" 2>&1; then
		echo "ok $what"
	else
		echo "not ok $what"
		sed 's/^/# /' "$TMP/check.log" | head -n 20
		failed=1
	fi
}

for needed in perf "${VM_ERL:-erl}"; do
	command -v "$needed" >/dev/null || {
		echo "no $needed to run"
		exit 77
	}
done
# perf finds build-ids and settings in the home directory; leave the user's alone.
export HOME="$TMP"
perf record -q -e cpu-clock -o "$TMP/try.data" -- true >"$TMP/try" 2>&1 || {
	echo "perf may not record: $(tail -n 1 "$TMP/try")"
	exit 77
}

vm_compile "$TMP/vm" || exit 1
vm_start split split functions || exit 1
pid=$VM_PID
data=$TMP/perf.data
vm_ask split reset >/dev/null
perf record -q -e cpu-clock -F 999 -p "$pid" -o "$data" -- sleep 4 >"$TMP/record" 2>&1 || {
	echo "perf may not record the VM: $(tail -n 1 "$TMP/record")"
	exit 77
}
vm_ask split stats >"$TMP/stats"
check "the map is written" "$tool" "$pid"
cp "$data" "$TMP/copy.data"

# script FILE: one symbol per sample.
script() {
	perf script -i "$1" -F ip,sym 2>"$TMP/script.err" | awk 'NF > 0 { $1 = ""; sub(/^ +/, ""); print }'
}
nameless() {
	script "$data" >"$TMP/before"
	[ "$(wc -l <"$TMP/before")" -gt 1000 ] && ! grep -F '$' "$TMP/before"
}
check "perf knows no Erlang name before" nameless

check "the recording is fixed" "$tool" --fix-perf-data "$data"
fixed_again() {
	"$tool" --json --fix-perf-data "$data" >"$TMP/json" && cat "$TMP/json" &&
		jq -e --argjson pid "$pid" '.health.renamed == 0 and .health.already > 0 and .rows[0].pid == $pid
			and .rows[0].map_exists' "$TMP/json"
}
check "once is enough" fixed_again

# Shares of the three functions among themselves, against the CPU time the VM itself measured.
shares() {
	script "$1" >"$TMP/after"
	awk '
	NR == FNR { want[$1] = $3; next }
	{ n++ }
	match($0, /^\$split:hot_[abc]\/2$/) { hits[substr($0, 8, 5)]++; hot++ }
	END {
		printf "%d samples, %d hot\n", n, hot
		for (f in want) {
			share = hot > 0 ? 100 * hits[f] / hot : 0
			printf "%s %.2f, the VM says %.2f\n", f, share, want[f]
			if (share - want[f] > 3 || want[f] - share > 3)
				bad++
		}
		exit bad > 0 || n < 1000 || hot < 0.8 * n
	}' "$TMP/stats" "$TMP/after"
}
check "shares, fixed in place" shares "$data"
sed 's/^/# /' "$TMP/check.log"
report() {
	perf report -i "$data" --stdio --sort symbol 2>/dev/null >"$TMP/report"
	grep -v '^#' "$TMP/report" | head -n 5
	grep -v '^#' "$TMP/report" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\$split:hot_/) print $i }' | tr '\n' ' ' >"$TMP/order"
	[ "$(cat "$TMP/order")" = '$split:hot_a/2 $split:hot_b/2 $split:hot_c/2 ' ]
}
check "perf report names them, most frequent first" report

to_new_file() {
	sum=$(cksum <"$TMP/copy.data")
	"$tool" --fix-perf-data "$TMP/copy.data" --output "$TMP/new.data" "$pid" &&
		[ "$(cksum <"$TMP/copy.data")" = "$sum" ] && cmp "$TMP/new.data" "$data"
}
check "fixed into a new file: the same bytes, the old one untouched" to_new_file
other_pid() {
	"$tool" --json --fix-perf-data "$TMP/copy.data" --output "$TMP/other.data" 1 >"$TMP/json" &&
		jq -e '.health.renamed == 0 and .health.other > 0' "$TMP/json" && cmp "$TMP/other.data" "$TMP/copy.data"
}
check "mappings of another process are left alone" other_pid
damaged() {
	head -c 3000 "$TMP/copy.data" >"$TMP/cut.data"
	sum=$(cksum <"$TMP/cut.data")
	"$tool" --fix-perf-data "$TMP/cut.data"
	[ $? -eq 1 ] && [ "$(cksum <"$TMP/cut.data")" = "$sum" ]
}
check "a damaged recording is refused and untouched" damaged

vm_stop split
check "it works when the VM is gone" shares "$data"
exit "$failed"
