#!/bin/sh
# Layouts from files: what is written is what is read, what a VM's debug information says is what a dump of it says, and
# a table that is wrong in anything is refused by name.
#
# The interpreter with debug information is made as by emu.sh, when it is not there.
# limit: 900
set -u
# shellcheck source=../lib/vm.sh
. "$SRC/tests/lib/vm.sh"
# shellcheck source=../lib/tap.sh
. "$SRC/tests/lib/tap.sh"
# shellcheck source=../lib/truth.sh
. "$SRC/tests/lib/truth.sh"

trap vm_stop_all EXIT
tap_needs jq awk erl
layout=$BUILD/erlang-layout

# entries JSON: of a check, what every source of the same layout must give the same.
entries() {
	jq -c '.rows[] | [.kind, .name, .value, .register, .width, .need]' "$1"
}

# check NAME [OPTION...]: the VM's layout is proved, every field and size that is needed; rows in $TMP/check.json.
check() {
	check__name=$1
	shift
	"$layout" check --json "$VM_PID" "$@" >"$TMP/check.json" 2>"$TMP/err"
	tap_is "$check__name: every check holds" 0 $? || cat "$TMP/err"
	tap_is "$check__name: every needed field and size is proved" "[]" "$(jq -c '[.rows[]
		| select(.need == "must" and (.kind == "field" or .kind == "size") and .result != "proved").name]' "$TMP/check.json")"
	tap_ok "$check__name: at least 60 entries" jq -e '.health | .proved >= 60 and .violated == 0 and .checks > 15' \
		"$TMP/check.json"
}

# answers NAME FILE: with the layout in FILE, every process and frame of the zoo as the VM has it.
answers() {
	for attempt in 1 2 3; do
		[ "$attempt" -eq 1 ] || { vm_stop zoo; vm_start zoo zoo 300 || exit 1; }
		vm_ask zoo backtraces "$TMP/backtraces" && vm_ask zoo truth "$TMP/truth" || exit 1
		"$BUILD/erlang-sample" --all --json "$VM_PID" --layout "$2" >"$TMP/all.json" 2>"$TMP/err" &&
			truth_compare "$TMP/truth" "$TMP/backtraces" "$TMP/all.json" >"$TMP/compared" && break
		false
	done
	tap_is "$1: every process and every frame as the VM has it" 0 $? || cat "$TMP/err" "$TMP/compared"
	tap_ok "$1: health names the file" jq -e --arg f "file $2" '.health.layout_source == $f' "$TMP/all.json"
}

# shifted FILE: every needed field one word further is refused by its name.
shifted() {
	tried=0 missed=''
	for field in $(awk '$1 == "field" && $6 == "must" { print $2 }' "$SRC/src/layout/fields.tab"); do
		awk -v n="$field" '$1 == "field" && $2 == n { $3 += 8; hit = 1 } { print } END { exit !hit }' "$1" >"$TMP/wrong.tab" || {
			missed="$missed $field (not in the table)"
			continue
		}
		"$BUILD/erlang-inspect" "$VM_PID" --layout "$TMP/wrong.tab" >"$TMP/out" 2>"$TMP/err"
		status=$?
		tried=$((tried + 1))
		# 1: it then lies outside its structure, or what is read; else a check or the search for a root says so.
		case "$status $(head -n 1 "$TMP/err")" in
		[15]" erlang-inspect: "*"$field"*) [ ! -s "$TMP/out" ] || missed="$missed $field (and printed)" ;;
		*) missed="$missed $field (exit $status: $(head -n 1 "$TMP/err"))" ;;
		esac
	done
	tap_is "each needed field one word further is refused by name" "" "$missed"
	tap_ok "at least 55 of them" [ "$tried" -ge 55 ]
	echo "     $tried fields"
}

# hostile FILE: an entry at its limits, or everything: an answer or a sentence, never a crash.
hostile() {
	bad='' runs=0
	for what in $(awk '/^(field|size|const|reg)/ { print $1 ":" $2 }' "$1") all; do
		for value in 0 16777215; do
			awk -v w="$what" -v v="$value" '
				/^(field|size|const)/ && (w == "all" || w == $1 ":" $2) { $3 = v }
				/^reg/ && (w == "all" || w == $1 ":" $2) { $3 = v % 2 ? "rsi" : "rsp" }
				{ print }' "$1" >"$TMP/hostile.tab"
			timeout 20 "$BUILD/erlang-inspect" "$VM_PID" --layout "$TMP/hostile.tab" >/dev/null 2>"$TMP/err"
			case $? in
			0 | 1 | 5) ;;
			*) bad="$bad $what=$value: $(tail -n 1 "$TMP/err")" ;;
			esac
			runs=$((runs + 1))
		done
	done
	tap_is "entries at their limits: an answer or a sentence" "" "$bad"
	echo "     $runs tables"
}

# refuse NAME STATUS SENTENCE FILE
refuse() {
	"$layout" check "$VM_PID" --layout "$4" >"$TMP/out" 2>"$TMP/err"
	tap_is "$1: exit code" "$2" $?
	tap_ok "$1: says so" grep -qF -e "$3" "$TMP/err" || cat "$TMP/err"
}

vm_compile "${VM_EBIN:-$TMP/ebin}" || exit 1
vm_start zoo zoo 300 || exit 1
"$BUILD/erlang-inspect" --json "$VM_PID" >"$TMP/system.json" || exit 1
table=$(jq -r .health.layout "$TMP/system.json")

check "$table"
entries "$TMP/check.json" >"$TMP/of-vm"
"$layout" check "$VM_PID" >"$TMP/text"
tap_ok "$table: a line of text for a field" grep -qE \
	'^field +Process.id +0 +8 +must +[A-Za-z]+ +proved by id_slot on [1-9]' "$TMP/text"
if [ "$(jq -r .health.layout_source "$TMP/system.json")" = table ]; then
	"$layout" show "$table" -o "$TMP/my.tab"
	check "shown and given" --layout "$TMP/my.tab"
	entries "$TMP/check.json" >"$TMP/of-file"
	tap_ok "shown and given: the same entries" cmp "$TMP/of-vm" "$TMP/of-file"
	tap_is "shown and given: all from the file" '["file"]' \
		"$(jq -c '[.rows[].source | select(. != null)] | unique' "$TMP/check.json")"
	answers "shown and given" "$TMP/my.tab"
	printf '# nothing of its own\ntable small\ninherit %s\n' "$table" >"$TMP/small.tab"
	"$BUILD/erlang-inspect" --json "$VM_PID" --layout "$TMP/small.tab" >"$TMP/small.json"
	tap_is "a file that only inherits" "0 small: file $TMP/small.tab (0 entries, the rest from table $table)" \
		"$? $(jq -r '.health | .layout + ": " + .layout_source' "$TMP/small.json")"
	if vm_is_jit; then
		"$BUILD/erlang-write-perf-map" "$VM_PID" -o "$TMP/map.1" 2>"$TMP/err" &&
			"$BUILD/erlang-write-perf-map" "$VM_PID" -o "$TMP/map.2" --layout "$TMP/my.tab" 2>>"$TMP/err"
		tap_ok "the perf map is the same" cmp "$TMP/map.1" "$TMP/map.2" || cat "$TMP/err"
	fi
	shifted "$TMP/my.tab"
	hostile "$TMP/my.tab"
	awk '$2 == "Process.heap" { $3 += 8 } { print }' "$TMP/my.tab" >"$TMP/wrong.tab"
	"$layout" check --json "$VM_PID" --layout "$TMP/wrong.tab" >"$TMP/check.json" 2>"$TMP/err"
	tap_is "a wrong field: the report is printed all the same" "5 violated true" \
		"$? $(jq -r '[.rows[] | select(.name == "Process.heap").result][0]
			+ " " + (.health.not_run > 0 | tostring)' "$TMP/check.json")"
	sed 's/^release .*/release 98/' "$TMP/my.tab" >"$TMP/wrong.tab"
	refuse "a table for another release" 5 "is for OTP 98 with the" "$TMP/wrong.tab"
	if vm_is_jit; then other=emu; else other='jit\nbanner jit'; fi
	sed "/^banner /d; s/^flavor .*/flavor $other/" "$TMP/my.tab" >"$TMP/wrong.tab"
	refuse "a table for another flavor" 5 "; this VM is OTP" "$TMP/wrong.tab"
	sed "/^banner /d; s/^release.*/&\nbanner $(vm_is_jit && echo jit:ns) lock-counting/" "$TMP/my.tab" >"$TMP/wrong.tab"
	refuse "a table for builds with other options" 5 "is for builds whose banner shows" "$TMP/wrong.tab"
	sed '/Process.htop/d' "$TMP/my.tab" >"$TMP/wrong.tab"
	refuse "a table without a needed field" 1 "does not give field Process.htop" "$TMP/wrong.tab"
	sed '/Process.htop/s/htop/htip/' "$TMP/my.tab" >"$TMP/wrong.tab"
	refuse "an unknown field" 1 "field Process.htip is not in the contract" "$TMP/wrong.tab"
	refuse "a program instead of a table" 1 "no layout table: it holds a byte 0" /bin/true
	refuse "an endless file" 1 "is never larger than" /dev/zero
fi
vm_stop zoo

# The same of a build with debug information; in other releases there is none.
if [ -n "${VM_ROOT:-}" ]; then
	tap_skip "debug information" "the builds with it are of the host's release"
	tap_done
fi
tap_needs objcopy readelf strip
cache=${EXTROSPECT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/extrospect}
"$SRC/tests/vm-builds/make-builds.sh" otp25emu >"$TMP/build.log" 2>&1 || {
	tap_skip "debug information" "no interpreter builds: $(grep 'error:' "$TMP/build.log" | tail -n 1)"
	tap_done
}
beam=$cache/emu-plain/erts/bin/beam.emu
VM_ERL=$cache/emu-plain/bin/erl
VM_EBIN=
export VM_ERL
vm_compile "$TMP/ebin-emu" && vm_start zoo zoo 300 || exit 1

"$layout" dump --from-dwarf "$beam" -o "$TMP/dump.tab"
tap_is "dump: exit code" 0 $?
tap_ok "dump: the head names the file" grep -qxF "# from: $beam" "$TMP/dump.tab"
tap_ok "dump: the head names the build" grep -qx "# build-id: $(readelf -n "$beam" 2>/dev/null | sed -n 's/.*Build ID: //p')" \
	"$TMP/dump.tab"
tap_ok "dump: the table of the release says the same of everything" grep -qx \
	"# debug information and that table differ in 0 entries" "$TMP/dump.tab"
"$layout" show otp-25-emu -o "$TMP/table.tab"
awk '{ sub(/#.*/, "") } NF < 3 { next } NR == FNR { dump[$1, $2] = $3 " " $4; n++; next }
	dump[$1, $2] != $3 " " $4 { print "table:", $0, "dump:", dump[$1, $2]; bad = 1 } END { exit bad || n < 100 }' \
	"$TMP/dump.tab" "$TMP/table.tab" >"$TMP/differ"
tap_is "dump: agrees with the table in every entry" 0 $? || cat "$TMP/differ"

check "debug information"
entries "$TMP/check.json" >"$TMP/of-dwarf"
tap_ok "debug information: is what the VM's layout is from" jq -e '.health.layout_source | test("^DWARF")' "$TMP/check.json"
check "dump" --layout "$TMP/dump.tab"
entries "$TMP/check.json" >"$TMP/of-file"
tap_ok "dump: the same entries as from debug information" cmp "$TMP/of-dwarf" "$TMP/of-file"
answers "dump" "$TMP/dump.tab"
vm_stop zoo

# The second opinion.
LC_ALL=C readelf -W --debug-dump=info "$beam" 2>/dev/null |
	LC_ALL=C awk -f "$SRC/awk/dwarf_offsets.awk" "$SRC/src/layout/fields.tab" - 2>"$TMP/err" | sort >"$TMP/theirs"
sed -n '/# from table/d; s/  */ /g; /^field \|^size /p' "$TMP/dump.tab" | sort >"$TMP/ours"
tap_ok "binutils say the same of every entry" diff "$TMP/theirs" "$TMP/ours" || diff "$TMP/theirs" "$TMP/ours"
tap_is "binutils: no two units differ" "" "$(cat "$TMP/err")"
tap_ok "binutils: of at least 65 entries" [ "$(wc -l <"$TMP/theirs")" -ge 65 ]

# Separate debug files: by themselves they do not know their release.
objcopy --only-keep-debug "$beam" "$TMP/beam.debug" && strip -o "$TMP/beam.emu" "$beam" &&
	(cd "$TMP" && objcopy --add-gnu-debuglink=beam.debug beam.emu) || exit 1
"$layout" dump --from-dwarf "$TMP/beam.debug" >"$TMP/out" 2>"$TMP/err"
tap_is "a debug file alone: exit code" 2 $?
tap_ok "a debug file alone: says what is missing" grep -q "does not say what release it belongs to" "$TMP/err"
for way in "$TMP/beam.debug --base otp-25-emu" "$TMP/beam.emu"; do
	# shellcheck disable=SC2086 # a file and its options
	"$layout" dump --from-dwarf $way -o "$TMP/other.tab"
	grep -v '^#' "$TMP/dump.tab" >"$TMP/a"
	tap_is "separate debug file, $(basename "${way%% *}"): the same table" "" "$(grep -v '^#' "$TMP/other.tab" | diff - "$TMP/a")"
done
# Other kinds of debug information of the same structures.
for build in emu-vartrack emu-vartrack-dwarf4 emu-vartrack-vta emu-vartrack-noregs; do
	"$layout" dump --from-dwarf "$cache/$build/erts/bin/beam.emu" -o "$TMP/other.tab"
	tap_is "$build: the same entries" "" "$(grep -v '^#\|^table' "$TMP/other.tab" | diff - "$TMP/a" | grep '^[<>]' | grep -v 'table')"
done
tap_done
