#!/bin/sh
# A million processes: one pass over all of them, and all of their stacks as text.
#
#	bench/processes.sh			PROCESSES=1000000 REPEAT=5
#
# The VM needs about 4 GB.  "listed" is everything that is known of a process but its stack, by xb_proc_each(); CPU time
# counts on a machine with other work (FIRST=1, see cold-start.sh).
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin
REPEAT=${REPEAT:-5} PROCESSES=${PROCESSES:-1000000}
ninja -C "$BUILD" bench/proc-each >/dev/null
VM_LIFE=900 VM_TIMEOUT=300 vm_start many many "$PROCESSES" +P $((PROCESSES * 2))
sleep 1
echo "best and median of $REPEAT runs"
"$BUILD/bench/proc-each" "$VM_PID" "$REPEAT"
echo "median and minimum of $REPEAT runs, milliseconds, target 1500 for the list: first byte, wall, CPU; KiB"
for out in /dev/null "$SCRATCH/out"; do
	echo "--all to $out: $("$TIMED" "$REPEAT" "$out" "$SAMPLE" --all "$VM_PID")"
done
