#!/bin/sh
# What looks like an Erlang VM and is none we know, or one whose memory is damaged: refused with exit code 5, the field
# and the way out, or answered as if nothing had happened; never a wrong answer.
# limit: 600
set -u
# shellcheck source=../lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=../lib/tap.sh
. "$SRC/tests/lib/tap.sh"
# shellcheck source=../lib/emulator.sh
. "$SRC/tests/lib/emulator.sh"

tap_needs jq "${VM_ERL:-erl}"
work=$(mktemp -d /var/tmp/xb-refuse.XXXXXX) || exit 1
others=
cleanup() {
	for p in $others; do kill -KILL "$p" 2>/dev/null; done
	vm_stop_all
	rm -rf "$work"
}
trap cleanup EXIT
vm_compile "${VM_EBIN:-$work/ebin}" || exit 1
VM_DIR=$work/vms
mkdir "$VM_DIR"

# each PID NAME STATUS PATTERN: every tool ends so, and says so.
each() {
	for how in "erlang-sample --all" "erlang-sample --duration 100ms" "erlang-write-perf-map --output $TMP/map" \
		"erlang-inspect" "erlang-sample --pstack"; do
		tool=${how%% *}
		rest=${how#"$tool"}
		# Options are words.
		# shellcheck disable=SC2086
		timeout 20 "$BUILD/$tool" $rest "$1" >"$TMP/out" 2>"$TMP/err"
		tap_is "$2: $how: exit code" "$3" $?
		# There is nothing to map of an interpreter, known or not, and no way out.
		if ! grep -q "^$tool: nothing to map: .* runs the interpreter" "$TMP/err"; then
			tap_ok "$2: $how: says why" grep -Eq "^$tool: .*$4" "$TMP/err" || cat "$TMP/err"
			tap_ok "$2: $how: and the way out" test "$(grep -c "^$tool: " "$TMP/err")" -ge 2 || cat "$TMP/err"
		fi
		tap_is "$2: $how: no rows" 0 "$(wc -c <"$TMP/out" | tr -d ' ')"
	done
	tap_ok "$2: no map either" test ! -e "$TMP/map"
}

# --- a release that nobody knows ---

release=$(vm__erl 'io:format("~s", [erlang:system_info(otp_release)])')
emulator_copy "$work/unknown" || exit 1
beam=$(emulator_file "$work/unknown")
# The banner's release, in place: the rest of the emulator does not look at it.
LC_ALL=C sed -i "s/Erlang\/OTP $release%s \[erts-/Erlang\/OTP 31%s [erts-/" "$beam"
tap_ok "the release of a copy was changed" grep -q 'Erlang/OTP 31%s \[erts-' "$beam"
VM_ERL=$work/unknown.erl vm_start unknown many 10 || exit 1
each "$VM_PID" "OTP 31" 5 'no layout table for OTP 31 with the (JIT|interpreter)'
"$BUILD/erlang-inspect" --list --json >"$TMP/list.json"
tap_is "OTP 31: listed as what it says it is" 31 "$(jq ".rows[] | select(.pid == $VM_PID) | .otp_release" "$TMP/list.json")"
vm_stop unknown

# --- something else under the name ---

mkdir "$work/false"
cp "$(command -v sleep)" "$work/false/beam.smp"
"$work/false/beam.smp" 1000 &
others="$others $!"
until [ "$(readlink "/proc/$!/exe")" = "$work/false/beam.smp" ]; do sleep 0.05; done
sleep 0.2
each "$!" "a program called beam.smp" 5 'calls itself beam.smp.*no Erlang VM'
"$BUILD/erlang-inspect" --list --json >"$TMP/list.json"
tap_is "a program called beam.smp: no VM in the list" "" "$(jq ".rows[] | select(.pid == $!) | .pid" "$TMP/list.json")"
# It even holds the banner of a release that is known, as a text.
banner=$(strings -a "$(emulator_dir)"/beam*.smp | grep -m 1 "Erlang/OTP $release%s \[erts-")
cat >"$work/false/liar.c" <<-C
	#include <unistd.h>
	const char banner[] = "$banner";
	int main(void) { while (banner[0] != 0) pause(); return 0; }
C
if [ -n "$banner" ] && ${CC:-cc} -O0 -o "$work/false/beam.smp.new" "$work/false/liar.c" 2>"$TMP/err"; then
	mv "$work/false/beam.smp.new" "$work/false/beam.smp"
	"$work/false/beam.smp" &
	others="$others $!"
	until [ "$(readlink "/proc/$!/exe")" = "$work/false/beam.smp" ]; do sleep 0.05; done
	sleep 0.2
	each "$!" "a program with the banner of OTP $release" 5 '(process table|no layout|does not fit|cannot be found|not found)'
else
	tap_skip "a program with a banner" "it cannot be compiled here"
fi

# --- tables that are garbage ---

vm_start zoo zoo 150 || exit 1
sleep 1.5
zoo=$VM_PID
kill -STOP "$zoo"
until grep -q '^State:[[:space:]]*T' "/proc/$zoo/status"; do sleep 0.05; done
"$BUILD/tests/live/scribble" "$BUILD" "$zoo" tables >"$TMP/tables"
status=$?
cat "$TMP/tables"
tap_is "garbage in the VM's tables: refused, or answered as without it" 0 $status
tap_ok "garbage in the VM's tables: most are refused" awk '/^# [0-9]+ refused/ { exit !($2 > 2 * $4) }' "$TMP/tables"
"$BUILD/tests/live/scribble" "$BUILD" "$zoo" random "${DAMAGES:-100}" "${SEED:-1}" >"$TMP/random"
status=$?
cat "$TMP/random"
tap_is "${DAMAGES:-100} damaged words anywhere: no crash, no hang, no other exit code" 0 $status
kill -CONT "$zoo"
tap_ok "the VM goes on as if nothing had happened" vm_ask zoo count
vm_stop zoo

# --- it ends meanwhile ---

bad=
seen=
for i in 1 2 3 4 5 6 7 8; do
	vm_start ending many 10000 || exit 1
	for json in "" --json; do
		# It takes some 20 ms; the VM ends at some point of them, or right before.
		(sleep "0.0$((i * 7 % 10))$i"; [ -z "$json" ] || kill -KILL "$VM_PID") &
		killer=$!
		# shellcheck disable=SC2086
		timeout 20 "$BUILD/erlang-sample" --all $json "$VM_PID" >"$TMP/out" 2>"$TMP/err"
		status=$?
		wait "$killer"
		seen="$seen $status"
		case $status in
		0) ;;
		4 | 6) grep -q "^erlang-sample: .*process $VM_PID .*exited\|no such process" "$TMP/err" ||
			bad="$bad; $status: $(cat "$TMP/err")" ;;
		*) bad="$bad; $status: $(cat "$TMP/err")" ;;
		esac
		if [ -n "$json" ] && [ -s "$TMP/out" ]; then
			jq . "$TMP/out" >/dev/null 2>&1 || bad="$bad; damaged JSON"
		fi
	done
	vm_stop ending
done
tap_is "a VM that ends while it is read: exit 0, 4 or 6, and whole JSON" "" "$bad"
echo "# exit codes:$seen"
tap_done
