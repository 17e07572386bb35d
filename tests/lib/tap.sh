# shellcheck shell=sh
# What tests/live/*.sh have in common: "ok NAME" and "not ok NAME" on standard output, a reason where it matters.
#
#   . tests/lib/tap.sh
#   tap_needs jq perf              skip the whole test where a program is missing
#   tap_ok NAME command...         it succeeds
#   tap_is NAME EXPECTED GOT       they are equal
#   tap_skip NAME reason
#   tap_done                       the exit code of the test
#
# tap_ok and tap_is return what they reported, so that a test can say more.

tap__failed=0

tap__no() {
	tap__failed=$((tap__failed + 1))
	printf 'not ok %s\n' "$1"
	return 1
}

tap_needs() {
	for tap__p in "$@"; do
		command -v "$tap__p" >/dev/null || {
			echo "$tap__p is not installed"
			exit 77
		}
	done
}

tap_ok() {
	tap__name=$1
	shift
	if "$@" >/dev/null; then
		printf 'ok %s\n' "$tap__name"
	else
		tap__no "$tap__name"
	fi
}

tap_is() {
	if [ "$2" = "$3" ]; then
		printf 'ok %s\n' "$1"
		return 0
	fi
	tap__no "$1" || :
	printf '%s\n' "$2" | sed 's/^/     expected: /' | head -n 20
	printf '%s\n' "$3" | sed 's/^/     got:      /' | head -n 20
	return 1
}

tap_skip() {
	printf 'ok %s # SKIP %s\n' "$1" "$2"
}

tap_done() {
	[ "$tap__failed" -eq 0 ]
	exit
}
