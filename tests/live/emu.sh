#!/bin/sh
# The interpreter: builds with debug information, and the same without, down to fully stripped.
#
# The builds are made by tests/vm-builds/make-builds.sh from the distribution's own source package when they are not
# there, which takes some minutes the first time.
# limit: 900
set -u
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
# shellcheck source=../lib/truth.sh
. "$SRC/tests/lib/truth.sh"

cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/extrospect}
"$SRC/tests/vm-builds/make-builds.sh" otp25emu >"$TMP/build.log" 2>&1 || {
	echo "no interpreter builds: $(grep 'error:' "$TMP/build.log" | tail -n 1)"
	exit 77
}
VM_ERL=$cache/emu-plain/bin/erl
export VM_ERL
live_needs jq awk strip

# variant NAME COMMAND...: the build emu-plain with its executable stripped.
variant() {
	mkdir -p "$TMP/$1" && cp -a "$cache/emu-plain/bin" "$cache/emu-plain/erts" "$TMP/$1/" || exit 1
	variant__name=$1
	shift
	"$@" "$TMP/$variant__name/erts/bin/beam.emu" || exit 1
}
variant emu-symtab strip -g
variant emu-stripped strip

# erl_of BUILD: its launcher.
erl_of() {
	if [ -x "$TMP/$1/bin/erl" ]; then echo "$TMP/$1/bin/erl"; else echo "$cache/$1/bin/erl"; fi
}

# layout NAME SOURCE: where the layout must come from; the table must agree with the build either way.
layout() {
	"$BUILD/erlang-inspect" --json "$VM_PID" system >"$TMP/system.json" 2>"$TMP/err"
	tap_is "$1: attaches, all checks passed" "0 true" \
		"$? $(jq '.health | .checks == .checks_passed and .checks > 15' "$TMP/system.json")"
	got=$(jq -r .health.layout_source "$TMP/system.json")
	case $2 in
	DWARF)
		tap_is "$1: the layout is from DWARF, and the table says the same" "DWARF, 0 differ" \
			"$(echo "$got" | sed -n 's/^DWARF (\([5-9][0-9]\) fields, \(.*\) from table)$/DWARF, \2/p')"
		;;
	*) tap_is "$1: the layout is from the table" table "$got" ;;
	esac
}

# stacks NAME SOURCE: every process of the zoo, every frame.
stacks() {
	truth_zoo zoo "$TMP/zoo"
	status=$?
	layout "$1" "$2"
	vm_stop zoo
	tap_is "$1: every process and every frame as the VM has it" 0 "$status"
	cat "$TMP/zoo.compared"
	tap_is "$1: at least 2,000 processes, 9,000 frames, 20,000 return addresses were compared" 1 \
		"$(awk '/^compared/ { print $2 >= 2000 && $4 >= 9000 && $6 >= 20000 }' "$TMP/zoo.compared")"
}

# sample OPTION...: a report in $TMP/top.json, what --verbose says in $TMP/err.
sample() {
	"$BUILD/erlang-sample" --json --verbose --only-erlang -F 999 --top 1000000 "$@" "$VM_PID" \
		>"$TMP/top.json" 2>"$TMP/err"
}

# share VAR SOURCE: in percent, as --verbose says; 0 where it is not named.
share() {
	sed -n "s/^erlang-sample: $1: //p" "$TMP/err" | sed 's/;.*//' | tr ',' '\n' |
		sed -n "s/^ *$2 \([0-9.]*\) %.*/\1/p" | grep . || echo 0
}

# between NAME LOW HIGH NUMBER
between() {
	tap_is "$1" "within $2 to $3" "$(awk -v low="$2" -v high="$3" -v x="$4" '
		BEGIN { print (x >= low && x <= high ? "within" : x " is not in"), low, "to", high }')"
}

# split NAME: the shares the VM measured, from at least 1,000 samples, and every sample with a process and a name.
split() {
	vm_start split split functions || exit 1
	[ "$2" = "" ] || layout "$1" "$2"
	for seconds in 10 30; do
		vm_ask split reset
		sample -d ${seconds}s
		status=$?
		vm_ask split stats >"$TMP/stats" || exit 1
		[ "$(jq .health.samples "$TMP/top.json")" -lt 1000 ] || break
	done
	tap_is "$1: sampling ends well" 0 "$status"
	jq -r '([.rows[] | {(.name): .self}] | add) as $n
		| [$n["split:hot_a/2"] // 0, $n["split:hot_b/2"] // 0, $n["split:hot_c/2"] // 0] | add as $sum
		| .[] | 100 * . / ([$sum, 1] | max)' "$TMP/top.json" | paste - "$TMP/stats" >"$TMP/near"
	awk '{ d = $1 - $4; if (d < 0) d = -d; if (d > worst) worst = d
		printf "     %s: sampled %.2f %%, measured by the VM %.2f %%\n", $2, $1, $4 }
	END { printf "     worst difference %.2f points\n", worst; exit !(NR == 3 && worst <= 2) }' "$TMP/near" >"$TMP/said"
	tap_is "$1: 70/20/10 within 2 points" 0 $?
	cat "$TMP/said"
	grep -E '^erlang-sample: (c_p|E|I): ' "$TMP/err" | sed 's/^/     /'
	between "$1: work in the three functions is told from their callers" 95 100 \
		"$(jq '([.rows[] | select(.name | test("^split:hot_[abc]/2$")).self] | add)
			/ ([.rows[].self] | add) * 100' "$TMP/top.json")"
	between "$1: the process is known from the sample itself" 99 100 \
		"$(jq '100 - 100 * .health.process_asked_later / .health.samples' "$TMP/top.json")"
	between "$1: I is known" 99 100 "$(jq '100 - 100 * .health.i_none / .health.samples' "$TMP/top.json")"
	between "$1: stacks reach their root" 99 100 "$(jq .health.rooted_percent "$TMP/top.json")"
}

# What DWARF says and what is true was measured by stopping the VMs: tests/vm-builds/README.md.
for build in emu-plain emu-vartrack; do
	VM_ERL=$(erl_of $build)
	stacks $build DWARF
	split $build ""
	between "$build: c_p is where DWARF says" 97 100 "$(share c_p DWARF)"
	case $build in
	emu-plain) between "$build: E is where DWARF says" 97 100 "$(share E DWARF)" ;;
	emu-vartrack)
		# DWARF names a vector register elsewhere, which no sample has: the table's register is taken.
		between "$build: E is where DWARF says, for a part" 20 80 "$(share E DWARF)"
		between "$build: E is in the table's register for the rest" 20 80 "$(share E table)"
		;;
	esac
	between "$build: no claim about c_p was wrong often" 0 5 \
		"$(jq -r '.health.c_p_refuted' "$TMP/top.json" | sed -n 's/.*DWARF \([0-9]*\) of \([0-9]*\).*/\1 \2/p' |
			awk '{ p = 100 * $1 / $2 } END { print p + 0 }')"
	if [ $build = emu-plain ]; then
		"$BUILD/erlang-write-perf-map" --output "$TMP/map" "$VM_PID" >"$TMP/said" 2>&1
		tap_is "an interpreter has no code to map: exit code" 5 $?
		tap_ok "an interpreter has no code to map: says so, writes nothing" \
			sh -c 'grep -q "nothing to map" "$1" && [ ! -e "$2" ]' - "$TMP/said" "$TMP/map"
		# Wrong registers: found out and named, and the other sources still give the right answer.
		for wrong in c_p=r14 E=r10 E=r15 I=r12; do
			sample -d 3s "--force-${wrong%=*}-register=${wrong#*=}"
			tap_is "forced $wrong: exit code" 6 $?
			option=--force-${wrong%=*}-register=${wrong#*=}
			tap_ok "forced $wrong: one sentence" grep -q \
				"^erlang-sample: $option: the register agreed with the VM in [0-9]* of [0-9]* samples" "$TMP/err"
			tap_ok "forced $wrong: in health" \
				jq -e ".health.forced_register_wrong | test(\"${wrong#*=}\")" "$TMP/top.json"
			between "forced $wrong: the answer is right all the same" 60 80 \
				"$(jq '[.rows[] | select(.name == "split:hot_a/2").self_percent] | add' "$TMP/top.json")"
		done
		sample -d 3s --force-c_p-register=r12 --force-E-register=r13 --force-I-register=rbx
		tap_is "the right registers forced: exit code" 0 $?
		between "the right registers forced: used" 95 100 "$(share E forced)"
	fi
	vm_stop split
done

# The other kinds of debug information: another version of DWARF, other claims, and registers at the compiler's choice.
for build in emu-vartrack-dwarf4 emu-vartrack-vta emu-vartrack-noregs; do
	VM_ERL=$(erl_of $build)
	split $build DWARF
	if [ $build = emu-vartrack-noregs ]; then
		between "$build: c_p, which neither DWARF nor the table knows, is where other samples had it" 80 100 \
			"$(share c_p vote)"
		between "$build: c_p is there, or searched for" 97 100 \
			"$(echo "$(share c_p vote) $(share c_p search)" | awk '{ print $1 + $2 }')"
		between "$build: E is where DWARF says" 97 100 "$(share E DWARF)"
		between "$build: I is where DWARF says" 90 100 "$(share I DWARF)"
	fi
	vm_stop split
done

# Without debug information the table is all there is: with symbols, and with none.
for build in emu-symtab emu-stripped; do
	VM_ERL=$(erl_of $build)
	stacks $build table
	split $build ""
	between "$build: c_p is in the table's register" 97 100 "$(share c_p table)"
	tap_is "$build: stripped" "$([ $build = emu-stripped ] && echo true || echo false)" \
		"$("$BUILD/erlang-inspect" --json "$VM_PID" system | jq '[.. | objects | select(.name? == "stripped").value][0]')"
	vm_stop split
done
tap_done
