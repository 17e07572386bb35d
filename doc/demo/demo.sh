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
trap 'exit 130' INT HUP TERM

# The workload is one module, compiled here so that it fits the Erlang that is installed, and by its bare name so that
# line numbers read well.  Should this script be killed, the VM ends by itself after five minutes.
cp "$tree/tests/vm/demo.erl" "$tmp" && cd "$tmp" || exit 1
export HOME=$tmp ERL_CRASH_DUMP=/dev/null
unset ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS
erlc demo.erl || exit 1
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

# show TITLE COMMAND…: a report under its title and its command line; the demonstration goes on whatever it says.
show() {
    local title=$1 line
    shift
    line=${*/#"$build"/build}
    printf '\n\n%s\n%s\n$ %s\n\n' "=== $title" "${title//?/=}====" "${line//"$tmp/"/}"
    "$@"
    local status=$?
    # 6: a report with parts missing is still a report.
    if [ "$status" -ne 0 ] && [ "$status" -ne 6 ]; then
        printf '(exit code %d)\n' "$status"
        [ "$failed" -ne 0 ] || failed=$status
    fi
}

cat <<END
A small shop runs as process $vm: an order router and three workers, a session cache in ETS, a packet parser
and a report builder. It is Debian's own Erlang, stripped, and nothing in it was prepared for being looked at.
Four reports follow; they take about half a minute.
END

cd "$tmp" || exit 1
show "1. The map that makes Linux perf show Erlang names" "$build/erlang-write-perf-map" --quiet --output perf.map "$vm"
if [ -s perf.map ]; then
    printf 'perf.map has %d lines; some of the demonstration itself:\n' "$(wc -l <perf.map)"
    grep "[$]demo:[a-z_]*/[0-9]*\$" perf.map | head -n 8 | sed 's/^/    /'
fi
show "2. The hot functions of ten seconds" "$build/erlang-sample" --duration 10s --top 20 "$vm"
show "3. What each scheduler is doing" "$build/erlang-sample" --pstack --wait --duration 5s "$vm"
show "4. Who copies big terms" "$build/erlang-sample" --blame copy_struct --duration 5s "$vm"

cat <<END


That was the demonstration; its VM is stopped. To look into one of your own:
    build/erlang-sample PID          README.md says which question is answered by which command
END
exit "$failed"
