#!/bin/sh
# Float accuracy on images that lie outside the project, against another framework's: 500 JPEGs, and CIFAR-10 with its mean image.
# test-options: level=full limit=1800
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1
images=$RISTRETTO_SHARED_DATA/imagenet-samples

# accuracy NAME HITS TOP5 TOLERANCE: of the JSON in $out, in images.
accuracy() {
    hits=$(sed -n 's/.*"hits": \([0-9]*\).*/\1/p' "$out")
    top5=$(sed -n 's/.*"top5_hits": \([0-9]*\).*/\1/p' "$out")
    echo "# $1: $hits right, $top5 in the top 5; expected $2 and $3"
    check "$1 is as accurate as elsewhere" [ "${hits:-0}" -ge $(($2 - $4)) -a "${hits:-0}" -le $(($2 + $4)) \
        -a "${top5:-0}" -ge $(($3 - $4)) -a "${top5:-0}" -le $(($3 + $4)) ]
}

# network NAME PROTOTXT CAFFEMODEL HITS TOP5
network() {
    if [ ! -f "$images/labels.txt" ] || [ ! -f "$RISTRETTO_SHARED_DATA/$3" ]; then
        skip "$1 on 500 images" "$RISTRETTO_SHARED_DATA holds no $3, or no imagenet-samples"
        return
    fi
    check_status 0 "$1" "$RISTRETTO_BIN" test --model "$RISTRETTO_SHARED_DATA/$2" --weights "$RISTRETTO_SHARED_DATA/$3" --data "$images" \
        --mean 104,117,123 --json
    accuracy "$1" "$4" "$5" 1
}

network 'SqueezeNet v1.1' squeezenet/squeezenet_v1.1.deploy.prototxt squeezenet/squeezenet_v1.1.caffemodel 325 429
network 'GoogLeNet' googlenet/bvlc_googlenet.deploy.prototxt googlenet/bvlc_googlenet.caffemodel 395 471

cifar=${RISTRETTO_DATA:-data}/cifar10
weights=$RISTRETTO_SHARED_DATA/caffe-v1/cifar10_full_v1layers.caffemodel
if [ -f "$cifar/test_batch.bin" ] && [ -f "$weights" ]; then
    check 'mean image of the training set' "$RISTRETTO_BIN" data mean "$cifar" "$scratch/mean.binaryproto" --split train
    check_status 0 'CIFAR-10 Full' "$RISTRETTO_BIN" test --model model/zoo/cifar10_full/train_test.prototxt --weights "$weights" --data "$cifar" \
        --mean-file "$scratch/mean.binaryproto" --json
    accuracy 'CIFAR-10 Full' 7949 9898 5
else
    skip 'CIFAR-10 Full' "there is no $cifar/test_batch.bin (RISTRETTO_DATA), or no $weights"
fi
finish
