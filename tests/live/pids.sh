#!/bin/sh
# Pids after the process table was used up many times, up to the largest there are: as the VM itself prints them.
# limit: 120
set -u
# shellcheck source=../lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=../lib/tap.sh
. "$SRC/tests/lib/tap.sh"

trap vm_stop_all EXIT
tap_needs jq "${VM_ERL:-erl}"
vm_compile "${VM_EBIN:-$TMP/ebin}" || exit 1

# compare NAME: every process, by its pid.
compare() {
	vm_ask pids pids | sort >"$TMP/theirs" || exit 1
	"$BUILD/erlang-sample" --all --json "$VM_PID" >"$TMP/all.json" 2>"$TMP/err"
	tap_is "$1: --all" 0 $? || cat "$TMP/err"
	jq -r '.rows[].pid' "$TMP/all.json" | sort >"$TMP/ours"
	tap_is "$1: all $(wc -l <"$TMP/theirs") pids" "" "$(diff "$TMP/theirs" "$TMP/ours")"
}

# by_pid NAME: a process with the largest serial there is, found by its pid.
by_pid() {
	pid=$(sort -t. -k3,3nr "$TMP/theirs" | head -n 1)
	"$BUILD/erlang-sample" --json --process "$pid" "$VM_PID" >"$TMP/one.json" 2>"$TMP/err"
	tap_is "$1: --process $pid finds it alone" "$pid" "$(jq -r '.rows[].pid' "$TMP/one.json")"
}

serial() {
	sed -n 's/^<[0-9]*\.[0-9]*\.\([0-9]*\)>$/\1/p' "$TMP/theirs" | sort -n | tail -n 1
}

# Few slots are left.
vm_start pids pids 820 +P 1024 || exit 1
tap_is "the smallest table there is" 1024 "$(vm_ask pids eval 'erlang:system_info(process_limit).')"
compare "at first"

# What the VM has not noted is found by where the process will go on.
vm_ask pids suspend 40 >/dev/null || exit 1
compare "with suspended ones"
"$BUILD/erlang-sample" --all "$VM_PID" >"$TMP/text"
without=$(awk '/^</ { of = / \(suspended, /; n += of } /^    in / && of { n-- } END { print n + 0 }' "$TMP/text")
vm_ask pids current | sort >"$TMP/theirs" || exit 1
jq -r '.rows[] | "\(.pid) \(.current_function)"' "$TMP/all.json" | sort >"$TMP/ours"
tap_is "current functions of all parked, before anybody asked" "" \
	"$(comm -23 "$TMP/theirs" "$TMP/ours")"
tap_ok "current functions of all parked: $(wc -l <"$TMP/theirs") were compared" test "$(wc -l <"$TMP/theirs")" -ge 860
tap_ok "$without processes whose current function the VM had not noted" test "$without" -gt 0

vm_ask pids churn 40000 >/dev/null || exit 1
compare "after 40,000 processes"
by_pid "after 40,000 processes"
release=$(vm_ask pids eval 'list_to_integer(erlang:system_info(otp_release)).')
if [ "$release" -lt 26 ]; then
	tap_ok "28 bits: serials by now" test "$(serial)" -gt 0
	largest=268435455
else
	largest=1152921504606846975
fi
# Around everything that is a boundary: 15, 28 and 32 bits of the number, and the end, where it begins anew.
for data in 32767 65535 1048575 134217727 268435450 268435456 4294967290 8796093022207 \
	"$((largest - 500))" "$largest"; do
	[ "$data" -le "$largest" ] || continue
	vm_ask pids jump "$data" >/dev/null || exit 1
	compare "near $data"
	vm_ask pids churn 3000 >/dev/null || exit 1
	compare "near $data, 3,000 processes later"
done
vm_ask pids jump "$((largest / 2))" >/dev/null || exit 1
compare "in the middle"
by_pid "in the middle"
tap_ok "in the middle: with a serial" test "$(serial)" -gt 4000
tap_done
