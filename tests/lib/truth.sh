# shellcheck shell=sh
# What `erlang-sample --all --json' says of every process, compared with what the VM says of them.
#
#   . tests/lib/truth.sh
#   vm_ask zoo backtraces "$TMP/backtraces"     in this order: after `truth' nothing in the VM moves
#   vm_ask zoo truth "$TMP/truth"
#   erlang-sample --all --json PID >"$TMP/all.json"
#   truth_compare "$TMP/truth" "$TMP/backtraces" "$TMP/all.json"
#
# Needs jq and awk.

# truth_rows JSON: the report as lines, fields separated by tabs, spelled as vmctl_truth.erl spells them:
#   P pid name initial current status queue heap old-heap stack reductions grade rooted
#   f pid index m:f/a file line address
truth_rows() {
	# Atoms are quoted and escaped, so no tab and no newline can be in a field.
	jq -r '.rows[] | .pid as $pid
		| (["P", $pid, .registered_name // "", .initial_call // "", .current_function // "", .status,
		    .message_queue_len, .heap_size_bytes / 8, .old_heap_size_bytes / 8, .stack_size_bytes / 8,
		    .reductions, .grade, .rooted] | map(tostring) | join("\t")),
		  (.frames | to_entries[] | ["f", $pid, .key, .value.function, ([.value.file // ""] | @tsv), .value.line // 0,
		    .value.address] | map(tostring) | join("\t"))' "$1"
}

# truth_compare TRUTH BACKTRACES JSON: prints every difference, then
#   compared PROCESSES processes FRAMES frames DEPTHS return-addresses DIFFERENCES differences
# and returns 1 if there was one.
#
# For every process but those the truth takes out (X):
#   P  every field
#   F  frames from the innermost: function, file, line; up to the VM's limit, and as many as that allows
#   B  all frames below the current function, to the root: the return address itself and its function
truth_compare() {
	truth_rows "$3" >"$3.rows" || return 1
	# An interpreter's return address is that of the word behind the call.
	LC_ALL=C awk -F '\t' -v back="$(jq 'if .target.flavor == "emu" then 8 else 1 end' "$3")" '
	function differ(pid, what, ours, theirs) {
		if (++differences <= 40)
			printf "%s %s: %s: ours \"%s\", the VM \"%s\"\n", pid, names[pid], what, ours, theirs
	}
	# Addresses as the VM prints them, without leading zeros, back into the call: there we look them up.
	function before(hex,    i, d, out, borrow) {
		sub(/^0x0*/, "", hex)
		borrow = back
		for (i = length(hex); i > 0; i--) {
			d = index(digits, substr(hex, i, 1)) - 1 - borrow
			borrow = d < 0
			out = substr(digits, (borrow ? d + 16 : d) + 1, 1) out
		}
		sub(/^0*/, "", out)
		return out
	}
	BEGIN { digits = "0123456789abcdef" }

	FILENAME == ARGV[1] && $1 == "H" { limit = $4 }
	FILENAME == ARGV[1] && $1 == "X" { out_of_it[$2] = $3 }
	FILENAME == ARGV[1] && $1 == "P" { p[$2] = $0; names[$2] = $3 != "" ? $3 : $4 }
	FILENAME == ARGV[1] && $1 == "F" { f[$2, $3] = $4 FS $5 FS $6; nf[$2]++ }
	FILENAME == ARGV[1] && $1 == "B" { b[$2, $3] = $4 }
	FILENAME == ARGV[1] && $1 == "D" { depth[$2] = $3 }

	# The addresses; their functions are spelled by C here, so those are from B, which is the same list.
	FILENAME == ARGV[2] && /^<[0-9.]+>$/ { pid = $0; next }
	FILENAME == ARGV[2] && /^0x[0-9a-f]+ Return addr 0x[0-9a-f]+ \(.*\/[0-9]+ \+ [1-9][0-9]*\)$/ {
		split($0, word, " ")
		ra[pid, nra[pid]++] = word[4]
	}

	FILENAME == ARGV[3] && $1 == "P" { ours[$2] = $0 }
	FILENAME == ARGV[3] && $1 == "f" {
		of[$2, $3] = $4 FS $5 FS $6
		ofn[$2, $3] = $4
		oa[$2, $3] = $7
		on[$2]++
	}

	END {
		what[3] = "name"; what[4] = "initial call"; what[5] = "current function"; what[6] = "status"
		what[7] = "message queue"; what[8] = "heap"; what[9] = "old heap"; what[10] = "stack"
		what[11] = "reductions"
		if (limit < 1)
			differ("-", "the truth", "", "has no H record")
		for (pid in ours)
			if (!(pid in p) && !(pid in out_of_it))
				differ(pid, "a process the VM does not have", ours[pid], "")
		for (pid in p) {
			if (pid in out_of_it)
				continue
			if (!(pid in ours)) {
				differ(pid, "process not found", "", p[pid])
				continue
			}
			processes++
			split(p[pid], theirs, FS)
			n = split(ours[pid], mine, FS)
			theirs[9] = theirs[12] # total_heap_size counts messages and fragments as well
			for (i = 3; i <= 11; i++)
				if (mine[i] != theirs[i])
					differ(pid, what[i], mine[i], theirs[i])
			if (mine[13] != "true" && on[pid] + 0 > 1)
				differ(pid, "stack", "not rooted", "")

			# What the VM itself shows, which is cut at its limit.
			want = on[pid] < limit ? on[pid] + 0 : limit
			if (nf[pid] + 0 != want)
				differ(pid, "number of frames", on[pid] + 0, nf[pid] + 0)
			for (i = 0; i < nf[pid]; i++) {
				frames++
				if (of[pid, i] != f[pid, i])
					differ(pid, "frame " i, of[pid, i], f[pid, i])
			}
			if (!(pid in depth))
				continue # sensitive: the VM prints nothing of it

			# The whole stack: no limit, repeated return addresses once, as in the lists above.
			if (depth[pid] != nra[pid] + 0)
				differ(pid, "the truth", "", "moved: " depth[pid] " or " nra[pid] + 0 " frames deep")
			# A process in a dirty NIF or hibernating has no frame of its own for its function.
			k = nra[pid] + 0 == 0 || "0x" before(ra[pid, 0]) == oa[pid, 0] ? 0 : 1
			if (k == 0 && nra[pid] + 0 > 0 && mine[6] != "running")
				differ(pid, "current function", "no frame", "waiting")
			if (nra[pid] + 0 == 0)
				k = on[pid] + 0 > 0
			last = ""
			for (i = 0; i < nra[pid]; i++) {
				if (ra[pid, i] == last)
					continue
				last = ra[pid, i]
				returns++
				if ("0x" before(last) != oa[pid, k])
					differ(pid, "return address " i, oa[pid, k], last " " b[pid, i])
				else if (ofn[pid, k] != b[pid, i])
					differ(pid, "function of return address " i, ofn[pid, k], b[pid, i])
				k++
			}
			if (k != on[pid] + 0)
				differ(pid, "frames below the current function", on[pid] + 0, k)
		}
		printf "compared %d processes %d frames %d return-addresses %d differences\n",
			processes, frames, returns, differences
		exit differences > 0 || processes == 0 ? 1 : 0
	}' "$1" "$2" "$3.rows"
}

# truth_zoo NAME WHERE FLAG...: VM NAME with the zoo, which is left running, and the whole comparison, whose pieces are
# WHERE.truth, .backtraces, .json and .compared.  A busy machine may leave a process time to move after the VM told of
# it: then all of it once more, on a new VM, twice at most.  Returns 1 when there were differences each time, 2 when the
# report failed.  Needs tests/lib/vm.sh, BUILD and the programs compiled.
truth_zoo() {
	truth__name=$1
	truth__at=$2
	shift 2
	for truth__attempt in 1 2 3; do
		vm_start "$truth__name" zoo 2000 "$@" || exit 1
		# From OTP 28 on supervisors hibernate after a second without work.
		sleep 1.5
		# In this order: after the truth nothing in the VM moves.
		vm_ask "$truth__name" backtraces "$truth__at.backtraces" || exit 1
		vm_ask "$truth__name" truth "$truth__at.truth" || exit 1
		"$BUILD/erlang-sample" --all --json "$VM_PID" >"$truth__at.json" 2>"$truth__at.err" || {
			cat "$truth__at.err"
			return 2
		}
		truth_compare "$truth__at.truth" "$truth__at.backtraces" "$truth__at.json" >"$truth__at.compared" && return 0
		cat "$truth__at.compared"
		[ "$truth__attempt" -eq 3 ] || vm_stop "$truth__name"
	done
	return 1
}
