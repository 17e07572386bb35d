#!/bin/sh
# Stacks that change millions of times a second between two call paths that cannot mix: no mixed one among those
# reported as exact, whatever is running.  The grammar of legal stacks is in tests/vm/README.md.
# limit: 180
set -u
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs jq awk

# A line for each stack with a function of the storm in it: samples, process, exact, number of frames marked ~ and the
# Erlang functions from the root on.
lines() {
	jq -r '.rows[] | .samples as $n | .process as $p | .exact as $e
		| [.frames[] | select(.kind == "erlang")] | select(length > 0)
		| select(any(.[]; .function | test("^storm")))
		| [$n, $p // "-", $e, (map(select(.exact | not)) | length), (reverse | map(.function) | join(" "))]
		| map(tostring) | join("\t")' "$1"
}

# judge HOW: legal or not, by the grammar; prints up to ten illegal stacks among the exact ones and the numbers.
judge() {
	awk -F '\t' -v how="$1" '
	function family(word) { return word ~ /^storm_a:/ ? "a" : word ~ /^storm_b:/ ? "b" : "" }
	# The functions in w[1..n], root first.
	function legal(w, n,    i, f, k) {
		if (w[1] != "storm:loop/3")
			return 0
		if (n == 1)
			return 1
		# counters:add/3 is the last call of counted/2, and itself one of a BIF.
		if (n == 2 && w[2] ~ /^(storm:counted\/2|counters:add\/3|erts_internal:counters_add\/3)$/)
			return 1
		f = family(w[2])
		if (f == "")
			return 0
		for (k = 0; k < 8 && 2 + k <= n && w[2 + k] == "storm_" f ":" f (k + 1) "/2"; k++)
			;
		i = 2 + k
		if (i > n)
			return k > 0
		if (k < 8 || w[i] != "storm_" f ":leaf/2")
			return 0
		if (++i > n)
			return 1
		if (how == "jit" || w[i] != "storm:work/2")
			return 0
		for (; i <= n; i++)
			if (w[i] !~ /^(storm:(work\/2|bif\/3)$|erlang:|lists:|maps:|binary:|ets:|erts_internal:)/)
				return 0
		return 1
	}
	{
		n = split($5, w, " ")
		a = b = 0
		for (i = 1; i <= n; i++) {
			a += family(w[i]) == "a"
			b += family(w[i]) == "b"
		}
		if ($2 == "storm_echo" && $5 == "storm:echo/0")
			ok = 1
		else
			ok = $2 ~ /^storm_[0-9]+$/ && legal(w, n)
		kind = $3 == "true" ? "exact" : "later"
		samples[kind] += $1
		if (a && b)
			mixed[kind] += $1
		if (!ok) {
			illegal[kind] += $1
			if (kind == "exact" && said++ < 10)
				print "     illegal: " $2 ": " $5
		}
	}
	END {
		printf "numbers %d %d %d %d %d %d\n", samples["exact"], mixed["exact"], illegal["exact"],
			samples["later"], mixed["later"], illegal["later"]
	}'
}

# storm BACKEND HOW PROCESSES
storm() {
	backend=$1
	shift
	vm_start storm storm "$1" "$2" || exit 1
	# A loaded machine gives less CPU time, and samples go by CPU time.
	for seconds in 5 20; do
		"$BUILD/erlang-sample" --backend "$backend" -F 1999 -d ${seconds}s --stacks --top 1000000 --json "$VM_PID" \
			>"$TMP/$1.json" 2>"$TMP/err"
		status=$?
		[ "$(jq .health.samples "$TMP/$1.json")" -lt 1000 ] || break
	done
	tap_is "$backend, $1: exit code" 0 "$status"
	vm_stop storm
	lines "$TMP/$1.json" >"$TMP/$1.lines"
	judge "$1" <"$TMP/$1.lines" >"$TMP/$1.said"
	read -r exact mixed illegal later later_mixed later_illegal <<-EOF
		$(sed -n 's/^numbers //p' "$TMP/$1.said")
	EOF
	grep -v '^numbers' "$TMP/$1.said"
	tap_is "$backend, $1: no mixed stack among the exact ones" 0 "$mixed"
	tap_is "$backend, $1: every exact stack is legal" 0 "$illegal"
	tap_is "$backend, $1: rows and samples" "$(jq .health.samples "$TMP/$1.json")" "$(jq '[.rows[].samples] | add' "$TMP/$1.json")"
	tap_is "$backend, $1: at least 99 % of the stacks reach their root" true \
		"$(jq '.health.rooted_percent >= 99' "$TMP/$1.json")"
	tap_is "$backend, $1: nothing lost, at most 1 % torn, at most 1 % unresolved" true \
		"$(jq '.health | .lost == 0 and .torn <= .samples / 100 and .unresolved <= .samples / 100' "$TMP/$1.json")"
	# A stack may be inexact without a marked frame: its callers were asked for afterwards, and there were none by then.
	tap_is "$backend, $1: no exact stack has a frame read later" 0 \
		"$(awk -F '\t' '$3 == "true" && $4 > 0' "$TMP/$1.lines" | wc -l)"
	jq -r '.health | "     \(.samples) samples, \(.erlang_samples) of processes, \(.rooted_percent) % rooted"' \
		"$TMP/$1.json"
	echo "     exact: $exact samples, $mixed mixed, $illegal illegal;" \
		"read later: $later samples, $later_mixed mixed, $later_illegal illegal"
}

# enough HOW: there were enough exact stacks to judge, and most were exact.
enough() {
	tap_ok "bpf, $1: at least 500 exact stacks" test "$exact" -ge 500
	tap_is "bpf, $1: at least $share % of the stacks are exact" true \
		"$(jq ".health.exact_percent >= $share" "$TMP/$1.json")"
}

vm_start storm storm jit 1 || exit 1
flavor=$(vm_is_jit && echo jit || echo emu)
"$BUILD/erlang-sample" --backend bpf -d 0.1s "$VM_PID" >"$TMP/out" 2>"$TMP/err"
status=$?
vm_stop storm
# In the interpreter a call or return may be half done, and some calls of C leave no trace of the instruction.
if [ "$flavor" = jit ]; then share=99; else share=60; fi
if [ "$status" -eq 3 ] || [ "$status" -eq 5 ]; then
	tap_skip "samples frozen by BPF" "$(head -n 1 "$TMP/err")"
else
	for how in jit bif mix; do
		storm bpf "$how" 1
		enough "$how"
	done
fi
# With perf only what is on the machine stack is exact, and the interpreter's stack never is.
[ "$flavor" = jit ] || tap_done
storm perf jit 1
tap_ok "perf, jit: most of it was exact" test "$exact" -gt "$later"
tap_ok "perf, jit: there were at least 500 exact stacks to judge" test "$exact" -ge 500
storm perf bif 1
tap_ok "perf, bif: there were stacks read later" test "$later" -ge 500
storm perf mix 2
tap_ok "perf, mix: both kinds were there" test "$exact" -ge 10 -a "$later" -ge 10
tap_done
