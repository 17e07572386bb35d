#!/bin/sh
# What sampling takes from a busy VM, in hundreds of short pairs: finer than overhead.sh, and without starting tools.
#
#	bench/loss.sh [HZ...]			rates 99 999; PAIRS=400 SLOT_MS=50
#
# The row "nothing" is the same without sampling, "timer" 999 samples a second that the kernel takes and nobody
# looks at: what the interrupt costs on this machine.  Printed: median, quartiles, and the error of the median.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin awk
ninja -C "$BUILD" bench/loss >/dev/null
VM_LIFE=3600 vm_start work throughput
pid=$VM_PID
bench_first "$pid"
sleep 1
printf '%-10s %7s  %-26s %s\n' Hz target 'percent lost (quartiles)' 'error of the median'
for hz in nothing timer "${@:-99 999}"; do
	for kind in $hz; do
		rate=$kind
		case $kind in nothing | timer) rate=999 ;; esac
		"$BUILD/bench/loss" "$pid" "$rate" "${PAIRS:-400}" "${SLOT_MS:-50}" "$kind" >"$SCRATCH/pairs"
		case $kind in 99) target='< 1' ;; 999) target='< 3' ;; *) target=- ;; esac
		printf '%-10s %7s  %-26s %s\n' "$kind" "$target" "$(quartiles <"$SCRATCH/pairs")" "$(sort -g "$SCRATCH/pairs" |
			awk '{ v[NR] = $1 } END { printf "%.2f", 1.25 * (v[int(NR * 0.75)] - v[int(NR * 0.25)]) / 1.35 / sqrt(NR) }')"
	done
done
