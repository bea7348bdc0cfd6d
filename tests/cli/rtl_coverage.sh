#!/bin/sh
# test-options: level=full limit=7200
# Lines and toggles of the RTL that the tests reach: scripts/rtl-coverage enforces the thresholds and prints the table.
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1
if ! command -v verilator >/dev/null; then
    skip 'coverage of the RTL' 'verilator is not installed'
    finish
fi
scripts/rtl-coverage >"$scratch/coverage.txt" 2>&1
status=$?
sed 's/^\(ok\|not ok\) - /# &/' "$scratch/coverage.txt" | tail -60
check 'lines and toggles are above the thresholds' test "$status" = 0
check_grep 'lines were counted' '^ok - line coverage is [1-9]' "$scratch/coverage.txt"
check_grep 'toggles were counted' '^ok - toggle coverage is [1-9]' "$scratch/coverage.txt"
finish
