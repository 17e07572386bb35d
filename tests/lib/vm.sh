# shellcheck shell=sh
# Starting, asking and stopping the Erlang VMs that tests look into.
#
#   . tests/lib/vm.sh
#   vm_compile build/vm            compile tests/vm into a directory of one's own
#   vm_start zoo zoo 2000          start tests/vm/zoo.erl as VM "zoo"; sets VM_PID
#   vm_ask zoo truth "$tmp/truth"  send a command, print the answer
#   vm_stop zoo; vm_stop_all       end it; use the latter in an EXIT trap
#
# Every function returns 0, or prints one sentence to stderr and returns 1.
# State is kept in files below VM_DIR, so vm_ask works inside $( ) as well.
# Sourcing changes no shell option; names starting with vm__ are private.
#
# Environment:
#   VM_ERL      the `erl' to run and to compile with      (default: erl)
#   VM_ROOT     the directory that is `/' for VM_ERL, if that runs in a chroot
#   VM_FLAGS    emulator flags for every VM, split at blanks
#   VM_SRC      the directory of the programs             (default: found)
#   VM_EBIN     the compiled programs; vm_compile sets it
#   VM_TIMEOUT  seconds before any wait is given up       (default: 60)
#   VM_LIFE     seconds after which a forgotten VM ends itself (default: 1800)
#   VM_DIR      scratch directory; made on first use, removed by vm_stop_all

vm__fail() {
	printf 'vm: %s\n' "$*" >&2
	return 1
}

# vm__src: print the directory holding the Erlang programs.
vm__src() {
	for vm__d in "${VM_SRC:-}" tests/vm vm ../vm "$(dirname "$0")/vm" \
		"$(dirname "$0")/../vm" "$(dirname "$0")/../tests/vm"; do
		if [ -n "$vm__d" ] && [ -f "$vm__d/vmctl.erl" ]; then
			(cd "$vm__d" && pwd)
			return
		fi
	done
	vm__fail "cannot find vmctl.erl; set VM_SRC to its directory"
}

# vm__litter PID: remove what a VM with +JPperf has written, which is megabytes.  What our tools write is the test's.
vm__litter() {
	rm -f "/tmp/perf-$1.map" "/tmp/jit-$1.dump"
}

# vm__erl EXPR: evaluate EXPR in a short-lived VM of the chosen flavor.
vm__erl() {
	# VM_FLAGS is a list of flags: splitting is wanted.
	# shellcheck disable=SC2086
	(
		unset ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS
		ERL_CRASH_DUMP=/dev/null HOME="${HOME:-/}" \
			"${VM_ERL:-erl}" ${VM_FLAGS:-} -noshell -eval "$1, halt(0)." </dev/null &
		wait $! && vm__status=0 || vm__status=$?
		vm__litter $!
		exit $vm__status
	)
}

# vm__alive PID: is it there, and not a zombie?
vm__alive() {
	[ -r "/proc/$1/stat" ] || return 1
	vm__st=$(sed -e 's/.*) //' -e 's/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
	[ -n "$vm__st" ] && [ "$vm__st" != Z ] && [ "$vm__st" != X ]
}

# vm__until SECONDS PID FILE PATTERN: wait for a line matching the basic
# regular expression PATTERN in FILE. 1: too late; 2: the process has ended.
vm__until() {
	vm__end=$(($(date +%s) + $1))
	while :; do
		vm__gone=0
		vm__alive "$2" || vm__gone=1
		grep -q -- "$4" "$3" 2>/dev/null && return 0
		[ "$vm__gone" -eq 0 ] || return 2
		[ "$(date +%s)" -lt "$vm__end" ] || return 1
		sleep 0.02
	done
}

# vm_is_jit: whether VMs of this erl run native code.
vm_is_jit() {
	[ "$(vm__erl 'io:format("~p", [catch erlang:system_info(emu_flavor)])')" = jit ]
}

# vm_has_native_stack: whether Erlang code of VMs of this erl runs on the machine stack, as with glibc; only then has
# +JPperf true frame pointers.  OTP 24 says so in other words.
vm_has_native_stack() {
	case $(vm__erl 'io:format("~s", [erlang:system_info(system_version)])') in
	*'[jit:ns'* | 'Erlang/OTP 24 '*'[jit]'*) return 0 ;;
	esac
	return 1
}

# vm_compile OUTDIR: compile what is older than its source, NIF included.
vm_compile() {
	vm__s=$(vm__src) || return 1
	mkdir -p "$1" || return 1
	VM_EBIN=$(cd "$1" && pwd) || return 1
	# Where the host has it: the C compiler is the host's, see tests/roots.
	vm__root=${VM_ROOT:-}$(vm__erl 'io:format("~ts", [code:root_dir()])') ||
		{ vm__fail "cannot run ${VM_ERL:-erl}"; return 1; }
	# Beams of one release are of no use to another.
	if [ "$(cat "$VM_EBIN/.root" 2>/dev/null)" != "$vm__root" ]; then
		rm -f "$VM_EBIN"/*.beam "$VM_EBIN"/*.so
		printf '%s\n' "$vm__root" >"$VM_EBIN/.root"
	fi
	vm__list=
	for vm__f in "$vm__s"/*.erl "$vm__s"/demo/*.erl; do
		[ -f "$vm__f" ] || continue
		vm__b=$VM_EBIN/$(basename "$vm__f" .erl).beam
		if [ ! -f "$vm__b" ] || [ -n "$(find "$vm__f" -newer "$vm__b")" ]; then
			vm__list="$vm__list,\"${vm__f#"$vm__s"/}\""
		fi
	done
	if [ -n "$vm__list" ]; then
		# Compiled by their short names, which then are the names in line tables.
		(cd "$vm__s" && vm__erl "R = [compile:file(F, [debug_info, report,
			{outdir, \"$VM_EBIN\"}]) || F <- [${vm__list#,}]],
			lists:member(error, R) andalso halt(1)") ||
			{ vm__fail "compiling the Erlang programs failed"; return 1; }
	fi
	for vm__f in "$vm__s"/*.c; do
		[ -f "$vm__f" ] || continue
		vm__b=$VM_EBIN/$(basename "$vm__f" .c).so
		if [ ! -f "$vm__b" ] || [ -n "$(find "$vm__f" -newer "$vm__b")" ]; then
			vm__inc=
			for vm__d in "$vm__root/usr/include" "$vm__root"/erts-*/include "${VM_ROOT:-}/usr/include"; do
				[ -f "$vm__d/erl_nif.h" ] && vm__inc=$vm__d && break
			done
			[ -n "$vm__inc" ] || { vm__fail "no erl_nif.h below $vm__root"; return 1; }
			# A header inside /usr/include is found without -I.
			if [ "$vm__inc" = /usr/include ]; then vm__inc=; else vm__inc=-I$vm__inc; fi
			if ! ${CC:-cc} -O2 -g -Wall -Wextra -fPIC -shared ${vm__inc:+"$vm__inc"} \
				-o "$vm__b.new" "$vm__f" || ! mv "$vm__b.new" "$vm__b"; then
				vm__fail "compiling $(basename "$vm__f") failed"
				return 1
			fi
		fi
	done
}

# vm_start NAME MODULE [ARG|+FLAG|-FLAG...]: start a VM, wait until it is ready.
# Arguments starting with + or - are the emulator's, the others MODULE's.
vm_start() {
	[ -n "${VM_EBIN:-}" ] || { vm__fail "vm_start before vm_compile"; return 1; }
	if [ -z "${VM_DIR:-}" ]; then
		VM_DIR=$(mktemp -d "${TMPDIR:-/tmp}/vm.XXXXXX") || return 1
	fi
	vm__n=$1 vm__m=$2
	shift 2
	vm__w=$VM_DIR/$vm__n
	[ ! -e "$vm__w" ] || { vm__fail "a VM named $vm__n exists already"; return 1; }
	mkdir -p "$vm__w/cwd" && mkfifo "$vm__w/in" && : >"$vm__w/out" || return 1
	echo 0 >"$vm__w/seq"
	case "${VM_FLAGS:-} $*" in *+JPperf*) : >"$vm__w/perf" ;; esac
	(
		cd "$vm__w/cwd" || exit 127
		# dash and every other shell of ours knows -c.
		# shellcheck disable=SC3045
		ulimit -c 0
		unset ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS
		export HOME="$vm__w/cwd" ERL_CRASH_DUMP=/dev/null
		export VMCTL_OUT="$vm__w/out" VMCTL_EBIN="$VM_EBIN" VMCTL_LIFE="${VM_LIFE:-1800}"
		# The FIFO is opened for both directions: opening does not block and
		# its end is never seen.
		# shellcheck disable=SC2086
		exec setsid "${VM_ERL:-erl}" ${VM_FLAGS:-} -noshell -pa "$VM_EBIN" \
			-run vmctl start "$vm__m" "$@" 0<>"$vm__w/in" >>"$vm__w/out" 2>>"$vm__w/err"
	) &
	VM_PID=$!
	echo "$VM_PID" >"$vm__w/pid"
	vm__until "${VM_TIMEOUT:-60}" "$VM_PID" "$vm__w/out" '^READY [0-9]' || {
		vm__fail "VM $vm__n ($vm__m) did not become ready:" \
			"$(cat "$vm__w/err" "$vm__w/out" 2>/dev/null | tail -n 3 | tr '\n' ' ')"
		vm_stop "$vm__n"
		return 1
	}
	# erl is a script that execs; the VM itself says who it has become.
	vm__p=$(sed -n 's/^READY //p' "$vm__w/out" | head -n 1)
	VM_PID=$(vm__visible "$VM_PID" "$vm__p") || {
		vm__fail "process $vm__p of VM $vm__n is no beam"
		vm_stop "$vm__n"
		return 1
	}
	echo "$VM_PID" >"$vm__w/pid"
}

# vm__visible SESSION PID: the beam of SESSION that calls itself PID, as it is called out here: another number when
# VM_ERL made a pid namespace for it.
vm__visible() {
	for vm__i in "$2" $(ps -o pid= -s "$1"); do
		case $(readlink "/proc/$vm__i/exe" 2>/dev/null) in
		*/beam*) ;;
		*) continue ;;
		esac
		[ "$(awk '/^NSpid:/ { print $NF }' "/proc/$vm__i/status" 2>/dev/null)" = "$2" ] || continue
		[ "$(ps -o sid= -p "$vm__i" | tr -d ' ')" = "$1" ] || continue
		echo "$vm__i"
		return 0
	done
	return 1
}

# vm_pid NAME: print the process id.
vm_pid() {
	cat "${VM_DIR:-/nonexistent}/$1/pid" 2>/dev/null || vm__fail "no VM named $1"
}

# vm_ask NAME WORD...: send a command, print the answer. One at a time per VM.
vm_ask() {
	vm__n=$1
	shift
	vm__w=${VM_DIR:-/nonexistent}/$vm__n
	vm__p=$(vm_pid "$vm__n") || return 1
	vm__alive "$vm__p" || { vm__fail "VM $vm__n has ended"; return 1; }
	vm__q=$(($(cat "$vm__w/seq") + 1))
	echo "$vm__q" >"$vm__w/seq"
	printf '%s %s\n' "$vm__q" "$*" 1<>"$vm__w/in"
	vm__until "${VM_TIMEOUT:-60}" "$vm__p" "$vm__w/out" "^\\(DONE $vm__q\$\\|FAIL $vm__q \\)" || {
		vm__fail "VM $vm__n did not answer: $*"
		return 1
	}
	# An answer and its DONE are written at once, after BEGIN.
	awk -v q="$vm__q" '$1 == "BEGIN" && $2 == q { on = 1; next }
		$1 == "DONE" && $2 == q { exit }
		$1 == "FAIL" && $2 == q { exit }
		on { print }' "$vm__w/out"
	if grep -q "^FAIL $vm__q " "$vm__w/out"; then
		vm__fail "VM $vm__n: $* failed: $(sed -n "s/^FAIL $vm__q //p" "$vm__w/out")"
		return 1
	fi
}

# vm_stop NAME: ask it to quit, wait a little, kill its process group.
vm_stop() {
	vm__w=${VM_DIR:-/nonexistent}/$1
	[ -d "$vm__w" ] || return 0
	vm__p=$(cat "$vm__w/pid" 2>/dev/null) || vm__p=
	if [ -n "$vm__p" ]; then
		if vm__alive "$vm__p"; then
			printf '0 quit\n' 1<>"$vm__w/in"
			vm__i=0
			while vm__alive "$vm__p" && [ "$vm__i" -lt 100 ]; do
				vm__i=$((vm__i + 1))
				sleep 0.02
			done
		fi
		kill -KILL -- "-$vm__p" 2>/dev/null || kill -KILL "$vm__p" 2>/dev/null || :
		wait "$vm__p" 2>/dev/null || :
		[ ! -e "$vm__w/perf" ] || vm__litter "$vm__p"
	fi
	rm -rf "$vm__w"
	return 0
}

# vm_stop_all: stop every VM and remove VM_DIR.
vm_stop_all() {
	[ -n "${VM_DIR:-}" ] || return 0
	for vm__d in "$VM_DIR"/*; do
		[ -d "$vm__d" ] && vm_stop "$(basename "$vm__d")"
	done
	rm -rf "$VM_DIR"
	VM_DIR=
	return 0
}
