#!/bin/sh
# As the VM's own unprivileged user everything works that needs only that; what does not says what it lacks.
# limit: 120
# Programs of their own expand their own.
# shellcheck disable=SC2016
set -u
# shellcheck source=../lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=../lib/tap.sh
. "$SRC/tests/lib/tap.sh"

tap_needs jq perf setpriv "${VM_ERL:-erl}"
[ "$(id -u)" -eq 0 ] || { echo "becomes another user: needs root"; exit 77; }
[ -z "${VM_ROOT:-}" ] || { echo "only root can enter the root of another release"; exit 77; }
# Other users read and write here.
umask 0
work=$(mktemp -d /var/tmp/xb-user.XXXXXX) || exit 1
chmod 755 "$work"
map=
cleanup() {
	vm_stop_all
	[ -z "$map" ] || rm -f "$map"
	rm -rf "$work"
}
trap cleanup EXIT
vm_compile "$work/ebin" || exit 1
VM_DIR=$work/vms
mkdir "$VM_DIR" "$work/home"
# The build may be where that user cannot go.
cp "$BUILD/erlang-sample" "$BUILD/erlang-inspect" "$BUILD/erlang-write-perf-map" "$BUILD/tests/live/deny" "$work/" || exit 1
chmod 755 "$work"/*; chmod 777 "$work/home"
become="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$become" "$(command -v "${VM_ERL:-erl}")" >"$work/erl"
chmod 755 "$work/erl"
VM_ERL=$work/erl vm_start own split functions || exit 1
own=$VM_PID
vm_start other split functions || exit 1
other=$VM_PID
cd "$work" || exit 1
export HOME="$work/home"

# as COMMAND…: as that user, a program of ours by its name.
as() {
	# shellcheck disable=SC2086
	timeout 30 $become "$@" >"$TMP/out" 2>"$TMP/err"
}
# works NAME COMMAND…
works() {
	name=$1
	shift
	as "$@"
	tap_is "own VM: $name" 0 $? || cat "$TMP/err"
}
says() {
	tap_ok "$1" grep -Eq -- "$2" "$TMP/err" || cat "$TMP/err"
}

tap_is "it is no root's VM" 65534 "$(stat -c %u "/proc/$own")"
yama=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
if [ "$yama" -gt 0 ]; then
	as "$work/erlang-inspect" "$own"
	tap_is "kernel.yama.ptrace_scope is $yama: exit code" 3 $?
	says "kernel.yama.ptrace_scope is $yama: named, with the way out" "kernel.yama.ptrace_scope is $yama"
	tap_done
fi

# --- its own VM ---

works inspect "$work/erlang-inspect" --json "$own" system
tap_is "own VM: the release it says" "$(vm_ask own eval 'list_to_integer(erlang:system_info(otp_release)).')" \
	"$(jq -r .target.otp_release "$TMP/out")"
works --all "$work/erlang-sample" --all --json "$own"
tap_is "own VM: --all: processes as the VM counts them" "$(vm_ask own count)" "$(jq '.rows | length' "$TMP/out")"
tap_ok "own VM: --all: every stack whole, with lines" jq -e '.health.not_rooted == 0 and ([.rows[].frames[].line] | max > 0)' "$TMP/out"
works "--process init" "$work/erlang-sample" --process init "$own"
tap_ok "own VM: --process init: its loop" grep -q '^    init:' "$TMP/out"

paranoid=$(cat /proc/sys/kernel/perf_event_paranoid)
works sampling "$work/erlang-sample" --json --duration 1500ms --frequency 499 "$own"
if [ "$(jq -r .health.backend "$TMP/out")" = perf ]; then
	cp "$TMP/out" "$TMP/top.json"
	tap_is "own VM: sampling: three functions in their order" "split:hot_a/2 split:hot_b/2 split:hot_c/2" \
		"$(jq -r '[.rows[] | select(.name | startswith("split:hot_"))] | sort_by(-.total) | map(.name) | join(" ")' "$TMP/out")"
	if [ "$paranoid" -ge 2 ]; then
		tap_is "perf_event_paranoid $paranoid: no samples in the kernel, and it is said" "true 0" \
			"$(jq -r '"\(.health.kernel_excluded) \([.rows[] | select(.kind == "kernel")] | length)"' "$TMP/out")"
		as "$work/erlang-sample" --duration 100ms "$own"
		tap_ok "perf_event_paranoid $paranoid: the way out is in the health line" \
			grep -q '^health: .*CAP_PERFMON, or kernel.perf_event_paranoid' "$TMP/out"
	fi
	works --pstack "$work/erlang-sample" --pstack --wait --duration 2s "$own"
	tap_ok "own VM: --pstack: what is busy" grep -q '^ *split:slice_' "$TMP/out"
else
	tap_skip "own VM: sampling by perf" "perf_event_open is refused here"
fi

if [ "$(jq -r .target.flavor "$TMP/out" 2>/dev/null || echo jit)" != emu ]; then
	map=/tmp/perf-$own.map
	works "perf map" "$work/erlang-write-perf-map" -q "$own"
	tap_is "own VM: perf map: owner and mode" "65534 644" "$(stat -c '%u %a' "$map")"
	as perf record -e cpu-clock:u -F 499 -p "$own" -o "$work/home/perf.data" -- sleep 1.5
	status=$?
	if [ "$status" -eq 0 ]; then
		works --fix-perf-data "$work/erlang-write-perf-map" -q --fix-perf-data "$work/home/perf.data"
		as perf report -i "$work/home/perf.data" --stdio --sort symbol
		tap_is "own VM: that user's perf finds the map" '$split:hot_a/2 $split:hot_b/2 $split:hot_c/2 ' \
			"$(awk '!/^#/ { for (i = 1; i <= NF; i++) if ($i ~ /^\$split:hot_/) printf "%s ", $i }' "$TMP/out")"
	else
		tap_skip "own VM: that user's perf" "it may not record here: $status $(tail -n 1 "$TMP/err")"
	fi
fi

# --- what a container's profile forbids ---

as "$work/deny" perf_event_open "$work/erlang-sample" --json --duration 1s "$own"
tap_is "without perf_event_open: a result all the same" 0 $?
says "without perf_event_open: said with the rule" 'seccomp|perf events'
tap_ok "without perf_event_open: nothing is shown as exact" jq -e '.health.backend != "perf"
	and ([.rows[] | select(.kind == "erlang" and .inexact_percent < 100)] | length == 0)' "$TMP/out" || head -c 1500 "$TMP/out"
for tool in "erlang-sample --all" erlang-sample erlang-write-perf-map erlang-inspect; do
	# shellcheck disable=SC2086
	as "$work/deny" process_vm_readv "$work/"$tool "$own"
	tap_is "without process_vm_readv: $tool: exit code" 3 $?
	says "without process_vm_readv: $tool: the rule" 'seccomp filter of ours forbids'
	tap_is "without process_vm_readv: $tool: one sentence and the way out" 2 "$(wc -l <"$TMP/err" | tr -d ' ')"
done

# --- somebody else's ---

for tool in "erlang-sample --all" erlang-sample "erlang-sample --pstack" erlang-write-perf-map erlang-inspect; do
	# shellcheck disable=SC2086
	as "$work/"$tool "$other"
	tap_is "root's VM: $tool: exit code" 3 $?
	says "root's VM: $tool: whose it is" 'it runs as root \(uid 0\) and we run as nobody \(uid 65534\)'
	says "root's VM: $tool: the way out" 'run this as|--cap-add='
	tap_is "root's VM: $tool: nothing else" "2 0" "$(wc -l <"$TMP/err" | tr -d ' ') $(wc -c <"$TMP/out" | tr -d ' ')"
done
tap_ok "root's VM: no map" test ! -e "/tmp/perf-$other.map"
as "$work/erlang-inspect" --list --json
tap_is "--list: its own VM is known, root's is listed" "true null" \
	"$(jq -r "[.rows[] | select(.pid == $own) | .otp_release > 0] + [.rows[] | select(.pid == $other) | .otp_release] | map(tostring) | join(\" \")" "$TMP/out")"
tap_ok "--list: how many could not be read" jq -e '.health.unidentified >= 1' "$TMP/out"
tap_done
