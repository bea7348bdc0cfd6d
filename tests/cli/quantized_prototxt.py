#!/usr/bin/python3
"""A quantized prototxt is a quantized network everywhere: what quantize writes gives the same integers again, and a file
in the original's own words is scored as the original defines it, computed here in numpy.

test-options: variants=release
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

import numpy as np

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
WEIGHTS = f"{ZOO}/lenet.caffemodel"
DIGITS = ["--data", f"{ZOO}/digits"]
ARRAY = ["--array", "configs/arrays/lenet.yaml"]
scratch = tempfile.TemporaryDirectory()
folder = scratch.name


def path(*names):
    return os.path.join(folder, *names)


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)
    return path(name)


def said(name, *arguments, status=0):
    r = ristretto(*arguments, "--json")
    return json.loads(r.stdout) if check(f"{name} ends with status {status}", r.returncode == status, r.stderr) and status == 0 else r.stderr


# ---- what quantize writes

for name, arguments in (("dynamic", []), ("static", ["--scheme", "static", "--max-bits", "9", "--min-bits", "8"]),
                        ("minifloat", ["--scheme", "minifloat", "--minifloat", "4:3"]), ("power of two", ["--scheme", "power-of-two", "--zero-code"]),
                        ("everything", ["--weight-rounding", "adaptive", "--refine", "40", "--unsigned-activations", "--channel-weights", "--scores",
                                        "accumulator", "--rounding", "nearest_even", "--convolution-bits", "4", "--inner-product-bits", "4",
                                        "--activation-bits", "5"]),
                        ("the original's biases", ["--bias-format", "weights", "--bias-correction"])):
    for net in ("lenet.prototxt", "lenet_train_test.prototxt") if name in ("dynamic", "everything") else ("lenet.prototxt",):
        out, again = path(name, net, "a"), path(name, net, "b")
        few = [*DIGITS, "--calibration", "0:40", "--search", "0:40", "--test", "40:20", "--error-margin", "30"]
        scale = ["--scale", "0.00390625"] if net == "lenet.prototxt" else []
        first = said(f"{name}, {net}: quantize", "quantize", "--model", f"{ZOO}/{net}", "--weights", WEIGHTS, *few, *scale, "--out", out, *arguments)
        model = ["--model", os.path.join(out, "quantized.prototxt"), "--weights", os.path.join(out, "quantized.caffemodel")]
        said(f"{name}, {net}: quantize again", "quantize", *model, *few, "--formats", "model", "--out", again)
        r = subprocess.run(["diff", "-r", os.path.join(out, "qnet"), os.path.join(again, "qnet")], capture_output=True, text=True)
        check(f"{name}, {net}: the same integers", r.returncode == 0, r.stdout)
        r = subprocess.run(["cmp", *(os.path.join(f, "quantized.prototxt") for f in (out, again))], capture_output=True, text=True)
        check(f"{name}, {net}: the same prototxt", r.returncode == 0, r.stdout)
        score = said(f"{name}, {net}: test", "test", *model, *DIGITS, "--images", "40")
        check.equal(f"{name}, {net}: its score is that of quantize", (score["numbers"], score["hits"], score["ties"]),
                    ("integers", first["scores"][0]["hits"], first["scores"][0]["ties"]))
        if name != "minifloat":
            emulated = said(f"{name}, {net}: test --emulate", "test", *model, *DIGITS, "--images", "40", "--emulate")
            check.equal(f"{name}, {net}: so is that in float", (emulated["numbers"], emulated["hits"]), ("emulated", score["hits"]))

# ---- every command takes the two files for the folder

folders = ["--qnet", path("dynamic", "lenet.prototxt", "a", "qnet")]
files = ["--qnet", path("dynamic", "lenet.prototxt", "a", "quantized.prototxt"), "--weights",
         path("dynamic", "lenet.prototxt", "a", "quantized.caffemodel")]
for command, arguments in (("simulate", []), ("estimate", ["--technology", "configs/technologies/horowitz-45nm.yaml"])):
    a, b = (said(f"{command} {what}", command, *net, *ARRAY, *arguments) for what, net in (("the folder", folders), ("the files", files)))
    check.equal(f"{command}: the same of both", a, b)
for what, net in (("folder", folders), ("files", files)):
    said(f"export the {what}", "export", *net, *ARRAY, "--out", path("roms", what))
r = subprocess.run(["diff", "-r", path("roms", "folder"), path("roms", "files")], capture_output=True, text=True)
check("export: the same of both", r.returncode == 0, r.stdout)
report = said("cosim the files", "cosim", *files, *ARRAY, *DIGITS, "--images", "1")
check("cosim: all equal", report["equal"] if "equal" in report else True, report)

# ---- the original's own words, by its own definition

HAND = """name: "hand"
%s
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "ConvolutionRistretto" bottom: "data" top: "conv1" convolution_param { num_output: 20 kernel_size: 5 }
  quantization_param { precision: DYNAMIC_FIXED_POINT rounding_scheme: NEAREST bw_layer_in: 5 bw_layer_out: 6 bw_params: 5
    fl_layer_in: 4 fl_layer_out: 3 fl_params: 4 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "ConvolutionRistretto" bottom: "pool1" top: "conv2" convolution_param { num_output: 50 kernel_size: 5 }
  quantization_param { bw_layer_in: 4 bw_layer_out: 6 bw_params: 5 fl_layer_in: 1 fl_layer_out: 1 fl_params: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "FcRistretto" bottom: "pool2" top: "ip1" inner_product_param { num_output: 500 }
  quantization_param { bw_layer_in: 6 bw_layer_out: 5 bw_params: 5 fl_layer_in: 1 fl_layer_out: 1 fl_params: 7 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "FcRistretto" bottom: "ip1" top: "ip2" inner_product_param { num_output: 10 }
  quantization_param { bw_layer_in: 4 bw_layer_out: 5 bw_params: 5 fl_layer_in: 0 fl_layer_out: 0 fl_params: 5 } }
"""
SCALE = "# ristretto: quantization { transform_param { scale: 0.00390625 } }"
LAYERS = {"conv1": ((5, 4), (6, 3), (5, 4)), "conv2": ((4, 1), (6, 1), (5, 5)), "ip1": ((6, 1), (5, 1), (5, 7)), "ip2": ((4, 0), (5, 0), (5, 5))}
hand = write("hand.prototxt", HAND % SCALE)
IMAGES = 300


def trim(x, form):
    """The original's Trim2FixedPoint: saturate, round (ties away from zero), in units of 2^-fl."""
    bits, fl = form
    q = np.asarray(x, np.float64) * 2.0**fl
    q = np.clip(np.trunc(q + np.copysign(0.5, q)), -(2.0**(bits - 1)), 2.0**(bits - 1) - 1)
    return q * 2.0**-fl


def weights():
    """The layers' arrays, from the wire format of the caffemodel."""
    with open(WEIGHTS, "rb") as f:
        data = f.read()

    def varint(block, at):
        value = shift = 0
        while True:
            byte = block[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value, at

    def fields(block):
        at = 0
        while at < len(block):
            key, at = varint(block, at)
            kind = key & 7
            if kind in (0, 2):
                value, at = varint(block, at)
                if kind == 2:
                    value, at = block[at:at + value], at + value
            else:
                size = 4 if kind == 5 else 8
                value, at = block[at:at + size], at + size
            yield key >> 3, value

    found = {}
    for number, layer in fields(data):
        if number != 100:
            continue
        name, blobs = "", []
        for field, value in fields(layer):
            if field == 1:
                name = value.decode()
            elif field == 7:
                blobs.append(np.concatenate([np.frombuffer(v, "<f4") for k, v in fields(value) if k == 5]).astype(np.float64))
        found[name] = blobs
    return found


def digits(n):
    def idx(name):
        with gzip.open(os.path.join(ZOO, "digits", name), "rb") as f:
            return f.read()
    images, labels = idx("digits-images-idx3-ubyte.gz"), idx("digits-labels-idx1-ubyte.gz")
    return np.frombuffer(images, np.uint8, n * 784, 16).reshape(n, 1, 28, 28) * 0.00390625, np.frombuffer(labels, np.uint8, n, 8)


def convolve(x, w, b):
    out = np.zeros((x.shape[0], w.shape[0], x.shape[2] - 4, x.shape[3] - 4))
    for i in range(5):
        for j in range(5):
            out += np.einsum("nchw,oc->nohw", x[:, :, i:i + out.shape[2], j:j + out.shape[3]], w[:, :, i, j])
    return out + b[None, :, None, None]


def pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


def the_originals_scores(x):
    params = weights()
    for name, (form_in, form_out, form) in LAYERS.items():
        w, b = (trim(p, form) for p in params[name])
        x = trim(x, form_in)
        if name.startswith("conv"):
            x = pool(trim(convolve(x, w.reshape(-1, x.shape[1], 5, 5), b), form_out))
        else:
            x = trim(x.reshape(len(x), -1) @ w.reshape(len(b), -1).T + b, form_out)
            x = np.maximum(x, 0) if name == "ip1" else x
    return x


images, labels = digits(IMAGES)
scores = the_originals_scores(images)
own = scores[np.arange(IMAGES), labels]
others = scores.copy()
others[np.arange(IMAGES), labels] = -np.inf
hits, ties = int((own > others.max(1)).sum()), int((own == others.max(1)).sum())
check("the formats are narrow enough to matter", 0 < ties and hits < IMAGES, (hits, ties))
for emulate in ([], ["--emulate"]):
    score = said(f"hand {emulate}", "test", "--model", hand, "--weights", WEIGHTS, *DIGITS, "--images", str(IMAGES), *emulate)
    check.equal(f"hand {emulate}: as the original defines it", (score["hits"], score["ties"]), (hits, ties))
report = said("cosim by hand", "cosim", "--qnet", hand, "--weights", WEIGHTS, *ARRAY, *DIGITS, "--images", "2")

# ---- training, by the solver alone

narrow = path("narrow")
said("narrow: quantize", "quantize", "--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", WEIGHTS, *DIGITS, "--calibration", "0:40", "--search", "0:40",
     "--test", "0:100", "--error-margin", "99", "--convolution-bits", "2", "--inner-product-bits", "2", "--activation-bits", "4", "--out", narrow)
quantized, started = os.path.join(narrow, "quantized.prototxt"), os.path.join(narrow, "quantized.caffemodel")
SOLVER = f"""net: "{quantized}" test_iter: 4 test_interval: 4 base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 max_iter: 8 snapshot: 4 random_seed: 3
display: 4 snapshot_prefix: "%s"
"""
whole = write("whole.prototxt", SOLVER % path("whole"))
r = ristretto("train", "--solver", whole, "--weights", started, *DIGITS)
check("train: status 0", r.returncode == 0, r.stderr)
lines = [line for line in r.stdout.splitlines() if ", integers: accuracy" in line]
check.equal("train: tests before, between and at the end", [line.split(",")[0] for line in lines], ["iteration 0", "iteration 4", "iteration 8"])
for iteration, weights_of in ((0, started), (8, path("whole_iter_8.caffemodel"))):
    score = said(f"train: iteration {iteration}", "test", "--model", quantized, "--weights", weights_of, *DIGITS, "--images", "400")
    check.contains(f"train: iteration {iteration} is scored on integers", "\n".join(lines), f"iteration {iteration}, test of 400 images, integers: accuracy "
                   f"{100 * score['hits'] / 400:.2f} %")
part = write("part.prototxt", SOLVER % path("part"))
r = ristretto("train", "--solver", part, "--resume", path("whole_iter_4.solverstate"), *DIGITS)
check("train: resumed", r.returncode == 0, r.stderr)
with open(path("whole_iter_8.caffemodel"), "rb") as a, open(path("part_iter_8.caffemodel"), "rb") as b, open(started, "rb") as c:
    a, b, c = a.read(), b.read(), c.read()
    check("train: to the same weights", a == b)
    check("train: which are others than at the start", a != c)

# ---- commands that compute in float, or choose formats themselves, say so

np.save(path("x.npy"), images[:2].astype(np.float32))
for command, arguments, message in (
        ("forward", [hand, "--weights", WEIGHTS, "--data", path("x.npy"), "--out", path("y.npy")], "quantization_param is left out: values are computed in float"),
        ("convert", [hand, "--prototxt", path("converted.prototxt")], "quantization_param is left out of what is written"),
        ("quantize", ["--model", hand, "--weights", WEIGHTS, *DIGITS, "--calibration", "0:20", "--search", "0:20", "--test", "0:20", "--error-margin", "50",
                      "--out", path("anew"), "-q"], "the formats of quantization_param are left out: others are chosen")):
    r = ristretto(command, *arguments)
    check(f"{command}: status 0", r.returncode == 0, r.stderr)
    check.contains(f"{command}: says what it leaves out", r.stderr, message)

# ---- what is refused

NET = ["--model", hand, "--weights", WEIGHTS, *DIGITS]
for name, old, new, message in (
        ("a wrong word", "rounding_scheme: NEAREST", "rounding_scheme: NEAR", "unknown value"),
        ("a wrong rule", SCALE, '# ristretto: quantization { rounding: "up" }', "rounding is 'up', expected one of nearest"),
        ("a wrong field of ours", SCALE, '# ristretto: quantization { round: "up" }', "unknown field 'round' in quantization"),
        ("a field given twice", "fl_params: 4", "fl_params: 4 precision: MINIFLOAT", "given twice"),
        ("a width that is none", "bw_layer_in: 5 bw", "bw_layer_in: 33 bw", "bw_layer_in is 33, expected 1 to 32"),
        ("a layer without it", "quantization_param { bw_layer_in: 6 bw_layer_out: 5 bw_params: 5 fl_layer_in: 1 fl_layer_out: 1 fl_params: 7 }", "",
         "layer 'ip1' (FcRistretto) has no quantization_param")):
    text = (HAND % SCALE).replace(old, new)
    check(f"{name}: the test changes something", text != HAND % SCALE)
    r = ristretto("test", "--model", write("wrong.prototxt", text), "--weights", WEIGHTS, *DIGITS, "--images", "10")
    check(f"{name}: status 3", r.returncode == 3, r.stderr)
    check.contains(f"{name}: says so", r.stderr, message)
r = ristretto("test", "--model", write("stochastic.prototxt", (HAND % SCALE).replace("NEAREST", "STOCHASTIC")), "--weights", WEIGHTS, *DIGITS, "--images",
              str(IMAGES), "--json")
check("stochastic rounding: to nearest", r.returncode == 0 and json.loads(r.stdout)["hits"] == hits, r.stderr)
check.contains("stochastic rounding: says so", r.stderr, "1 layer says rounding_scheme STOCHASTIC: the integers are rounded to nearest")
r = ristretto("test", "--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", WEIGHTS, *DIGITS, "--emulate")
check("nothing to emulate: status 2", r.returncode == 2 and "has no formats to emulate" in r.stderr, r.stderr)
r = ristretto("simulate", *folders, "--weights", WEIGHTS, *ARRAY)
check("a folder with weights: status 2", r.returncode == 2 and "is a folder of integers" in r.stderr, r.stderr)
r = ristretto("simulate", "--qnet", f"{ZOO}/lenet.prototxt", "--weights", WEIGHTS, *ARRAY)
check("a float prototxt: status 3", r.returncode == 3 and "no layer has quantization_param" in r.stderr, r.stderr)
r = ristretto("simulate", "--qnet", hand, *ARRAY)
check("a prototxt without weights: status 2", r.returncode == 2 and "--weights is missing" in r.stderr, r.stderr)
check.done()
