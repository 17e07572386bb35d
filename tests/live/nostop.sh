#!/bin/bash
# The promise: never stopped, attached to or written.  Our tools' system calls are traced, and the target is watched.
# limit: 180
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs strace jq
vm_start busy demo || exit 1

# Every thread's state and tracer, as often as possible, until the file "$TMP/end" is there.
watch_target() {
    while [ ! -e "$TMP/end" ]; do
        cat /proc/"$VM_PID"/task/*/status 2>/dev/null
    done | awk '/^State:/ { state[$2]++ } /^TracerPid:/ && $2 != 0 { traced++ }
        END { for (s in state) printf "%s %d\n", s, state[s]; printf "traced %d\n", traced }'
}

# traced NAME COMMAND...: what the command did to others, by its own system calls.
traced() {
    local name=$1 calls
    shift
    calls=ptrace,process_vm_writev,process_vm_readv,process_madvise,open,openat,openat2
    calls=$calls,kill,tgkill,tkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal
    strace -f -qq -o "$TMP/calls" -e "trace=$calls" "$@" >"$TMP/out" 2>&1
    tap_is "$name: ends well" 0 $?
    tap_is "$name: no ptrace, no write, no signal" "" \
        "$(grep -E 'ptrace\(|process_vm_writev\(|process_madvise\(|kill\(|sigqueueinfo\(|pidfd_send_signal\(' "$TMP/calls")"
    # What is opened for writing: nothing below /proc, and nothing of the target's.
    tap_is "$name: opens nothing of the target for writing" "" \
        "$(grep -E 'O_WRONLY|O_RDWR|O_CREAT' "$TMP/calls" | grep -E '"/proc/')"
    tap_ok "$name: it was us who read" grep -q 'process_vm_readv(' "$TMP/calls"
}

watch_target >"$TMP/seen" &
watcher=$!
traced "sampling" "$BUILD/erlang-sample" -d 1 "$VM_PID"
traced "blame" "$BUILD/erlang-sample" -d 1 --blame alloc "$VM_PID"
traced "polling" "$BUILD/erlang-sample" -d 1 --backend poll "$VM_PID"
traced "pstack" "$BUILD/erlang-sample" --pstack --idle "$VM_PID"
traced "all stacks" "$BUILD/erlang-sample" --all "$VM_PID"
! vm_is_jit || traced "perf map" "$BUILD/erlang-write-perf-map" --output "$TMP/map" "$VM_PID"
traced "inspect" "$BUILD/erlang-inspect" "$VM_PID" system
: >"$TMP/end"
wait "$watcher"
tap_ok "the target was watched" awk '$1 ~ /^[RS]$/ { n += $2 } END { exit n < 1000 }' "$TMP/seen"
tap_is "never stopped" "" "$(grep -E '^[tT] ' "$TMP/seen")"
tap_is "never traced" "traced 0" "$(grep '^traced' "$TMP/seen")"
tap_ok "the target still answers" vm_ask busy count
tap_done
