#!/usr/bin/python3
"""Layers of Caffe and of its forks, as prototxts write them: the values are those of plain NumPy, written from Caffe's definitions, and
`convert` keeps them as prototxt and as ONNX model where ONNX has them. Then what is refused, and how.

test-options: variants=release,asan limit=120
"""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
try:
    import numpy as np
except ImportError as e:
    check.skip("layers of Caffe", f"no package {e.name} for {sys.executable} (Debian: python3-{e.name})")
    check.done()

os.chdir(ROOT)
folder = tempfile.mkdtemp()
seed = int(os.environ.get("RISTRETTO_SEED", "13"))
print(f"# RISTRETTO_SEED={seed}")
rng = np.random.default_rng(seed)
compared = 0


def path(name):
    return os.path.join(folder, name)


def r(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def forward(net, x, *options):
    np.save(path("x.npy"), x)
    if os.path.exists(path("y.npy")):
        os.remove(path("y.npy"))
    got = ristretto("forward", net, "--data", path("x.npy"), "--out", path("y.npy"), *options)
    return (np.load(path("y.npy")) if got.returncode == 0 else None), got


def close(y, expected, tolerance):
    return y is not None and y.shape == expected.shape and y.size > 0 and np.all(np.abs(y - expected) <= tolerance * max(1.0, np.abs(expected).max()))


def net_of(layers, x, stem="net"):
    dims = " ".join(f"dim: {d}" for d in x.shape)
    with open(path(f"{stem}.prototxt"), "w", encoding="utf-8") as f:
        f.write(f'name: "n"\nlayer {{ name: "data" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}\n{layers}\n')
    return path(f"{stem}.prototxt")


def same(name, layers, x, expected, onnx=True, blob="y", tolerance=1e-5, weights=()):
    """The blob of a prototxt, read, and read again as prototxt and ONNX model. `layers`: below the input x."""
    global compared
    net = net_of(layers, x)
    y, got = forward(net, x, "--blob", blob, *weights)
    compared += 0 if y is None else y.size
    detail = got.stderr if y is None else f"{y.shape}, expected {expected.shape}\n{y}\n{expected}"
    check(name, close(y, expected, tolerance), detail)
    got = ristretto("convert", net, "--prototxt", path("again.prototxt"), *(("--onnx", path("again.onnx")) if onnx else ()),
                    *(("--caffemodel", path("again.caffemodel")) if weights else ()), *weights)
    if not check(f"{name}: convert", got.returncode == 0, got.stderr):
        return
    y2, got = forward(path("again.prototxt"), x, "--blob", blob, *(("--weights", path("again.caffemodel")) if weights else ()))
    check(f"{name}: the prototxt gives the same", y is not None and y2 is not None and np.array_equal(y, y2), got.stderr)
    if onnx:
        y3, got = forward(path("again.onnx"), x, "--blob", blob)
        check(f"{name}: the ONNX model gives the same", close(y3, expected, tolerance), got.stderr or f"{y3}\n{expected}")


def summary(name, text, status, *parts):
    data = text if isinstance(text, bytes) else text.encode()
    with open(path("s.prototxt"), "wb") as f:
        f.write(data)
    got = ristretto("summary", path("s.prototxt"))
    check(name, got.returncode == status and all(p in got.stdout + got.stderr for p in parts),
          f"status {got.returncode}, expected {status} and {parts}\n{got.stderr}{got.stdout}")


X = r(2, 4, 9, 8)


def layer(kind, fields="", bottom=("x",), top=("y",), name="l"):
    tops, bottoms = " ".join(f'top: "{t}"' for t in top), " ".join(f'bottom: "{b}"' for b in bottom)
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {fields} }}\n'


# Names and fields of forks.
same("ReLU6", layer("ReLU6"), X * 5, np.clip(X * 5, 0, 6))
pooled = np.stack([[X[:, :, i:i + 2, j:j + 3].max(axis=(2, 3)) for j in (0, 3)] for i in (0, 3, 6)]).transpose(2, 3, 0, 1)
same("ceil_mode: false", layer("Pooling", "pooling_param { pool: MAX kernel_h: 2 kernel_w: 3 stride: 3 ceil_mode: false }"), X, pooled)
INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
CONV = 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }\n'
for kind, fields in (("ConvolutionDepthwise", ""), ("DepthwiseConvolution", "group: 3")):
    summary(kind, INPUT + f'layer {{ name: "c" type: "{kind}" bottom: "data" top: "c" convolution_param {{ num_output: 3 kernel_size: 3 {fields} }} }}\n',
            0, "1x3x6x6", "972")
summary("ConvolutionDepthwise of other channels", INPUT + CONV.replace('"Convolution"', '"ConvolutionDepthwise"'), 3, "3 input channels cannot be divided into 4 groups")
summary("ceil_mode that contradicts", INPUT + 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" '
        "pooling_param { kernel_size: 2 ceil_mode: false round_mode: CEIL } }\n", 3, "ceil_mode and round_mode do not agree")
summary("a byte-order mark", b"\xef\xbb\xbf" + (INPUT + CONV).encode(), 0, "1x4x6x6")
summary("a byte-order mark before an error", b"\xef\xbb\xbf" + INPUT.replace("input:", "inptu:").encode(), 3, ":1:1: error: unknown field 'inptu'")

# A layer in place whose bottom others read as it was.
same("in place behind another reader", layer("TanH", name="t", top=("t",)) + layer("ReLU", bottom=("t",), top=("a",), name="a") +
     layer("Sigmoid", bottom=("t",), top=("t",), name="s") + layer("Eltwise", bottom=("a", "t")), X,
     np.maximum(np.tanh(X), 0) + 1 / (1 + np.exp(-np.tanh(X.astype(np.float64)))))

# Functions of each value, in double.
D = X.astype(np.float64)
POSITIVE = np.abs(X) + np.float32(0.1)
P = POSITIVE.astype(np.float64)
for name, kind, fields, x, expected in (
        ("Power, a line", "Power", "power_param { scale: 0.5 shift: -1 }", X, 0.5 * D - 1),
        ("Power, square", "Power", "power_param { power: 2 scale: 3 shift: 0.5 }", X, (3 * D + 0.5) ** 2),
        ("Power, cube of negative values", "Power", "power_param { power: 3 }", X, D ** 3),
        ("Power, root", "Power", "power_param { power: 0.5 shift: 0.25 }", POSITIVE, np.sqrt(P + 0.25)),
        ("Power, reciprocal", "Power", "power_param { power: -1 scale: 2 }", POSITIVE, 1 / (2 * P)),
        ("Power, 0", "Power", "power_param { power: 0 }", X, np.ones_like(D)),
        ("AbsVal", "AbsVal", "", X, np.abs(D)),
        ("Exp", "Exp", "", X, np.exp(D)),
        ("Exp of a base", "Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }", X, 2 ** (0.5 * D + 1)),
        ("Log", "Log", "", POSITIVE, np.log(P)),
        ("Log of a base", "Log", "log_param { base: 10 scale: 2 shift: 1 }", POSITIVE, np.log10(2 * P + 1)),
        ("BNLL", "BNLL", "", X * 20, np.logaddexp(0, 20 * D)),
        ("Swish", "Swish", "", X, D / (1 + np.exp(-D))),
        ("Swish with beta", "Swish", "swish_param { beta: 2 }", X, D / (1 + np.exp(-2 * D))),
        ("Threshold", "Threshold", "threshold_param { threshold: 0.5 }", X, (X > 0.5).astype(np.float64))):
    same(name, layer(kind, fields), x, expected, onnx=kind != "Threshold")
    y, got = forward(net_of(layer("TanH", name="t", top=("t",)) + layer(kind, fields, bottom=("t",), top=("t",)), x), x, "--blob", "t")
    z, got = forward(net_of(layer("TanH", name="t", top=("t",)) + layer(kind, fields, bottom=("t",)), x), x, "--blob", "y")
    check(f"{name}: in place", y is not None and z is not None and np.array_equal(y, z, equal_nan=True), got.stderr)

# Values in another order.
for name, kind, fields, expected in (
        ("Permute", "Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", X.transpose(0, 2, 3, 1)),
        ("Permute, the rest in order", "Permute", "permute_param { order: 0 order: 3 }", X.transpose(0, 3, 1, 2)),
        ("Tile", "Tile", "tile_param { tiles: 3 }", np.tile(X, (1, 3, 1, 1))),
        ("Tile along the width", "Tile", "tile_param { axis: -1 tiles: 2 }", np.tile(X, (1, 1, 1, 2))),
        ("ShuffleChannel", "ShuffleChannel", "shuffle_channel_param { group: 2 }", X[:, [0, 2, 1, 3]])):
    same(name, layer(kind, fields), X, expected, tolerance=0)
POOL = layer("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 3 }", name="p", top=("p",))
same("Crop", POOL + layer("Crop", "crop_param { axis: 2 offset: 4 }", bottom=("x", "p")), X, X[:, :, 4:7, 4:7], tolerance=0)
same("Crop with an offset for each axis", POOL + layer("Crop", "crop_param { axis: 1 offset: 0 offset: 6 offset: 1 }", bottom=("x", "p")), X,
     X[:, :, 6:9, 1:4], tolerance=0)


def reorg(x, stride, reverse):
    """As YOLO's layer counts, value by value."""
    n, channels, height, width = x.shape
    few, wide, high = channels // stride ** 2, width * stride, height * stride
    y = np.zeros((n, few, high, wide) if reverse else (n, channels * stride ** 2, height // stride, width // stride), np.float32)
    for i in range(n):
        a, b = x[i].reshape(-1), y[i].reshape(-1)
        for c in range(channels):
            for h in range(height):
                for w in range(width):
                    small = w + width * (h + height * c)
                    large = w * stride + c // few % stride + wide * (h * stride + c // few // stride + high * (c % few))
                    b[large if reverse else small] = a[small if reverse else large]
    return y


EVEN = r(2, 8, 4, 6)
same("Reorg", layer("Reorg", "reorg_param { stride: 2 }"), EVEN, reorg(EVEN, 2, False), tolerance=0)
same("Reorg, reverse", layer("Reorg", "reorg_param { stride: 2 reverse: true }"), EVEN, reorg(EVEN, 2, True), tolerance=0)
# Sums, means and norms.
for name, fields, expected in (
        ("SUM", "axis: 1", D.sum(axis=(1, 2, 3))), ("MEAN", "axis: 2 operation: MEAN", D.mean(axis=(2, 3))),
        ("ASUM", "axis: -1 operation: ASUM coeff: 0.5", 0.5 * np.abs(D).sum(axis=3)), ("SUMSQ", "axis: 1 operation: SUMSQ", (D * D).sum(axis=(1, 2, 3)))):
    same(f"Reduction, {name}", layer("Reduction", f"reduction_param {{ {fields} }}"), X, expected, onnx=True)
area, whole = (2, 3), (1, 2, 3)
for name, fields, axes in (("MVN", "", area), ("MVN across channels", "mvn_param { across_channels: true }", whole)):
    same(name, layer("MVN", fields), X, (D - D.mean(axis=axes, keepdims=True)) / (D.std(axis=axes, keepdims=True) + 1e-9))
same("MVN without variance", layer("MVN", "mvn_param { normalize_variance: false }"), X, D - D.mean(axis=area, keepdims=True), onnx=False)
same("MVN with eps", layer("MVN", "mvn_param { eps: 0.5 }"), X, (D - D.mean(axis=area, keepdims=True)) / (D.std(axis=area, keepdims=True) + 0.5), onnx=False)
TIES = np.round(X * 2)
for name, fields, top_k, values, axis in (("", "", 1, False, None), (" of three", "top_k: 3", 3, False, None), (" with values", "top_k: 2 out_max_val: true", 2, True, None),
                                          (" along channels", "axis: 1 top_k: 2", 2, False, 1), (" of values along the width", "axis: -1 out_max_val: true", 1, True, 3)):
    flat = TIES.reshape(2, -1) if axis is None else np.moveaxis(TIES, axis, -1)
    # The largest first; of equal ones the last, as pairs of value and place are sorted.
    places = np.array([sorted(range(flat.shape[-1]), key=lambda i, v=v: (v[i], i), reverse=True)[:top_k] for v in flat.reshape(-1, flat.shape[-1])])
    largest = np.take_along_axis(flat.reshape(-1, flat.shape[-1]), places, axis=1)
    if axis is None:
        expected = np.stack([places, largest], 1) if values else places[:, None, :]
    else:
        expected = np.moveaxis((largest if values else places).reshape(*flat.shape[:-1], top_k), -1, axis)
    same(f"ArgMax{name}", layer("ArgMax", f"argmax_param {{ {fields} }}"), TIES, expected.astype(np.float64), onnx=False, tolerance=0)
# Factors and terms from another bottom.
GLOBAL = layer("Pooling", "pooling_param { pool: AVE global_pooling: true }", name="g", top=("g",)) + layer("Flatten", name="f", bottom=("g",), top=("f",))
means = D.mean(axis=(2, 3), keepdims=True)
for name, bottom in (("", "f"), (", with further axes", "g")):
    same(f"Scale with two bottoms{name}", GLOBAL + layer("Scale", "scale_param { axis: 0 }", bottom=("x", bottom)), X, D * means)
    same(f"Bias with two bottoms{name}", GLOBAL + layer("Bias", "bias_param { axis: 0 }", bottom=("x", bottom)), X, D + means)
    same(f"Axpy{name}", GLOBAL + layer("Axpy", bottom=(bottom, "x", "x")), X, D * means + D)
same("Silence", layer("TanH") + 'layer { name: "s" type: "Silence" bottom: "y" }\n', X, np.tanh(D))

for name, kind, fields, bottom, part in (
        ("Permute of the batch", "Permute", "permute_param { order: 1 order: 0 }", ("x",), "expected an order that leaves the batch in front"),
        ("Permute of an axis twice", "Permute", "permute_param { order: 0 order: 0 }", ("x",), "an order that names each of its axes once"),
        ("Tile of the batch", "Tile", "tile_param { axis: 0 tiles: 2 }", ("x",), "axis 0, the batch, is not supported"),
        ("Tile without tiles", "Tile", "", ("x",), "has no tiles"),
        ("Crop that is too large", "Crop", "crop_param { offset: 1 }", ("x", "x"), "expected at least the offset and the size of what is kept"),
        ("Crop of too many offsets", "Crop", "crop_param { offset: [1, 2, 3] }", ("x", "x"), "3 values of offset, expected one, or one for each of 2 axes"),
        ("ShuffleChannel of odd groups", "ShuffleChannel", "shuffle_channel_param { group: 3 }", ("x",), "channels that can be divided into the groups"),
        ("Reorg of odd sizes", "Reorg", "reorg_param { stride: 2 }", ("x",), "channels that can be divided by the stride's square"),
        ("Reduction of the batch", "Reduction", "", ("x",), "axis 0, the batch, is not supported"),
        ("ArgMax of too many", "ArgMax", "argmax_param { axis: 1 top_k: 5 }", ("x",), "top_k is 5, expected at most the 4 values there are"),
        ("Normalize without eps", "Normalize", "norm_param { eps: 0 }", ("x",), "eps must be more than 0"),
        ("Scale with a second bottom along the channels", "Scale", "", ("x", "x"), "axis 1 with a second bottom is not supported, expected 0"),
        ("Axpy of other sizes", "Axpy", "", ("x", "x", "x"), "expected the first axes of bottom 'x'"),
        ("Exp of base 0", "Exp", "exp_param { base: 0 }", ("x",), "base is 0.000000, expected -1, or more than 0 and not 1"),
        ("Power of infinity", "Power", "power_param { power: inf }", ("x",), "power is not a finite number")):
    with open(net_of(layer(kind, fields, bottom=bottom), X), encoding="utf-8") as f:
        summary(name, f.read(), 3, part)

# Inputs.
DATA = 'layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "none" batch_size: 4 } %s }\n'
summary("an input without a shape that a layer gives", 'input: "data"\nlayer { name: "d" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }\n' + CONV,
        0, "1x4x6x6")
summary("an input without a shape", 'input: "data"\n' + CONV, 3, "layer 'input' gives no shape for its top 'data'", "--input CHANNELSxHEIGHTxWIDTH gives it one")
summary("a data layer that crops", DATA % "transform_param { crop_size: 8 mean_value: [1, 2, 3] }" + CONV, 0, "4x4x6x6")
summary("a data layer of unknown size", DATA % "" + CONV, 3, "gives no shape", "the images of a data set give it one, or --input CHANNELSxHEIGHTxWIDTH")
HDF5 = 'layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "none" batch_size: 4 } }\n'
summary("HDF5Data has no shape", HDF5 + CONV, 3, "gives no shape", "--input CHANNELSxHEIGHTxWIDTH")
got = ristretto("summary", path("s.prototxt"), "--input", "4x3x8x8")
check("but takes one", got.returncode == 0 and "4x4x6x6" in got.stdout, got.stderr)
DUMMY = 'layer { name: "d" type: "DummyData" top: "data" dummy_data_param { %s } }\n'
summary("DummyData with a shape", DUMMY % "shape { dim: [2, 3, 8, 8] }" + CONV, 0, "2x4x6x6")
summary("DummyData of old", DUMMY % "num: 2 channels: 3 height: 8 width: 8" + CONV, 0, "2x4x6x6")
summary("DummyData without a height", DUMMY % "num: 2 channels: 3 width: 8" + CONV, 3, "has no height")
summary("WindowData", 'layer { name: "d" type: "WindowData" top: "data" window_data_param { source: "none" batch_size: 4 crop_size: 8 } }\n' + CONV, 0, "4x4x6x6")
summary("fields of a fork's data layer", DATA % "transform_param { crop_size: 8 mean_value: [1, 2, 3] resize_param { prob: 1 height: 300 } }" + CONV, 0,
        "warning: unknown field 'resize_param' in transform_param is left out: it is about the data of a training")
summary("a typing error among them", DATA % "transform_param { crop_sise: 8 }" + CONV, 3, "unknown field 'crop_sise' in transform_param", "did you mean 'crop_size'?")

# What is not supported is said once.
many = "".join(f'layer {{ name: "p{i}" type: "Python" bottom: "c" top: "p{i}" }}\n' for i in range(5))
summary("one message for all layers of a type", INPUT + CONV + many, 3, ":3:20: error: layer 'p0' is of type 'Python', which is not supported, and so are 4 more")
got = ristretto("summary", path("s.prototxt"))
check("and no other", got.stderr.count("error:") == 1, got.stderr)

check(f"compared {compared} values", compared > 500)
shutil.rmtree(folder)
check.done()
