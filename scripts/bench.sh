#!/bin/sh
# Speed, side by side in one run. `make bench` builds the program first.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/bench
# Training as the zoo's solver says, but on the embedded digits and without tests and snapshots.
sed "s|source: \"[^\"]*\"|source: \"$PWD/model/zoo/lenet/digits\"|" model/zoo/lenet/lenet_train_test.prototxt >build/bench/net.prototxt
cat >build/bench/solver.prototxt <<'END'
net: "net.prototxt"
base_lr: 0.01
momentum: 0.9
weight_decay: 0.0005
lr_policy: "inv"
gamma: 0.0001
power: 0.75
max_iter: 300
snapshot_after_train: false
END
exec build/release/bench model/zoo/lenet configs/arrays/lenet.yaml build/bench/solver.prototxt
