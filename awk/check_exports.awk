# check_exports.awk FILE…: what `nm -D --defined-only` says of the shared library.  Every symbol it exports begins
# with extrospect_, and there are some.

NF >= 3 {
    seen++
    name = $3
    sub(/@.*$/, "", name)
    if (name !~ /^extrospect_[a-z_]+$/) {
        printf "exported without need: %s\n", name
        bad++
    }
}

END {
    if (seen == 0) {
        print "check_exports: nothing is exported at all"
        bad++
    }
    exit bad > 0
}
