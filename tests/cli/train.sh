#!/bin/sh
# test-options: limit=240
# ristretto train on the embedded digits: interrupted by a signal and resumed, it ends with the weights of an uninterrupted run.
set -u
bin=${RISTRETTO_BIN:?} root=${RISTRETTO_ROOT:?} work=${TMPDIR:-/tmp}
zoo=$root/model/zoo/lenet
result() {
    if [ "$1" = 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi
}

sed -e "s|\"train-data.json\"|\"$zoo/digits\"|" -e "s|\"mnist\" batch|\"$zoo/digits\" batch|" -e 's|batch_size: 64|batch_size: 16|' \
    "$zoo/lenet_train_test.prototxt" >"$work/net.prototxt"
sed -e 's|^net:.*|net: "net.prototxt"|' -e 's|^test_iter:.*|test_iter: 2|' -e 's|^test_interval:.*|test_interval: 1000|' \
    -e 's|^display:.*|display: 1|' "$zoo/lenet_solver.prototxt" >"$work/solver.prototxt"

"$bin" train --solver "$work/solver.prototxt" --iterations 60 --out "$work/whole" >"$work/whole.log" 2>&1
result $? 'train'

# The signal comes once the training is under way (its log says so), however slow the machine.
"$bin" train --solver "$work/solver.prototxt" --iterations 60 --out "$work/part" >"$work/part.log" 2>&1 &
pid=$!
tries=0
while ! grep -q 'iteration 5,' "$work/part.log" && [ $tries -lt 1000 ] && kill -0 $pid 2>/dev/null; do
    sleep 0.02
    tries=$((tries + 1))
done
kill -INT $pid
wait $pid
status=$?
state=$(find "$work" -name 'part_iter_*.solverstate')
if [ $status = 0 ]; then
    echo 'skip - interrupt: the training had ended before the signal came'
else
    [ $status = 130 ]
    result $? 'an interrupted training ends with status 130'
    [ -n "$state" ] && grep -q 'resume from' "$work/part.log"
    result $? 'an interrupted training leaves a snapshot and names it'
    "$bin" train --solver "$work/solver.prototxt" --iterations 60 --out "$work/part" --resume "$state" >"$work/resume.log" 2>&1
    result $? 'a snapshot is resumed'
fi
[ -s "$work/whole_iter_60.caffemodel" ] && cmp "$work/whole_iter_60.caffemodel" "$work/part_iter_60.caffemodel"
result $? 'a resumed training ends with the same weights'

sed 's|^base_lr:.*|base_lr: 1e20|' "$work/solver.prototxt" >"$work/wild.prototxt"
"$bin" train --solver "$work/wild.prototxt" --iterations 60 --out "$work/wild" >"$work/wild.log" 2>&1
[ $? = 3 ] && grep -q 'wild.prototxt: error: the training diverged' "$work/wild.log"
result $? 'a diverging training is refused'
[ -z "$(find "$work" -name 'wild_iter*')" ]
result $? 'a diverging training writes nothing'
