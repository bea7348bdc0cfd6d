#!/usr/bin/python3
"""What is scored: maps, several outputs, labels from 1 on and accuracies that are no better than guessing end with status 3, unless
--score says what is meant."""
import gzip
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, SHARED, Checks, ristretto

check = Checks()
try:
    import numpy as np
except ImportError as e:
    check.skip("what is scored", f"no package {e.name} for {sys.executable} (Debian: python3-{e.name})")
    check.done()

os.chdir(ROOT)
scratch = tempfile.TemporaryDirectory()
folder = scratch.name
LENET = ["--weights", "model/zoo/lenet/lenet.caffemodel"]
with open("model/zoo/lenet/lenet.prototxt", encoding="utf-8") as f:
    DEPLOY = f.read()


def path(name):
    return os.path.join(folder, name)


def data(stem, images, labels):
    np.save(path(f"{stem}-images.npy"), images)
    np.save(path(f"{stem}-labels.npy"), np.asarray(labels, dtype=np.int32))
    return path(f"{stem}-images.npy")


def net(name, text):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)
    return path(name)


def refused(name, r, *parts):
    check(name, r.returncode == 3 and all(p in r.stderr for p in parts), f"status {r.returncode}\n{r.stdout}\n{r.stderr}")


# The digits that come along, as arrays.
DIGITS = "model/zoo/lenet/digits"


def idx(what, header):
    with gzip.open(os.path.join(DIGITS, f"digits-{what}-ubyte.gz"), "rb") as f:
        return np.frombuffer(f.read(), dtype=np.uint8)[header:]


images = idx("images-idx3", 16).reshape(-1, 1, 28, 28)[:200]
labels = idx("labels-idx1", 8)[:200].astype(np.int32)
good = data("good", images, labels)
deploy = net("lenet.prototxt", DEPLOY)
SCALE = ["--scale", "0.00390625"]

r = ristretto("test", "--model", deploy, *LENET, "--data", good, *SCALE)
check("the scored output is printed", r.returncode == 0 and "Scored output: 'ip2'" in r.stdout, r.stdout + r.stderr)
r = ristretto("test", "--model", deploy, *LENET, "--data", good, *SCALE, "--json")
check.equal("and is in the JSON", json.loads(r.stdout).get("scored"), "ip2")
r = ristretto("test", "--model", deploy, *LENET, "--data", good, *SCALE, "--score", "prob", "--json")
check.equal("a softmax's name means what it reads", json.loads(r.stdout).get("scored"), "ip2")
refused("a blob that is not there", ristretto("test", "--model", deploy, *LENET, "--data", good, "--score", "nothing"), "'nothing'")

# Labels of other images: chance.
other = data("other", images, np.roll(labels, 37))
CHANCE = "no better than guessing"
QUANTIZE = ["--model", deploy, *LENET, "--data", other, *SCALE, "--out", path("out"), "--max-bits", "8", "--min-bits", "8"]
refused("test: at chance", ristretto("test", "--model", deploy, *LENET, "--data", other, *SCALE), CHANCE, "wrong mean or scale", "--score NAME")
refused("quantize: at chance", ristretto("quantize", *QUANTIZE), CHANCE)
refused("quantize --pareto: at chance", ristretto("quantize", *QUANTIZE, "--pareto", "bits"), CHANCE)
for command in (["test", *QUANTIZE[:8]], ["quantize", *QUANTIZE]):
    r = ristretto(*command, "--score", "ip2")
    check(f"{command[0]} --score: done all the same", r.returncode == 0, r.stderr)
few = data("few", images[:99], np.roll(labels, 37)[:99])
check("fewer than 100 images say nothing", ristretto("test", "--model", deploy, *LENET, "--data", few, *SCALE).returncode == 0)
one = data("one", images, np.full(200, 3))
check("one label alone says nothing", ristretto("test", "--model", deploy, *LENET, "--data", one, *SCALE).returncode == 0)

# Labels from 1 on.
later = data("later", images, labels + 1)
refused("labels from 1 on, one beyond", ristretto("test", "--model", deploy, *LENET, "--data", later, *SCALE), "labels up to 10", "labels count from 0 on")
some = labels < 9
shifted = data("shifted", images[some], labels[some] + 1)
refused("labels from 1 on, all within", ristretto("test", "--model", deploy, *LENET, "--data", shifted, *SCALE), CHANCE, "no label is 0")

# Maps, and several outputs.
maps = net("maps.prototxt", DEPLOY[:DEPLOY.index('layer {\n  name: "pool1"')])
refused("maps are no classes", ristretto("test", "--model", maps, *LENET, "--data", good, *SCALE), "one score per class")
two = net("two.prototxt", DEPLOY + '\nlayer { name: "side" type: "Pooling" bottom: "conv2" top: "side" pooling_param { pool: AVE global_pooling: true } }\n')
refused("two outputs", ristretto("test", "--model", two, *LENET, "--data", good, *SCALE), "several outputs", "'side'", "--score NAME")
r = ristretto("test", "--model", two, *LENET, "--data", good, *SCALE, "--score", "ip2", "--json")
check("two outputs, one named", r.returncode == 0 and json.loads(r.stdout)["hits"] > 180, r.stdout + r.stderr)
r = ristretto("quantize", "--model", two, *LENET, "--data", good, *SCALE, "--score", "ip2", "--out", path("out"), "--max-bits", "8", "--min-bits", "8", "--json")
check("two outputs, one named and quantized", r.returncode == 0 and json.loads(r.stdout)["scored"] == "ip2", r.stderr)

# Run files have the key.
RUN = net("run.yaml", f'name: "n"\nmodel: {path("two.prototxt")}\nweights: {os.path.abspath("model/zoo/lenet/lenet.caffemodel")}\nout: {path("run")}\n'
          f'array: {os.path.abspath("configs/arrays/lenet.yaml")}\ndata:\n  path: {good}\n  scale: 0.00390625\n'
          'quantize:\n  min_bits: 8\n  max_bits: 8\n')
refused("run: two outputs", ristretto("run", RUN), "several outputs")
r = ristretto("run", RUN, "--set", "score=ip2", "--json")
check("run: score names one", r.returncode == 0 and '"scored": "ip2"' in r.stdout, r.stdout[-500:] + r.stderr)

# Fine-tuning.
with open("model/zoo/lenet/lenet_train_test.prototxt", encoding="utf-8") as f:
    text = f.read().replace('"train-data.json"', f'"{os.path.abspath(DIGITS)}"').replace('"mnist" batch', f'"{os.path.abspath(DIGITS)}" batch')
net("train.prototxt", text.replace("batch_size: 64", "batch_size: 16"))
solver = net("solver.prototxt", 'net: "train.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 1\n')
TUNE = ["finetune", "--solver", solver, *LENET, "--iterations", "0", "--validation-images", "0:100", "--calibration", "50", "--out", path("tuned"), "--test", other]
refused("finetune: at chance", ristretto(*TUNE), CHANCE)
r = ristretto(*TUNE, "--score", "ip2")
check("finetune --score: done all the same", r.returncode == 0 and "Scored output: 'ip2'" in r.stdout, r.stdout + r.stderr)

# A case from public bug reports.
CASE = os.path.join(os.path.dirname(SHARED), "cases", "segmentation-scored")
if os.path.isdir(CASE):
    refused("segmentation", ristretto("quantize", "--model", f"{CASE}/net.onnx", "--data", f"{CASE}/t-images.npy", "--out", path("out")),
            "one score per class", "--score NAME")
else:
    check.skip("segmentation", f"no {CASE}")
check.done()
