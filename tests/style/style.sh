#!/bin/bash
# style.sh CHECK TREE BUILD: one check of the style suite.  Exit 77: its program is not installed.
set -uo pipefail
check=$1 tree=$2 build=$3
cd "$tree" || exit 1

# Files of the tree, committed or about to be; nothing generated, nothing in build directories.
files() {
    if [ -e .git ]; then
        git -c safe.directory='*' ls-files -co --exclude-standard -- "$@" | while IFS= read -r f; do
            [ ! -f "$f" ] || printf '%s\n' "$f"
        done
    else
        # A release archive: the same patterns by find.
        local pattern
        for pattern in "$@"; do find . -path "./build*" -prune -o -path "./$pattern" -type f -print; done |
            sed 's|^\./||'
    fi
}

program() {
    command -v "$1" >/dev/null && return
    echo "$1 is not installed"
    exit 77
}

# report FILE: prints what was found, if anything, and fails.
report() {
    if [ -s "$1" ]; then
        cat "$1"
        exit 1
    fi
}

out=$(mktemp) && trap 'rm -rf "$out" "$out".d' EXIT

case $check in
layers)
    mapfile -t sources < <(files 'src/*.[ch]' 'grammar/*.[yl]')
    awk -f awk/check_layers.awk tests/style/layers.tab "${sources[@]}" || exit 1
    # The check itself must bite.
    mkdir -p "$out.d/src/base"
    printf '#include "cli/tool.h"\n' >"$out.d/src/base/bad.c"
    if awk -f awk/check_layers.awk tests/style/layers.tab "$out.d/src/base/bad.c" >/dev/null; then
        echo "check_layers.awk lets base include cli"
        exit 1
    fi
    mkdir -p "$out.d/src/api"
    printf '#include "cli/tool.h"\n' >"$out.d/src/api/bad.c"
    if awk -f awk/check_layers.awk tests/style/layers.tab "$out.d/src/api/bad.c" >/dev/null; then
        echo "check_layers.awk lets api include cli"
        exit 1
    fi
    ;;
docs)
    mapfile -t headers < <(files 'src/*.h')
    awk -f awk/check_docs.awk "${headers[@]}" || exit 1
    printf '/** x */\nint a(void);\n\nint b(void);\n' >"$out.h"
    awk -f awk/check_docs.awk "$out.h" >"$out" && status=0 || status=$?
    rm -f "$out.h"
    if [ "$status" -ne 1 ] || ! grep -q 'int b(void);' "$out"; then
        echo "check_docs.awk does not see a missing comment"
        exit 1
    fi
    ;;
headers)
    # Each header is the first and only thing a file includes.
    program gcc
    files 'src/*.h' | while IFS= read -r header; do
        printf '#include "%s"\n' "${header#src/}" |
            gcc -std=gnu17 -D_GNU_SOURCE -DXB_VERSION='"0"' -Isrc -I"$build/src" -Wall -Wextra -Werror -fsyntax-only -x c - ||
            echo "$header does not compile alone"
    done >"$out" 2>&1
    # The public one also for programs in strict C17 and in C++.
    public=src/api/extrospect.h
    gcc -std=c17 -Wall -Wextra -pedantic -Werror -fsyntax-only -x c "$public" >>"$out" 2>&1 || true
    if command -v g++ >/dev/null; then
        g++ -std=c++17 -Wall -Wextra -pedantic -Werror -fsyntax-only -x c++ "$public" >>"$out" 2>&1 || true
    fi
    report "$out"
    ;;
exports)
    # Every declared function is exported, and nothing else.
    library=$build/src/api/libextrospect.so
    nm -D --defined-only "$library" >"$out.d"
    awk -f awk/check_exports.awk "$out.d" || exit 1
    sed -n 's/.*[ *]\(extrospect_[a-z_]*\)(.*/\1/p' src/api/extrospect.h | grep -v -e _init_ -e _fn | sort -u >"$out"
    if ! awk '{ print $3 }' "$out.d" | sort | diff "$out" -; then
        echo "declared (<) and exported (>) are not the same"
        exit 1
    fi
    readelf -d "$library" | grep -q 'SONAME.*\[libextrospect\.so\.0\]' || { echo "no soname"; exit 1; }
    ;;
format)
    program clang-format
    mapfile -t sources < <(files 'src/*.[ch]' 'tests/*.[ch]' | grep -v '^tests/style/fixtures/')
    clang-format -n -Werror "${sources[@]}"
    ;;
tidy)
    program clang-tidy
    # A gcc build names flags clang does not know, hence the plain command line.  Style and bug-prone
    # patterns only: the path-sensitive analyzer takes a second per file, run "ninja clang-tidy" for it.
    flags=(-std=gnu17 -D_GNU_SOURCE '-DXB_VERSION="0"' -Isrc -I"$build/grammar" -I"$build/src")
    printf '%s\n' 'int tidy(int a)' '{' '	if (a == 1 && a == 1)' '		return 2;' '	return 3;' '}' >"$out.c"
    if clang-tidy --quiet "$out.c" --config-file=.clang-tidy --checks='-clang-analyzer-*' -- >"$out" 2>&1; then
        echo "clang-tidy does not see a redundant expression: is .clang-tidy in force?"
        exit 1
    fi
    rm -f "$out.c"
    mapfile -t sources < <(files 'src/*.c')
    half=$(((${#sources[@]} + 1) / 2))
    clang-tidy --quiet --checks='-clang-analyzer-*' "${sources[@]:0:half}" -- "${flags[@]}" >"$out" 2>&1 &
    clang-tidy --quiet --checks='-clang-analyzer-*' "${sources[@]:half}" -- "${flags[@]}" >"$out.2" 2>&1
    status=$?
    wait $! || status=1
    grep -v 'warnings generated\|^Suppressed\|^Use -header' "$out" "$out.2" -h
    rm -f "$out.2"
    exit "$status"
    ;;
length)
    files 'src/*.[ch]' | while IFS= read -r f; do
        lines=$(wc -l <"$f")
        [ "$lines" -le 400 ] || echo "$f has $lines lines; 400 is the limit, cut it in two"
    done >"$out"
    # Lines: clang-format keeps C within 104 columns; scripts are kept to 120.
    files '*.sh' 'awk/*.awk' '*/meson.build' | while IFS= read -r f; do
        awk -v f="$f" 'length($0) > 120 && !/\|/ { printf "%s:%d: longer than 120 columns\n", f, FNR }' "$f"
    done >>"$out"
    report "$out"
    ;;
shell)
    program shellcheck
    mapfile -t scripts < <(files '*.sh' '.ci/run')
    shellcheck -S warning -x -P SCRIPTDIR "${scripts[@]}"
    ;;
awk)
    # Every script gives the same under mawk, gawk --posix and gawk --lint has nothing fatal to say.
    program mawk
    program gawk
    for script in awk/*.awk; do
        base=$(basename "$script" .awk)
        args=(tests/style/fixtures/"$base".*)
        if [ ! -f "${args[0]}" ]; then
            echo "$script has no fixture tests/style/fixtures/$base.*"
            exit 1
        fi
        mawk -f "$script" "${args[@]}" >"$out" 2>&1
        one=$?
        gawk --posix -f "$script" "${args[@]}" >"$out.2" 2>&1
        two=$?
        if [ "$one" -ne "$two" ] || ! cmp -s "$out" "$out.2"; then
            echo "$script: mawk (exit $one) and gawk --posix (exit $two) differ:"
            diff "$out" "$out.2"
            rm -f "$out.2"
            exit 1
        fi
        [ -s "$out" ] || { echo "$script prints nothing for its fixture"; rm -f "$out.2"; exit 1; }
        rm -f "$out.2"
    done
    ;;
vendor)
    # Every vendored file is listed with its checksum, and every listed one is as it was.
    mapfile -t vendored < <(files 'vendor/*' | grep -v -e '^vendor/README.md$' -e '^vendor/SHA256SUMS$')
    if [ "${#vendored[@]}" -gt 0 ]; then
        (cd vendor && sha256sum --quiet -c SHA256SUMS) || exit 1
        for f in "${vendored[@]}"; do
            grep -q -F "  ${f#vendor/}" vendor/SHA256SUMS || echo "$f is not listed in vendor/SHA256SUMS"
        done >"$out"
        report "$out"
    fi
    [ -f vendor/README.md ] || { echo "vendor/README.md is missing"; exit 1; }
    ;;
*)
    echo "unknown check $check"
    exit 2
    ;;
esac
