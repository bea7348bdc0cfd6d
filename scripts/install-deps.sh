#!/bin/sh
# Installs the Debian packages that Ristretto is built and tested with. Quick and silent when everything is there.
#
#   scripts/install-deps.sh                 everything (the same as --for check)
#   scripts/install-deps.sh --for demo      only what `make` and `make demo` need
#   scripts/install-deps.sh --list [...]    print the package names instead, one per line
#
# Needs root or sudo; without either it prints what to install and exits with status 1.
set -eu

# What `make demo` needs: compilers, libraries, the RTL simulator.
demo_packages='
gcc g++ make pkg-config
libopenblas-dev libyaml-dev libprotobuf-dev protobuf-compiler libjansson-dev zlib1g-dev
libturbojpeg0-dev libpng-dev liblmdb-dev
verilator clang
'

# What the tests and checks need on top.
check_packages='
libcmocka-dev libgmp-dev libhdf5-dev libclang-rt-14-dev
clang-tidy clang-format shellcheck
yosys iverilog libsystemc-dev
python3 python3-numpy python3-onnx python3-h5py git curl ca-certificates
'

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0"
}

what=check
list=no
while [ $# -gt 0 ]; do
    case $1 in
    --for)
        what=${2-}
        [ $# -lt 2 ] || shift
        ;;
    --for=*) what=${1#--for=} ;;
    --list) list=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "$0: error: unknown option '$1'" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done

case $what in
demo) packages=$demo_packages ;;
check | all) packages="$demo_packages $check_packages" ;;
*)
    echo "$0: error: --for takes demo or check, not '$what'" >&2
    exit 2
    ;;
esac

if [ "$list" = yes ]; then
    for package in $packages; do
        echo "$package"
    done
    exit 0
fi

# The packages of $packages that are not installed, one per line. RISTRETTO_DPKG_QUERY replaces dpkg-query in tests.
missing() {
    # shellcheck disable=SC2016,SC2086 # dpkg-query expands its own format; the list is split on purpose
    "${RISTRETTO_DPKG_QUERY:-dpkg-query}" -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null |
        awk -v wanted="$packages" '
            $2 == "installed" { have[$1] = 1 }
            END { n = split(wanted, w); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

manual() {
    echo "$0: error: $1" >&2
    echo "install these packages (Debian 12 names), then try again:" >&2
    echo "    apt-get install --no-install-recommends $(echo "$2" | tr -s ' \n' ' ')" >&2
    exit 1
}

if ! command -v "${RISTRETTO_DPKG_QUERY:-dpkg-query}" >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    manual "this is not a Debian system" "$packages"
fi

wanted=$(missing)
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086
set -- $wanted

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then
    as_root=sudo
else
    manual "packages are missing, and installing them needs root or sudo" "$*"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() {
    # shellcheck disable=SC2086 # empty for root
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1
}

install() {
    apt install -y --no-install-recommends "$@"
}

echo "installing $# packages: $*"
# The package lists may be absent or old: fetch them if the first attempt fails, and again after a pause.
if ! { [ -n "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ] && install "$@"; }; then
    apt update || { sleep 5; apt update; } || {
        tail -n 20 "$log" >&2
        echo "$0: error: apt-get update failed; is there a network?" >&2
        exit 1
    }
    install "$@" || {
        tail -n 20 "$log" >&2
        echo "$0: error: apt-get install failed" >&2
        exit 1
    }
fi

wanted=$(missing)
# shellcheck disable=SC2086
[ -z "$wanted" ] || manual "these are still missing after the installation" "$wanted"
