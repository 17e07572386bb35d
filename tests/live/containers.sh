#!/bin/sh
# VMs in other mount, pid and user namespaces and below other roots, and with an executable that is not there any more:
# what is said of them, stacks, samples, and a perf map where perf on the host finds it.  What a hostile container puts
# in the way of the map is not followed.
# limit: 400
# Programs of their own expand their own.
# shellcheck disable=SC2016
set -u
# shellcheck source=../lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=../lib/tap.sh
. "$SRC/tests/lib/tap.sh"
# shellcheck source=../lib/emulator.sh
. "$SRC/tests/lib/emulator.sh"

tap_needs jq perf "${VM_ERL:-erl}"
[ "$(id -u)" -eq 0 ] || { echo "namespaces and other users: needs root"; exit 77; }
unshare --mount --pid --fork true 2>/dev/null || { echo "this machine makes no mount and pid namespaces"; exit 77; }
# What is mounted here stays here: from here on, this namespace is the host.
[ -n "${CONTAINERS_HOST:-}" ] ||
	CONTAINERS_HOST=1 exec unshare --mount --propagation private -- sh "$0"

# The targets have a /tmp of their own, so what they share with us is elsewhere; and other users write to it.
umask 0
work=$(mktemp -d /var/tmp/xb-containers.XXXXXX) || exit 1
chmod 755 "$work"
maps=
cleanup() {
	vm_stop_all
	for m in $maps; do rm -f "$m"; done
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT
erl=$(command -v "${VM_ERL:-erl}")
vm_compile "$work/ebin" || exit 1
VM_DIR=$work/vms
mkdir "$VM_DIR"
# perf keeps things in the home directory.
export HOME="$TMP"
can_record=0
perf record -q -e cpu-clock -o "$TMP/try.data" -- true >/dev/null 2>&1 && can_record=1

# launcher NAME PREFIX…: a program that runs erl behind PREFIX.
launcher() {
	name=$1
	shift
	printf '#!/bin/sh\nexec %s %s "$@"\n' "$*" "$erl" >"$work/$name"
	chmod 755 "$work/$name"
}

cat >"$work/own_tmp" <<-'SH'
	#!/bin/sh
	mount -t tmpfs -o mode=1777 none /tmp && exec "$@"
SH
# As container runtimes do: the root of the mount namespace is another directory, and the old one is gone.
cat >"$work/pivot_root" <<-'SH'
	#!/bin/sh
	set -e
	mount --rbind / /mnt
	mount -t tmpfs -o mode=1777 none /mnt/tmp
	cd /mnt
	pivot_root . mnt
	umount -l /mnt
	cd /
	exec "$@"
SH
chmod 755 "$work"/*
unshare="unshare --fork --kill-child --propagation private --pid --mount"
as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
launcher mount_pid "$unshare" -- "$work/own_tmp"
launcher pivot "$unshare" -- "$work/pivot_root"
launcher user "$unshare" --user --map-root-user -- "$work/own_tmp"
launcher pid_only unshare --fork --kill-child --pid --
launcher chroot_only chroot /mnt
launcher nobody "$as_nobody"
launcher user_of_nobody "$as_nobody" "$unshare" --user --map-root-user -- "$work/own_tmp"

# answer NAME EXPRESSION: text the VM answers, as lines.
answer() {
	vm_ask "$1" eval "lists:flatten($2)." | sed 's/^"//; s/"$//; s/\\n/\n/g' | grep -v '^$'
}

# What the VM says waiting processes of its own have on their stacks.
functions='[io_lib:format("~p ~s~n", [N, lists:join(" ", [io_lib:format("~p:~p/~p", [M, F, A])
	|| {M, F, A, _} <- element(2, process_info(whereis(N), current_stacktrace))])])
	|| N <- [init, erl_prim_loader, application_controller, code_server, vmctl_guard, kernel_sup], is_pid(whereis(N))]'
functions=$(echo "$functions" | tr '\n\t' '  ')

is_emu() {
	[ "$(jq -r .target.flavor "$TMP/system.json")" = emu ]
}

# look NAME: everything but perf.
look() {
	"$BUILD/erlang-inspect" --json "$VM_PID" system >"$TMP/system.json" 2>"$TMP/err"
	tap_is "$1: attached to" 0 $? || cat "$TMP/err"
	tap_is "$1: the release it says" "$(answer "$1" 'erlang:system_info(otp_release)')" \
		"$(jq -r .target.otp_release "$TMP/system.json")"
	tap_ok "$1: its schedulers are known as threads" jq -e '[.. | objects | select(.name? == "schedulers_matched")]
		| length == 1 and (.[0].value | tonumber) > 0' "$TMP/system.json"
	answer "$1" "$functions" | sort >"$TMP/want"
	"$BUILD/erlang-sample" --all --json "$VM_PID" >"$TMP/all.json" 2>"$TMP/err"
	tap_is "$1: --all" 0 $? || cat "$TMP/err"
	jq -r '.rows[] | select(.registered_name != null) | [.registered_name, .frames[].function] | join(" ")' \
		"$TMP/all.json" | sort >"$TMP/have"
	tap_ok "$1: there are stacks to compare" test "$(wc -l <"$TMP/want")" -ge 5
	tap_is "$1: stacks as the VM has them" "" "$(comm -23 "$TMP/want" "$TMP/have")"
	"$BUILD/erlang-sample" --json --duration 1s --frequency 997 "$VM_PID" >"$TMP/top.json" 2>"$TMP/err"
	tap_is "$1: samples" 0 $? || cat "$TMP/err"
	emu=false
	is_emu && emu=true
	# An interpreter's callers are always read later.
	tap_ok "$1: three functions in their order, with callers as of the sample" jq -e --argjson emu "$emu" '
		([.rows[] | select(.name | startswith("split:hot_"))] | sort_by(-.total) | map(.name) ==
			["split:hot_a/2", "split:hot_b/2", "split:hot_c/2"]) and
		([.rows[] | select(.name == "split:worker/1")][0] | .total > 20 and ($emu or .inexact_percent < 50))' \
		"$TMP/top.json" || jq -c '.rows[:8]' "$TMP/top.json"
}

# named FILE: what perf report calls the three functions, most frequent first.
named() {
	perf report -i "$1" --stdio --sort symbol 2>"$TMP/perf.err" | grep -v '^#' |
		awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\$split:hot_/) printf "%s ", $i }'
}
three='$split:hot_a/2 $split:hot_b/2 $split:hot_c/2 '

# recorded NAME: with perf, which finds the map on the host.
recorded() {
	map=/tmp/perf-$VM_PID.map
	maps="$maps $map"
	data=$TMP/$1.data
	perf record -q -e cpu-clock -F 997 -p "$VM_PID" -o "$data" -- sleep 1 >"$TMP/record" 2>&1
	"$BUILD/erlang-write-perf-map" -q --fix-perf-data "$data" 2>"$TMP/err"
	tap_is "$1: perf has no names without a map" "" "$(named "$data")"
	tap_ok "$1: the map is written" "$BUILD/erlang-write-perf-map" -q "$VM_PID"
	tap_is "$1: perf on the host finds it" "$three" "$(named "$data")" || cat "$TMP/perf.err"
}

# kind NAME: all of it; 1 without such a VM.
kind() {
	if ! VM_ERL=$work/$1 vm_start "$1" split functions 2>"$TMP/err"; then
		# The root of another release may be in a directory of ours alone.
		if [ -n "${VM_ROOT:-}" ]; then
			tap_skip "$1: a VM" "this user cannot enter the root of another release"
		else
			tap_ok "$1: a VM starts" false
			cat "$TMP/err"
		fi
		return 1
	fi
	look "$1"
	if is_emu; then return 0; fi
	if [ "$can_record" -eq 1 ]; then recorded "$1"; else tap_skip "$1: perf" "perf may not record here"; fi
}

# hidden: a map inside, as an earlier container may have left it, is taken by perf before ours.
hidden() {
	echo "1000 10 of_an_earlier_container" >"$inner"
	"$BUILD/erlang-write-perf-map" "$VM_PID" 2>"$TMP/err"
	tap_ok "a map inside that hides ours: said" \
		grep -q "^erlang-write-perf-map: warning: /tmp/perf-[0-9]*\.map in the mount namespace of process $VM_PID" "$TMP/err"
	[ "$can_record" -eq 0 ] || tap_is "a map inside that hides ours: so it is" "" "$(named "$TMP/$1.data")"
	rm -f "$map"
	tap_ok "--inside-target replaces it" "$BUILD/erlang-write-perf-map" -q --inside-target "$VM_PID"
	[ "$can_record" -eq 0 ] || tap_is "--inside-target: perf on the host finds that one" "$three" "$(named "$TMP/$1.data")"
	rm -f "$inner"
	tap_ok "no map inside, nothing is said of one" sh -c \
		'"$1" "$2" 2>&1 | grep -c "mount namespace" | grep -qx 0' - "$BUILD/erlang-write-perf-map" "$VM_PID"
	[ "$can_record" -eq 0 ] || tap_is "a map on the host again" "$three" "$(named "$TMP/$1.data")"
}

# attacked: what root of the container may put at the map's place does not lead out to the victim.
attacked() {
	victim=$work/victim
	for way in "a symbolic link" "a link with many .." "a file of another user" "a directory" "a FIFO"; do
		echo precious >"$victim"
		before=$(stat -c '%i %s %y %u %a' "$victim")
		case $way in
		"a symbolic link") ln -s "$victim" "$inner" ;;
		"a link with many ..") ln -s "../../../../../..$victim" "$inner" ;;
		"a file of another user") echo theirs >"$inner" && chown 4321 "$inner" ;;
		"a directory") mkdir "$inner" ;;
		"a FIFO") mkfifo "$inner" ;;
		esac
		timeout 20 "$BUILD/erlang-write-perf-map" -q --inside-target "$VM_PID" 2>"$TMP/err"
		tap_is "$way in its place: refused" 2 $?
		tap_ok "$way in its place: the sentence says so" grep -q "/perf-[0-9]*\.map is taken by a" "$TMP/err" || cat "$TMP/err"
		tap_is "$way in its place: the victim" "precious $before" "$(cat "$victim") $(stat -c '%i %s %y %u %a' "$victim")"
		rm -rf "$inner"
	done
	# The link comes and goes while we write.
	: >"$work/racing"
	while [ -e "$work/racing" ]; do
		ln -sf "$victim" "$inner"
		rm -f "$inner"
	done &
	for way in 1 2 3 4 5 6 7 8 9 10; do
		timeout 20 "$BUILD/erlang-write-perf-map" -q --inside-target "$VM_PID" 2>/dev/null
	done
	rm -f "$work/racing"
	wait $!
	tap_is "a link that comes and goes: the victim" "precious $before" \
		"$(cat "$victim") $(stat -c '%i %s %y %u %a' "$victim")"
	rm -f "$inner"
	tap_is "nothing unfinished is left" "" "$(find "${inner%/*}" -name '.perf-*')"
}

if kind mount_pid; then
	tap_ok "mount_pid: it is another process inside" test "$(answer mount_pid 'os:getpid()')" != "$VM_PID"
	inner=/proc/$VM_PID/root/tmp/perf-$(answer mount_pid 'os:getpid()').map
	# In another release's root, /tmp of the namespace is shown below that root.
	if ! is_emu; then
		hidden mount_pid
		attacked
	fi
fi
kind pivot && [ "$can_record" -eq 1 ] && ! is_emu && {
	vm_stop pivot
	tap_is "pivot: perf finds the map when the container is gone" "$three" "$(named "$TMP/pivot.data")"
}
if kind user && ! is_emu; then
	rm -f "$map"
	inner=/proc/$VM_PID/root/tmp/perf-$(answer user 'os:getpid()').map
	tap_ok "user: --inside-target" "$BUILD/erlang-write-perf-map" -q --inside-target "$VM_PID"
	tap_is "user: it belongs to root in there" 0 \
		"$(nsenter -t "$VM_PID" --user --mount -- stat -c %u "/tmp/${inner##*/}")"
fi
vm_stop user
kind pid_only
vm_stop pid_only
if [ -z "${VM_ROOT:-}" ]; then
	mount --rbind / /mnt
	kind chroot_only
	vm_stop chroot_only
	umount -R -l /mnt
	kind nobody
	vm_stop nobody
fi
if kind user_of_nobody && ! is_emu; then
	rm -f "$map"
	inner=/proc/$VM_PID/root/tmp/perf-$(answer user_of_nobody 'os:getpid()').map
	tap_ok "user_of_nobody: --inside-target" "$BUILD/erlang-write-perf-map" -q --inside-target "$VM_PID"
	tap_is "user_of_nobody: it belongs to root in there, who is nobody out here" "0 65534" \
		"$(nsenter -t "$VM_PID" --user --mount -- stat -c %u "/tmp/${inner##*/}") $(stat -c %u "$inner")"
fi
vm_stop user_of_nobody

# --- an executable that is not there any more ---

emulator_copy "$work/copy" || exit 1
# gone NAME: the whole, without the executable.
gone() {
	VM_ERL=$work/copy.erl vm_start "$1" split functions || exit 1
	beam=$(emulator_file "$work/copy")
	mv "$beam" "$work/kept"
	# The upgrade: another program under the same name.
	[ "$1" = deleted ] || cp "$(command -v sleep)" "$beam"
	rm "$work/kept"
	tap_ok "$1: the kernel says it is not there" sh -c 'readlink "/proc/$1/exe" | grep -q "(deleted)$"' - "$VM_PID"
	look "$1"
	is_emu || [ "$can_record" -eq 0 ] || recorded "$1"
}
gone deleted
vm_stop deleted
cp -a "$(emulator_dir)"/beam* "$work/copy/"
gone replaced

# --- several on one host, told apart ---

for name in mount_pid replaced; do vm_stop $name; done
id=$(printf '%064d' 17 | tr 1 f)
for dir in /sys/fs/cgroup/pids /sys/fs/cgroup/systemd /sys/fs/cgroup; do
	group=$dir/xb-containers-$id
	mkdir "$group" 2>/dev/null && [ -f "$group/cgroup.procs" ] && break
	rmdir "$group" 2>/dev/null
	group=
done
VM_ERL=$work/mount_pid vm_start first split functions -sname same@here -start_epmd false -dist_listen false || exit 1
first=$VM_PID
VM_ERL=$work/mount_pid vm_start second split functions -sname same@here -start_epmd false -dist_listen false || exit 1
second=$VM_PID
[ -z "$group" ] || echo "$second" >"$group/cgroup.procs" || group=
"$BUILD/erlang-inspect" --list --json >"$TMP/list.json" || exit 1
row() {
	jq -r ".rows[] | select(.pid == $1) | .$2" "$TMP/list.json"
}
release=$(answer first 'erlang:system_info(otp_release)')
schedulers=$(answer first 'integer_to_list(erlang:system_info(schedulers))')
for pid in $first $second; do
	tap_is "--list: release, node, schedulers" "$release same@here $schedulers" \
		"$(row "$pid" otp_release) $(row "$pid" node) $(row "$pid" schedulers)"
	tap_is "--list: namespaces of its own" "true true" \
		"$(row "$pid" own_pid_namespace) $(row "$pid" own_mount_namespace)"
	tap_ok "--list: uptime and memory" test "$(row "$pid" uptime_ns)" -gt 0 -a "$(row "$pid" rss_bytes)" -gt 1000000
done
if [ -n "$group" ]; then
	tap_is "--list: the container of the second, and none of the first" "null $id" \
		"$(row "$first" container) $(row "$second" container)"
	"$BUILD/erlang-inspect" --list >"$TMP/list"
	tap_ok "--list as text: the start of the container's id" \
		grep -Eq "^ *$second .* $(printf %.12s "$id") " "$TMP/list"
else
	tap_skip "--list: container" "no control group can be made here"
fi
# Roots of their own: another file system, with nothing in it but what is mounted there.
"$BUILD/erlang-inspect" same@here system >"$TMP/out" 2>&1
tap_is "a node name that two have: refused" 2 $?
for pid in $first $second; do
	tap_ok "a node name that two have: both are offered" grep -Eq "^erlang-inspect: +$pid +same@here" "$TMP/out"
done
[ -z "$group" ] || tap_ok "a node name that two have: told apart by container" \
	grep -Eq "^erlang-inspect: +$second +same@here +in container $(printf %.12s "$id")" "$TMP/out"
vm_stop first
vm_stop second
[ -z "$group" ] || rmdir "$group"
if [ -n "${VM_ROOT:-}" ]; then
	VM_ERL=$erl vm_start rooted split functions || exit 1
	"$BUILD/erlang-inspect" --list --json >"$TMP/list.json" || exit 1
	tap_is "--list: the root of a VM in another" "$(readlink -f "$VM_ROOT")" "$(row "$VM_PID" root)"
else
	# A root of its own that has no path out here.
	cat >"$work/other_root" <<-'SH'
		#!/bin/sh
		set -e
		mount -t tmpfs none /mnt
		for dir in /*; do
			[ -d "$dir" ] && [ ! -h "$dir" ] && [ "$dir" != /mnt ] || continue
			mkdir "/mnt$dir"
			mount --rbind "$dir" "/mnt$dir"
		done
		for link in /*; do [ ! -h "$link" ] || cp -P "$link" "/mnt$link"; done
		mkdir /mnt/mnt
		cd /mnt
		pivot_root . mnt
		umount -l /mnt
		cd /
		exec "$@"
	SH
	chmod 755 "$work/other_root"
	launcher other "$unshare" -- "$work/other_root"
	VM_ERL=$work/other vm_start rooted split functions || exit 1
	"$BUILD/erlang-inspect" --list --json >"$TMP/list.json" || exit 1
	tap_is "--list: the root of a VM in a container" "$(readlink "/proc/$VM_PID/ns/mnt")" "$(row "$VM_PID" root)"
	look rooted
fi
tap_done
