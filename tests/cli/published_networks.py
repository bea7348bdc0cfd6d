#!/usr/bin/env python3
"""The published networks in float, on real images: accuracy against what another framework measured, training, resuming.

test-options: level=full limit=1800
"""

import filecmp
import json
import os
import re
import subprocess

import numpy as np

from checks import BIN, ROOT, SHARED, Checks

check = Checks()
work = os.environ.get("TMPDIR", "/tmp")
zoo = os.path.join(ROOT, "model", "zoo")
samples = os.path.join(SHARED, "imagenet-samples")
bgr = ["--mean", "104,117,123"]


def run(*args):
    return subprocess.run([BIN, *args], capture_output=True, text=True, check=False, cwd=work)


def accuracy(model, weights, data, *more):
    """Top-1 and top-5 in percent, or None twice; and the messages."""
    done = run("test", "--model", model, "--weights", weights, "--data", data, "--json", *more)
    if done.returncode != 0:
        return None, None, done.stderr
    result = json.loads(done.stdout)
    return 100.0 * result["hits"] / result["images"], 100.0 * result["top5_hits"] / result["images"], done.stderr


def expect(name, value, expected, tolerance, messages):
    print(f"# {name}: {value} %")
    check(f"{name}: {expected} % within {tolerance}", value is not None and abs(value - expected) <= tolerance + 1e-6, messages)


def write_mean_image(path, pixels):
    """A mean image as Caffe writes it: BlobProto of num, channels, height, width and packed floats."""
    mean = pixels.mean(axis=0)
    data = mean.astype("<f4").tobytes()
    header = b"\x08\x01\x10\x03\x18\x20\x20\x20\x2a"
    length = len(data)
    varint = b""
    while length >= 128:
        varint += bytes([length & 127 | 128])
        length >>= 7
    with open(path, "wb") as f:
        f.write(header + varint + bytes([length]) + data)


def train(name, model, solver, iterations):
    """The loss on a few images, seen again and again, falls; stopped half way and resumed, the weights are the same."""
    with open(os.path.join(zoo, model, "train_val.prototxt"), encoding="utf-8") as f:
        net = f.read()
    net = re.sub(r"batch_size: *\d+", "batch_size: 8", net)
    with open(os.path.join(work, name + ".prototxt"), "w", encoding="utf-8") as f:
        f.write(net)
    with open(os.path.join(work, name + ".solver"), "w", encoding="utf-8") as f:
        f.write(f'net: "{name}.prototxt"\n{solver}\nmax_iter: {iterations}\ndisplay: 1\nsnapshot: {iterations // 2}\nrandom_seed: 3\n'
                f'snapshot_prefix: "{name}"\n')
    whole = run("train", "--solver", name + ".solver", "--data", few)
    text = whole.stdout + whole.stderr
    losses = [float(x) for x in re.findall(r"iteration \d+, (?:[^\n]*?)loss ([0-9.e+-]+)", text)]
    if not check(f"{name} trains", whole.returncode == 0 and len(losses) >= iterations, text[-2000:]):
        return
    check(f"{name}: the loss falls", sum(losses[-5:]) < sum(losses[:5]), losses)
    final, half = (os.path.join(work, f"{name}_iter_{i}.") for i in (iterations, iterations // 2))
    os.rename(final + "caffemodel", final + "whole")
    again = run("train", "--solver", name + ".solver", "--data", few, "--resume", half + "solverstate")
    check(f"{name}: resumed, it ends with the same weights",
          again.returncode == 0 and filecmp.cmp(final + "whole", final + "caffemodel", shallow=False), again.stderr[-2000:])


if not os.path.isdir(samples):
    check.skip("published networks", f"no data in {SHARED}")
    check.done()

for folder, model, weights, top1, top5 in (
        ("squeezenet", "squeezenet_v1.1.deploy.prototxt", "squeezenet_v1.1.caffemodel", 65.0, 85.8),
        ("googlenet", "bvlc_googlenet.deploy.prototxt", "bvlc_googlenet.caffemodel", 79.0, 94.2)):
    files = os.path.join(SHARED, folder, model), os.path.join(SHARED, folder, weights), samples
    first, fifth, said = accuracy(*files, *bgr)
    expect(f"{folder}, top-1", first, top1, 0.2, said)
    expect(f"{folder}, top-5", fifth, top5, 0.2, said)

unpacked = os.path.join(work, "data")
subprocess.run(["python3", os.path.join(SHARED, "unpack.py"), unpacked], check=True, capture_output=True)
records = np.concatenate([np.fromfile(os.path.join(unpacked, "cifar10", f"data_batch_{i}.bin"), np.uint8).reshape(-1, 3073)
                          for i in range(1, 6)])
write_mean_image(os.path.join(work, "mean.binaryproto"), records[:, 1:].astype(np.float64))
v1 = os.path.join(SHARED, "caffe-v1")
first, _, said = accuracy(os.path.join(zoo, "cifar10_full", "train_test.prototxt"), os.path.join(v1, "cifar10_full_v1layers.caffemodel"),
                          os.path.join(unpacked, "cifar10"), "--mean-file", os.path.join(work, "mean.binaryproto"))
expect("CIFAR-10 Full (V1 file)", first, 79.4, 0.3, said)
first, _, said = accuracy(os.path.join(zoo, "lenet", "lenet_train_test.prototxt"), os.path.join(v1, "lenet_v1layers.caffemodel"),
                          os.path.join(unpacked, "mnist"))
expect("LeNet (V1 file)", first, 99.05, 0.005, said)

few = os.path.join(work, "few")
os.mkdir(few)
with open(os.path.join(samples, "labels.txt"), encoding="utf-8") as f:
    chosen = f.readlines()[:8]
with open(os.path.join(few, "labels.txt"), "w", encoding="utf-8") as f:
    f.writelines(chosen)
for line in chosen:
    os.symlink(os.path.join(samples, line.split()[0]), os.path.join(few, line.split()[0]))
# Rates for 8 images that are seen again and again: those of the recipes, for batches of 32 to 1,024 others, diverge here.
momentum = 'lr_policy: "fixed"\nmomentum: 0.9\nweight_decay: 0.0005'
train("squeezenet", "squeezenet_v1.1", f"base_lr: 0.003\n{momentum}", 20)
train("caffenet", "caffenet", f"base_lr: 0.0005\n{momentum}", 20)
train("googlenet", "googlenet", f"base_lr: 0.002\n{momentum}", 20)
check.done()
