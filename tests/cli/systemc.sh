#!/bin/sh
# test-options: limit=600
# LeNet on the TLM-2.0 model and on the Verilated ristretto_top in one simulation, through one driver; a program memory that is
# too small for the whole list.
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1
if ! command -v verilator >/dev/null || [ ! -e /usr/include/systemc ]; then
    skip 'SystemC' 'Verilator or SystemC is not installed'
    finish
fi
zoo=model/zoo/lenet
check 'a quantized network' "$RISTRETTO_BIN" quantize --model $zoo/lenet_train_test.prototxt --weights $zoo/lenet.caffemodel \
    --data $zoo/digits --convolution-bits 4 --inner-product-bits 4 --activation-bits 6 --calibration 0:200 --search 0:200 --test 0:200 \
    --quiet --out "$scratch/q"

# Each result of the program is one here.
systemc() {
    scripts/systemc "$scratch/q/qnet" "$@" >"$scratch/out.txt" 2>&1
    status=$?
    cat "$scratch/out.txt"
    check 'the simulation came to its end' test "$status" = 0
    check_grep 'images were compared' 'compared [1-9][0-9]* images, [1-9]' "$scratch/out.txt"
}
systemc configs/arrays/lenet.yaml $zoo/digits 2 "$scratch/model" top.program_depth=3
if [ "$RISTRETTO_LEVEL" = full ]; then
    systemc configs/arrays/small-4x4.yaml $zoo/digits 1 "$scratch/small" memory.bus_bits=16
    systemc configs/arrays/lenet.yaml $zoo/digits 1 "$scratch/wide" memory.bus_bits=1024 memory.latency=1
fi
finish
