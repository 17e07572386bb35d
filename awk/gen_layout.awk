# Turns the layout contract and the tables into C.
#
#   awk -f gen_layout.awk -v what=header fields.tab > fields.gen.h
#   awk -f gen_layout.awk -v what=tables fields.tab otp-25.tab otp-25-jit.tab ... > tables.gen.c
#
# Without "what" both are printed.  fields.tab comes first, a table before those that inherit from it.  Every
# contradiction is an error on stderr as file:line: message, and no output can be trusted then (exit 1).
#
# A table is what follows one "table" line up to the next, or to the end of the file:
#
#   table NAME         its name
#   inherit NAME       take over another table: all its entries, its release and its provenance
#   release MAJOR      of OTP
#   flavor jit|emu     without one it is only a base for others
#   banner WORD...     how the version banner of such builds shows what moves fields: those of the words in brackets
#                      that begin with jit, debug-compiled, lock-checking and lock-counting; not taken over
#   provenance run|source  whether a VM with this layout was run against the checks ("run", also when it is not said),
#                      or the numbers only come from the release's source
#   field|size|const|reg NAME VALUE...  an entry of the contract; instead of what was taken over, if it was

function fail(msg) {
    printf "%s:%d: %s\n", FILENAME, FNR, msg > "/dev/stderr"
    failed = 1
}

function c_name(name) {
    gsub(/\./, "_", name)
    return name
}

function number(text) {
    return text ~ /^(0x[0-9a-f]+|[0-9]+)$/
}

# --- the contract
function contract() {
    if ($1 == "field") {
        if (NF != 7) return fail("field wants: NAME C-TYPE MEMBER WIDTH must|may CHECK")
        need = $6; check = $7
    } else if ($1 == "size") {
        if (NF != 5) return fail("size wants: NAME C-TYPE must|may CHECK")
        need = $4; check = $5
    } else if ($1 == "const" || $1 == "reg") {
        if (NF < 3) return fail($1 " wants: NAME must|may")
        need = $3; check = "-"
    } else {
        return fail("unknown word " $1)
    }
    id = $1 " " $2
    if (id in known) return fail("second entry for " id)
    if (need != "must" && need != "may") return fail(id ": must or may, not " need)
    if (need == "must" && check == "-" && ($1 == "field" || $1 == "size")) return fail(id ": a must needs a check")
    known[id] = need
    n[$1]++
    name[$1, n[$1]] = $2
    ctype[$1, n[$1]] = $3
    member[$1, n[$1]] = $1 == "field" ? $4 : ""
    width[id] = $1 == "field" ? $5 : 8
    proof[$1, n[$1]] = check
}

# --- the tables
function table() {
    if ($1 == "table") {
        cur = $2
        if (cur in is_table) return fail("second table " cur)
        is_table[cur] = ++tables
        table_name[tables] = cur
        return
    }
    if (cur == "") return fail("the first line of a table names it")
    if ($1 == "inherit") {
        if (!($2 in is_table)) return fail("unknown table " $2 " (order?)")
        for (k in value) {
            split(k, part, SUBSEP)
            if (part[1] == $2) copy[part[2]] = value[k]
        }
        for (k in copy) {
            value[cur, k] = copy[k]
            if (($2, k) in wide) wide[cur, k] = wide[$2, k]
        }
        for (k in copy) delete copy[k]
        release[cur] = release[$2]
        provenance[cur] = provenance[$2]
        return
    }
    if ($1 == "release") { release[cur] = $2; return }
    if ($1 == "flavor") {
        if ($2 != "jit" && $2 != "emu") return fail("flavor wants: jit or emu")
        flavor[cur] = $2
        return
    }
    if ($1 == "banner") {
        for (k = 2; k <= NF; k++) {
            if ($k !~ /^(jit(:ns|:no-native-stack)?|debug-compiled|lock-checking|lock-counting)$/)
                return fail("banner: unknown word " $k)
            banner[cur] = banner[cur] (k == 2 ? "" : " ") $k
        }
        return
    }
    if ($1 == "provenance") {
        if ($2 != "run" && $2 != "source") return fail("provenance wants: run or source")
        provenance[cur] = $2
        return
    }
    id = $1 " " $2
    if (!(id in known)) return fail("not in the contract: " id)
    if ((cur, id, "own") in seen) return fail("given twice: " id)
    seen[cur, id, "own"] = 1
    if ($1 == "field") {
        if (NF != 4 || !number($3) || !number($4)) return fail("field wants: NAME OFFSET WIDTH")
        if (index("|" width[id] "|", "|" $4 "|") == 0) return fail(id ": width " $4 ", the contract says " width[id])
        wide[cur, id] = $4
    } else if ($1 == "reg") {
        if ($3 !~ /^r([abcd]x|[sd]i|[bs]p|[89]|1[0-5])$/) return fail(id ": no such register: " $3)
    } else if (NF != 3 || !number($3)) {
        return fail($1 " wants: NAME NUMBER")
    }
    value[cur, id] = $3
}

{ sub(/[ \t]*#.*/, "") }
NF == 0 { next }
FILENAME ~ /fields\.tab$/ { contract(); next }
{ table() }

function enum(kind, prefix,    i) {
    printf "enum xb_layout_%s {\n", kind
    for (i = 1; i <= n[kind]; i++) printf "\tXB_%s_%s,\n", prefix, c_name(name[kind, i])
    printf "\tXB_%s__COUNT,\n};\n\n", prefix
}

function header() {
    print "/* Made by awk/gen_layout.awk from src/layout/fields.tab; do not edit. */"
    print "#ifndef XB_LAYOUT_FIELDS_GEN_H\n#define XB_LAYOUT_FIELDS_GEN_H\n"
    enum("field", "F")
    enum("size", "S")
    enum("const", "K")
    enum("reg", "R")
    print "#endif"
}

function specs(kind, prefix,    i) {
    printf "const struct xb_layout_spec xb_layout_%s_specs[XB_%s__COUNT] = {\n", kind, prefix
    for (i = 1; i <= n[kind]; i++)
        printf "\t[XB_%s_%s] = { \"%s\", \"%s\", \"%s\", \"%s\", \"%s\", %s },\n", prefix, c_name(name[kind, i]),
            name[kind, i], kind == "field" || kind == "size" ? ctype[kind, i] : "", member[kind, i],
            kind == "field" ? width["field " name[kind, i]] : "", proof[kind, i],
            known[kind " " name[kind, i]] == "must" ? "true" : "false"
    print "};\n"
}

function one(t, kind, prefix,    i, id) {
    for (i = 1; i <= n[kind]; i++) {
        id = kind " " name[kind, i]
        if (!((t, id) in value)) {
            if (known[id] == "must") {
                printf "%s: table %s does not give %s\n", FILENAME, t, id > "/dev/stderr"
                failed = 1
            }
            continue
        }
        if (kind == "field")
            printf "\t\t.field[XB_F_%s] = { %s, %s, true },\n", c_name(name[kind, i]), value[t, id], wide[t, id]
        else if (kind == "reg")
            printf "\t\t.reg[XB_R_%s] = \"%s\",\n", c_name(name[kind, i]), value[t, id]
        else
            printf "\t\t.%s[XB_%s_%s] = { %s, true },\n", kind == "size" ? "size" : "konst", prefix,
                c_name(name[kind, i]), value[t, id]
    }
}

function all_tables(    i, t) {
    print "/* Made by awk/gen_layout.awk from src/layout/fields.tab and tables/; do not edit. */"
    print "#include \"layout/table.h\"\n"
    specs("field", "F"); specs("size", "S"); specs("const", "K"); specs("reg", "R")
    print "const struct xb_layout_table xb_layout_tables[] = {"
    for (i = 1; i <= tables; i++) {
        t = table_name[i]
        if (!(t in flavor)) continue # only a base for others
        if ((flavor[t] == "jit") != (banner[t] ~ /^jit/)) {
            printf "%s: table %s: its flavor and its banner contradict each other\n", FILENAME, t > "/dev/stderr"
            failed = 1
        }
        printf "\t{\n\t\t.name = \"%s\",\n\t\t.release = %s,\n\t\t.flavor = XB_FLAVOR_%s,\n", t, release[t],
            toupper(flavor[t])
        printf "\t\t.banner = \"%s\",\n\t\t.source_only = %s,\n", banner[t],
            provenance[t] == "source" ? "true" : "false"
        one(t, "field", "F"); one(t, "size", "S"); one(t, "const", "K"); one(t, "reg", "R")
        print "\t},"
        made++
    }
    print "};\n"
    printf "const size_t xb_layout_n_tables = %d;\n", made
}

END {
    if (!failed && what != "tables") header()
    if (!failed && what != "header") all_tables()
    exit failed
}
