#!/bin/sh
# --blame: who copies the big terms.  The shares of the workload are by design, and perf agrees on their order.
# limit: 240
set -u
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs jq awk

# blame FUNCTION OPTION...: the report as JSON in $TMP/blame.json.
blame() {
	"$BUILD/erlang-sample" --json --blame "$@" "$VM_PID" >"$TMP/blame.json" 2>"$TMP/err"
}

count() {
	jq --arg f "$1" '[.rows[] | select(.function == $f).samples] | add // 0' "$TMP/blame.json"
}

# line PATTERN: the number of the only line of the workload that matches.
line() {
	grep -n "$1" "$SRC/tests/vm/blame.erl" | cut -d : -f 1
}

# From OTP 29 on a stripped VM hides the names of its C functions: then it has to say so, and what it can still tell.
hidden() {
	vm_start blame blame 2 1 || exit 1
	exe=$(readlink "/proc/$VM_PID/exe")
	if readelf --dyn-syms -W "${VM_ROOT:+/proc/$VM_PID/root}${exe#"${VM_ROOT:-}"}" | grep -q ' copy_struct'; then
		vm_stop blame
		return 1
	fi
	blame copy_struct -F 999 -d 1s
	tap_is "hidden names: exit code" 5 $?
	tap_ok "hidden names: one sentence" grep -q "no function of this VM has a name that copy_struct means" "$TMP/err"
	blame list -F 999 -d 1s
	tap_is "hidden names: the list says what cannot be told, and what can" "cannot be told true" "$(jq -r '
		[.rows[] | select(.name == "copy_struct").about][0][:14] as $a
		| "\($a) \([.rows[] | select(.name == "alloc").about][0] | test("allocators"))"' "$TMP/blame.json")"
	blame alloc -F 999 -d 2s
	tap_is "hidden names: functions of libraries have theirs" 0 $?
	vm_stop blame
}
if hidden; then
	tap_done
	exit
fi

# run NAME SENDS INSERTS: "samples sending, samples inserting, words sent, words inserted" in $TMP/NAME.
run() {
	name=$1
	vm_start blame blame "$2" "$3" || exit 1
	# A loaded machine gives the VM less CPU time, and fewer samples: then one more, longer try.
	for seconds in 10 40; do
		vm_ask blame reset
		blame copy_struct -F 1999 -d ${seconds}s || {
			cat "$TMP/err"
			exit 1
		}
		vm_ask blame stats >"$TMP/stats"
		[ "$(jq .health.matched "$TMP/blame.json")" -lt 2000 ] || break
	done
	printf '%d %d %s\n' "$(count blame:send_big/2)" "$(count blame:insert_big/2)" \
		"$(awk '{ printf "%s ", $3 }' "$TMP/stats")" >"$TMP/$name"
	tap_is "$name: the two that copy come first" "blame:insert_big/2 blame:send_big/2" \
		"$(jq -r '[.rows[:2][].function] | sort | join(" ")' "$TMP/blame.json")"
	tap_is "$name: nearly all of it is theirs" true \
		"$(jq '([.rows[:2][].samples] | add) >= 0.98 * .health.matched' "$TMP/blame.json")"
	tap_is "$name: rows and what is below no Erlang function add up to the samples in it" true \
		"$(jq '([.rows[].samples] | add) + .health.without_erlang == .health.matched' "$TMP/blame.json")"
	tap_is "$name: each in its own process alone" "blame_ets 100 blame_sender 100" \
		"$(jq -r '[.rows[:2][] | .processes | map("\(.name) \(.percent)") | join(",")] | sort | join(" ")' \
			"$TMP/blame.json")"
	tap_is "$name: the lines of the calls" "$(line '    Sink ! {big, Term},') $(line 'true = ets:insert')" \
		"$(jq -r '[.rows[:2][] | {(.function): .line}] | add
			| "\(."blame:send_big/2") \(."blame:insert_big/2")"' "$TMP/blame.json")"
	tap_is "$name: the function itself is known exactly" true \
		"$(jq '[.rows[:2][].inexact_percent < 1] | all' "$TMP/blame.json")"
	tap_ok "$name: it says which functions the family met" \
		jq -e '.target.matched_functions | test("copy_struct_x \\(") and test("size_object_x \\(")' "$TMP/blame.json"
}

# Twice as many sends as inserts, then the other way round.  What a word costs differs between the two, but is the
# same in both runs: it cancels out of the ratio of the ratios, and the second share follows from the first one and
# the words the VM counted.  With 2,000 samples each the prediction is good to 1.8 points (one sigma).
run "two sends, one insert" 2 1
matched=$(jq -r .target.matched_functions "$TMP/blame.json")

# By the exact name of a function, and what can be blamed.
blame size_object_x -F 999 -d 2s
tap_is "one function by its name" 0 $?
tap_ok "one function by its name: that and no other" \
	jq -e '.target.matched_functions | test("^size_object_x \\([0-9]+\\)$")' "$TMP/blame.json"
blame list -F 999 -d 2s --top 100000
tap_is "--blame list" 0 $?
tap_ok "--blame list: the family and its members were met" jq -e '
	[.rows[] | select(.samples > 0) | {(.name): (.family // "none")}] | add
	| .copy_struct == "(family)" and .copy_struct_x == "copy_struct" and .size_object_x == "copy_struct"
	  and .erts_schedule == "none"' "$TMP/blame.json"
blame enif_raise_exception -F 99 -d 1s
tap_is "a function that was not met: exit code" 0 $?
tap_is "a function that was not met: no rows" 0 "$(jq '.rows | length' "$TMP/blame.json")"
"$BUILD/erlang-sample" --blame enif_raise_exception -F 99 -d 1s "$VM_PID" >"$TMP/text" 2>"$TMP/err"
tap_ok "a function that was not met: a sentence" \
	grep -q 'enif_raise_exception was in none of [0-9]* samples; --blame list shows' "$TMP/err"
blame no_such_function -F 99 -d 1s
tap_is "a function that is not there: exit code" 5 $?
tap_ok "a function that is not there: a sentence" \
	grep -q 'no function of this VM has a name that no_such_function means' "$TMP/err"
"$BUILD/erlang-sample" --blame 'a b(' "$VM_PID" >"$TMP/text" 2>"$TMP/err"
tap_is "what cannot be a function is a usage error" 2 $?
"$BUILD/erlang-sample" --blame copy_struct -F 999 -d 1s "$VM_PID" >"$TMP/text" 2>"$TMP/err"
tap_ok "as text: callers and processes below the function" awk '
	/^ *[0-9]+ +[0-9.]+ % .*blame:send_big\/2 +blame.erl:[0-9]+$/ { function_line = NR }
	/^ *[0-9.]+ % +called from +~?blame:sender_/ && function_line { caller = 1 }
	/^ *100.00 % +in process +blame_sender +<[0-9.]+>$/ && function_line { process = 1 }
	END { exit !(caller && process) }' "$TMP/text"
vm_stop blame

run "one send, two inserts" 1 2
vm_stop blame
cat "$TMP/two sends, one insert" "$TMP/one send, two inserts" >"$TMP/both"
awk 'NR == 1 { odds = $1 / $2 / ($3 / $4) }
	NR == 2 { odds *= $3 / $4
		want = 100 * odds / (1 + odds)
		got = 100 * $1 / ($1 + $2)
		printf "     share of the sender: designed %.2f %%, sampled %.2f %%\n", want, got
		exit !(want - got <= 7 && got - want <= 7) }' "$TMP/both" >"$TMP/said"
tap_is "the shares are as designed" 0 $?
cat "$TMP/said"
echo "     matched as $matched"

# perf itself, on a twin with frame pointers and a map.  Debian's C code has no frame pointers, so perf has to unwind by
# CFI; that ends at the first Erlang frame, but the C functions that Erlang code calls tell the two apart.
if ! command -v perf >/dev/null; then
	tap_skip "the same order as perf" "perf is not installed"
	tap_done
fi
vm_start twin blame 2 1 +JPperf true || exit 1
perf record -q -e cpu-clock -F 499 --call-graph dwarf,4096 -p "$VM_PID" -o "$TMP/perf.data" -- sleep 10 \
	>"$TMP/perf.log" 2>&1 &
perf=$!
blame copy_struct -F 999 -d 10s
tap_is "twin: erlang-sample beside perf" 0 $?
wait "$perf" || cat "$TMP/perf.log"
perf script --no-inline -i "$TMP/perf.data" -F ip,sym >"$TMP/script" 2>>"$TMP/perf.log"
# One paragraph for each sample.
awk 'BEGIN { RS = "" }
	/ (size_object_x|copy_struct_x)\n/ { if (/ erl_send\n/) send++; else if (/ ets_insert_2\n/) insert++ }
	END { printf "%d %d\n", send, insert }' "$TMP/script" >"$TMP/perf.counts"
printf '%d %d\n' "$(count blame:send_big/2)" "$(count blame:insert_big/2)" >"$TMP/our.counts"
# The same ten seconds of the same VM: apart from chance the two see the same.
paste "$TMP/perf.counts" "$TMP/our.counts" | awk '
	{ perf = 100 * $1 / ($1 + $2); ours = 100 * $3 / ($3 + $4)
	  printf "     share of the sender: perf %.2f %% of %d, ours %.2f %% of %d\n", perf, $1 + $2, ours, $3 + $4
	  sigma = 50 * sqrt(1 / ($1 + $2) + 1 / ($3 + $4))
	  exit !(perf > 50 && ours > 50 && perf - ours < 4 * sigma && ours - perf < 4 * sigma) }' >"$TMP/said"
tap_is "the same order as perf, and the same shares" 0 $?
cat "$TMP/said"
tap_done
