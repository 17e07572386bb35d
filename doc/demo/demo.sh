#!/bin/bash
# demo.sh BUILD: starts a small Erlang system and looks into it with every tool; leaves nothing behind.
set -uo pipefail
build=$(cd "${1:-build}" && pwd) || exit 2
tree=$(cd "$(dirname "$0")/../.." && pwd) || exit 2
tmp=$(mktemp -d "${TMPDIR:-/tmp}/extrospect-demo.XXXXXX") || exit 1
failed=0

vm=
# shellcheck disable=SC2317 # called by the trap
finish() {
    if [ -n "$vm" ]; then
        kill -KILL "$vm" 2>/dev/null
        wait "$vm" 2>/dev/null
    fi
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The workload is one module, compiled here so that it fits the Erlang that is installed.  Should this script be
# killed, the VM ends by itself after five minutes.
cd "$tmp" || exit 1
export HOME=$tmp ERL_CRASH_DUMP=/dev/null
unset ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS
erlc "$tree/tests/vm/demo.erl" || exit 1
erl -noinput -eval 'demo:main([]), io:format("ready~n"), receive after 300000 -> halt() end.' >"$tmp/said" 2>&1 &
vm=$!
for ((i = 0; i < 300; i++)); do
    grep -q '^ready' "$tmp/said" && break
    kill -0 "$vm" 2>/dev/null || break
    sleep 0.1
done
if ! grep -q '^ready' "$tmp/said"; then
    echo "demo.sh: the demonstration did not start:" >&2
    cat "$tmp/said" >&2
    exit 1
fi

# show TITLE COMMAND…: a report under its command line; the demonstration goes on whatever it says.
show() {
    local title=$1
    shift
    printf '\n\n=== %s\n$ %s\n\n' "$title" "${*/#"$build"/build}"
    "$@"
    local status=$?
    # 6: a report with parts missing is still a report.
    if [ "$status" -ne 0 ] && [ "$status" -ne 6 ]; then
        printf '(exit code %d)\n' "$status"
        [ "$failed" -ne 0 ] || failed=$status
    fi
}

printf '=== A small shop runs as process %s: an order router, workers, a cache in ETS, a packet parser, a report\n' \
    "$vm"
printf '=== builder. Nothing in it was prepared for being looked at.\n'
show "What Linux perf needs to show Erlang names (the last ten of its lines)" \
    "$build/erlang-write-perf-map" --output "$tmp/perf.map" "$vm"
[ ! -s "$tmp/perf.map" ] || tail -n 10 "$tmp/perf.map"
show "The hot functions of ten seconds" "$build/erlang-sample" --duration 10s --top 20 "$vm"
show "What each scheduler is doing" "$build/erlang-sample" --pstack --wait --duration 5s "$vm"
show "Who copies big terms" "$build/erlang-sample" --blame copy_struct --duration 5s "$vm"
exit "$failed"
