#!/bin/bash
# Hot code loading during a run: a module is replaced some times a second while a process runs in it.  Its versions
# place other functions at the same addresses; none of those ever runs, so none may be named.
# limit: 120
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs jq
vm_start churn codeload churn 20 || exit 1
"$BUILD/erlang-sample" -d 5 -F 999 --stacks -t 100000 --json "$VM_PID" >"$TMP/out"
tap_is "exit code" 0 $?
jq -r '.rows[] | select(.process == "codeload_spinner") | .frames[] | select(.kind == "erlang") | .function' "$TMP/out" |
    sort | uniq -c >"$TMP/names"
tap_ok "the process was seen in the module" grep -q ' codeload_churn:inner/1$' "$TMP/names"
# [unresolved] addresses are counted below; a name must be one of those that run.
tap_is "no function that never ran" "" \
    "$(grep -vE ' (codeload_churn:(run|outer|middle|inner)/1|codeload:spinner/[0-9]|counters:add/3|0x[0-9a-f]+)$' "$TMP/names")"
tap_ok "the changes were noticed" jq -e '.health.code_changes >= 10' "$TMP/out"
tap_ok "at most 3 % unresolved, ambiguous addresses among them" \
    jq -e '.health | .unresolved <= .samples * 0.03' "$TMP/out"
sed 's/^/     /' "$TMP/names"
jq -r '.health | "     \(.samples) samples, \(.code_changes) changes, \(.unresolved) unresolved, \(.ambiguous) ambiguous"' \
    "$TMP/out"
tap_done
