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
check_status 1 'a wrong specification is refuted' scripts/formal/prove requantize ACC_BITS=5 ACT_BITS=2 ROUNDING=0 SPECIFIED=1
check_grep 'the refutation shows an assignment' 'not proven: requantize' "$out"

prove accumulate ACC_BITS=8 ADD_BITS=11 OVERFLOW=0
prove accumulate ACC_BITS=11 ADD_BITS=6 OVERFLOW=1
prove pe PE=0 ACT_BITS=4 WGT_BITS=4
prove pe PE=1 ACT_BITS=8 WGT_BITS=4
prove pe PE=1 ACT_BITS=5 WGT_BITS=3 ZERO_CODE=1
prove tree INPUTS=5 IN_BITS=3
prove minifloat_pe EXPONENT_BITS=2 MANTISSA_BITS=1
prove minifloat_pe EXPONENT_BITS=3 MANTISSA_BITS=2 SPECIAL=2
prove minifloat_pe EXPONENT_BITS=3 MANTISSA_BITS=0 SUBNORMALS=0
for rounding in 0 1 2 3; do
    prove minifloat_round ROUNDING=$rounding
done
prove minifloat_round ROUNDING=1 SUBNORMALS=0 MANTISSA_BITS=2 SHIFT=2
check_status 1 'a wrong rounding of minifloats is refuted' scripts/formal/prove minifloat_round ROUNDING=0 SPECIFIED=1
prove tree INPUTS=7 IN_BITS=3 TREE_REGS=1 FIRST_LEVEL=1
prove requantize ACC_BITS=6 ACT_BITS=2 ROUNDING=0 UNSIGNED=1

if [ "${RISTRETTO_LEVEL:-check}" = full ]; then
    prove accumulate ACC_BITS=48 ADD_BITS=38 OVERFLOW=0
    prove accumulate ACC_BITS=48 ADD_BITS=38 OVERFLOW=1
    prove pe PE=0 ACT_BITS=6 WGT_BITS=6
    prove pe PE=0 ACT_BITS=8 WGT_BITS=3
    prove pe PE=0 ACT_BITS=8 WGT_BITS=8
    prove pe PE=1 ACT_BITS=16 WGT_BITS=5
    prove pe PE=1 ACT_BITS=9 WGT_BITS=5 ZERO_CODE=1
    prove tree INPUTS=8 IN_BITS=4 TREE_REGS=2
    prove tree INPUTS=8 IN_BITS=8
    prove minifloat_pe EXPONENT_BITS=4 MANTISSA_BITS=3 SPECIAL=1
    for rounding in 0 1 2 3; do
        prove minifloat_round ROUNDING=$rounding EXPONENT_BITS=3 MANTISSA_BITS=2 SHIFT=4 ACC_BITS=16
        prove minifloat_round ROUNDING=$rounding EXPONENT_BITS=3 MANTISSA_BITS=0 SHIFT=3 SUBNORMALS=0 ACC_BITS=12
        prove minifloat_round ROUNDING=$rounding EXPONENT_BITS=2 MANTISSA_BITS=3 SHIFT=2 SPECIAL=2 SUBNORMALS=0 ACC_BITS=12
    done
    for rounding in 0 1 2 3; do
        prove requantize ACC_BITS=10 ACT_BITS=4 ROUNDING=$rounding
        prove requantize ACC_BITS=8 ACT_BITS=3 ROUNDING=$rounding UNSIGNED=1 SCALE=21845
    done
    for shift in 0 4 8 12; do
        prove lane MULS=4 ACT_BITS=4 WGT_BITS=4 SHIFT=$shift
    done
    prove lane MULS=8 ACT_BITS=4 WGT_BITS=4 SHIFT=4
    prove lane MULS=3 ACT_BITS=3 WGT_BITS=3 TREE_REGS=1 FIRST_LEVEL=1
    prove lane MULS=5 ACT_BITS=2 WGT_BITS=3 TREE_REGS=2
fi
finish
