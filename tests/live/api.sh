#!/bin/bash
# libextrospect as a program outside the tree uses it: installed, found by pkg-config, linked as a shared library.
# Functions are called through check.
# shellcheck disable=SC2317
# limit: 120
set -uo pipefail
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs meson pkg-config jq
failed=0

# check NAME COMMAND…: the command's exit code is the verdict; it is run as it stands.
check() {
    local name=$1
    shift
    if "$@" >"$TMP/check.log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        sed 's/^/# /' "$TMP/check.log" | head -n 20
        failed=1
    fi
}

root=$TMP/root
check "meson install into a temporary root" meson install -C "$BUILD" --no-rebuild --destdir "$root"
pc=$(find "$root" -name extrospect.pc | head -n 1)
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$root
read -r -a cflags < <(pkg-config --cflags extrospect)
read -r -a libs < <(pkg-config --libs extrospect)
libdir=$(dirname "$(find "$root" -name libextrospect.so.0 | head -n 1)")
export LD_LIBRARY_PATH=$libdir
example=$TMP/example
check "the example compiles in strict C17" "${CC:-gcc}" -std=c17 -Wall -Wextra -pedantic -Werror "${cflags[@]}" \
    "$SRC/tests/api/example.c" "${libs[@]}" -o "$example"
is_linked() { readelf -d "$example" | grep -q 'NEEDED.*\[libextrospect\.so\.0\]'; }
check "it is linked with the shared library" is_linked
printf '%s\n' '#include <extrospect.h>' 'int main()' '{' \
    'extrospect_frame f = EXTROSPECT_INIT(extrospect_frame);' 'return f.size == sizeof(f) ? 0 : 1;' '}' >"$TMP/x.cc"
cpp() { g++ -std=c++17 -Wall -Wextra -pedantic -Werror "${cflags[@]}" "$TMP/x.cc" -o "$TMP/x" && "$TMP/x"; }
check "the header is C++ too" cpp

{ vm_start zoo zoo 2000 && vm_ask zoo settle >/dev/null; } || exit 1
pid=$VM_PID

# Every process, parked: pid, depth and top frame as erlang-sample --all has them.
same_as_tool() {
    "$example" processes "$pid" >"$TMP/ours" || return 1
    "$BUILD/erlang-sample" --all --json --max-callchain-depth 1000000 "$pid" >"$TMP/all.json" || return 1
    jq -r '.rows[] | [.pid, (.frames | length), (.frames[0].function // "-"),
        (if .frames[0].file == null then "-" else "\(.frames[0].file):\(.frames[0].line)" end)] | @tsv' \
        "$TMP/all.json" | sed 's/\\\\/\\/g' >"$TMP/theirs"
    diff "$TMP/theirs" "$TMP/ours"
}
check "every process, its depth and top function equal erlang-sample --all" same_as_tool
check "and there are 2,000 of them" test "$(wc -l <"$TMP/ours")" -ge 2000
# The symbol behind every address of the map, from the module tables instead of the VM's list.
resolves() {
    "$example" resolve "$pid" >"$TMP/resolved" || return 1
    cat "$TMP/resolved"
    grep -q '^[1-9][0-9][0-9][0-9][0-9]* names agree, 0 differ$' "$TMP/resolved"
}
check "thousands of addresses of the map resolve to its names" resolves
same_map() {
    "$example" map "$pid" >"$TMP/map.ours" && "$BUILD/erlang-write-perf-map" -q -o "$TMP/map.theirs" "$pid" &&
        cmp "$TMP/map.ours" "$TMP/map.theirs"
}
check "the perf map equals the tool's" same_map
vm_stop zoo

vm_start split split functions || exit 1
# Its scheduler is busy all the second: up to 499 samples (other tests may hold the CPU), all handed out.
samples() {
    "$example" sample "$VM_PID" >"$TMP/samples" 2>"$TMP/said" || { cat "$TMP/said"; return 1; }
    cat "$TMP/said"
    awk -F '\t' '{ n += $1; if ($4 ~ /^split:/) own += $1 }
        END { print n " samples, " own " in split"; exit !(n >= 30 && own > n * 0.8) }' "$TMP/samples" &&
        awk '/ samples by / { exit $1 != $5 }' "$TMP/said"
}
check "a second of sampling finds the busy functions" samples
vm_stop split

gone() { "$example" processes "$pid" 2>"$TMP/said"; [ $? -eq 4 ] && cat "$TMP/said"; }
check "a VM that ended is GONE" gone
not_beam() { "$example" processes $$ 2>"$TMP/said"; [ $? -eq 6 ] && cat "$TMP/said"; }
check "a shell is NOT_BEAM" not_beam
exit "$failed"
