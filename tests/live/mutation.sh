#!/bin/sh
# The mutation test of the layout on the zoo: see mutate.c.
# limit: 180
# Environment: BUILD, the build directory; VM_FLAGS and VM_ERL as in lib/vm.sh.
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
live_needs
vm_start mutated zoo 600 || exit 1
"${MUTATE:-$BUILD/tests/live/mutate}" "$VM_PID"
