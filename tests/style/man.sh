#!/bin/bash
# man.sh PAGE: the page formats without a warning and says the essentials.  Exit 77: no formatter.
set -euo pipefail
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$1"
fi
if ! command -v man >/dev/null; then
    echo "man is not installed"
    exit 77
fi
out=$(mktemp) && trap 'rm -f "$out" "$out.err"' EXIT
LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man -l --warnings "$1" >"$out" 2>"$out.err"
if [ -s "$out.err" ]; then
    cat "$out.err"
    exit 1
fi
for word in NAME SYNOPSIS DESCRIPTION OPTIONS --json --help EXAMPLES 'EXIT STATUS'; do
    # Not grep -q: it ends early, and the pipe would fail with the sed that is still writing.
    # col would be one more program: bold is written as x, backspace, x.
    if ! sed 's/.\x08//g' "$out" | grep -e "$word" >/dev/null; then
        echo "$1 does not mention $word"
        exit 1
    fi
done
