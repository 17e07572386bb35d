# shellcheck shell=sh
# What the measuring scripts share.  Environment: BUILD (default build), FIRST, and those of tests/lib/vm.sh.
set -eu
BENCH_TOP=$(cd "$(dirname "$0")/.." && pwd)
BUILD=$(cd "${BUILD:-$BENCH_TOP/build}" && pwd)
SAMPLE=$BUILD/erlang-sample
WRITE_MAP=$BUILD/erlang-write-perf-map
TIMED=$BUILD/bench/timed
VM_SRC=$BENCH_TOP/tests/vm
export SAMPLE WRITE_MAP TIMED VM_SRC
. "$BENCH_TOP/tests/lib/vm.sh"

# bench_first PID: with FIRST=1, the session of PID goes before other work on this machine.
bench_first() {
	[ "${FIRST:-0}" -eq 0 ] || echo -20 >"/proc/$1/autogroup"
}

# bench_begin PROGRAM...: these are installed, what is measured is built; a scratch directory SCRATCH that goes with us.
bench_begin() {
	for bench__p in "$@"; do
		command -v "$bench__p" >/dev/null || { echo "$(basename "$0"): $bench__p is not installed" >&2; exit 77; }
	done
	ninja -C "$BUILD" erlang-sample erlang-write-perf-map bench/timed >/dev/null
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/bench.XXXXXX")
	trap 'vm_stop_all; rm -rf "$SCRATCH"; [ "${FIRST:-0}" -eq 0 ] || echo 0 >/proc/$$/autogroup' EXIT
	trap 'exit 130' INT TERM
	vm_compile "$SCRATCH/ebin"
	bench_first $$
	echo "# $(basename "$0"): $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg), $(uname -r)${FIRST:+, FIRST=$FIRST}"
}

# quartiles: of the numbers on standard input: median, then "lower..upper quartile".
quartiles() {
	sort -g | awk '{ v[NR] = $1 }
		function q(s,  i) { i = 1 + (NR - 1) * s; return v[int(i)] + (v[int(i) + (i > int(i))] - v[int(i)]) * (i - int(i)) }
		END { if (NR == 0) print "-"; else printf "%.3g (%.3g..%.3g)\n", q(0.5), q(0.25), q(0.75) }'
}

median() {
	quartiles | cut -d' ' -f1
}

# verdict VALUE LIMIT: "ok" or "MISSED".
verdict() {
	awk -v v="$1" -v l="$2" 'BEGIN { print v < l ? "ok" : "MISSED" }'
}
