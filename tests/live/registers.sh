#!/bin/bash
# Which register holds which role: what a vote of samples finds, against what is known; and what it is good for when
# nothing else is known.
# limit: 420
set -u
# shellcheck source=../lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=../lib/tap.sh
. "$SRC/tests/lib/tap.sh"

trap vm_stop_all EXIT
tap_needs jq awk erl
host=${VM_ERL:-host}
vm_compile "${VM_EBIN:-$TMP/ebin}" || exit 1

# registers OPTION...: the table in $TMP/registers.json.
registers() {
	"$BUILD/erlang-sample" --show-registers --json "$@" "$VM_PID" >"$TMP/registers.json" 2>"$TMP/err"
}

# enough ROLE...: the vote on these until at least 32 samples could tell, for a loaded machine; three times at most.
enough() {
	for seconds in 2 6 20; do
		registers -F 499 -d ${seconds}s
		status=$?
		few=$(for role in "$@"; do of "$role" voters; done | awk '$1 < 32' | wc -l)
		[ "$few" -gt 0 ] || return 0
	done
	cat "$TMP/err"
}

# of ROLE COLUMN
of() {
	jq -r --arg role "$1" --arg column "$2" '.rows[] | select(.role == $role) | .[$column] // "none"' \
		"$TMP/registers.json"
}

# found NAME ROLE...: the vote is what the table says; of I, which two registers may hold by turns, one of both.
found() {
	found_name=$1
	shift
	enough "$@"
	tap_is "$found_name: exit code" 0 "$status"
	for role in "$@"; do
		got=$(of "$role" vote)
		[ "$role" != I ] || [ "$got" = "$(of I table)" ] || got=$(of I second)
		tap_is "$found_name: $role" "$(of "$role" table) agrees" "$got $(of "$role" outcome | sed 's/:.*//')"
	done
	jq -r '.rows[] | select(.voters > 0)
		| "     \(.role): \(.vote) \(.votes) of \(.voters), next \(.second) \(.second_votes), table \(.table)"' \
		"$TMP/registers.json"
}

# nothing_wrong NAME: where few samples can tell, the vote may say nothing, but nothing wrong.
nothing_wrong() {
	registers -F 499 -d 3s
	tap_is "$1: nothing wrong is said" "" "$(jq -r '.rows[] | select(.table != null and .outcome != "agrees"
		and (.outcome | test("^(agrees: these two|no sample|too few|no register)") | not))
		| "\(.role): \(.outcome)"' "$TMP/registers.json")"
	tap_is "$1: no contradiction in health" null "$(jq .health.registers_contradicted "$TMP/registers.json")"
}

# between NAME LOW HIGH NUMBER
between() {
	tap_is "$1" "within $2 to $3" "$(awk -v low="$2" -v high="$3" -v x="$4" '
		BEGIN { print (x >= low && x <= high ? "within" : x " is not in"), low, "to", high }')"
}

# alone ROLE=REG...: sample with a layout that names these registers only, at 999 Hz, into $TMP/top.json.
alone() {
	roles=()
	for role in "$@"; do roles+=(--role "$role"); done
	for seconds in 10 30; do
		vm_ask split reset
		"$BUILD/tests/live/roleless" --json --only-erlang -F 999 -d ${seconds}s --top 1000000 "${roles[@]}" \
			"$VM_PID" >"$TMP/top.json" 2>"$TMP/err"
		status=$?
		vm_ask split stats >"$TMP/stats" || exit 1
		[ "$(jq .health.samples "$TMP/top.json")" -lt 1000 ] || break
	done
}

# right NAME: the shares that the VM measured, and stacks that reach their root.
right() {
	tap_is "$1: exit code" 0 "$status"
	jq -r '([.rows[] | {(.name): .self}] | add) as $n
		| [$n["split:hot_a/2"] // 0, $n["split:hot_b/2"] // 0, $n["split:hot_c/2"] // 0] | add as $sum
		| .[] | 100 * . / ([$sum, 1] | max)' "$TMP/top.json" | paste - "$TMP/stats" >"$TMP/near"
	awk '{ d = $1 - $4; if (d < 0) d = -d; if (d > worst) worst = d
		printf "     %s: sampled %.2f %%, measured by the VM %.2f %%\n", $2, $1, $4 }
	END { printf "     worst difference %.2f points\n", worst; exit !(NR == 3 && worst <= 2) }' "$TMP/near" >"$TMP/said"
	tap_is "$1: 70/20/10 within 2 points" 0 $?
	cat "$TMP/said"
	between "$1: stacks reach their root" 98 100 "$(jq .health.rooted_percent "$TMP/top.json")"
	between "$1: the process is known from the sample itself" 98 100 \
		"$(jq '100 - 100 * .health.process_asked_later / .health.samples' "$TMP/top.json")"
	jq -r '.health | "     \(.samples) samples, \(.rooted_percent) % rooted, by vote: \(.registers_by_vote)"' "$TMP/top.json"
}

jit=false
known="c_p E I HTOP FCALLS"
if vm_is_jit; then
	jit=true
	known="c_p E HTOP FCALLS registers"
fi

vm_start split split functions || exit 1
# shellcheck disable=SC2086
found "split" $known
if $jit; then
	tap_is "split: what every JIT has" "r13 rsp r15 r14 rbx" \
		"$(for role in c_p E HTOP FCALLS registers; do of $role vote; done | paste -sd ' ')"
	tap_is "a JIT has no I" "none 0" "$(of I vote) $(of I voters)"
fi
tap_is "what is used is the table's" 0 \
	"$(jq '[.rows[] | select(.table != null and .used != .table)] | length' "$TMP/registers.json")"
"$BUILD/erlang-sample" --show-registers "$VM_PID" >"$TMP/text" 2>"$TMP/err"
# shellcheck disable=SC2016
tap_ok "as text: who says what, and the result" \
	awk '/^ROLE +DWARF +VOTE +VOTES +OF +CONF% / { head = 1 }
		head && $1 == "E" { E = $0 }
		END { exit !(E ~ /%.*(agrees|too few)/) }' "$TMP/text"
"$BUILD/erlang-sample" -F 499 -d 2s --json "$VM_PID" >"$TMP/top.json" 2>"$TMP/err"
tap_is "the default report says what was voted, and that nothing contradicts" "true null null" \
	"$(jq -r '.health | "\(.registers_voted | test("E [a-z0-9]+ [0-9.]+ %")) \(.registers_by_vote) \(.registers_contradicted)"' \
		"$TMP/top.json")"

# The proof: no register is known but by the vote.
alone
right "by the vote alone"
tap_ok "by the vote alone: c_p and E are" jq -e '.health.registers_by_vote | test("c_p .*E ")' "$TMP/top.json"

# The first dozen samples have nothing to go by, which is why this takes so long.
# The shares above are told without a process, and a search finds much of the rest: so these are asked by themselves.
roleless=$BUILD/tests/live/roleless
"$roleless" --json --verbose -F 999 -d 10s --by process --top 1000000 "$VM_PID" >"$TMP/top.json" 2>"$TMP/err"
between "by the vote alone: whose time it is" 98 100 \
	"$(jq '[.rows[] | select(.name == "split_1").self_percent] | add // 0' "$TMP/top.json")"
$jit || for var in c_p E I; do
	between "by the vote alone: $var" 90 100 \
		"$(sed -n "s/^roleless: $var: .*vote \([0-9.]*\) %.*/\1/p" "$TMP/err" | grep . || echo 0)"
done

# A table that is wrong is contradicted, and not believed.
if $jit; then
	alone c_p=r12 E=rsp HTOP=r15 FCALLS=r14 registers=rbx E_saved=rbp
	said="the table says c_p r12, "
else
	alone c_p=r14 E=r10 I=r15
	said="the table says c_p r14, .*the table says E r10, "
fi
right "a wrong table"
tap_ok "a wrong table: contradicted" \
	jq -e --arg said "$said" '.health.registers_contradicted | test($said)' "$TMP/top.json"
"$roleless" --role c_p=r11 --role E=r9 -F 499 -d 3s "$VM_PID" >"$TMP/text" 2>"$TMP/err"
tap_ok "a wrong table: said in the health line" \
	grep -q 'WARNING: the table says c_p r11, [0-9]* of [0-9]* samples say' "$TMP/text"
"$roleless" --role c_p=r11 --role E=r9 --show-registers -F 499 -d 3s "$VM_PID" >"$TMP/text" 2>"$TMP/err"
tap_is "a wrong table: exit code of --show-registers" 6 $?
tap_ok "a wrong table: --show-registers says so" grep -q 'contradicts the table' "$TMP/text"

# Forced registers: noticed, named, and the right one advised.
if $jit; then forced="c_p=r12"; else forced="c_p=r14 E=r10 I=r15"; fi
for wrong in $forced; do
	option=--force-${wrong%=*}-register=${wrong#*=}
	"$BUILD/erlang-sample" --json -F 999 -d 3s "$option" "$VM_PID" >"$TMP/top.json" 2>"$TMP/err"
	tap_is "forced $wrong: exit code" 6 $?
	tap_ok "forced $wrong: named" grep -q "^erlang-sample: $option: " "$TMP/err"
	tap_ok "forced $wrong: in health" jq -e ".health.forced_register_wrong | test(\"${wrong#*=}\")" "$TMP/top.json"
	tap_ok "forced $wrong: what the samples say instead" \
		grep -q "^erlang-sample: leave the option out; [0-9]* of [0-9]* samples say that it is r[a-z0-9]*$" "$TMP/err" ||
		cat "$TMP/err"
done
vm_stop split

vm_start storm storm jit 2 || exit 1
# shellcheck disable=SC2086
found "storm" $known
vm_stop storm
if $jit; then
	vm_start fp storm jit 2 +JPperf true || exit 1
	# shellcheck disable=SC2086
	found "storm with frame pointers" $known
	vm_stop fp
fi
vm_start mix storm mix 2 || exit 1
nothing_wrong "storm, mostly in C"
vm_stop mix
vm_start burn burn 20 100 || exit 1
nothing_wrong "burn, in a NIF"
if [ "$(of c_p voters)" != none ] && [ "$(of c_p voters)" -lt 12 ]; then
	tap_ok "burn: nobody to ask: says how many could tell, and the way out" \
		sh -c 'grep -q "only [0-9]* samples could tell about c_p" "$1" && grep -q "sample while the VM is busy" "$1"' \
		- "$TMP/err"
fi
registers --backend poll -d 1s
tap_is "without registers in samples: exit code" 6 $?
tap_is "without registers in samples: nobody votes" 0 "$(jq '[.rows[].voters] | add' "$TMP/registers.json")"
vm_stop burn

# The interpreter builds with debug information: the vote against what DWARF says and the VM confirms.
cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/extrospect}
for build in emu-plain emu-vartrack emu-vartrack-vta emu-vartrack-noregs; do
	[ "$host" = host ] || continue
	if [ ! -x "$cache/$build/bin/erl" ]; then
		tap_skip "$build" "not built; tests/live/emu.sh does"
		continue
	fi
	VM_ERL=$cache/$build/bin/erl
	vm_start "$build" split functions || exit 1
	enough c_p E I
	for role in E I; do
		# What DWARF names for most places; nothing, or little of it, is no second opinion.
		dwarf=$(of $role dwarf | tr ',' '\n' | awk '{ share = $2 == "" ? 100 : $2 } share >= 50 { print $1 }')
		case $dwarf in
		r*) tap_ok "$build: $role is where DWARF says" \
			jq -e --arg role $role --arg dwarf "$dwarf" \
			'.rows[] | select(.role == $role) | .vote == $dwarf or .second == $dwarf' "$TMP/registers.json" ;;
		esac
	done
	# Each claim of each sample was tested on its own; no source but the vote is asked of this one.
	if [ $build = emu-vartrack-noregs ]; then
		between "$build: c_p, which nobody else knows, is where the vote says" 80 100 \
			"$(of c_p by | tr ',' '\n' | sed -n 's/^ *vote \([0-9.]*\) %$/\1/p')"
		tap_ok "$build: the table is contradicted" test "$(of c_p outcome)" = "contradicts the table"
	else
		tap_is "$build: c_p, E" "r12 r13" "$(of c_p vote) $(of E vote)"
	fi
	vm_stop "$build"
done
tap_done
