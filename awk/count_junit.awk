# Counts the test cases of a JUnit file as meson writes it: "PASSED FAILED SKIPPED".
# Splits at '<', so it does not matter how elements are laid out over lines.
BEGIN { RS = "<" }
/^testcase[ \t\n]/ { cases++ }
/^(failure|error)[ \t\n\/>]/ { failed++ }
/^skipped[ \t\n\/>]/ { skipped++ }
END { printf "%d %d %d\n", cases - failed - skipped, failed, skipped }
