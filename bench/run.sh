#!/bin/sh
# All measurements, one table after the other; about twenty minutes.
set -eu
cd "$(dirname "$0")"
for script in cold-start processes sample-cost loss overhead memory compare-perf; do
	"./$script.sh" || [ $? -eq 77 ]
	echo
done
