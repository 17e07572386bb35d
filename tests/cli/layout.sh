#!/bin/bash
# layout.sh BUILD FIXTURE…: what erlang-layout dump writes of structures that no release ever had, against what binutils
# reads in the same file; and what list, show and dump refuse.  TAP on standard output.
set -uo pipefail
build=$1
shift
src=$(cd "$(dirname "$0")/../.." && pwd)
n=0
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

# check NAME COMMAND…: it must succeed.
check() {
    local name=$1
    shift
    n=$((n + 1))
    if "$@" >"$out/said" 2>&1; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        sed 's/^/# /' "$out/said" | head -n 20
    fi
}

# refuse NAME STATUS STDERR-PART ARGUMENT…
refuse() {
    local name=$1 want=$2 part=$3 got
    shift 3
    n=$((n + 1))
    "$build/erlang-layout" "$@" >"$out/1" 2>"$out/2" </dev/null
    got=$?
    if [ "$got" -eq "$want" ] && grep -qF -e "$part" "$out/2" && [ ! -s "$out/1" ]; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        echo "# exit $got, wanted $want; wanted to read: $part"
        sed 's/^/# /' "$out/1" "$out/2" | head -n 20
    fi
}

awks=(awk)
! command -v gawk >/dev/null || awks=(mawk "gawk --posix")

for fixture in "$@"; do
    name=$(basename "$fixture")
    check "$name: dump" "$build/erlang-layout" dump --from-dwarf "$fixture" --base otp-25-emu -o "$out/tab"
    # Nothing of a table for other structures is left among offsets and sizes.
    check "$name: all offsets are its own" test "$(grep -c '# from table' "$out/tab")" -eq 0
    sed -n 's/#.*//; s/  */ /g; s/ $//; /^field \|^size /p' "$out/tab" | sort >"$out/ours"
    check "$name: at least 60 entries" test "$(wc -l <"$out/ours")" -ge 60
    for awk in "${awks[@]}"; do
        # shellcheck disable=SC2086 # a command and its option
        LC_ALL=C readelf -W --debug-dump=info "$fixture" 2>/dev/null |
            LC_ALL=C $awk -f "$src/awk/dwarf_offsets.awk" "$src/src/layout/fields.tab" - >"$out/theirs"
        check "$name: binutils and $awk agree with every entry" diff <(sort "$out/theirs") "$out/ours"
    done
done

check "list names every table of the tree" test \
    "$("$build/erlang-layout" list --json | grep -o '"table" *: *"[^"]*"' | wc -l)" -eq \
    "$(cat "$src"/src/layout/tables/*.tab | grep -c '^flavor ')"
for table in $("$build/erlang-layout" list | awk '$1 ~ /^otp-/ { print $1 }'); do
    "$build/erlang-layout" show "$table" >"$out/tab"
    check "$table: every line of its own is in what is shown" awk -v table="$table" '
        { sub(/#.*/, "") }
        NR == FNR { if (NF == 4) shown[$1, $2] = $3 + 0 " " $4 + 0; next }
        $1 == "table" { mine = $2 == table; found += mine }
        mine && $1 == "field" && shown[$1, $2] != $3 + 0 " " $4 + 0 { print; bad = 1 }
        END { exit bad || found != 1 }' "$out/tab" "$src"/src/layout/tables/*.tab
done

refuse "nothing to do" 2 "say what to do: list, show, dump or check"
refuse "an unknown verb" 2 "did you mean 'check'?" chek
refuse "show without a name" 2 "show wants the name of a table" show
refuse "show of what is not there" 2 "there is no table 'otp-1'" show otp-1
refuse "list of something" 2 "one argument too many" list otp-25-jit
refuse "dump of nothing" 2 "--from-dwarf FILE" dump
refuse "an option that means nothing" 2 "--layout means nothing to 'list'" list --layout "$out/tab"
refuse "dump of what is not there" 1 "No such file or directory" dump --from-dwarf "$out/none"
refuse "dump of a text" 1 "$out/tab" dump --from-dwarf "$out/tab"
refuse "dump without debug information" 5 "holds no debug information" dump --from-dwarf /bin/true
refuse "dump of another program" 2 "is no Erlang VM" dump --from-dwarf "$1"
refuse "dump with an unknown base" 2 "there is no table 'otp-1'" dump --from-dwarf "$1" --base otp-1
refuse "check with a layout that is not there" 1 "cannot open the layout table $out/none" check 1 --layout "$out/none"
for tool in erlang-sample erlang-write-perf-map erlang-inspect; do
    printf 'table t\ninherit otp-25-jit\nfield Foo.bar 0 8\n' >"$out/bad"
    check "$tool: a table with a mistake" bash -c \
        '"$1" --layout "$2" 1 2>&1 | grep -qF "$2:3: field Foo.bar is not in the contract"' - "$build/$tool" "$out/bad"
done
echo "1..$n"
