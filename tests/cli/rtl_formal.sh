#!/bin/sh
# test-options: limit=3600
# Proofs of the arithmetic in the RTL against plain specifications (scripts/formal): a few in `make check`, which take seconds,
# more and larger ones in `make check-full`.
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1

if ! command -v yosys >/dev/null || ! command -v yosys-abc >/dev/null; then
    skip 'proofs' 'yosys is not installed'
    finish
fi

prove() {
    check "proven: $*" scripts/formal/prove "$@"
}

# The prover itself must be able to fail: a rounding mode that is not the specification's.
check_status 1 'a wrong specification is refuted' scripts/formal/prove requantize AccBits=5 ActBits=2 Rounding=0 Specified=1
check_grep 'the refutation shows an assignment' 'not proven: requantize' "$out"

prove accumulate AccBits=8 AddBits=11 Overflow=0
prove accumulate AccBits=11 AddBits=6 Overflow=1
prove pe Pe=0 ActBits=4 WgtBits=4
prove pe Pe=1 ActBits=8 WgtBits=4
prove pe Pe=1 ActBits=5 WgtBits=3 ZeroCode=1
prove tree Inputs=5 InBits=3
prove minifloat_pe ExponentBits=2 MantissaBits=1
prove minifloat_pe ExponentBits=3 MantissaBits=2 Special=2
prove minifloat_pe ExponentBits=3 MantissaBits=0 Subnormals=0
for rounding in 0 1 2 3; do
    prove minifloat_round Rounding=$rounding
done
prove minifloat_round Rounding=1 Subnormals=0 MantissaBits=2 Shift=2
check_status 1 'a wrong rounding of minifloats is refuted' scripts/formal/prove minifloat_round Rounding=0 Specified=1
prove tree Inputs=7 InBits=3 TreeRegisters=1 FirstLevel=1
prove requantize AccBits=6 ActBits=2 Rounding=0 UnsignedActivations=1

if [ "${RISTRETTO_LEVEL:-check}" = full ]; then
    prove accumulate AccBits=48 AddBits=38 Overflow=0
    prove accumulate AccBits=48 AddBits=38 Overflow=1
    prove pe Pe=0 ActBits=6 WgtBits=6
    prove pe Pe=0 ActBits=8 WgtBits=3
    prove pe Pe=0 ActBits=8 WgtBits=8
    prove pe Pe=1 ActBits=16 WgtBits=5
    prove pe Pe=1 ActBits=9 WgtBits=5 ZeroCode=1
    prove tree Inputs=8 InBits=4 TreeRegisters=2
    prove tree Inputs=8 InBits=8
    prove minifloat_pe ExponentBits=4 MantissaBits=3 Special=1
    for rounding in 0 1 2 3; do
        prove minifloat_round Rounding=$rounding ExponentBits=3 MantissaBits=2 Shift=4 AccBits=16
        prove minifloat_round Rounding=$rounding ExponentBits=3 MantissaBits=0 Shift=3 Subnormals=0 AccBits=12
        prove minifloat_round Rounding=$rounding ExponentBits=2 MantissaBits=3 Shift=2 Special=2 Subnormals=0 AccBits=12
    done
    for rounding in 0 1 2 3; do
        prove requantize AccBits=10 ActBits=4 Rounding=$rounding
        prove requantize AccBits=8 ActBits=3 Rounding=$rounding UnsignedActivations=1 Scale=21845
    done
    for shift in 0 4 8 12; do
        prove lane Muls=4 ActBits=4 WgtBits=4 Shift=$shift
    done
    prove lane Muls=8 ActBits=4 WgtBits=4 Shift=4
    prove lane Muls=3 ActBits=3 WgtBits=3 TreeRegisters=1 FirstLevel=1
    prove lane Muls=5 ActBits=2 WgtBits=3 TreeRegisters=2
fi
finish
