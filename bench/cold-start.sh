#!/bin/sh
# Time from the start of a tool to its result, on a VM with 100,000 processes and on one with 15,000 functions.
#
#	bench/cold-start.sh			REPEAT=15 runs of each
#
# Wall time says what a user waits on this machine as loaded as it is; CPU time is what of it is ours.  On a machine
# with other work, FIRST=1 (root) lets the tools run first, which is closest to a machine of one's own.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin jq
REPEAT=${REPEAT:-15}

# row NAME LIMIT_MS OUT COMMAND...: OUT "-": time to the first byte counts.
row() {
	row_name=$1 row_limit=$2 row_out=$3
	shift 3
	line=$("$TIMED" "$REPEAT" "$row_out" "$@" 2>>"$SCRATCH/err") || { tail -n 3 "$SCRATCH/err" >&2; exit 1; }
	# shellcheck disable=SC2086
	set -- $line
	if [ "$row_out" = - ]; then wall=$1 wall_min=$2; else wall=$3 wall_min=$4; fi
	printf '%-38s %8s %9s %9s %9s %9s %9s  %-7s %s\n' "$row_name" "$row_limit" "$wall" "$wall_min" "$5" "$6" \
		"$(($7 / 1024))" "$(verdict "$wall" "$row_limit")" "$(verdict "$7" 65536)"
}

VM_LIFE=3600 vm_start many many 100000
many=$VM_PID
# A module of its own: what runs is compiled code, as in a real system.
cat >"$SCRATCH/bench_busy.erl" <<'ERL'
-module(bench_busy).
-export([start/0, loop/1]).
start() -> spawn(?MODULE, loop, [1]).
loop(N) -> loop((N * 1103515 + 12345) rem 1000003).
ERL
erlc -o "$VM_EBIN" "$SCRATCH/bench_busy.erl"
vm_ask many eval 'bench_busy:start().' >/dev/null
VM_LIFE=3600 vm_start code codeload
code=$VM_PID
VM_TIMEOUT=300 vm_ask code fill 15000 >/dev/null
sleep 1

echo "median and minimum of $REPEAT runs, milliseconds; memory is the largest resident set"
printf '%-38s %8s %9s %9s %9s %9s %9s  %s\n' what target wall wall-min cpu cpu-min MiB 'time, memory'
row '--pstack, first output' 100 - "$SAMPLE" --pstack "$many"
row '--all, text to /dev/null' 250 /dev/null "$SAMPLE" --all "$many"
row '--all, text to a file' 250 "$SCRATCH/out" "$SAMPLE" --all "$many"
row '--all --json to /dev/null' 250 /dev/null "$SAMPLE" --all --json "$many"
row '--all --json to a file' 250 "$SCRATCH/out" "$SAMPLE" --all --json "$many"
row 'perf map of 15,000 functions' 40 /dev/null "$WRITE_MAP" --output "$SCRATCH/map" "$code"
"$SAMPLE" --all --json "$many" >"$SCRATCH/json"
jq -r '.health |
	"the pass over \(.processes) processes alone: \(.duration_ns / 1e6 | round) ms for \(.frames) frames, \(.torn) torn, \(.not_rooted) not whole"' "$SCRATCH/json"
