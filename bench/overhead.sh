#!/bin/sh
# What sampling costs the target: units of mixed work with and without, in pairs of short slots.
#
#	bench/overhead.sh [CASE...]		cases: none 99 999 10000 all pstack; PAIRS=30 SLOT=1 (seconds)
#
# "none" is a tool that only sleeps: what it seems to cost is the error of the method on this machine.
#
# Two losses are printed for each case, as median and quartiles of the pairs:
#   by wall time   units per second with us, against without: what a user would see, and all the noise of the machine
#   by CPU time    units per CPU second of the VM, against without, plus the share of the machine's CPU time we took
#                  ourselves: what we cost, whatever else runs here
# The tool is attached before its slot begins.  Slots of a pair change places from pair to pair.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
bench_begin jq
PAIRS=${PAIRS:-30}
SLOT=${SLOT:-1}
VM_LIFE=3600 vm_start work throughput
pid=$VM_PID
bench_first "$pid"
sleep 1

forever() {
	while :; do "$SAMPLE" "$@" "$pid" >/dev/null 2>&1 || exit; done
}

# cpu_of PID: CPU seconds of a process (to the nanosecond) and of its children that ended (to the clock tick).
cpu_of() {
	[ -d "/proc/$1" ] || { echo 0; return; }
	cat "/proc/$1/schedstat" "/proc/$1/stat" | awk -v hz="$(getconf CLK_TCK)" 'NR == 1 { cpu = $1 / 1e9; next }
		{ sub(/.*\) /, ""); print cpu + ($14 + $15) / hz }'
}

# slot CASE: "units/s units/cpu-s own-cpu-s wall-s" of one slot; CASE off: without us.
slot() {
	tool=
	case $1 in
	off) ;;
	none) sleep 3600 & tool=$! ;;
	all) (forever --all) & tool=$! ;;
	pstack) (forever --pstack) & tool=$! ;;
	*) "$SAMPLE" -q -F "$1" -d 1h "$pid" >/dev/null 2>&1 & tool=$! ;;
	esac
	sleep 0.4
	a=$(vm_ask work count)
	own=$(cpu_of "${tool:-none}")
	sleep "$SLOT"
	b=$(vm_ask work count)
	own2=$(cpu_of "${tool:-none}")
	if [ -n "$tool" ]; then
		kill "$tool" 2>/dev/null || { echo "$(basename "$0"): the tool ended by itself ($1)" >&2; exit 1; }
		wait "$tool" 2>/dev/null || :
	fi
	echo "$a $b $own $own2" | awk '{ wall = ($7 - $3) / 1e9; cpu = ($8 - $4) / 1e3
		print ($6 - $2) / wall, ($6 - $2) / cpu, $10 - $9, wall }'
}

echo "percent lost, median (quartiles) of $PAIRS pairs of $SLOT s; own CPU in percent of one CPU"
printf '%-10s %7s  %-26s %-26s %s\n' case target 'by wall time' 'by CPU time' 'own CPU'
for how in "${@:-none 99 999 10000 all pstack}"; do
	for kind in $how; do
		: >"$SCRATCH/pairs"
		i=0
		while [ "$i" -lt "$PAIRS" ]; do
			if [ $((i % 2)) -eq 0 ]; then
				off=$(slot off)
				on=$(slot "$kind")
			else
				on=$(slot "$kind")
				off=$(slot off)
			fi
			echo "$off $on" | awk -v cpus="$(nproc)" '{ print 100 * (1 - $5 / $1), 100 * (1 - $6 / $2 + $7 / $8 / cpus),
				100 * $7 / $8 }' >>"$SCRATCH/pairs"
			i=$((i + 1))
		done
		case $kind in 99) target='< 1' ;; 999) target='< 3' ;; *) target=- ;; esac
		printf '%-10s %7s  %-26s %-26s %s\n' "$kind" "$target" "$(cut -d' ' -f1 "$SCRATCH/pairs" | quartiles)" \
			"$(cut -d' ' -f2 "$SCRATCH/pairs" | quartiles)" "$(cut -d' ' -f3 "$SCRATCH/pairs" | quartiles)"
	done
done
