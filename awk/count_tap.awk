# Counts the results in the output of a live test: "PASSED FAILED SKIPPED".
/^not ok([ \t]|$)/ { failed++ }
/^ok([ \t]|$)/ {
    if ($0 ~ /# *[Ss][Kk][Ii][Pp]/)
        skipped++
    else
        passed++
}
END { printf "%d %d %d\n", passed, failed, skipped }
