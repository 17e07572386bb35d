#!/bin/bash
# run-all.sh [host] [matrix [CELL…]]: without arguments, host.  The last line is the total.
#
#   host     gcc with warnings as errors (unit, style), clang likewise (unit), gcc with sanitizers (unit), then the live
#            tests against the gcc build and the Erlang of this machine
#   matrix   live tests against the VMs of other Debian releases, each in its own root (tests/roots), all or the named
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
work=build-test
passed=0 failed=0 skipped=0
failures=()
mkdir -p "$work"

say() { printf '== %s\n' "$*"; }

fail() {
    failed=$((failed + 1))
    failures+=("$1")
}

# compile NAME CC [meson options]
compile() {
    local name=$1 cc=$2 dir=$work/$1 log=$work/$1.log
    shift 2
    say "build with $cc ($name)"
    if { [ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" -Dwerror=true -Dtests=enabled "$@"; } \
        >"$log" 2>&1 && ninja -C "$dir" all >>"$log" 2>&1; then
        passed=$((passed + 1))
        return 0
    fi
    tail -n 60 "$log"
    fail "build $name"
    return 1
}

# suite NAME SUITE: run and count every sub-test from meson's JUnit file.
suite() {
    local name=$1 suite=$2 dir=$work/$1 p f s
    say "$suite tests ($name)"
    rm -f "$dir/meson-logs/testlog-$suite.junit.xml"
    if ! meson test -C "$dir" --suite "$suite" --logbase "testlog-$suite" --print-errorlogs; then
        failures+=("$suite tests ($name), see above")
    fi
    if ! [ -f "$dir/meson-logs/testlog-$suite.junit.xml" ]; then
        fail "$suite tests ($name) did not run"
        return
    fi
    read -r p f s < <(awk -f awk/count_junit.awk "$dir/meson-logs/testlog-$suite.junit.xml")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# live NAME WHERE [TEST…]: in $work/NAME.
live() {
    local name=$1 where=$2 p f s
    shift 2
    [ -x "$work/gcc/erlang-sample" ] || return
    tests/run-live.sh "$work/gcc" "$work/$name" "$@" || true
    read -r p f s <"$work/$name/totals"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    [ "$f" -eq 0 ] || failures+=("live tests$where, see above")
}

host() {
    # Takes minutes the first time, and rarely all processors: at the same time as the rest.  The live tests wait.
    nice tests/vm-builds/build-emu-debug.sh >"$work/vm-builds.log" 2>&1 &
    compile gcc gcc && { suite gcc unit; suite gcc style; }
    compile clang clang && suite clang unit
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 sanitized
    live live ""
}

sanitized() {
    export ASAN_OPTIONS UBSAN_OPTIONS
    compile sanitize gcc -Db_sanitize=address,undefined && suite sanitize unit
}

# What is asked of a VM of any release; native code has more to show.
any=(attach list stacks mutation sample-split nostop codeload-sampling)
native=("${any[@]}" perf-map storm blame)
cells=(otp23 otp27 otp29 otp29sid)
cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/extrospect}

matrix() {
    local cell name list tests
    [ $# -gt 0 ] || set -- "${cells[@]}"
    [ -x "$work/gcc/erlang-sample" ] || compile gcc gcc || return
    for cell in "$@"; do
        say "root $cell"
        if ! tests/roots/make-roots.sh "$cell" >"$work/roots.log" 2>&1; then
            tail -n 5 "$work/roots.log"
            fail "root $cell"
            continue
        fi
        list=("${native[@]}")
        [ "$cell" != otp23 ] || list=("${any[@]}")
        tests=()
        for name in "${list[@]}"; do tests+=("tests/live/$name.sh"); done
        say "live tests in $cell"
        VM_ERL=$cache/roots/$cell/erl VM_ROOT=$cache/roots/$cell/root live "$cell" " in $cell" "${tests[@]}"
    done
}

[ $# -gt 0 ] || set -- host
if [ "$1" = host ]; then
    host
    shift
fi
if [ "${1:-}" = matrix ]; then
    shift
    matrix "$@"
fi

for what in "${failures[@]}"; do
    printf 'FAILED: %s\n' "$what"
done
[ "${#failures[@]}" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
