#!/bin/sh
# The mutation test of the layout on the zoo: see mutate.c.
# Environment: BUILD, the build directory; VM_FLAGS and VM_ERL as in lib/vm.sh.
# shellcheck source=tests/lib/vm.sh
. "$(dirname "$0")/../lib/vm.sh"

command -v "${VM_ERL:-erl}" >/dev/null || { echo "1..0 # SKIP no erl here"; exit 77; }
trap vm_stop_all EXIT
scratch=$(mktemp -d) || exit 1
trap 'vm_stop_all; rm -rf "$scratch"' EXIT
if ! vm_compile "${VM_EBIN:-$scratch/ebin}" || ! vm_start mutated zoo 600; then
    echo "Bail out! no VM"
    exit 1
fi
"${MUTATE:-${BUILD:-build}/tests/live/mutate}" "$VM_PID"
