# check_layers.awk layers.tab FILE…: FILEs are paths as in src/LAYER/NAME.[chyl] or grammar/….
# Every #include "…" must spell a layer, and one that is not to the right of the file's own.
# Generated headers (no layer in their name) are allowed only to the files beside them.

function complain(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    bad++
}

FNR == 1 && NR != 1 {
    own = FILENAME
    sub(/^.*src\//, "", own)
    sub(/\/.*$/, "", own)
    if (FILENAME ~ /(^|\/)grammar\//)
        own = "cli"
    if (!(own in rank))
        complain("'" own "' is not a layer of " ARGV[1])
    files++
}

NR == FNR {
    if ($0 !~ /^#/ && NF > 0) {
        rank[$1] = ++n
        for (i = 2; i <= NF; i++)
            barred[$1, substr($i, 2)] = 1
    }
    next
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    name = $0
    sub(/^[^"]*"/, "", name)
    sub(/".*$/, "", name)
    if (name !~ /\//) {
        if (name !~ /(parse|scan|table|generated)\.(h|inc)$/)
            complain("\"" name "\" does not spell its layer")
        next
    }
    layer = name
    sub(/\/.*$/, "", layer)
    if (!(layer in rank))
        complain("\"" name "\": '" layer "' is not a layer")
    else if ((own in rank) && rank[layer] > rank[own])
        complain("layer " own " must not include \"" name "\" of the higher layer " layer)
    else if ((own, layer) in barred)
        complain("layer " own " must not include \"" name "\" of the layer " layer " beside it")
}

END {
    if (files == 0) {
        print "check_layers: no files given"
        bad++
    }
    exit bad > 0
}
