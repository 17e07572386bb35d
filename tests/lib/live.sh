# shellcheck shell=sh
# How a test of tests/live begins: what it needs, the programs its VMs run, and no VM left behind.
#
#   . "$SRC/tests/lib/live.sh"     vm.sh and tap.sh with it
#   live_needs jq awk              skips the test where one of them, or the erl of the VMs, is missing; compiles
#
# A test with a trap of its own must call vm_stop_all in it.

# shellcheck source=tests/lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
trap vm_stop_all EXIT

live_needs() {
	tap_needs "$@" "${VM_ERL:-erl}"
	vm_compile "${VM_EBIN:-$TMP/ebin}" || exit 1
}
