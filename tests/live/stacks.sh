#!/bin/sh
# --all and --process against what the VM says of the 2,000 processes of the zoo: every one, every frame.
# limit: 120
set -u
# shellcheck source=../lib/live.sh
. "$SRC/tests/lib/live.sh"
# shellcheck source=../lib/truth.sh
. "$SRC/tests/lib/truth.sh"
live_needs jq awk

# zoo NAME FLAG...: the whole comparison on a VM of its own.
zoo() {
	name=$1
	shift
	truth_zoo "$name" "$TMP/$name" "$@"
	tap_is "$name: --all --json ends well, every process and every frame is as the VM has it" 0 $?
	cat "$TMP/$name.compared"
	# A comparison of nothing would have no differences either.
	enough=$(awk '/^compared/ { print $2 >= 2000 && $4 >= 9000 && $6 >= 20000 }' "$TMP/$name.compared")
	tap_is "$name: at least 2,000 processes, 9,000 frames, 20,000 return addresses were compared" 1 "$enough"
	tap_ok "$name: health: nothing torn, changed, running but dirty NIFs, or not whole" \
		jq -e '.health | .torn == 0 and .changed == 0 and .not_rooted == 0 and .processes >= 2000' \
		"$TMP/$name.json"
}

# pid_of SHAPE: a process of the zoo by what it shows.
pid_of() {
	vm_ask zoo kinds | awk -F '\t' -v shape="$1" '$1 == shape { print $2; exit }'
}

# text SPEC: what --process prints of it, and its status.
text() {
	"$BUILD/erlang-sample" --process "$1" "$VM_PID" >"$TMP/text" 2>"$TMP/err"
}

# shown PID: the frames of PID as text must be, from the VM's own answer.
shown() {
	awk -F '\t' -v pid="$1" '
		$1 == "F" && $2 == pid { printf "    %s%s\n", $4, $5 == "" ? "" : " (" $5 ":" $6 ")" }' "$TMP/zoo.truth"
}

# frames_of_text: only the frames; "    in m:f/a" above them is what runs.
frames_of_text() {
	sed -n '/^    in /d; /^    /p' "$TMP/text"
}

spec() {
	# $1 what, $2 SPEC, $3 the pid it must find
	text "$2"
	tap_is "--process $1: exit code" 0 $?
	tap_is "--process $1: finds $3 alone" "$3" "$(sed -n 's/^\(<[0-9.]*>\) .*/\1/p' "$TMP/text")"
	tap_is "--process $1: the frames the VM shows" "$(shown "$3")" "$(frames_of_text)"
}

zoo zoo
pid=$(pid_of nested_try)
spec "by pid" "$pid" "$pid"
registered=$(awk -F '\t' '$1 == "P" && $3 == "application_controller" { print $2 }' "$TMP/zoo.truth")
spec "by name" application_controller "$registered"
# Names that need quotes, as the VM spells them: each must be found by that spelling.
awk -F '\t' '$1 == "P" && $3 ~ /^\047/ { print $2 "\t" $3 }' "$TMP/zoo.truth" >"$TMP/odd"
tap_ok "there are names that need quotes" test -s "$TMP/odd"
failed=
while IFS='	' read -r pid name; do
	text "$name" && [ "$(sed -n 's/^\(<[0-9.]*>\) .*/\1/p' "$TMP/text")" = "$pid" ] &&
		[ "$(frames_of_text)" = "$(shown "$pid")" ] || failed="$failed $name"
done <"$TMP/odd"
tap_is "--process by each of $(wc -l <"$TMP/odd") names that need quotes" "" "$failed"

# A pattern of the initial call: as many processes as the VM has with it.
call=$(awk -F '\t' '$1 == "P" && $4 != "" { n[$4]++ } END { for (c in n) if (n[c] > n[best]) best = c; print best }' \
	"$TMP/zoo.truth")
text "$call"
tap_is "--process $call: all of them" \
	"$(awk -F '\t' -v call="$call" '$1 == "P" && $4 == call { print $2 }' "$TMP/zoo.truth" | sort)" \
	"$(sed -n 's/^\(<[0-9.]*>\) .*/\1/p' "$TMP/text" | sort)"

# A list, and depth: all 5,000 frames unless fewer are asked for.
deep=$(pid_of deep_5000_mutual)
text "$deep"
tap_ok "5,000 frames deep: all of it" test "$(frames_of_text | wc -l)" -gt 5000
"$BUILD/erlang-sample" --process "$deep" --max-callchain-depth 10 "$VM_PID" >"$TMP/text" 2>"$TMP/err"
tap_is "--max-callchain-depth 10: ten frames and a word on the rest" \
	"$(shown "$deep" | head -n 10)" "$(frames_of_text | grep -v '^    \.\.\.')"
tap_ok "--max-callchain-depth 10 says that it is cut" grep -q '^    \.\.\. [0-9]* more frames' "$TMP/text"
"$BUILD/erlang-sample" --process "$deep,application_controller" --json "$VM_PID" >"$TMP/two.json"
tap_is "two processes in one list" "2" "$(jq '.rows | length' "$TMP/two.json")"

text '<0.999999.0>'
tap_is "a process that is not there: exit code" 2 $?
tap_ok "a process that is not there: a sentence" grep -q 'no process matches' "$TMP/err"
vm_stop zoo

if vm_is_jit && vm_has_native_stack; then
	zoo frame_pointers +JPperf true
	tap_is "the second VM has frame pointers" true "$(jq .target.frame_pointers "$TMP/frame_pointers.json")"
	vm_stop frame_pointers
fi
tap_done
