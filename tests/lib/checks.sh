# shellcheck shell=sh
# What a shell test script needs to print results that tests/run counts. Source it:  . tests/lib/checks.sh
#
#   check NAME COMMAND...           ok if the command succeeds; what it prints is shown if it does not
#   check_status N NAME COMMAND...  ok if it ends with status N; leaves its output in $out and $err (files)
#   check_grep NAME PATTERN FILE    ok if the file has a line that matches the extended regular expression
#   skip NAME REASON
#   finish                          ends the script; status 1 if anything failed or nothing was checked

: "${RISTRETTO_ROOT:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${RISTRETTO_BIN:=$RISTRETTO_ROOT/build/release/ristretto}"
: "${RISTRETTO_SHARED_DATA:=$RISTRETTO_ROOT/../shared/data}"
export RISTRETTO_ROOT RISTRETTO_BIN RISTRETTO_SHARED_DATA
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/.stdout
err=$scratch/.stderr
checks_done=0
checks_failed=0

# result STATUS NAME: one line; then, if it failed, what the last command printed.
result() {
    checks_done=$((checks_done + 1))
    if [ "$1" = 0 ]; then
        echo "ok - $2"
    else
        checks_failed=$((checks_failed + 1))
        echo "not ok - $2"
        cat "$out" "$err" 2>/dev/null | head -n 40 | sed 's/^/# /'
    fi
}

check() {
    check_name=$1
    shift
    if "$@" >"$out" 2>"$err"; then result 0 "$check_name"; else result 1 "$check_name"; fi
}

check_status() {
    check_expected=$1
    check_name=$2
    shift 2
    check_got=0
    "$@" >"$out" 2>"$err" || check_got=$?
    if [ "$check_got" = "$check_expected" ]; then
        result 0 "$check_name"
    else
        echo "ended with status $check_got, expected $check_expected" >>"$err"
        result 1 "$check_name"
    fi
}

check_grep() {
    if grep -Eq -- "$2" "$3"; then
        result 0 "$1"
    else
        result 1 "$1"
        echo "# expected a line like: $2"
    fi
}

skip() {
    checks_done=$((checks_done + 1))
    echo "skip - $1: $2"
}

finish() {
    if [ "$checks_done" = 0 ]; then
        echo "not ok - the script checked nothing"
        exit 1
    fi
    [ "$checks_failed" = 0 ] || exit 1
    exit 0
}
