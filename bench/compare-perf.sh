#!/bin/sh
# The same workload under perf record and under erlang-sample: how many samples of the schedulers lead down to the
# process's first function, and what has to be written for it.  perf gets our map file: it would have no names at all.
#
#	bench/compare-perf.sh			SECONDS_EACH=4 HZ=999
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin perf
SECONDS_EACH=${SECONDS_EACH:-4}
HZ=${HZ:-999}
root='storm:loop/3' # every process that works starts here

row() {
	printf '%-6s %-24s %9s %9s %14s\n' "$1" "$2" "$3" \
		"$(awk -v a="$4" -v b="$3" 'BEGIN { printf "%.1f", b ? 100 * a / b : 0 }')" "$5"
}

with_perf() {
	data=$SCRATCH/perf.data
	perf record -q -F "$HZ" --call-graph "$2" -p "$pid" -o "$data" -- sleep "$SECONDS_EACH" >/dev/null 2>&1
	bytes=$(stat -c %s "$data")
	"$WRITE_MAP" --fix-perf-data "$data" >/dev/null 2>&1
	perf script -i "$data" -F comm,ip,sym 2>/dev/null | awk -v root="$root" 'BEGIN { RS = "" }
		/^[0-9]+_scheduler/ { n++; whole += index($0, root) > 0 } END { print n + 0, whole + 0 }' >"$SCRATCH/n"
	read -r n whole <"$SCRATCH/n"
	row "$1" "perf record -g $3" "$n" "$whole" "$bytes"
}

printf '%-6s %-24s %9s %9s %14s\n' load how samples 'whole %' 'bytes written'
for load in jit bif; do
	VM_LIFE=3600 vm_start "$load" storm "$load" "$(nproc)"
	pid=$VM_PID
	sleep 2
	"$WRITE_MAP" -q "$pid"
	with_perf "$load" fp fp
	with_perf "$load" dwarf,8192 dwarf
	"$SAMPLE" -q --folded -F "$HZ" -d "${SECONDS_EACH}s" "$pid" >"$SCRATCH/folded"
	awk -v root="$root" '/^scheduler|^<|storm/ { n += $NF; if (index($0, root)) whole += $NF } END { print n + 0, whole + 0 }' \
		"$SCRATCH/folded" >"$SCRATCH/n"
	read -r n whole <"$SCRATCH/n"
	row "$load" "erlang-sample --folded" "$n" "$whole" "$(stat -c %s "$SCRATCH/folded")"
	rm -f "/tmp/perf-$pid.map"
	vm_stop "$load"
done
