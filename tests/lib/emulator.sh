# shellcheck shell=sh
# Copies of the emulator under test, to be damaged or taken away.
#
#   . tests/lib/vm.sh; . tests/lib/emulator.sh
#   emulator_copy DIR              DIR becomes a copy of the emulator's directory, DIR.erl what starts it like erl
#   emulator_file DIR              the emulator in it
#   VM_ERL=DIR.erl vm_start …
#
# DIR is absolute, below /var/tmp: that is the same directory in the root of another release (VM_ROOT).

# emulator_dir: where the emulator under test is, as seen out here.
emulator_dir() {
	printf '%s%s\n' "${VM_ROOT:-}" "$(vm__erl 'io:format("~ts", [os:getenv("BINDIR")])')"
}

emulator_copy() {
	cp -a "$(emulator_dir)" "$1" || return 1
	emulator__root=$(vm__erl 'io:format("~ts", [code:root_dir()])') || return 1
	cat >"$1.inside" <<-SH
		#!/bin/sh
		export BINDIR=$1 ROOTDIR=$emulator__root EMU=beam PROGNAME=erl
		exec $1/erlexec "\$@"
	SH
	cat >"$1.erl" <<-SH
		#!/bin/sh
		[ -n "${VM_ROOT:-}" ] || exec $1.inside "\$@"
		exec unshare --mount --propagation private -- sh -c '
			for dir in /proc /dev /tmp /var/tmp; do mount --rbind "\$dir" "\$0\$dir" || exit; done
			exec chroot "\$0" "\$@"' "${VM_ROOT:-}" $1.inside "\$@"
	SH
	chmod 755 "$1.inside" "$1.erl"
}

emulator_file() {
	printf '%s/%s\n' "$1" "$(basename "$(ls "$1"/beam*.smp | head -n 1)")"
}
