#!/usr/bin/python3
"""Weights and biases as integers: biases of any size keep the accuracy, coarser weights and constants that clip are told."""
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
    check.skip("constants", f"no package {e.name} for {sys.executable} (Debian: python3-{e.name})")
    check.done()

os.chdir(ROOT)
scratch = tempfile.TemporaryDirectory()
folder = scratch.name
CASES = os.path.join(os.path.dirname(SHARED), "cases")


def field(number, data):
    """A field of bytes in a protobuf message."""
    size, head = len(data), b""
    while size > 127:
        head += bytes([size & 127 | 128])
        size >>= 7
    tag = number << 3 | 2
    return (bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])) + head + bytes([size]) + data


def blob(values):
    values = np.asarray(values, dtype="<f4")
    shape = b"".join(b"\x08" + bytes([d]) for d in values.shape)
    return field(7, field(7, shape) + field(5, values.tobytes()))


def quantize(net, *options, status=0):
    r = ristretto("quantize", *net, "--error-margin", "100", "--out", os.path.join(folder, "out"), *options)
    check(f"status {status} with {' '.join(options[:4])}", r.returncode == status, r.stderr)
    return r


def constants_of(net, *options):
    r = quantize(net, *options, "--json")
    return {c["name"]: c for c in json.loads(r.stdout).get("constants", [])} if r.returncode == 0 else {}


# A net of two inner products, the first with a dead layer's tiny weights and large biases, and its images.
rng = np.random.default_rng(5)
first, second = rng.uniform(-1, 1, (4, 4)), rng.uniform(-1, 1, (3, 4))


def write(stem, w1, b1, w2, b2):
    layers = [("ip1", w1, b1), ("ip2", w2, b2)]
    with open(os.path.join(folder, f"{stem}.caffemodel"), "wb") as f:
        f.write(b"".join(field(100, field(1, name.encode()) + field(2, b"InnerProduct") + blob(w) + blob(b)) for name, w, b in layers))
    return ["--model", os.path.join(folder, "net.prototxt"), "--weights", os.path.join(folder, f"{stem}.caffemodel"),
            "--data", os.path.join(folder, "t-images.npy"), "--scale", "0.0078125", "--mean", "128"]


with open(os.path.join(folder, "net.prototxt"), "w", encoding="utf-8") as f:
    f.write('name: "n"\nlayer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 1 dim: 1 } } }\n')
    for i, (bottom, n) in enumerate([("data", 4), ("ip1", 3)], 1):
        f.write(f'layer {{ name: "ip{i}" type: "InnerProduct" bottom: "{bottom}" top: "ip{i}" inner_product_param {{ num_output: {n} }} }}\n')
images = rng.integers(0, 256, (40, 4, 1, 1)).astype(np.uint8)
x = (images.reshape(40, 4) - 128.0) * 0.0078125
np.save(os.path.join(folder, "t-images.npy"), images)


def labels_for(w1, b1, w2, b2):
    np.save(os.path.join(folder, "t-labels.npy"), np.argmax((x @ np.asarray(w1).T + b1) @ np.asarray(w2).T + b2, axis=1).astype(np.int32))


BITS16 = ["--activation-bits", "16", "--inner-product-bits", "16"]
BITS8 = ["--activation-bits", "8", "--inner-product-bits", "8"]

tiny = (first * 1e-9, [0.5, -0.25, 0.75, 60], second, [1, 2, 3])
labels_for(*tiny)
net = write("tiny", *tiny)
told = constants_of(net, *BITS16)
check("coarser weights are told", "coarser_bits" in told.get("ip1", {}) and told["ip1"]["wanted_fl"] - told["ip1"]["fl"] == told["ip1"]["coarser_bits"], told)
check("no bias clips", not any("clipped_biases" in c for c in told.values()), told)
text = quantize(net, *BITS16).stdout
check.contains("coarser weights as text", text, "Coarser weights, so that sums with biases fit an accumulator of 48 bits")
check.contains("with both lengths", text, f"{told['ip1']['fl']} instead of {told['ip1']['wanted_fl']}")
told = constants_of(net, *BITS16, "--channel-weights")
check("by output channel", told.get("ip1", {}).get("coarser_channels", 0) >= 1, told)
check.contains("by output channel as text", quantize(net, *BITS16, "--channel-weights").stdout, "less in")
told = constants_of(net, *BITS16, "--pareto", "bits", "--max-bits", "16", "--min-bits", "16")
check("a front tells as well", "coarser_bits" in told.get("ip1", {}), told)

plain = (first, [0.5, -0.25, 0.75, 9], second, [1, 2, 3])
labels_for(*plain)
net = write("plain", *plain)
check("nothing to tell where all is held", "clipped_biases" not in constants_of(net, *BITS8).get("ip1", {}))
told = constants_of(net, *BITS8, "--bias-format", "weights").get("ip1", {})
check("biases in the weights' format clip and are counted", told.get("clipped_biases", 0) == 1 and told.get("biases") == 4, told)
text = quantize(net, *BITS8, "--bias-format", "weights").stdout
check.contains("clipped constants as text", text, "Constants beyond their formats, which became the nearest number there is")
check.contains("their share", text, "25.00 %")
big = (first * 3, [0, 0, 0, 0], second, [1, 2, 3])
labels_for(*big)
net = write("big", *big)
beyond = int((np.abs(np.asarray(big[0], dtype=np.float32)) > 0.5 * 2**0.5).sum())
told = constants_of(net, "--scheme", "power-of-two").get("ip1", {})
check("powers of two clip and are counted", told.get("clipped_weights") == beyond and told.get("weights") == 16, (told, beyond))
told = constants_of(net, "--scheme", "minifloat", "--minifloat", "2:1").get("ip1", {})
check("minifloats: what is beyond is counted, if any", told.get("clipped_weights", 0) == int((np.abs(big[0]) > 6).sum()), told)

# A prototxt by hand says formats that hold less.
quantize(net, *BITS8)
hand = os.path.join(folder, "hand.prototxt")
with open(os.path.join(folder, "out", "quantized.prototxt"), encoding="utf-8") as f:
    written = f.read()
with open(hand, "w", encoding="utf-8") as f:
    f.write(written.replace("fl_params: 5", "fl_params: 7"))
r = ristretto("test", "--model", hand, *net[2:])
check.contains("formats by hand: what clips is told", r.stderr, "weights of layer 'ip1' (")

for value, word in ((np.inf, "infinite"), (np.nan, "not a number")):
    for p, name in ((0, "weights"), (1, "biases")):
        bad = [np.array(v, dtype=np.float32) for v in plain]
        bad[p].flat[2] = value
        r = quantize(write("bad", *bad), *BITS8, status=3)
        check(f"{name} that are {word}: refused with the layer", word in r.stderr and "ip1" in r.stderr, r.stderr)

# Cases from public bug reports.
if not os.path.isdir(os.path.join(CASES, "bias-saturates-16-bit")):
    check.skip("biases of ordinary size, from public bug reports", f"no {CASES}")
    check.done()


def case(name, stem, data, bits, near, *options):
    at = os.path.join(CASES, name)
    r = quantize(["--model", f"{at}/{stem}.onnx", "--data", f"{at}/{data}-images.npy"], "--convolution-bits", str(bits[0]), "--inner-product-bits", str(bits[1]),
                 "--activation-bits", str(bits[2]), *options, "--json")
    result = json.loads(r.stdout)
    score = result["scores"][0]
    check(f"{name}, {stem}, {bits} bits: near the float network", score["float_hits"] - score["hits"] <= near * score["images"], score)
    check(f"{name}, {stem}, {bits} bits: no bias clips", not any("clipped_biases" in c for c in result.get("constants", [])), result.get("constants"))


PLAIN, TINY = ("--mean", "128", "--scale", "0.0078125"), ("--mean", "110,120,128", "--scale", "0.02")
for bits in (14, 15, 16):
    case("bias-saturates-16-bit", "net", "t", (bits,) * 3, 0.01, *PLAIN)
case("bias-saturates-16-bit", "per-channel", "per-channel", (12,) * 3, 0.05, "--channel-weights", *PLAIN)
case("bias-saturates-8-bit-tiny-weights", "net", "t", (8, 16, 16), 0.02, *TINY)
case("bias-saturates-8-bit-tiny-weights", "net", "t", (16, 16, 16), 0.02, *TINY)
check.done()
