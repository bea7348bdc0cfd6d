#!/bin/sh
# test-options: limit=240
# ristretto finetune on the embedded digits: outputs, the same result when interrupted and resumed, messages and exit codes.
set -u
bin=${RISTRETTO_BIN:?} root=${RISTRETTO_ROOT:?} work=${TMPDIR:-/tmp}
zoo=$root/model/zoo/lenet
result() {
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}

sed -e "s|\"train-data.json\"|\"$zoo/digits\"|" -e "s|\"mnist\" batch|\"$zoo/digits\" batch|" -e 's|batch_size: 64|batch_size: 16|' \
    "$zoo/lenet_train_test.prototxt" >"$work/net.prototxt"
sed -e 's|^net:.*|net: "net.prototxt"|' "$zoo/lenet_solver.prototxt" >"$work/solver.prototxt"

finetune() {
    "$bin" finetune --solver "$work/solver.prototxt" --activation-bits 4 --convolution-bits 4 --inner-product-bits 4 --calibration 50 \
        --validation-images 0:100 --refine 50 --activations quantized --iterations 12 --validate-every 6 --snapshot-every 6 "$@"
}

finetune --weights "$zoo/lenet.caffemodel" --out "$work/whole" --json >"$work/whole.json" 2>"$work/whole.log"
result $? 'finetune'
[ -s "$work/whole/tuned.caffemodel" ] && [ -s "$work/whole/qnet/qnet.json" ] && [ -s "$work/whole/quantized.prototxt" ] &&
    [ -s "$work/whole/finetune.json" ] && [ -s "$work/whole/finetune_iter_12.solverstate" ]
result $? 'finetune writes weights, integers, description, report and a snapshot'
grep -q '"validation_images": 100' "$work/whole.json" && grep -q '"float_hits": 1970' "$work/whole.json"
result $? 'finetune prints its result as JSON'
[ "$(grep -c 'on integers' "$work/whole.log")" = 3 ]
result $? 'finetune validates on integers before, between and after'

mkdir "$work/part"
cp "$work/whole"/finetune_iter_6.* "$work/part"
finetune --resume "$work/part/finetune_iter_6.solverstate" --out "$work/part" >"$work/alone.log" 2>&1
[ $? = 3 ] && grep -q 'tuned.caffemodel: error: the best weights so far are missing' "$work/alone.log"
result $? 'a snapshot without the best weights is refused before training'
cp "$work/whole/tuned.caffemodel" "$work/part"
finetune --resume "$work/part/finetune_iter_6.solverstate" --out "$work/part" --no-test -q >"$work/part.log" 2>&1
result $? 'finetune resumes'
cmp "$work/whole/finetune_iter_12.caffemodel" "$work/part/finetune_iter_12.caffemodel" &&
    cmp "$work/whole/finetune_iter_12.json" "$work/part/finetune_iter_12.json"
result $? 'a resumed fine-tuning ends with the same weights and formats'

finetune --resume "$work/part/finetune_iter_6.solverstate" --seed 2 --out "$work/part" >"$work/other.log" 2>&1
[ $? = 3 ] && grep -q 'finetune_iter_6.json: error: the options are' "$work/other.log"
result $? 'other options than those of the snapshot are refused'
finetune --out "$work/none" >"$work/none.log" 2>&1
[ $? = 2 ] && grep -q 'error: expected either weights to start from or a solverstate to resume' "$work/none.log"
result $? 'weights or a snapshot are asked for'

"$bin" finetune --solver "$work/solver.prototxt" --weights "$zoo/lenet.caffemodel" --scheme minifloat --minifloat 4:1 --calibration 50 \
    --validation-images 0:100 --activations quantized --iterations 4 --validate-every 4 --keep last --out "$work/mini" --json >"$work/mini.json" 2>"$work/mini.log" &&
    grep -q '"scheme": "minifloat"' "$work/mini.json" && grep -q '"best_iteration": 4' "$work/mini.json" &&
    [ "$(grep -c 'precision: MINIFLOAT' "$work/mini/quantized.prototxt")" = 4 ]
result $? 'minifloats are tuned, and the last weights kept'
"$bin" test --model "$work/mini/quantized.prototxt" --weights "$work/mini/tuned.caffemodel" --data "$zoo/digits" --images 100 -q >"$work/again.log" 2>&1
result $? 'what is tuned to minifloats can be read again'
"$bin" finetune --solver "$work/solver.prototxt" --weights "$zoo/lenet.caffemodel" --minifloat 4:1 --out "$work/none" >"$work/scheme.log" 2>&1
[ $? = 2 ] && grep -q 'error: --minifloat belongs to the scheme minifloat, not to dynamic' "$work/scheme.log"
result $? 'an option of another scheme is refused'

# From files of pictures, decoded as they are needed, the same numbers as from the same images in memory.
python3 - "$zoo/digits" "$work/pictures" <<'PYTHON'
import gzip, os, struct, sys, zlib
digits, folder = sys.argv[1:]
name = next(n for n in sorted(os.listdir(digits)) if "images" in n)
def read(name):
    with gzip.open(os.path.join(digits, name)) as file:
        return file.read()
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
images, labels = read(name)[16:], read(name.replace("images", "labels").replace("idx3", "idx1"))[8:]
os.mkdir(folder)
with open(os.path.join(folder, "list.txt"), "w") as listed:
    for i, label in enumerate(labels):
        rows = [images[784 * i + 28 * y:784 * i + 28 * y + 28] for y in range(28)]
        with open(os.path.join(folder, f"{i}.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)) +
                       chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b""))
        print(f"{i}.png {label}", file=listed)
PYTHON
result $? 'pictures are written'
sed -e 's|type: "Data"|type: "ImageData"|' -e "s|data_param { source: \"$zoo/digits\"|image_data_param { is_color: false source: \"$work/pictures/list.txt\"|" \
    "$work/net.prototxt" >"$work/listed.prototxt"
sed -e 's|^net:.*|net: "listed.prototxt"|' "$work/solver.prototxt" >"$work/listed-solver.prototxt"
for form in solver listed-solver; do
    "$bin" finetune --solver "$work/$form.prototxt" --weights "$zoo/lenet.caffemodel" --activation-bits 4 --convolution-bits 4 --inner-product-bits 4 \
        --calibration 50 --validation-images 0:100 --refine 50 --iterations 4 --validate-every 4 --shuffle --out "$work/$form" --json 2>"$work/$form.log" |
        sed -e '/"seconds"/d' -e '/_per_second"/d' -e '/"data"/d' >"$work/$form.json"
done
grep -q 'type: "ImageData"' "$work/listed.prototxt" && grep -q '"hits"' "$work/solver.json" && cmp "$work/solver.json" "$work/listed-solver.json" &&
    cmp "$work/solver/tuned.caffemodel" "$work/listed-solver/tuned.caffemodel"
result $? 'from a list of pictures the same as from images in memory'
sed -e '20s/.*/gone.png 1/' "$work/pictures/list.txt" >"$work/pictures/short.txt"
sed -e 's|list.txt|short.txt|' "$work/listed.prototxt" >"$work/short.prototxt"
sed -e 's|^net:.*|net: "short.prototxt"|' "$work/solver.prototxt" >"$work/short-solver.prototxt"
"$bin" finetune --solver "$work/short-solver.prototxt" --weights "$zoo/lenet.caffemodel" --calibration 50 --iterations 4 --out "$work/short" >"$work/short.log" 2>&1
[ $? = 3 ] && grep -q 'short.txt:20:1: error: there is no image' "$work/short.log" && [ ! -e "$work/short/qnet" ]
result $? 'a picture that is not there is named before the training'
