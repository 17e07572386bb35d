#!/bin/bash
# limit: 120
# Targets that cannot be looked at, or only just: each has its sentence and its exit code.
#
# Environment: BUILD, the build directory (default: build); TMP, a scratch directory; TOOLS, what to run: one command a
# line, the target is appended (default: erlang-inspect).
# Everything happens in a pid namespace of its own where that can be had, so that other VMs of the host are no targets.
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${BUILD:-build}" && pwd) || exit 1
TOOLS=${TOOLS:-$build/erlang-inspect}
export BUILD=$build TOOLS

command -v "${VM_ERL:-erl}" >/dev/null || { echo "no erl here"; exit 77; }

# shellcheck source=tests/lib/vm.sh
. "$here/../lib/vm.sh"
tmp=$(mktemp -d "${TMP:-/tmp}/bad-input.XXXXXX") || exit 1
chmod 755 "$tmp"
cleanup() { vm_stop_all; kill -KILL "${others[@]}" 2>/dev/null; rm -rf "$tmp"; }
others=()
trap cleanup EXIT
failed=${BAD_INPUT_FAILED:-0} n=${BAD_INPUT_N:-0}

# check NAME EXIT PATTERN COMMAND…: the command must end so and say so, on either output.
check() {
	local name=$1 want=$2 pattern=$3 got
	shift 3
	timeout 20 "$@" >"$tmp/out" 2>&1
	got=$?
	n=$((n + 1))
	if [ "$got" -eq "$want" ] && grep -Eq -- "$pattern" "$tmp/out"; then
		echo "ok $n - $tool: $name"
	else
		echo "not ok $n - $tool: $name"
		echo "# exit $got, wanted $want and /$pattern/; it said:"
		head -n 5 "$tmp/out" | cut -c1-300 | sed 's/^/#   /'
		failed=1
	fi
}

# verdict NAME COMMAND…: whether the command succeeds.
verdict() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n - $tool: $name"; else echo "not ok $n - $tool: $name"; failed=1; fi
}

skip() {
	n=$((n + 1))
	echo "ok $n - $tool: $1 # SKIP $2"
}

# start_raw COMMAND…: in the background, as a VM that answers nobody; sets raw.
start_raw() {
	setsid "$@" </dev/null >/dev/null 2>&1 &
	raw=$!
	disown "$raw"
	others+=("$raw")
}

# await PID: until the tool can read it, or it is known that it never will (10 s).
await() {
	for _ in $(seq 100); do
		"$build/erlang-inspect" "$1" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

# until_true COMMAND…: at most 5 s.
until_true() {
	for _ in $(seq 100); do
		"$@" && return 0
		sleep 0.05
	done
	return 1
}

state_is() { [ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)" = "$2" ]; }
comm_is() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; }

erl=${VM_ERL:-erl}
emulator=$("$erl" -noshell -eval \
    'io:format("~ts/erts-~ts/bin", [code:root_dir(), erlang:system_info(version)]), halt(0).')
forever='timer:sleep(infinity).'

# copy_vm NAME: start a private copy of the emulator; sets raw.  The path of the copy is $tmp/NAME/beam.smp.
copy_vm() {
	BINDIR=$emulator ROOTDIR=${emulator%/erts-*} PROGNAME=erl EMU=beam \
		start_raw "$tmp/$1/beam.smp" -- -root "${emulator%/erts-*}" -bindir "$emulator" -progname erl -- \
		-home "$tmp" -- -noshell -eval "$forever"
}

test_kernel_thread() {
	local pid
	pid=$(grep -l '^Kthread:[[:space:]]*1' /proc/[0-9]*/status 2>/dev/null | head -n 1 | grep -o '[0-9]*')
	[ -n "$pid" ] || { comm_is 2 kthreadd && pid=2; }
	if [ -n "$pid" ]; then
		check "a kernel thread" 2 'no program|no Erlang VM' "${run[@]}" "$pid"
	else
		skip "a kernel thread" "none is visible in this container"
	fi
}

test_no_vm() {
	local pid
	check "no such process" 4 'no such process 4194303' "${run[@]}" 4194303
	start_raw sleep 1000
	until_true comm_is "$raw" sleep
	check "a process that is no VM" 2 'is no Erlang VM' "${run[@]}" "$raw"
	kill -KILL "$raw"

	until_true eval '! [ -e "/proc/$raw" ]'
	check "a process that exited before" 4 "no such process $raw" "${run[@]}" "$raw"
	check "no process id" 2 'neither a process id nor a node name' "${run[@]}" 12x/y
	if [ "$BAD_INPUT_INSIDE" = alone ]; then
		check "no VM at all" 2 'no Erlang VM is visible here' "${run[@]}"
	else
		skip "no VM at all" "other VMs are visible, and there is no pid namespace to be had"
	fi
	# A parent that never waits.  Perl comes with every Debian.
	start_raw perl -e 'my $p = fork; exit 0 if $p == 0; print STDOUT ""; sleep 1000'
	pid=
	until_true eval 'pid=$(cat "/proc/$raw/task/$raw/children" 2>/dev/null | tr -d " "); [ -n "$pid" ] && state_is "$pid" Z'
	check "a zombie" 4 "$pid has exited" "${run[@]}" "$pid"
	kill -KILL "$raw"
}

test_names() {
	local first second tid
	start_raw "$erl" -noshell -name bad1@127.0.0.1 -start_epmd false -dist_listen false -eval "$forever"
	first=$raw
	await "$first" || { echo "Bail out! a VM did not start"; exit 1; }
	check "by node name" 0 "PID $first" "${run[@]}" bad1@127.0.0.1
	check "by the part before @" 0 "PID $first" "${run[@]}" bad1
	check "a wrong node name" 2 'no visible Erlang VM is a node named nobody' "${run[@]}" nobody
	check "a wrong host" 2 'node named bad1@elsewhere' "${run[@]}" bad1@elsewhere
	if [ "$BAD_INPUT_INSIDE" = alone ]; then
		check "the only VM there is" 0 "the only Erlang VM visible: PID $first" "${run[@]}"
	else
		skip "the only VM there is" "other VMs may be visible"
	fi
	start_raw "$erl" -noshell -eval "$forever"
	second=$raw
	await "$second"
	check "several VMs and no name: counts" 2 '[0-9]+ Erlang VMs are visible' "${run[@]}"
	check "several VMs and no name: lists" 2 "^erlang-[a-z-]+: +$first +bad1@127.0.0.1" "${run[@]}"
	tid=$(ls "/proc/$second/task" | tail -n 1)
	check "a thread of a VM" 2 "$tid is a thread of process $second" "${run[@]}" "$tid"
	if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
		check "somebody else's VM" 3 'runs as root .uid 0. and we run as nobody' \
			setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "${run[@]}" "$second"
		check "somebody else's VM: the fix" 3 'sudo|setcap|--cap-add=SYS_PTRACE|as the same user' \
			setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all "${run[@]}" "$second"
	else
		skip "somebody else's VM" "needs root to become another user"
	fi
	kill -STOP "$second"
	until_true state_is "$second" T
	check "a stopped VM" 0 'OTP [0-9]+' "${run[@]}" "$second"
	verdict "and it stays stopped" state_is "$second" T
	kill -KILL "$first" "$second"

}

test_builds() {
	mkdir -p "$tmp/deleted" "$tmp/unknown"
	cp "$emulator/beam.smp" "$tmp/deleted/"
	copy_vm deleted
	await "$raw"
	rm "$tmp/deleted/beam.smp"
	check "a deleted executable" 0 'OTP [0-9]+' "${run[@]}" "$raw"
	kill -KILL "$raw"
	# The banner's release, in place: the rest of the emulator does not look at it.
	LC_ALL=C sed 's/Erlang\/OTP 25%s \[erts-/Erlang\/OTP 35%s [erts-/' "$emulator/beam.smp" >"$tmp/unknown/beam.smp"
	chmod +x "$tmp/unknown/beam.smp"
	if cmp -s "$emulator/beam.smp" "$tmp/unknown/beam.smp"; then
		skip "a release that is not known" "this emulator is not of OTP 25"
		return
	fi
	copy_vm unknown
	until_true comm_is "$raw" beam.smp
	sleep 1
	check "a release that is not known" 5 'no layout table for OTP 35 with the (JIT|interpreter)' "${run[@]}" "$raw"
	kill -KILL "$raw"
}

# A VM that ends while the tool runs: any answer is right but a crash, a hang or a wrong reason.
test_race() {
	local i got bad=0
	for i in 1 2 3 4 5; do
		start_raw "$erl" -noshell -eval "timer:sleep($((100 + 60 * i))), erlang:halt(0, [{flush, false}])."
		until_true comm_is "$raw" beam.smp
		while kill -0 "$raw" 2>/dev/null; do
			timeout 20 "${run[@]}" "$raw" >"$tmp/out" 2>&1
			got=$?
			# Before its tables are made, a VM does not pass the checks (5).
			case $got in 0 | 4 | 5) ;; *) bad=$got; cp "$tmp/out" "$tmp/bad" ;; esac
		done

	done
	verdict "a VM that comes and goes meanwhile: exit 0, 4 or 5" test "$bad" -eq 0
	[ "$bad" -eq 0 ] || head -n 3 "$tmp/bad" | cut -c1-300 | sed 's/^/#   /'
}

# each_tool FUNCTION…: run the functions for every tool.
each_tool() {
	local line step
	while IFS= read -r line; do
		[ -n "$line" ] || continue
		read -ra run <<<"$line"
		tool=$(basename "${run[0]}")
		for step in "$@"; do "$step"; done
	done <<<"$TOOLS"
}

if [ -z "${BAD_INPUT_INSIDE:-}" ]; then
	each_tool test_kernel_thread
	export BAD_INPUT_N=$n BAD_INPUT_FAILED=$failed
	rm -rf "$tmp"
	if unshare --pid --fork --mount-proc true 2>/dev/null; then
		BAD_INPUT_INSIDE=alone exec unshare --pid --fork --mount-proc --kill-child "$BASH" "$here/bad-input.sh"
	fi
	BAD_INPUT_INSIDE=shared exec "$BASH" "$here/bad-input.sh"
fi

each_tool test_no_vm test_names test_builds test_race
echo "1..$n"
exit "$failed"
