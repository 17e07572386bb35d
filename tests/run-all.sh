#!/bin/bash
# run-all.sh [host] [matrix [CELL…]]: without arguments, host.  The last line is the total.
#
#   host     gcc with warnings as errors (unit, style), clang likewise (unit), gcc with sanitizers (unit), then the live
#            tests against the gcc build and the Erlang of this machine
#   matrix   live tests against other VMs, all or the named: those of other Debian releases, each in its own root
#            (tests/roots), and builds that no package has (tests/vm-builds)
#
# CELL is a release and what is special about its VM:
#   otp23 otp27 otp29 otp29sid          as Debian has them, stripped: 23 is an interpreter, the others are JITs
#   otp25fp otp27fp otp29fp             the same and this machine's, with frame pointers: +JPperf true
#   otp25dwarf                          this machine's release as Debian builds it, but not stripped
#   otp25nons otp25nons-stripped        a JIT without the native stack, which is what musl images have
#   otp25emu otp27emu-dwarf otp29emu-dwarf    interpreters with debug information
#   otp27emu otp29emu                   and without any symbol
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

# make_vms CELL…: what is missing of them.
make_vms() {
    local cell roots=() builds=()
    for cell in "$@"; do
        case $cell in
        otp25fp) ;;
        otp23 | otp27 | otp29 | otp29sid | otp27fp | otp29fp) roots+=("${cell%fp}") ;;
        *) builds+=("$cell") ;;
        esac
    done
    { [ "${#roots[@]}" -eq 0 ] || tests/roots/make-roots.sh "${roots[@]}"; } &&
        { [ "${#builds[@]}" -eq 0 ] || tests/vm-builds/make-builds.sh "${builds[@]}"; }
}

# host [matrix [CELL…]]: without the matrix, which only tells it what to make meanwhile.
host() {
    # Takes minutes the first time, and rarely all processors: at the same time as the rest.  The live tests wait.
    { renice 10 "$BASHPID" && make_vms otp25emu "${@:2}"; } >"$work/vms.log" 2>&1 &
    local vms=$!
    compile gcc gcc && { suite gcc unit; suite gcc style; }
    compile clang clang && suite clang unit
    compile sanitize gcc -Db_sanitize=address,undefined &&
        ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
            suite sanitize unit
    wait "$vms"
    live live ""
}

# What is asked of a VM of any release; native code has more to show.  stacks has its own VM with frame pointers.
any=(attach list stacks mutation sample-split nostop codeload-sampling)
native=("${any[@]}" perf-map storm blame)
frame_pointers=(attach mutation sample-split codeload-sampling)
cells=(otp23 otp27 otp29 otp29sid otp25fp otp27fp otp29fp otp25dwarf otp25emu otp25nons otp25nons-stripped
    otp27emu otp27emu-dwarf otp29emu otp29emu-dwarf)
cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/extrospect}

matrix() {
    local cell list erl root flags
    [ -x "$work/gcc/erlang-sample" ] || compile gcc gcc || return
    make_vms "$@" >"$work/vms.log" 2>&1 # those that fail will again, below
    for cell in "$@"; do
        if ! make_vms "$cell" >"$work/vm-$cell.log" 2>&1; then
            tail -n 5 "$work/vm-$cell.log"
            fail "making of $cell"
            continue
        fi
        list=("${native[@]}") flags=
        case $cell in
        otp23 | *emu*) list=("${any[@]}") ;;
        *fp) list=("${frame_pointers[@]}") flags="+JPperf true" ;;
        esac
        erl=$cache/roots/${cell%fp}/erl root=$cache/roots/${cell%fp}/root
        case $cell in
        otp25fp) erl=erl root= ;;
        otp25emu) erl=$cache/emu-plain/bin/erl root= ;;
        otp25*) erl=$cache/$cell/bin/erl root= ;;
        esac
        say "live tests in $cell"
        list=("${list[@]/#/tests/live/}")
        VM_ERL=$erl VM_ROOT=$root VM_FLAGS=$flags live "$cell" " in $cell" "${list[@]/%/.sh}"
    done
}

[ $# -gt 0 ] || set -- host
# The cells at once, so that what is made for more than one is made once.
case " $* " in *" matrix ") set -- "$@" "${cells[@]}" ;; esac
if [ "$1" = host ]; then
    shift
    host "$@"
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
