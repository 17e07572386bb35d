# check_docs.awk HEADER…: every function declared in a header has words above it.
#
# Declarations that follow each other without an empty line form a group; the comment above the group speaks for
# all of it, and so does a comment at the end of the line of a declaration.  Only declarations at the outermost
# level count; static inline functions and macros are the reader's to read, and what _deinit, _destroy, _close and
# _clear do is the same everywhere.

FNR == 1 {
    depth = 0
    covered = 0     # a comment stands right above
    statement = ""
    comment = 0
    macro = 0
    headers++
}

{ line = $0 }

# Macros, over all their lines.
macro || line ~ /^[ \t]*#/ {
    macro = line ~ /\\$/
    if (!macro)
        covered = 0
    next
}

comment {
    if (line ~ /\*\//) {
        comment = 0
        covered = 1
    }
    next
}

line ~ /^[ \t]*\/\*/ {
    if (line !~ /\*\//)
        comment = 1
    else if (statement == "")
        covered = 1
    next
}

line ~ /^[ \t]*$/ {
    if (statement == "")
        covered = 0
    next
}

{
    said = line ~ /\/[\*\/]/
    gsub(/\/\*.*\*\//, "", line)
    sub(/\/\/.*$/, "", line)
    before = depth
    opens = gsub(/\{/, "{", line)
    closes = gsub(/\}/, "}", line)
    depth += opens - closes
    if (before == 0)
        statement = statement " " line
    if (depth > 0)
        next
    if (before > 0 && depth == 0) {
        # The end of a structure, an enumeration or an inline function.
        if (statement !~ /(struct|enum|union|typedef)[^()]*\{/ || line ~ /;[ \t]*$/)
            statement = ""
        next
    }
    if (line !~ /[;}][ \t]*$/)
        next
    if (statement ~ /[a-z0-9_]\(.*\)[^{}]*;/ && statement !~ /^ *(typedef|static|struct [a-z0-9_]+ *\{|XB_[A-Z_]*\()/ &&
        statement !~ /\{/) {
        functions++
        if (!covered && !said && statement !~ /_(deinit|destroy|close|clear)\(/) {
            text = statement
            gsub(/[ \t]+/, " ", text)
            printf "%s:%d: no comment above:%s\n", FILENAME, FNR, text
            bad++
        }
    }
    statement = ""
}

END {
    if (headers == 0 || functions == 0) {
        print "check_docs: found nothing to check"
        bad++
    }
    exit bad > 0
}
