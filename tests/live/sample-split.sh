#!/bin/sh
# The default report on a workload whose shares of CPU time the VM itself measures: 70 / 20 / 10.
# limit: 240
set -u
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs jq awk

# sample OPTION...: a report as JSON in $TMP/top.json.
sample() {
	"$BUILD/erlang-sample" --json "$@" "$VM_PID" >"$TMP/top.json" 2>"$TMP/err" || {
		cat "$TMP/err"
		return 1
	}
}

# Rows A, B and C in FIELD, in percent of the three together: the VM measures these three and nothing else.
among() {
	jq -r --arg field "$1" --arg a "$2" --arg b "$3" --arg c "$4" '
		[.rows[] | {(.name): .[$field]}] | add as $n
		| [$n[$a] // 0, $n[$b] // 0, $n[$c] // 0] | (add | if . == 0 then 1 else . end) as $sum
		| .[] | 100 * . / $sum' "$TMP/top.json"
}

# near NAME: three lines of shares on standard input against $TMP/stats, within two points each.
near() {
	paste - "$TMP/stats" >"$TMP/near"
	awk '{ d = $1 - $4; if (d < 0) d = -d; if (d > worst) worst = d
		printf "     %s: sampled %.2f %%, measured by the VM %.2f %%\n", $2, $1, $4 }
	END { printf "     worst difference %.2f points\n", worst; exit !(NR == 3 && worst <= 2) }' "$TMP/near" >"$TMP/said"
	tap_is "$1" 0 $?
	cat "$TMP/said"
}

# measure: 999 Hz for ten seconds, and what the VM measured meanwhile.
#
# Samples come every millisecond of the VM's CPU time and a slice of work lasts one to seven, so a slice gets its length
# in samples give or take less than one: with 1,000 samples the shares are known to half a point (one sigma).  A machine
# too loaded to give the VM one CPU second in ten gets one more, longer try; what is asserted stays the same.
measure() {
	for seconds in 10 40; do
		vm_ask split reset && sample -F 999 -d ${seconds}s --top 1000000 "$@" || return 1
		vm_ask split stats >"$TMP/stats" || return 1
		[ "$(jq .health.samples "$TMP/top.json")" -lt 1000 ] || return 0
	done
	echo "     only $(jq .health.samples "$TMP/top.json") samples in $seconds s"
}

# whole NAME: the rows are all samples, and the percentages say so.
whole() {
	tap_is "$1: rows add up to all samples" "$(jq .health.samples "$TMP/top.json")" \
		"$(jq '[.rows[].self] | add' "$TMP/top.json")"
	tap_is "$1: percentages add up to 100" true \
		"$(jq '([.rows[].self_percent] | add) - 100 | fabs < 0.1' "$TMP/top.json")"
}

vm_start split split functions || exit 1
measure || exit 1
if vm_has_native_stack; then
	among self split:hot_a/2 split:hot_b/2 split:hot_c/2 | near "by function: self"
	among total split:slice_a/2 split:slice_b/2 split:slice_c/2 | near "by function: with what they call"
	tap_is "work in Erlang code is exact: at least 90 % of the stacks" true \
		"$(jq '.health.exact_percent >= 90' "$TMP/top.json")"
else
	# An interpreter, or a JIT without the native stack.
	# Callers are read after the sample, when another slice may run: they are marked, and not compared.
	among total split:hot_a/2 split:hot_b/2 split:hot_c/2 | near "by function: what the VM works for"
	if [ "$(jq -r .health.backend "$TMP/top.json")" = bpf ]; then
		# Frozen with the sample: at most one frame is in doubt, which slice it is never.
		among total split:slice_a/2 split:slice_b/2 split:slice_c/2 | near "by function: with what they call"
		vm_is_jit || tap_is "at least half of the stacks are exact" true \
			"$(jq '.health.exact_percent >= 50' "$TMP/top.json")"
	else
		tap_is "no stack that was read afterwards is called exact" true \
			"$(jq '.health.exact_percent == 0' "$TMP/top.json")"
	fi
fi
whole "by function"
tap_is "at least 99 % of the stacks reach their root" true "$(jq '.health.rooted_percent >= 99' "$TMP/top.json")"
tap_is "health: unresolved is the row [unresolved]" \
	"$(jq '[.rows[] | select(.name == "[unresolved]").self] | add // 0' "$TMP/top.json")" \
	"$(jq .health.unresolved "$TMP/top.json")"
jq -r '.health | "     \(.samples) samples, \(.exact_percent) % exact, \(.unresolved) unresolved"' "$TMP/top.json"

measure --only-erlang || exit 1
among self split:hot_a/2 split:hot_b/2 split:hot_c/2 | near "--only-erlang: self"
whole "--only-erlang"
tap_is "--only-erlang: no row of C code" 0 \
	"$(jq '[.rows[] | select(.kind == "native" or .kind == "kernel" or .kind == "fragment")] | length' "$TMP/top.json")"

for by in function line module process scheduler cpu; do
	sample -F 999 -d 1s --by "$by" --top 1000000 || exit 1
	whole "--by $by"
	sample -F 999 -d 1s --by "$by" --top 1 || exit 1
	whole "--by $by --top 1"
done
tap_is "--by line: lines of the workload's file" true "$(
	sample -F 999 -d 1s --only-erlang --by line --top 1000000
	jq '[.rows[] | select(.file == "split.erl") | select(.name == "split:hot_a/2") | .line >= 163 and .line <= 164]
		| length > 0 and all' "$TMP/top.json"
)"
sample -F 999 -d 1s --by function --top 2 || exit 1
tap_is "--top 2: two rows and one for the others" 3 "$(jq '.rows | length' "$TMP/top.json")"
tap_ok "--top 2: the last row says how many others" \
	jq -e '.rows[2].name | test("^\\[[0-9]+ others\\]$")' "$TMP/top.json"
tap_is "the biggest first" true "$(jq '[.rows[:2][].self] | . == (sort | reverse)' "$TMP/top.json")"
"$BUILD/erlang-sample" -F 999 -d 1s --top 1000 "$VM_PID" >"$TMP/text" 2>"$TMP/err"
# shellcheck disable=SC2016
tap_ok "as text: the shares add up to 100" awk '
	/^ *SELF/ { on = 1; next }
	/^$/ { on = 0 }
	on && $3 == "%" { sum += $2 }
	END { exit !(sum > 99.5 && sum < 100.5) }' "$TMP/text"
"$BUILD/erlang-sample" -F 999 -d 1s --folded "$VM_PID" >"$TMP/folded" 2>"$TMP/err"
tap_ok "--folded: frames from the root, then a count" awk '
	!/^[^ ].*;.* [0-9]+$/ { bad++ }
	/^split_1;.*split:worker\/1;split:slice_a\/2;split:hot_a\/2(;process_main)? [0-9]+$/ { seen++ }
	END { exit !(seen && !bad) }' "$TMP/folded"
vm_stop split

vm_start split split processes || exit 1
measure --by process || exit 1
among self split_a split_b split_c | near "by process"
whole "by process"
tap_is "by process: the pid of split_a" "$(vm_ask split eval 'whereis(split_a)')" \
	"$(jq -r '.rows[] | select(.name == "split_a").pid' "$TMP/top.json")"
tap_done
