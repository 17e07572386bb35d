#!/bin/bash
# Attaching to a VM that loads code all the time: what moves between two reads is no reason to refuse it.
# limit: 120
set -uo pipefail
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs
vm_start load codeload churn 50 || exit 1
bad=0
for ((i = 0; i < 30; i++)); do
    "$BUILD/erlang-inspect" "$VM_PID" system >/dev/null 2>>"$TMP/said" || bad=$((bad + 1))
done
if [ "$bad" -eq 0 ]; then echo "ok 30 attachments while 50 modules a second are loaded"; else
    echo "not ok 30 attachments while 50 modules a second are loaded: $bad refused"
    sort "$TMP/said" | uniq -c | sed 's/^/# /'
    exit 1
fi
