#!/bin/sh
# Our own CPU time per sample: drain, unwind C and Erlang, read what is missing, count, name.
#
#	bench/sample-cost.sh			REPEAT=3 runs of SECONDS_EACH=10 for each workload and rate
#
# The time is that of the whole run from the first sample to the finished profile, divided by its samples, so what is
# paid once (rows of a library, names) is in it.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin jq
REPEAT=${REPEAT:-3}
SECONDS_EACH=${SECONDS_EACH:-10}
workers=$(nproc)

echo "microseconds of own CPU per sample, median (quartiles) of $REPEAT runs; target < 10"
printf '%-8s %6s  %-22s %-22s %8s %7s %8s %8s %5s %s\n' \
	load Hz total 'of it unwinding' samples lost rooted% exact% MiB target
for load in ${LOADS:-jit bif mix work}; do
	case $load in
	work) VM_LIFE=3600 vm_start "$load" throughput ;;
	*) VM_LIFE=3600 vm_start "$load" storm "$load" "$workers" ;;
	esac
	pid=$VM_PID
	bench_first "$pid"
	sleep 2
	for hz in 999 10000; do
		: >"$SCRATCH/runs"
		i=0
		rss=0
		while [ "$i" -lt "$REPEAT" ]; do
			r=$("$TIMED" 1 "$SCRATCH/json" "$SAMPLE" -q --json -F "$hz" -d "${SECONDS_EACH}s" "$pid")
			jq -r '.health | select(.samples > 0) | [.own_cpu_ns / .samples / 1e3, .unwind_cpu_ns / .samples / 1e3, .samples,
				.lost, .rooted_percent, .exact_percent] | join(" ")' "$SCRATCH/json" >>"$SCRATCH/runs"
			[ "${r##* }" -le "$rss" ] || rss=${r##* }
			i=$((i + 1))
		done
		column() { cut -d' ' -f"$1" "$SCRATCH/runs"; }
		printf '%-8s %6s  %-22s %-22s %8.0f %7s %8s %8s %5s %s\n' "$load" "$hz" "$(column 1 | quartiles)" \
			"$(column 2 | quartiles)" "$(column 3 | sort -g | sed -n "$((REPEAT / 2 + 1))p")" "$(column 4 | awk '{ n += $1 } END { print n }')" \
			"$(column 5 | median)" "$(column 6 | median)" "$((rss / 1024))" "$(verdict "$(column 1 | median)" 10)"
	done
	vm_stop "$load"
done
