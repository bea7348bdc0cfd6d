#!/usr/bin/python3
"""Networks written and read back: summaries with the published totals, prototxt and caffemodel, ONNX, HDF5, the older forms; the scores
must be the same bits.

test-options: limit=180
"""
import json
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, SHARED, Checks, ristretto

import numpy as np

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo"
folder = tempfile.mkdtemp()
seed = int(os.environ.get("RISTRETTO_SEED", "11"))
print(f"# RISTRETTO_SEED={seed}")
rng = np.random.default_rng(seed)


def path(name, text=None):
    p = os.path.join(folder, name)
    if text is not None:
        with open(p, "w") as f:
            f.write(text)
    return p


# ---- summary: the totals that were published with the networks

for name, net, parameters, macs in (
        ("LeNet", "lenet/lenet.prototxt", 431080, 2293000),
        ("SqueezeNet v1.0", "squeezenet_v1.0/deploy.prototxt", 1248424, None),
        ("SqueezeNet v1.1", "squeezenet_v1.1/deploy.prototxt", 1235496, None),
        ("GoogLeNet", "googlenet/deploy.prototxt", 6998552, None),
        ("CaffeNet", "caffenet/deploy.prototxt", 60965224, 724406816),
        ("CIFAR-10 Full", "cifar10_full/deploy.prototxt", 89578, None)):
    got = ristretto("summary", f"{ZOO}/{net}", "--json")
    total = json.loads(got.stdout)["total"] if got.returncode == 0 else {}
    check(f"{name} has {parameters:,} parameters" + (f" and {macs:,} MACs" if macs else ""),
          total.get("parameters") == parameters and (macs is None or total.get("macs") == macs) and
          total.get("parameter_bytes") == 4 * parameters, f"{total}\n{got.stderr}")

for net, size in (("googlenet/train_val.prototxt", 224), ("caffenet/train_val.prototxt", 227), ("squeezenet_v1.0/train_val.prototxt", 227),
                  ("squeezenet_v1.1/train_val.prototxt", 227), ("cifar10_full/train_test.prototxt", 32)):
    deploy = ristretto("summary", f"{ZOO}/{os.path.dirname(net)}/deploy.prototxt", "--json")
    layers = {p["name"]: p["parameters"] for p in json.loads(deploy.stdout)["layers"] if p["parameters"]}
    for phase in ("train", "test"):
        got = ristretto("summary", f"{ZOO}/{net}", "--phase", phase, "--input", f"3x{size}x{size}", "--json")
        mine = {p["name"]: p["parameters"] for p in json.loads(got.stdout)["layers"]} if got.returncode == 0 else {}
        auxiliary = [n for n, p in mine.items() if p and n not in layers]
        good = all(mine.get(n) == p for n, p in layers.items()) and all(re.match("loss[12]/", n) for n in auxiliary)
        check(f"{net}, phase {phase}: the layers of deploy.prototxt", good, got.stderr)

got = ristretto("summary", f"{ZOO}/lenet/lenet.prototxt")
rows = got.stdout.splitlines()[1:-1]
check("the text is a table", len({len(r.rstrip()) for r in rows if "--" in r}) == 1 and "431,080" in got.stdout and
      all(r.startswith("  ") for r in rows), got.stdout)
got = ristretto("summary", f"{ZOO}/googlenet/train_val.prototxt")
check("the shape that a data layer crops images to", got.returncode == 0 and "3x224x224" in got.stdout, got.stdout + got.stderr)
got = ristretto("summary", f"{ZOO}/lenet/lenet_train_test.prototxt")
check("a net without a shape says what to do", got.returncode == 3 and "gives no shape" in got.stderr, got.stderr)
for bad, status in (("3x227", 3), ("3x0x5", 2), ("axbxc", 2), ("1x3x5x5x5", 3), ("1x1x1x1x1x1x1x1x1", 2)):
    check.equal(f"--input {bad} is refused", ristretto("summary", f"{ZOO}/lenet/lenet.prototxt", "--input", bad).returncode, status)

# ---- include and exclude rules by stage and level

RULES = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }
layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { stage: "deploy" } }
layer { name: "b" type: "ReLU" bottom: "data" top: "b" include { stage: "deploy" not_stage: "half" } include { min_level: 3 } }
layer { name: "c" type: "ReLU" bottom: "data" top: "c" exclude { not_stage: "deploy" } exclude { max_level: 1 } }
layer { name: "d" type: "ReLU" bottom: "data" top: "d" include { phase: TRAIN } }
"""
for options, expected in (([], ""), (["--stage", "deploy"], "ab"), (["--stage", "deploy", "--stage", "half"], "a"), (["--level", "3"], "b"),
                          (["--stage", "deploy", "--level", "2"], "abc"), (["--phase", "train"], "d")):
    got = ristretto("summary", path("rules.prototxt", RULES), *options, "--json")
    names = "".join(p["name"] for p in json.loads(got.stdout)["layers"][1:]) if got.returncode == 0 else got.stderr
    check.equal(f"rules with {' '.join(options) or 'nothing'}", names, expected)


# ---- round trips

def forward(net, x, *options):
    np.save(path("x.npy"), x)
    got = ristretto("forward", net, "--data", path("x.npy"), "--out", path("y.npy"), *options)
    return (np.load(path("y.npy")), got) if got.returncode == 0 else (None, got)


def same_bits(name, a, b, got):
    good = a is not None and b is not None and a.shape == b.shape and a.size > 0 and a.tobytes() == b.tobytes()
    check(name, good, got.stderr if a is None or b is None else f"{np.abs(a - b).max() if a.shape == b.shape else (a.shape, b.shape)}")


def convert(net, *options):
    got = ristretto("convert", net, *options)
    if got.returncode != 0:
        check(f"convert {os.path.basename(net)}", False, got.stderr)
    return got


def round_trips(name, net, weights, x, *options):
    """net, weights -> prototxt + caffemodel -> ONNX -> prototxt + caffemodel."""
    first, got = forward(net, x, "--weights", weights)
    check(f"{name}: scores", first is not None and first.size > 0 and np.isfinite(first).all() and np.ptp(first) > 0, got.stderr)
    a, b = path("a.prototxt"), path("a.caffemodel")
    convert(net, "--weights", weights, "--prototxt", a, "--caffemodel", b, *options)
    second, got = forward(a, x, "--weights", b)
    same_bits(f"{name}: prototxt and caffemodel", first, second, got)
    convert(a, "--weights", b, "--onnx", path("a.onnx"))
    third, got = forward(path("a.onnx"), x)
    same_bits(f"{name}: ONNX", first, third, got)
    try:
        import onnx as package
        package.checker.check_model(package.shape_inference.infer_shapes(package.load(path("a.onnx")), strict_mode=True))
        check(f"{name}: the onnx package accepts it", True)
    except ImportError:
        check.skip(f"{name}: the onnx package accepts it", "not installed (Debian: python3-onnx)")
    except Exception as e:
        check(f"{name}: the onnx package accepts it", False, str(e))
    convert(path("a.onnx"), "--prototxt", path("b.prototxt"), "--caffemodel", path("b.caffemodel"))
    fourth, got = forward(path("b.prototxt"), x, "--weights", path("b.caffemodel"))
    same_bits(f"{name}: and back", first, fourth, got)


round_trips("LeNet", f"{ZOO}/lenet/lenet.prototxt", f"{ZOO}/lenet/lenet.caffemodel", rng.random((3, 1, 28, 28), np.float32))

# A net of all layer types; its weights come from a training of no iterations, so from their fillers.
W = 'weight_filler { type: "gaussian" std: 0.4 } bias_filler { type: "uniform" min: -1 max: 1 }'
ALL = f"""name: "all"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: [2, 4, 13, 12] }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {{ num_output: 6 kernel_h: 3 kernel_w: 2 stride: 1 pad_h: 1
  pad_w: 0 group: 2 dilation: 1 {W} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }}
layer {{ name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param {{ bias_term: true filler {{ type: "uniform" min: 0.5 max: 2 }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "bn" top: "bn" }}
layer {{ name: "max" type: "Pooling" bottom: "bn" top: "max" pooling_param {{ pool: MAX kernel_size: 3 stride: 2 }} }}
layer {{ name: "ave" type: "Pooling" bottom: "max" top: "ave" pooling_param {{ pool: AVE kernel_size: 3 stride: 2 pad: 1 exclude_padding: true }} }}
layer {{ name: "floor" type: "Pooling" bottom: "bn" top: "floor" pooling_param {{ pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR }} }}
layer {{ name: "deconv" type: "Deconvolution" bottom: "ave" top: "deconv" convolution_param {{ num_output: 6 kernel_size: 2 stride: 2 {W} }} }}
layer {{ name: "slice" type: "Slice" bottom: "deconv" top: "s1" top: "s2" slice_param {{ axis: 1 slice_point: 2 }} }}
layer {{ name: "prelu" type: "PReLU" bottom: "s1" top: "s1" prelu_param {{ filler {{ value: 0.3 }} }} }}
layer {{ name: "concat" type: "Concat" bottom: "s2" bottom: "s1" top: "cat" }}
layer {{ name: "split" type: "Split" bottom: "cat" top: "c1" top: "c2" top: "c3" }}
layer {{ name: "elu" type: "ELU" bottom: "c1" top: "c1" elu_param {{ alpha: 0.7 }} }}
layer {{ name: "sigmoid" type: "Sigmoid" bottom: "c2" top: "sig" }}
layer {{ name: "tanh" type: "TanH" bottom: "c3" top: "tan" }}
layer {{ name: "sum" type: "Eltwise" bottom: "c1" bottom: "sig" bottom: "tan" top: "sum" eltwise_param {{ coeff: 1 coeff: -0.5 coeff: 2 }} }}
layer {{ name: "product" type: "Eltwise" bottom: "sum" bottom: "sig" bottom: "c1" top: "product" eltwise_param {{ operation: PROD }} }}
layer {{ name: "most" type: "Eltwise" bottom: "product" bottom: "tan" top: "most" eltwise_param {{ operation: MAX }} }}
layer {{ name: "clip" type: "Clip" bottom: "most" top: "clip" clip_param {{ min: -0.6 max: 0.9 }} }}
layer {{ name: "lrn" type: "LRN" bottom: "clip" top: "lrn" lrn_param {{ local_size: 3 alpha: 0.5 beta: 0.75 k: 2 }} }}
layer {{ name: "within" type: "LRN" bottom: "lrn" top: "within" lrn_param {{ local_size: 5 alpha: 0.7 beta: 0.6 norm_region: WITHIN_CHANNEL }} }}
layer {{ name: "fake" type: "QuantizeLinear" bottom: "within" top: "within" quantize_linear_param {{ scale: 0.0072 zero_point: 100 min: 0 max: 255 }} }}
layer {{ name: "bias" type: "Bias" bottom: "within" top: "bias" bias_param {{ filler {{ type: "gaussian" std: 1 }} }} }}
layer {{ name: "leaky" type: "ReLU" bottom: "bias" top: "leaky" relu_param {{ negative_slope: 0.1 }} }}
layer {{ name: "reshape" type: "Reshape" bottom: "leaky" top: "reshape" reshape_param {{ shape {{ dim: [0, 3, 2, -1] }} }} }}
layer {{ name: "flatten" type: "Flatten" bottom: "reshape" top: "flatten" }}
layer {{ name: "drop" type: "Dropout" bottom: "flatten" top: "flatten" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "flatten" top: "ip" inner_product_param {{ num_output: 7 bias_term: false {W} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "ip" top: "prob" }}
"""
try:
    import h5py
except ImportError:
    h5py = None


# The shapes of ALL's parameters, worked out by hand.
SHAPES = {"conv": [(6, 2, 3, 2), (6,)], "bn": [(6,), (6,), (1,)], "scale": [(6,), (6,)], "deconv": [(6, 6, 2, 2), (6,)], "prelu": [(2,)],
          "bias": [(6,)], "ip": [(7, 288)]}


def random_weights(h5):
    """Random values for all layers, in HDF5 as Caffe writes it."""
    with h5py.File(h5, "w") as f:
        data = f.create_group("data")
        for layer, blobs in SHAPES.items():
            group = data.create_group(layer)
            for i, shape in enumerate(blobs):
                v = rng.standard_normal(shape).astype(np.float32)
                group.create_dataset(str(i), data=np.abs(v) + np.float32(0.5) if layer == "bn" else v)


if h5py is None:
    check.skip("all layer types, from HDF5", "no package h5py (Debian: python3-h5py)")
else:
    net = path("all.prototxt", ALL)
    random_weights(path("all.caffemodel.h5"))
    round_trips("all layer types, from HDF5", net, path("all.caffemodel.h5"), rng.standard_normal((2, 4, 13, 12)).astype(np.float32))

    # The same weights in other forms of the file: many groups, chunks that hang over, filters, the other byte order, 64 bits, the newest form.
    FORMS = {"plain": {}, "in chunks": {"chunks": True}, "with filters": {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": True},
             "big-endian": {"dtype": ">f4"}, "of 64 bits": {"dtype": "<f8", "compression": "gzip"}}
    LENET = {"conv1": [(20, 1, 5, 5), (20,)], "conv2": [(50, 20, 5, 5), (50,)], "ip1": [(500, 800), (500,)], "ip2": [(10, 500), (10,)]}
    values = {name: [rng.standard_normal(s).astype(np.float32) * np.float32(0.1) for s in shapes] for name, shapes in LENET.items()}
    np.save(path("x.npy"), rng.standard_normal((2, 1, 28, 28)).astype(np.float32))
    scores = {}
    for form, options in FORMS.items():
        for newest in (False, True):
            with h5py.File(path("form.h5"), "w", **({"libver": "latest"} if newest else {})) as f:
                for name, blobs in values.items():
                    for i, v in enumerate(blobs):
                        parts = dict(options, chunks=tuple(-(-n // 3) for n in v.shape)) if "chunks" in options else options
                        f.create_dataset(f"data/{name}/{i}", data=v, **(parts if not newest or form == "plain" else {**options, "chunks": v.shape}))
                for k in range(0 if newest else 300):
                    f.create_group(f"data/none{k}")
            got = ristretto("forward", f"{ZOO}/lenet/lenet.prototxt", "--weights", path("form.h5"), "--data", path("x.npy"), "--out", path("y.npy"))
            scores[form, newest] = np.load(path("y.npy")).tobytes() if check(f"HDF5 {form}{', the newest form' if newest else ''}: read",
                                                                             got.returncode == 0, got.stderr) else None
    check(f"HDF5: {len(scores)} forms give the same scores", len(scores) == 10 and len(set(scores.values())) == 1)
    with h5py.File(path("form.h5"), "w", libver="latest") as f:
        for k in range(20):
            f.create_group(f"data/layer{k}")
    got = ristretto("forward", f"{ZOO}/lenet/lenet.prototxt", "--weights", path("form.h5"), "--data", path("x.npy"), "--out", path("y.npy"))
    check("HDF5: what is not read is said", got.returncode == 3 and "keeps its links in a fractal heap" in got.stderr, got.stderr)

    # Weights by name, with both shapes in the message.
    with h5py.File(path("wrong.h5"), "w") as f:
        f["data/ip1/0"] = np.zeros((500, 801), np.float32)
        f["data/ip1/1"] = np.zeros(500, np.float32)
    np.save(path("x.npy"), np.zeros((1, 1, 28, 28), np.float32))
    got = ristretto("forward", f"{ZOO}/lenet/lenet.prototxt", "--weights", path("wrong.h5"), "--data", path("x.npy"), "--out", path("y.npy"))
    check("HDF5: a wrong shape and missing layers", got.returncode == 3 and "the shape is 500x801, expected 500x800" in got.stderr and
          "the file has no weights for layer 'conv1'" in got.stderr, got.stderr)
    for name, make, part in (
            ("no group data", lambda f: f.create_group("x"), "no group 'data'"),
            ("integers", lambda f: (f.create_dataset("data/ip1/0", data=np.zeros(3, np.int32)), f.create_dataset("data/ip1/1", data=np.zeros(3))), "other values than floats"),
            ("a link to another file", lambda f: f.__setitem__("data/ip1", h5py.ExternalLink("/etc/passwd", "/")) if f.create_group("data") else 0, "is a link"),
            ("a huge data set without values", lambda f: (f.create_dataset("data/ip1/0", (1 << 29,), np.float32, chunks=(1 << 20,)),
                                                                    f.create_dataset("data/ip1/1", data=np.zeros(3))), "bytes are stored")):
        with h5py.File(path("bad.h5"), "w") as f:
            make(f)
        got = ristretto("forward", f"{ZOO}/lenet/lenet.prototxt", "--weights", path("bad.h5"), "--data", path("x.npy"), "--out", path("y.npy"))
        check(f"HDF5: {name}", got.returncode == 3 and part in got.stderr, got.stderr)

# ---- Caffe's oldest form, upgraded: padding layers merge into what they pad

V0 = """name: "v0" input: "data" input_dim: 1 input_dim: 1 input_dim: 28 input_dim: 28
layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers { layer { name: "conv1" type: "conv" num_output: 3 kernelsize: 5 stride: 2 group: 1 biasterm: true weight_filler { type: "gaussian" std: 0.1 }
  blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. } bottom: "padded" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: MAX kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.1 beta: 0.5 } bottom: "pool1" top: "norm1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 4 } bottom: "norm1" top: "fc" }
layers { layer { name: "drop" type: "dropout" dropout_ratio: 0.25 } bottom: "fc" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""
NOW = """name: "v0" layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 1, 28, 28] } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 3 kernel_size: 5 stride: 2 pad: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 3 alpha: 0.1 beta: 0.5 } }
layer { name: "fc" type: "InnerProduct" bottom: "norm1" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" dropout_param { dropout_ratio: 0.25 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
convert(path("v0.prototxt", V0), "--prototxt", path("v0-now.prototxt"))
convert(path("now.prototxt", NOW), "--prototxt", path("now-now.prototxt"))
with open(path("v0-now.prototxt")) as f, open(path("now-now.prototxt")) as g:
    a, b = f.read().replace('name: "input"', 'name: "data"'), g.read()
check("a net in form V0 is the same net", a == b and "pad: 2" in a, f"{a}\n{b}")

# ---- published weights in the old form, and GoogLeNet and SqueezeNet with the prototxts of the zoo

for name, net, weights, shape in (
        ("LeNet (V1)", "lenet/lenet.prototxt", "caffe-v1/lenet_v1layers.caffemodel", (2, 1, 28, 28)),
        ("CIFAR-10 Full (V1)", "cifar10_full/deploy.prototxt", "caffe-v1/cifar10_full_v1layers.caffemodel", (2, 3, 32, 32)),
        ("SqueezeNet v1.1", "squeezenet_v1.1/deploy.prototxt", "squeezenet/squeezenet_v1.1.caffemodel", (1, 3, 227, 227)),
        ("GoogLeNet", "googlenet/deploy.prototxt", "googlenet/bvlc_googlenet.caffemodel", (1, 3, 224, 224))):
    weights = f"{SHARED}/{weights}"
    if not os.path.exists(weights):
        check.skip(f"{name} with published weights", "the reference data are not there")
        continue
    round_trips(name, f"{ZOO}/{net}", weights, (rng.random(shape) * 100 - 50).astype(np.float32))

got = ristretto("convert", f"{ZOO}/lenet/lenet.prototxt", "--onnx", path("n.onnx"))
check("ONNX without weights is refused", got.returncode == 2 and "--weights is missing" in got.stderr, got.stderr)
check.equal("nothing to write is refused", ristretto("convert", f"{ZOO}/lenet/lenet.prototxt").returncode, 2)

shutil.rmtree(folder)
check.done()
