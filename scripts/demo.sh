#!/bin/sh
# The whole way once, on the digits that come with the sources: what `make demo` shows after building. Each step is one command.
#
#   scripts/demo.sh [FOLDER]     outputs go to FOLDER (default build/demo/lenet)
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/demo/lenet}
zoo=model/zoo/lenet
array=configs/arrays/lenet.yaml
technology=configs/technologies/horowitz-45nm.yaml
begin=$(date +%s)
rm -rf "$out"

step() {
    echo
    echo "== $*"
}

# Shows a command line as one would type it, then runs it.
ristretto() {
    echo
    echo "\$ build/ristretto $*"
    build/ristretto "$@"
}

step "1. The trained float network, on 2,000 digits that it has never seen"
ristretto test --model $zoo/lenet_train_test.prototxt --weights $zoo/lenet.caffemodel --data $zoo/digits --report "$out/report.json"

step "2. The smallest word widths within 1 % - searched on the first 1,000 digits, judged on the others"
ristretto quantize --model $zoo/lenet_train_test.prototxt --weights $zoo/lenet.caffemodel --data $zoo/digits \
    --calibration 0:1000 --search 0:1000 --test 1000:1000 --error-margin 1 --out "$out" --report "$out/report.json"

step "3. The integers on the array: cycles, utilisation, traffic"
ristretto simulate --qnet "$out/qnet" --array $array --data $zoo/digits --images 100 --report "$out/report.json"

step "4. 100 whole digits through the Verilated RTL, in lockstep with the C model"
ristretto cosim --qnet "$out/qnet" --array $array --data $zoo/digits --images 100 --report "$out/report.json"

step "5. Area and energy, against 32-bit float"
ristretto estimate --qnet "$out/qnet" --array $array --technology $technology --report "$out/report.json"

step "6. ROMs for the array's weight buffers"
ristretto export --qnet "$out/qnet" --array $array --format memh --out "$out/roms" --report "$out/report.json"

step "7. The report"
ristretto report "$out/report.json" --html "$out/report.html"

echo
echo "Done in $(($(date +%s) - begin)) s. What was written:"
echo "  $out/report.html              the report with plots; open it in a browser"
echo "  $out/report.json              its raw data"
echo "  $out/quantized.prototxt       the network with the original Ristretto's quantization_param"
echo "  $out/qnet/                    the exact integers"
echo "  $out/roms/                    one ROM a layer and lane"
echo "'build/ristretto run configs/runs/lenet.yaml' does all of this at once."
