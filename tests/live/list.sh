#!/bin/sh
# erlang-inspect --list against what the VMs say of themselves.
# limit: 60
set -u
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs jq

# says EXPRESSION: what the VM answers, as text.
says() {
	vm_ask "$name" eval "io_lib:format(\"~ts\", [$1])." | tr -d '"[]\n'
}

# row FIELD: of the VM that is looked at.
row() {
	jq -r ".rows[] | select(.pid == $pid) | .$1" "$TMP/list.json"
}

vm_start one many 10 || exit 1
one=$VM_PID
vm_start two many 10 +S 3:2 || exit 1
two=$VM_PID
tap_ok "--list --json ends well" "$BUILD/erlang-inspect" --list --json
"$BUILD/erlang-inspect" --list --json >"$TMP/list.json"
for name in one two; do
	pid=$(vm_pid $name)
	tap_is "$name: release" "$(says 'erlang:system_info(otp_release)')" "$(row otp_release)"
	tap_is "$name: erts" "$(says 'erlang:system_info(version)')" "$(row erts_version)"
	tap_is "$name: schedulers" "$(says 'integer_to_list(erlang:system_info(schedulers))')" "$(row schedulers)"
	tap_is "$name: flavor" "$(vm_is_jit && echo jit || echo emu)" "$(row flavor)"
	tap_is "$name: executable" "$(readlink "/proc/$pid/exe")" "$(row executable)"
	wall=$(says 'integer_to_list(element(1, erlang:statistics(wall_clock)))')
	"$BUILD/erlang-inspect" --list --json >"$TMP/list.json"
	tap_ok "$name: uptime, within five seconds" awk -v ours="$(row uptime_ns)" -v vm="$wall" '
		BEGIN { d = vm / 1e3 - ours / 1e9; exit !(d < 5 && d > -5) }'
	tap_ok "$name: memory as the kernel has it, within a half" awk -v ours="$(row rss_bytes)" \
		-v kb="$(awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status")" \
		'BEGIN { exit !(ours > 512 * kb && ours < 1536 * kb) }'
done
tap_is "ascending pids" true "$(jq '[.rows[].pid] | . == sort' "$TMP/list.json")"
"$BUILD/erlang-inspect" --list >"$TMP/text"
tap_is "as text: a line for each" 2 "$(grep -cE "^ *($one|$two) " "$TMP/text")"

# A VM whose file was replaced by an upgrade is still what it was.
copy=$TMP/upgraded
mkdir "$copy" && cp -a "$(dirname "$(readlink "/proc/$one/exe")")/." "$copy/" || exit 1
if [ -z "${VM_ROOT:-}" ]; then
	# A JIT is what erlexec takes by itself.
	flavor='-emu_flavor emu'
	! vm_is_jit || flavor=
	(
		unset ERL_FLAGS
		# Its programs are taken away below: it may stumble over that, and leave a dump where it stands.
		cd "$TMP" || exit
		ROOTDIR=$(vm__erl 'io:format("~ts", [code:root_dir()])')
		# shellcheck disable=SC2086 # two words or none
		ERL_CRASH_DUMP=/dev/null HOME=$TMP BINDIR=$copy ROOTDIR=$ROOTDIR EMU=beam PROGNAME=erl \
			exec "$copy/erlexec" -noinput $flavor </dev/null >/dev/null 2>&1
	) &
	for _ in $(seq 100); do
		pid=$(pgrep -f "^$copy/beam" | head -n 1)
		[ -z "$pid" ] || break
		sleep 0.1
	done
	sleep 1 # it has loaded its libraries by then
	rm -rf "$copy"
	"$BUILD/erlang-inspect" --list --json >"$TMP/list.json"
	tap_is "an executable that was replaced: known all the same" "$(vm_ask one eval \
		'list_to_integer(erlang:system_info(otp_release)).') true" "$(row otp_release) $(row executable_deleted)"
	kill "$pid"
fi
if [ "$(id -u)" -eq 0 ]; then
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \
		"$BUILD/erlang-inspect" --list >"$TMP/text" 2>&1
	tap_is "another user: exit code" 0 $?
	tap_ok "another user: says what it could not read" grep -q 'whose executable this user may not read' "$TMP/text"
fi
tap_done
