#!/bin/bash
# Every command the README shows in a block marked sh works as it stands; only durations are cut short.
# limit: 240
set -uo pipefail
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
failed=0 n=0 pid=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    vm_stop_all
    [ -z "$pid" ] || rm -f "/tmp/perf-$pid.map"
}
trap cleanup EXIT
live_needs
vm_start demo demo || exit 1
pid=$VM_PID

{ mkdir "$TMP/here" && cd "$TMP/here" && ln -s "$BUILD" build; } || exit 1
mapfile -t lines < <(awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$SRC/README.md")
for line in "${lines[@]}"; do
    n=$((n + 1))
    command=${line//PID/$pid}
    case $command in
    *--watch*) command="timeout -s INT 2 $command" ;;
    *--duration*) command=${command/--duration [0-9]*s /--duration 1s } ;;
    build/erlang-sample*) command=${command/erlang-sample/erlang-sample --duration 1s} ;;
    perf*)
        if ! command -v perf >/dev/null; then
            echo "ok $line # SKIP perf is not installed"
            continue
        fi
        ;;
    esac
    # 124: the watch was ended as planned.
    bash -c "$command" >"$TMP/said" 2>&1
    status=$?
    if [ "$status" -eq 0 ] || { [ "$status" -eq 124 ] && [[ $command == timeout* ]]; }; then
        echo "ok $line"
    else
        echo "not ok $line"
        echo "# $command: exit $status"
        sed 's/^/# /' "$TMP/said" | tail -n 12
        failed=1
    fi
    case $command in
    *report.txt)
        # The recipe is worth its place only if Erlang names come out.
        if grep -q 'demo:[a-z_]*/[0-9]' report.txt; then
            echo "ok perf shows functions of the demonstration"
        else
            echo "not ok perf shows functions of the demonstration"
            grep -v '^#' report.txt | head -n 12 | sed 's/^/# /'
            failed=1
        fi
        ;;
    esac
done
# A README whose blocks lost their mark would pass with nothing done.
if [ "$n" -ge 20 ]; then echo "ok the README shows commands"; else
    echo "not ok the README shows commands: only $n"
    failed=1
fi
for file in stacks.txt out.folded watched.map; do
    if [ -s "$file" ]; then echo "ok $file is not empty"; else
        echo "not ok $file is not empty"
        failed=1
    fi
done
# The commands of the table are run above in one form or another: each tool and long option is known.
while IFS= read -r option; do
    tool=${option%% *}
    if "$BUILD/$tool" --help | grep -q -e "${option#* }"; then echo "ok $option exists"; else
        echo "not ok $option exists"
        failed=1
    fi
done < <(grep -o 'build/erlang-[a-z-]* [^`]*' "$SRC/README.md" | awk '{ sub("build/", "", $1)
    for (i = 2; i <= NF; i++) if ($i ~ /^--/) print $1, $i }' | sort -u)
exit "$failed"
