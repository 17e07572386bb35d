#!/bin/sh
# Largest resident set of a long run at a high rate: bounds must hold, whatever the target does.
#
#	bench/memory.sh				SECONDS_EACH=60 HZ=10000
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin jq
SECONDS_EACH=${SECONDS_EACH:-60}
HZ=${HZ:-10000}

echo "a run of $SECONDS_EACH s at $HZ Hz; target < 64 MiB"
printf '%-8s %10s %8s %10s %6s %s\n' load samples lost 'not kept' MiB target
for load in ${LOADS:-mix work}; do
	case $load in
	work) VM_LIFE=3600 vm_start "$load" throughput ;;
	*) VM_LIFE=3600 vm_start "$load" storm "$load" "$(nproc)" ;;
	esac
	sleep 2
	r=$("$TIMED" 1 "$SCRATCH/json" "$SAMPLE" -q --json -F "$HZ" -d "${SECONDS_EACH}s" "$VM_PID")
	rss=${r##* }
	# The three numbers are three words.
	# shellcheck disable=SC2046,SC2183
	printf '%-8s %10s %8s %10s %6s %s\n' "$load" \
		$(jq -r '.health | "\(.samples) \(.lost) \(.overflow)"' "$SCRATCH/json") \
		"$((rss / 1024))" "$(verdict "$rss" 65536)"
	vm_stop "$load"
done
