# What the debug information of a VM says of the layout contract, read by binutils: the second opinion on what
# "erlang-layout dump" writes, which shares no code with it.
#
#   readelf -W --debug-dump=info beam.smp | awk -f dwarf_offsets.awk src/layout/fields.tab -
#
# Prints "field NAME OFFSET WIDTH" and "size NAME BYTES" for every entry that some compilation unit tells; one that two
# units tell differently is an error on stderr (exit 1).  Entries that none tells are left out.

# Of the contract: "field NAME C-TYPE MEMBER WIDTH must|may CHECK" and "size NAME C-TYPE must|may CHECK".
FILENAME ~ /fields\.tab$/ {
    sub(/[ \t]*#.*/, "")
    if ($1 == "field" || $1 == "size") {
        entry[++n_entries] = $1 " " $2
        ctype[n_entries] = $3
        path[n_entries] = $1 == "field" ? $4 : ""
        embedded[n_entries] = $1 == "field" && $5 == "0"
    }
    next
}

# --- one unit: kind, size, type, offset and members of its types, by the offset of their DIE

function forget() {
    split("", tag); split("", size); split("", type); split("", loc); split("", label); split("", members)
    split("", named); split("", bits)
    known = 0
}

# The type behind typedefs and qualifiers.
function plain(t,    i) {
    for (i = 0; i < 32 && tag[t] ~ /typedef|const_type|volatile_type|atomic_type|restrict_type/; i++) t = type[t]
    return t
}

function bytes(t) {
    t = plain(t)
    if (t in size) return size[t]
    return tag[t] ~ /pointer_type/ ? 8 : -1
}

# Where member m of t is: at the start, if t is a union.
function place_of(t, m) {
    if (tag[t] ~ /union/) return loc[m] + 0
    if (loc[m] !~ /^[0-9]+$/) {
        print "member " label[m] " at <" m "> has no plain offset: " loc[m] > "/dev/stderr"
        failed = 1
    }
    return loc[m] + 0
}

# Offset of one member in structure t, through unnamed ones; -1: none.  Its type is left in found.
function offset(t, name,    n, list, i, m, inner) {
    n = split(members[t], list, " ")
    for (i = 1; i <= n; i++) {
        m = list[i]
        if ((m in label) && label[m] == name) {
            if (m in bits) return -1
            found = type[m]
            return place_of(t, m)
        }
    }
    for (i = 1; i <= n; i++) {
        m = list[i]
        if (m in label) continue
        inner = offset(plain(type[m]), name)
        if (inner >= 0) return place_of(t, m) + inner
    }
    return -1
}

# "OFFSET WIDTH" of the path in the type called name, or "BYTES" of the type itself; "" when this unit does not tell.
function answer(name, where, whole,    n, list, i, t, parts, k, at, step, inside) {
    n = split(named[name], list, " ")
    for (i = 1; i <= n; i++) {
        t = plain(list[i])
        if (where == "") {
            if (t in size) return size[t]
            continue
        }
        k = split(where, parts, ".")
        at = 0
        for (step = 1; step <= k; step++) {
            t = plain(t)
            t = (tag[t] ~ /structure_type|union_type/) ? t : ""
            found = ""
            inside = t == "" ? -1 : offset(t, parts[step])
            if (inside < 0) break
            at += inside
            t = found
        }
        if (step > k) return at " " (whole ? 0 : bytes(t))
    }
    return ""
}

function settle(    e, nt, nm, types, paths, i, j, got) {
    if (!known) return
    for (e = 1; e <= n_entries; e++) {
        got = ""
        nt = split(ctype[e], types, "|")
        nm = split(path[e], paths, "|")
        for (i = 1; i <= nt && got == ""; i++) {
            if (!(types[i] in named)) continue
            if (nm == 0) got = answer(types[i], "", 0)
            for (j = 1; j <= nm && got == ""; j++) got = answer(types[i], paths[j], embedded[e])
        }
        if (got == "") continue
        if ((e in told) && told[e] != got) {
            print entry[e] ": " told[e] " in one unit, " got " in another" > "/dev/stderr"
            failed = 1
        }
        told[e] = got
    }
}

# --- what readelf prints

/Compilation Unit @/ { settle(); forget(); next }

# " <2><c7620>: Abbrev Number: 7 (DW_TAG_member)"
$2 == "Abbrev" {
    split($1, part, /[<>]+/)
    depth = part[2] + 0
    die = part[3]
    kind = $NF
    up[depth] = die
    keep = kind ~ /(structure|union|base|pointer|enumeration|array|const|volatile|atomic|restrict)_type|typedef|_member\)/
    if (!keep) next
    tag[die] = kind
    if (kind ~ /_member\)/) members[up[depth - 1]] = members[up[depth - 1]] " " die
    next
}

!keep { next }

$2 == "DW_AT_name" {
    label[die] = $NF
    if (depth == 1 && kind ~ /structure|union|typedef/) {
        named[$NF] = named[$NF] " " die
        known = 1
    }
    next
}
$2 == "DW_AT_type" && match($0, /<0x[0-9a-f]+>/) { type[die] = substr($0, RSTART + 3, RLENGTH - 4); next }
$2 == "DW_AT_byte_size" { if ($NF ~ /^[0-9]+$/) size[die] = $NF; next }
$2 ~ /^DW_AT_data_member_location:?$/ { place = $NF; sub(/\)$/, "", place); loc[die] = place; next }
$2 == "DW_AT_bit_size" { bits[die] = 1; next }

END {
    settle()
    for (e = 1; e <= n_entries; e++) {
        if (e in told) print entry[e], told[e]
    }
    exit failed
}
