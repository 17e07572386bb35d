# Turns the table of thread names into C.
#
#   awk -f gen_threads.awk threads.tab > threads.gen.c
#
# Every contradiction is an error on stderr as file:line: message, and no output can be trusted then (exit 1).  That a
# ROLE exists is for the C compiler to see.

function fail(msg) {
    printf "%s:%d: %s\n", FILENAME, FNR, msg > "/dev/stderr"
    failed = 1
}

# A name begins with "# " nowhere, so a comment is a number sign that begins the line or has a blank behind it.
/^[ \t]*#/ || NF == 0 { next }
{ sub(/[ \t]+# .*/, "") }

$1 != "thread" { fail("unknown word " $1); next }
NF != 4 { fail("thread wants: NAME ROLE RELEASES"); next }
$2 !~ /^[a-z_#]+$/ || $2 ~ /#.*#/ { fail("no name of a thread: " $2); next }
$2 in seen { fail("second entry for " $2); next }
$3 !~ /^[A-Z_]+$/ { fail("no role: " $3); next }
$4 !~ /^([0-9]+-|-[0-9]+|[0-9]+-[0-9]+)$/ { fail("releases want FROM-, -TO or FROM-TO, not " $4); next }
{
    seen[$2] = 1
    name[++n] = $2
    role[n] = $3
}

END {
    if (n == 0) fail("no thread at all")
    print "/* Made by awk/gen_threads.awk from src/layout/tables/threads.tab; do not edit. */"
    print "#include \"layout/threads.h\"\n"
    print "const struct xb_thread_name xb_thread_names[] = {"
    for (i = 1; i <= n; i++) printf "\t{ \"%s\", XB_THREAD_%s },\n", name[i], role[i]
    print "};\n"
    printf "const size_t xb_thread_n_names = %d;\n", n
    exit failed
}
