#!/bin/bash
# tools.sh BUILD: what every tool does before it looks at any VM.  TAP on standard output.
set -uo pipefail
build=$1
n=0
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

# expect NAME STATUS STDERR-PART COMMAND…
expect() {
    local name=$1 want=$2 part=$3 got
    shift 3
    n=$((n + 1))
    "$@" >"$out/1" 2>"$out/2" </dev/null
    got=$?
    if [ "$got" -eq "$want" ] && { [ -z "$part" ] || grep -qF -e "$part" "$out/2"; } &&
        ! grep -q 'internal error' "$out/2"; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        echo "# exit $got, wanted $want; wanted to read: $part"
        sed 's/^/# /' "$out/1" "$out/2" | head -n 20
    fi
}

# check NAME: the command line that follows must succeed on what the last one printed.
check() {
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; fi
}

# shellcheck disable=SC2016 # expanded by the inner shell
full='"$0" --help >/dev/full' closed='set -o pipefail; { sleep 0.1; "$0" --help; } | true'

for tool in erlang-sample erlang-write-perf-map erlang-inspect erlang-layout; do
    program=$build/$tool
    verb=()
    [ "$tool" != erlang-layout ] || verb=(check)
    expect "$tool --help" 0 "" "$program" --help
    check "$tool --help names all exit codes" test "$(grep -c '^  [0-6]  ' "$out/1")" -eq 7
    check "$tool --help shows three examples" test "$(grep -c "^  $tool " "$out/1")" -ge 3
    check "$tool --help says nothing on stderr" test ! -s "$out/2"
    expect "$tool --version" 0 "" "$program" --version
    check "$tool --version is one line" test "$(wc -l <"$out/1")" -eq 1
    expect "$tool with an unknown option" 2 "did you mean --verbose?" "$program" --verbos
    check "$tool keeps stdout for data" test ! -s "$out/1"
    expect "$tool with a bad target" 2 "neither a process id nor a node name" "$program" "${verb[@]}" 'a b'
    expect "$tool on a full disk" 1 "No space left on device" bash -c "$full" "$program"
    expect "$tool into a closed pipe" 0 "" bash -c "$closed" "$program"
    check "$tool is silent about a closed pipe" test ! -s "$out/2"
    expect "$tool shows an escape sequence harmless" 2 '\x1b[31m' "$program" $'--\e[31m'
done
echo "1..$n"
