#!/bin/sh
# An ONNX model wherever a prototxt with its caffemodel goes: the same numbers come out.
# test-options: limit=180
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1
zoo=model/zoo/lenet
digits=$zoo/digits
scale=0.00390625
bin=$RISTRETTO_BIN
model=$scratch/lenet.onnx

check 'LeNet as an ONNX model' "$bin" convert $zoo/lenet.prototxt --weights $zoo/lenet.caffemodel --onnx "$model"

# test
check 'test, prototxt' "$bin" test --model $zoo/lenet.prototxt --weights $zoo/lenet.caffemodel --data "$digits" --scale "$scale" --images 500 --json
hits=$(grep -o '"hits": [0-9]*' "$out" | head -n 1)
check 'test, ONNX' "$bin" test --model "$model" --data "$digits" --scale "$scale" --images 500 --json
check_grep 'test: as many are right' "${hits:-none}," "$out"
check 'test, an ONNX model with other weights' "$bin" test --model "$model" --weights $zoo/lenet.caffemodel --data "$digits" --scale "$scale" --images 500 --json
check_grep 'test with other weights: as many are right' "${hits:-none}," "$out"
check 'test, a prototxt with the weights of an ONNX model' "$bin" test --model $zoo/lenet.prototxt --weights "$model" --data "$digits" --scale "$scale" --images 500 --json
check_grep 'test with the weights of a model: as many are right' "${hits:-none}," "$out"
check_status 2 'a prototxt without weights' "$bin" test --model $zoo/lenet.prototxt --data "$digits"
check_grep 'and what is missing' 'error: --weights is missing: .*lenet.prototxt has none of its own' "$err"

# quantize
quantize() {
    "$bin" quantize --data "$digits" --scale "$scale" --calibration 0:100 --search 0:100 --test 100:200 --activation-bits 8 --convolution-bits 4 \
        --inner-product-bits 4 --quiet "$@"
}
check 'quantize, prototxt' quantize --model $zoo/lenet.prototxt --weights $zoo/lenet.caffemodel --out "$scratch/a"
check 'quantize, ONNX' quantize --model "$model" --out "$scratch/b"
for array in conv1.weights conv1.bias conv2.weights conv2.bias ip1.weights ip1.bias ip2.weights ip2.bias pixel_table; do
    check "quantize: the same $array" cmp "$scratch/a/qnet/$array.npy" "$scratch/b/qnet/$array.npy"
done
check_grep 'quantized.prototxt has the formats' 'type: "ConvolutionRistretto"' "$scratch/b/quantized.prototxt"
check 'and quantized.caffemodel its weights' "$bin" test --model "$scratch/b/quantized.prototxt" --weights "$scratch/b/quantized.caffemodel" --data "$digits" \
    --scale "$scale" --images 500 --json
check_grep 'which give its integers' '"numbers": "integers"' "$out"
check_status 2 'quantize without data' "$bin" quantize --model "$model" --out "$scratch/c"
check_grep 'and what is missing there' 'data is missing: an ONNX model names no data' "$err"

# run
sed -e "s|\.\./\.\.|$RISTRETTO_ROOT|" -e "s|\.\./|$RISTRETTO_ROOT/configs/|" -e "s|^model:.*|model: $model|" -e '/^weights:/d' -e 's|count: 1000|count: 100|' \
    -e "s|path:.*|path: $RISTRETTO_ROOT/$digits|" -e 's|images: 100|images: 1|' configs/runs/lenet.yaml >"$scratch/run.yaml"
check 'run' "$bin" run "$scratch/run.yaml" --set "out=$scratch/run" --set data.scale=$scale --set quantize.activation_bits=8 --set quantize.convolution_bits=4 \
    --set quantize.inner_product_bits=4 --set cosim.images=0 --quiet
check 'run: the same weights' cmp "$scratch/a/qnet/conv2.weights.npy" "$scratch/run/qnet/conv2.weights.npy"

# train and finetune: labels and a loss are added
cat >"$scratch/solver.prototxt" <<END
net: "$model"
base_lr: 0.001
lr_policy: "fixed"
momentum: 0.9
max_iter: 6
display: 1
snapshot: 3
snapshot_prefix: "$scratch/tuned"
END
check 'train goes on from the weights of the model' "$bin" train --solver "$scratch/solver.prototxt" --data "$digits" --scale "$scale"
check_grep 'with the loss of a trained net' 'iteration 0, loss 0\.' "$out"
mv "$scratch/tuned_iter_6.caffemodel" "$scratch/whole.caffemodel"
check 'and resumes' "$bin" train --solver "$scratch/solver.prototxt" --data "$digits" --scale "$scale" --resume "$scratch/tuned_iter_3.solverstate"
check 'to the same weights' cmp "$scratch/whole.caffemodel" "$scratch/tuned_iter_6.caffemodel"
check 'which the model takes' "$bin" test --model "$model" --weights "$scratch/whole.caffemodel" --data "$digits" --scale "$scale" --images 100 --quiet
check 'finetune' "$bin" finetune --solver "$scratch/solver.prototxt" --data "$digits" --scale "$scale" --activation-bits 8 --convolution-bits 4 \
    --inner-product-bits 4 --calibration 50 --validation-images 0:100 --iterations 4 --validate-every 2 --out "$scratch/f" --no-test --quiet
check_grep 'finetune writes the description' 'type: "FcRistretto"' "$scratch/f/quantized.prototxt"

# The transformation of a training is given like that of a test.
sed -e 's|transform_param {[^}]*}||' -e "s|\"train-data.json\"|\"$RISTRETTO_ROOT/$digits\"|" -e "s|\"mnist\" batch|\"$RISTRETTO_ROOT/$digits\" batch|" \
    $zoo/lenet_train_test.prototxt >"$scratch/bare.prototxt"
sed -e "s|\"train-data.json\"|\"$RISTRETTO_ROOT/$digits\"|" -e "s|\"mnist\" batch|\"$RISTRETTO_ROOT/$digits\" batch|" $zoo/lenet_train_test.prototxt >"$scratch/full.prototxt"
for form in bare full; do
    sed -e "s|^net:.*|net: \"$scratch/$form.prototxt\"|" -e "s|^snapshot_prefix:.*|snapshot_prefix: \"$scratch/$form\"|" -e 's|^max_iter:.*|max_iter: 3|' \
        "$scratch/solver.prototxt" >"$scratch/$form.solver"
done
check 'train, the net says how' "$bin" train --solver "$scratch/full.solver" --quiet
check 'train, the command line says how' "$bin" train --solver "$scratch/bare.solver" --scale "$scale" --quiet
check 'the same weights' cmp "$scratch/full_iter_3.caffemodel" "$scratch/bare_iter_3.caffemodel"
check 'with --mirror, others' sh -c "'$bin' train --solver '$scratch/bare.solver' --scale $scale --mirror --out '$scratch/mirrored' --quiet &&
    ! cmp -s '$scratch/mirrored_iter_3.caffemodel' '$scratch/bare_iter_3.caffemodel'"
check 'with --shuffle, others' sh -c "'$bin' train --solver '$scratch/bare.solver' --scale $scale --shuffle --out '$scratch/shuffled' --quiet &&
    ! cmp -s '$scratch/shuffled_iter_3.caffemodel' '$scratch/bare_iter_3.caffemodel'"
finish
