# gen_man.awk OPTIONS.tsv TOOL.in: a man page (roff, section 1).
#
# OPTIONS.tsv is what "TOOL --dump-options" prints.  TOOL.in holds the sections that a table cannot give: a line
# "= TITLE" starts one; empty lines separate paragraphs; lines indented by four blanks are shown as they are; a line
# "term:: text" is an entry of a list.

BEGIN { FS = "\t" }

# Text where every hyphen is meant literally.
function literal(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    return marks(s)
}

# Running text: only what looks like an option keeps its hyphens from being broken.
function prose(s) {
    gsub(/\\/, "\\e", s)
    gsub(/--/, "\\-\\-", s)
    return marks(s)
}

function marks(s) {
    gsub(/'/, "\\(aq", s)
    gsub(/~/, "\\(ti", s)
    gsub(/\^/, "\\(ha", s)
    gsub(/`/, "\\(ga", s)
    if (s ~ /^\./)
        s = "\\&" s
    return s
}

NR == FNR {
    if ($1 == "tool") {
        name = $2
        version = $3
        summary = $4
        usage = $5
    } else if ($1 == "group" || $1 == "option") {
        options[++n_options] = $0
    } else if ($1 == "example") {
        examples[++n_examples] = $0
    } else if ($1 == "exit") {
        exits[++n_exits] = $0
    }
    next
}

/^= / {
    title = substr($0, 3)
    titles[++n_titles] = title
    next
}

/^#/ { next }

title != "" { body[title] = body[title] $0 "\n" }

function print_body(title,    lines, n, i, at, verbatim, line) {
    n = split(body[title], lines, "\n")
    for (i = 1; i < n; i++) {
        line = lines[i]
        if (line ~ /^    /) {
            if (!verbatim)
                print ".PP\n.nf\n.RS 4"
            verbatim = 1
            print literal(substr(line, 5))
            continue
        }
        if (verbatim)
            print ".RE\n.fi"
        if (line == "") {
            if (i + 1 < n && lines[i + 1] !~ /^    / && lines[i + 1] !~ /:: /)
                print ".PP"
        } else if ((at = index(line, ":: ")) > 0) {
            print ".TP\n.B " literal(substr(line, 1, at - 1))
            print prose(substr(line, at + 3))
        } else {
            print prose(line)
        }
        verbatim = 0
    }
    if (verbatim)
        print ".RE\n.fi"
}

# The usage line with its words in bold where they are typed as they stand.
function print_option(line,    f, text, arg) {
    split(line, f, "\t")
    if (f[1] == "group") {
        print ".SS " prose(f[2])
        return
    }
    arg = f[4] == "-" ? "" : " \\fI" literal(f[4]) "\\fR"
    print ".TP"
    if (f[2] != "-")
        print "\\fB\\-" f[2] "\\fR, \\fB\\-\\-" literal(f[3]) "\\fR" arg
    else
        print "\\fB\\-\\-" literal(f[3]) "\\fR" arg
    text = f[7]
    if (f[6] != "-") {
        gsub(/,/, ", ", f[6])
        text = text ": " f[6]
    }
    if (f[5] != "-")
        text = text ".  Default: " f[5]
    print prose(text) "."
}

END {
    if (name == "" || !("DESCRIPTION" in body)) {
        print "gen_man.awk: no tool line, or no DESCRIPTION" | "cat 1>&2"
        exit 1
    }
    short = summary
    sub(/\.$/, "", short)
    print ".\\\" Made by awk/gen_man.awk from the option table of " name "; change that instead."
    print ".TH " toupper(literal(name)) " 1 \"\" \"extrospect " version "\" \"User Commands\""
    print ".SH NAME"
    print literal(name) " \\- " prose(tolower(substr(short, 1, 1)) substr(short, 2))
    print ".SH SYNOPSIS"
    print ".B " literal(name)
    print literal(usage)
    print ".SH DESCRIPTION"
    print_body("DESCRIPTION")
    print ".SH OPTIONS"
    print "Times take ns, us, ms, s, m or h; sizes take K, M or G."
    for (i = 1; i <= n_options; i++)
        print_option(options[i])
    print ".SH EXAMPLES"
    for (i = 1; i <= n_examples; i++) {
        split(examples[i], f, "\t")
        print ".TP\n.B " literal(f[2]) "\n" prose(f[3]) "."
    }
    print ".SH EXIT STATUS"
    for (i = 1; i <= n_exits; i++) {
        split(exits[i], f, "\t")
        print ".TP\n.B " f[2] "\n" prose(f[3]) "."
    }
    for (i = 1; i <= n_titles; i++) {
        if (titles[i] != "DESCRIPTION") {
            print ".SH " toupper(titles[i])
            print_body(titles[i])
        }
    }
}
