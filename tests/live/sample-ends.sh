#!/bin/bash
# How a run ends: early, with the target, without its privilege, into a full disk.  What was gathered is never lost.
# limit: 240
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs jq strace
tool=$BUILD/erlang-sample
vm_start work split functions || exit 1
work=$VM_PID

# until_true COMMAND...: at most 30 s.
until_true() {
    local i
    for ((i = 0; i < 600; i++)); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

# Whether the tool with pid $1 has begun to sample: its rings are mapped.
sampling() { grep -q 'anon_inode:\[perf_event\]' "/proc/$1/maps" 2>/dev/null; }

# begin ARGUMENTS...: start a long run in the background and wait until it samples.  Sets $run.
begin() {
    "$tool" "$@" >"$TMP/out" 2>"$TMP/err" &
    run=$!
    until_true sampling "$run"
}

for signal in INT TERM; do
    # A shell ignores SIGINT for what it starts in the background; setsid and env undo it.
    env --default-signal=INT "$tool" -d 600 -F 999 --json "$work" >"$TMP/out" 2>"$TMP/err" &
    run=$!
    until_true sampling "$run"
    sleep 0.5
    kill -$signal "$run"
    wait "$run"
    tap_is "SIG$signal ends a run well" 0 $?
    tap_ok "SIG$signal: the report is whole" jq -e '.rows | length > 0' "$TMP/out"
    tap_ok "SIG$signal: and early" jq -e '.health.duration_ns < 300e9' "$TMP/out"
done

vm_start victim split functions
begin -d 600 -F 999 --json "$VM_PID"
sleep 0.5
kill -KILL "$VM_PID"
wait "$run"
tap_is "the VM exits during a run: exit code" 6 $?
tap_ok "the VM exits during a run: what was gathered" jq -e '.rows | length > 0' "$TMP/out"
tap_ok "the VM exits during a run: one sentence" grep -q "process $VM_PID exited after .* of 600.0 s" "$TMP/err"

"$tool" -d 1 "$VM_PID" >"$TMP/out" 2>"$TMP/err"
tap_is "the VM is gone before: exit code" 4 $?
tap_ok "the VM is gone before: one sentence" grep -qE "no such process $VM_PID|$VM_PID has exited" "$TMP/err"

"$tool" -d 1 -o /dev/full "$work" 2>"$TMP/err"
tap_is "a full disk: exit code" 1 $?
tap_ok "a full disk: one sentence" grep -q 'No space left on device' "$TMP/err"

"$tool" --all "$work" 2>"$TMP/err" | head -n 1 >/dev/null
tap_is "a reader that leaves" "" "$(cat "$TMP/err")"

# The kernel refuses perf events: strace injects the answer into our own process.
strace -f -qq -o /dev/null -e trace=perf_event_open -e inject=perf_event_open:error=EACCES \
    "$tool" -d 2 -F 199 --json "$work" >"$TMP/out" 2>"$TMP/err"
tap_is "perf events refused: exit code" 0 $?
tap_is "perf events refused: another way" '"poll"' "$(jq .health.backend "$TMP/out")"
tap_ok "perf events refused: said" grep -q 'falling back to timed remote reads' "$TMP/err"
tap_is "perf events refused: nothing is exact" 0 "$(jq .health.exact_stacks "$TMP/out")"
tap_ok "perf events refused: functions all the same" jq -e '[.rows[].name] | any(startswith("split:"))' "$TMP/out"
strace -f -qq -o /dev/null -e trace=perf_event_open -e inject=perf_event_open:error=EACCES \
    "$tool" -d 1 --backend perf "$work" >"$TMP/out" 2>"$TMP/err"
tap_is "perf events refused and nothing else wanted: exit code" 3 $?

"$tool" -d 1 -F 999 --force-c_p-register=rax "$work" >"$TMP/out" 2>"$TMP/err"
tap_is "a wrong forced register: exit code" 6 $?
tap_ok "a wrong forced register: one sentence" grep -q -- '--force-c_p-register=rax' "$TMP/err"
"$tool" -d 1 -F 999 --force-c_p-register=r13 --json "$work" >"$TMP/out" 2>"$TMP/err"
tap_is "the right forced register" 0 $?
tap_ok "the right forced register: same functions" jq -e '[.rows[].name] | any(. == "split:hot_a/2")' "$TMP/out"

"$tool" -F 0 "$work" >"$TMP/out" 2>"$TMP/err"
tap_is "a frequency of 0" 2 $?
"$tool" --pstack --wait -d 20s --json "$work" >"$TMP/out" 2>"$TMP/err"
tap_ok "--pstack --wait" jq -e '.rows | length > 0' "$TMP/out"
"$tool" --pstack --idle --json "$work" >"$TMP/out" 2>"$TMP/err"
tap_is "--pstack --idle: every scheduler" "$(jq '.target.schedulers' "$TMP/out")" \
    "$(jq '[.rows[] | select(.scheduler | startswith("scheduler "))] | length' "$TMP/out")"
tap_done
