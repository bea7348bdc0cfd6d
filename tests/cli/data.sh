#!/bin/sh
# ristretto data, and images on the command line: converted there and back, transformed, refused.
# test-options: variants=release,asan
# shellcheck source=tests/lib/checks.sh
. "$(dirname "$0")/../lib/checks.sh"
cd "$RISTRETTO_ROOT" || exit 1
digits=model/zoo/lenet/digits
net='--model model/zoo/lenet/lenet_train_test.prototxt --weights model/zoo/lenet/lenet.caffemodel'

check_status 0 'info' "$RISTRETTO_BIN" data info "$digits"
check_grep 'info says what there is' ': 2000 images of 1x28x28 \(channels x height x width\), labels 0 to 9, 10 of them used$' "$out"
check_status 0 'info as JSON' "$RISTRETTO_BIN" data info "$digits" --json
check_grep 'JSON counts the images of each class' '"classes_used": 10' "$out"

# Through every format and back: the same bytes.
check 'to a database' "$RISTRETTO_BIN" data convert "$digits" "$scratch/db"
check 'to arrays' "$RISTRETTO_BIN" data convert "$scratch/db" "$scratch/a" --format npy
check 'to IDX' "$RISTRETTO_BIN" data convert "$scratch/a-images.npy" "$scratch/back" --format idx
gzip -dc "$digits/digits-images-idx3-ubyte.gz" >"$scratch/images"
gzip -dc "$digits/digits-labels-idx1-ubyte.gz" >"$scratch/labels"
check 'images came back' cmp "$scratch/images" "$scratch/back-images-idx3-ubyte"
check 'labels came back' cmp "$scratch/labels" "$scratch/back-labels-idx1-ubyte"
# shellcheck disable=SC2086 # options
for source in "$digits" "$scratch/db" "$scratch/a-images.npy"; do
    check_status 0 "score $source" "$RISTRETTO_BIN" test $net --data "$source" --images 300 --json
    grep -E '"(hits|top5_hits|ties)"' "$out" >"$scratch/score"
    [ -f "$scratch/first" ] || cp "$scratch/score" "$scratch/first"
    check 'the same score from every format' cmp "$scratch/first" "$scratch/score"
done

# The mean image, and a net that is given it.
check_status 0 'mean' "$RISTRETTO_BIN" data mean "$digits" "$scratch/mean.binaryproto"
check_grep 'mean says where' '^wrote the mean of 2000 images to ' "$out"
mean=$(sed -n 's/^mean of each channel.*: //p' "$out")
# shellcheck disable=SC2086
check 'score with a mean image' "$RISTRETTO_BIN" test $net --data "$digits" --images 100 --mean-file "$scratch/mean.binaryproto"
# shellcheck disable=SC2086
check 'score with a mean' "$RISTRETTO_BIN" test $net --data "$digits" --images 100 --mean "$mean"
# shellcheck disable=SC2086
check_status 2 'both means' "$RISTRETTO_BIN" test $net --data "$digits" --mean 1 --mean-file "$scratch/mean.binaryproto"
# shellcheck disable=SC2086
check_status 2 'a mean that is no number' "$RISTRETTO_BIN" test $net --data "$digits" --mean 1,x
check_grep 'says what it takes' '^error: --mean takes one number, or one for each channel' "$err"
# shellcheck disable=SC2086
check_status 2 'a size that is none' "$RISTRETTO_BIN" test $net --data "$digits" --resize 28
# shellcheck disable=SC2086
check_status 3 'a mean image of another size' "$RISTRETTO_BIN" test $net --data "$digits" --resize 20x20 --mean-file "$scratch/mean.binaryproto"
check_grep 'shows both sizes' 'the mean image is 1x28x28 .* are 1x20x20' "$err"

check_status 3 'an existing database is kept' "$RISTRETTO_BIN" data convert "$digits" "$scratch/db"
check_status 2 'info writes nothing' "$RISTRETTO_BIN" data info "$digits" "$scratch/x"
check_status 2 'convert needs a place' "$RISTRETTO_BIN" data convert "$digits"
printf 'a.jpg 1\nb.jpg\n' >"$scratch/labels.txt"
check_status 3 'a wrong list' "$RISTRETTO_BIN" data info "$scratch"
check_grep 'the line is named' 'labels.txt:2:1: error: expected the file of an image, a blank and its label' "$err"
mkdir "$scratch/empty"
check_status 3 'an empty folder' "$RISTRETTO_BIN" data info "$scratch/empty"
check_grep 'the formats are listed' '^hint: the formats: t10k-images-idx3-ubyte' "$err"
head -c 5000 "$scratch/db/data.mdb" >"$scratch/cut.mdb"
check_status 3 'a database that is cut off' "$RISTRETTO_BIN" data info "$scratch/cut.mdb"
finish
