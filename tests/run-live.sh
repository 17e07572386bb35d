#!/bin/bash
# run-live.sh BUILD WORK [TEST…]: the tests that need a live VM, tests/live/*.sh.
#
# A test runs with BUILD (the tools), SRC (the tree) and TMP (a directory of its own) in the environment.
# It may print "ok NAME", "not ok NAME" and "ok NAME # SKIP reason", each counted.  Exit 0 passes, 77 skips
# with the last line as reason, anything else fails.  "# limit: SECONDS" in its text changes the time limit.
# WORK/totals receives "PASSED FAILED SKIPPED", WORK/NAME.log what each test said.
#
# LIVE_JOBS tests run at the same time (default 2): most of them wait for their VM most of the time.
set -uo pipefail
src=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -lt 2 ]; then
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 2
fi
BUILD=$(cd "$1" && pwd) || exit 2
mkdir -p "$2" && work=$(cd "$2" && pwd) || exit 2
shift 2
SRC=$src
# What the tools keep for later is no business of the user's; builds of VMs stay where they are.
EXTROSPECT_CACHE=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/extrospect}
XDG_CACHE_HOME=$work/cache
mkdir -p "$XDG_CACHE_HOME"
export BUILD SRC EXTROSPECT_CACHE XDG_CACHE_HOME
passed=0 failed=0 skipped=0
reasons=()

tests=("$@")
[ "${#tests[@]}" -gt 0 ] || tests=("$src"/tests/live/*.sh)

# run TEST: WORK/NAME.log, and WORK/NAME.status with "STATUS MILLISECONDS LIMIT".
run() {
    local name limit start status took
    name=$(basename "$1" .sh)
    limit=$(limit_of "$1")
    TMP=$(mktemp -d "${TMPDIR:-/tmp}/xb-$name.XXXXXX")
    export TMP
    start=$EPOCHREALTIME
    # timeout leads a process group and kills all of it, a forgotten VM included.
    timeout -k 5 "$limit" bash "$1" >"$work/$name.log" 2>&1 </dev/null
    status=$?
    took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
    rm -rf "$TMP"
    printf '%d %d %d\n' "$status" "$took" "$limit" >"$work/$name.status"
}

# tell TEST: its result, which is added to the totals.
tell() {
    local name log status took limit p f s result line
    name=$(basename "$1" .sh)
    log=$work/$name.log
    read -r status took limit <"$work/$name.status"
    read -r p f s < <(awk -f "$src/awk/count_tap.awk" "$log")
    case $status in
    0) [ $((p + f + s)) -gt 0 ] || p=1 ;;
    77)
        s=$((s + 1))
        reasons+=("$name: $(tail -n 1 "$log")")
        ;;
    124 | 137)
        f=$((f + 1))
        echo "time limit of $limit s" >>"$log"
        ;;
    *) [ "$f" -gt 0 ] || f=1 ;;
    esac
    while IFS= read -r line; do reasons+=("$name: $line"); done < <(
        sed -n 's/^ok \([^#]*[^# ]\) *# SKIP *\(.*\)$/\1: \2/p' "$log")
    result=ok
    [ "$status" -ne 77 ] || result=skip
    [ "$f" -eq 0 ] || result=FAIL
    printf '%-4s %-28s %3d ok %3d failed %3d skipped %6d ms\n' "$result" "$name" "$p" "$f" "$s" "$took"
    if [ "$f" -gt 0 ]; then
        grep -n '^not ok' "$log" | sed 's/^/     /'
        tail -n 25 "$log" | sed 's/^/     | /'
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

limit_of() {
    local limit
    limit=$(sed -n 's/^# limit: \([0-9][0-9]*\).*/\1/p' "$1" | head -n 1)
    echo "${limit:-60}"
}

# The longest first, so that none is left over at the end.
mapfile -t tests < <(for test in "${tests[@]}"; do
    [ ! -f "$test" ] || printf '%s %s\n' "$(limit_of "$test")" "$test" # not an unmatched pattern
done | sort -s -k1,1rn | cut -d' ' -f2-)
declare -A of=()
# finish_one: the result of the first that ends.
finish_one() {
    local pid
    wait -n -p pid
    tell "${of[$pid]}"
    unset "of[$pid]"
}
for test in "${tests[@]}"; do
    [ "${#of[@]}" -lt "${LIVE_JOBS:-2}" ] || finish_one
    run "$test" &
    of[$!]=$test
done
while [ "${#of[@]}" -gt 0 ]; do finish_one; done

for reason in "${reasons[@]}"; do
    printf 'skipped: %s\n' "$reason"
done
printf '%d %d %d\n' "$passed" "$failed" "$skipped" >"$work/totals"
printf 'live: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
