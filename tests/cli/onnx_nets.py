#!/usr/bin/python3
"""Networks of today as their exporters write them, with few channels and small images: ResNet, MobileNet v1 and v2, VGG, AlexNet, SqueezeNet,
GoogLeNet, quantized ones. Each loads; its scores are those that ONNX's definitions give (tests/lib/onnx_tools.py, in double); and it is
quantized, or the layer that has no integer rule is named.

test-options: limit=180
"""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
try:
    import numpy as np
    import onnx
    from onnx import numpy_helper

    from onnx_tools import evaluate, model, node
except ImportError as e:
    check.skip("networks as ONNX models", f"no package {e.name} for {sys.executable} (Debian: python3-{e.name})")
    check.done()

os.chdir(ROOT)
folder = tempfile.mkdtemp()
seed = int(os.environ.get("RISTRETTO_SEED", "5"))
print(f"# RISTRETTO_SEED={seed}")
rng = np.random.default_rng(seed)
compared = 0


def path(name):
    return os.path.join(folder, name)


class Builder:
    """Nodes one behind the other, with random weights of a size that keeps values near 1."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], {}, 0

    def name(self):
        self.count += 1
        return f"t{self.count}"

    def const(self, value, as_node=False):
        name = self.name()
        if as_node:
            self.nodes.append(node("Constant", [], name, value=numpy_helper.from_array(np.asarray(value))))
        else:
            self.constants[name] = np.asarray(value)
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        names = [self.name() for _ in range(outputs)]
        self.nodes.append(node(op, list(inputs), names, name=f"{op}_{self.count}", **attributes))
        return names[0]

    def weights(self, *shape):
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)

    def conv(self, x, outputs, inputs, k, stride=1, pad=None, group=1, bias=True, **more):
        p = k // 2 if pad is None else pad
        if "auto_pad" not in more:
            more["pads"] = [p] * 4
        parts = [x, self.const(self.weights(outputs, inputs // group, k, k))]
        if bias:
            parts.append(self.const((rng.standard_normal(outputs) * 0.1).astype(np.float32)))
        return self.add("Conv", *parts, kernel_shape=[k, k], strides=[stride] * 2, dilations=[1, 1], group=group, **more)

    def norm(self, x, n):
        def positive():
            return (rng.random(n) + 0.5).astype(np.float32)
        return self.add("BatchNormalization", x, self.const(positive()), self.const((rng.standard_normal(n) * 0.2).astype(np.float32)),
                        self.const((rng.standard_normal(n) * 0.2).astype(np.float32)), self.const(positive()), epsilon=1e-5, momentum=0.9)

    def gemm(self, x, outputs, inputs):
        return self.add("Gemm", x, self.const(self.weights(outputs, inputs)), self.const((rng.standard_normal(outputs) * 0.1).astype(np.float32)),
                        alpha=1.0, beta=1.0, transB=1)

    def clip6(self, x, opset, as_node=True):
        if opset < 11:
            return self.add("Clip", x, min=0.0, max=6.0)
        return self.add("Clip", x, self.const(np.float32(0), as_node), self.const(np.float32(6), as_node))

    def flat_by_shape(self, x, as_nodes=True):
        """x.view(x.size(0), -1), as a traced model says it."""
        shape = self.add("Shape", x)
        first = self.add("Gather", shape, self.const(np.array(0), as_nodes), axis=0)
        first = self.add("Unsqueeze", first, axes=[0])
        return self.add("Reshape", x, self.add("Concat", first, self.const(np.array([-1]), as_nodes), axis=0))

    def model(self, y, shape, opset, **more):
        self.nodes[-1].output[0] = "scores"
        return model(self.nodes, {"input": shape}, outputs=("scores",), constants=self.constants, opset=opset, **more)


def resnet18(b):
    """torchvision, exported for training: batch normalization apart, weights among the inputs, opset 9, an open batch."""
    x = b.add("Relu", b.norm(b.conv("input", 8, 3, 7, 2, 3, bias=False), 8))
    x, n = b.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 8
    for outputs, stride in ((8, 1), (8, 1), (16, 2), (16, 1), (24, 2), (24, 1), (32, 2), (32, 1)):
        y = b.add("Relu", b.norm(b.conv(x, outputs, n, 3, stride, bias=False), outputs))
        y = b.norm(b.conv(y, outputs, outputs, 3, bias=False), outputs)
        same = x if stride == 1 and n == outputs else b.norm(b.conv(x, outputs, n, 1, stride, 0, bias=False), outputs)
        x, n = b.add("Relu", b.add("Add", y, same)), outputs
    x = b.add("Flatten", b.add("GlobalAveragePool", x), axis=1)
    b.gemm(x, 10, n)
    return b.model(x, ["batch_size", 3, 64, 64], 9, listed=True)


def mobilenet1(b):
    """Converted from TensorFlow: auto_pad, ReLU6, a mean, a matrix product and an addition."""
    x, n = b.clip6(b.conv("input", 8, 3, 3, 2, bias=True, auto_pad="SAME_UPPER"), 11), 8
    for outputs, stride in ((16, 1), (24, 2), (24, 1), (32, 2)):
        x = b.clip6(b.norm(b.conv(x, n, n, 3, stride, group=n, bias=False, auto_pad="SAME_UPPER"), n), 11)
        x, n = b.clip6(b.norm(b.conv(x, outputs, n, 1, auto_pad="VALID", bias=False), outputs), 11), outputs
    x = b.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    x = b.add("MatMul", x, b.const(b.weights(n, 10)))
    x = b.add("Identity", b.add("Add", x, b.const((rng.standard_normal(10) * 0.1).astype(np.float32))))
    b.add("Softmax", x, axis=1)
    return b.model(x, ["unk__6", 3, 31, 33], 11)


def mobilenet2(b, relu6=True):
    """torchvision, opset 13: the normalization is in the convolutions, Clip with constants from nodes, a Dropout with a mask."""
    def act(x):
        return b.clip6(x, 13) if relu6 else b.add("Relu", x)
    x, n = act(b.conv("input", 8, 3, 3, 2)), 8
    for outputs, stride, t in ((8, 1, 1), (12, 2, 4), (12, 1, 4), (16, 2, 4), (16, 1, 4)):
        y = act(b.conv(x, n * t, n, 1)) if t > 1 else x
        y = act(b.conv(y, n * t, n * t, 3, stride, group=n * t))
        y = b.conv(y, outputs, n * t, 1)
        x, n = (b.add("Add", x, y) if stride == 1 and n == outputs else y), outputs
    x = b.add("GlobalAveragePool", act(b.conv(x, 32, n, 1)))
    x = b.add("Flatten", x, axis=1)
    x = b.add("Dropout", x, b.const(np.float32(0.2), True), b.const(np.array(False), True), outputs=2)
    b.gemm(x, 10, 32)
    return b.model(x, ["batch_size", 3, 32, 32], 13)


def vgg11(b):
    x, n = "input", 3
    for outputs, count in ((8, 1), (12, 1), (16, 2), (16, 2)):
        for _ in range(count):
            x, n = b.add("Relu", b.norm(b.conv(x, outputs, n, 3), outputs)), outputs
        x = b.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0], ceil_mode=0)
    x = b.add("AveragePool", x, kernel_shape=[1, 1], strides=[1, 1])
    x = b.flat_by_shape(x)
    x = b.add("Dropout", b.add("Relu", b.gemm(x, 32, 64)), ratio=0.5)
    b.gemm(b.add("Dropout", b.add("Relu", b.gemm(x, 32, 32)), ratio=0.5), 10, 32)
    return b.model(x, ["N", 3, 32, 32], 11)


def alexnet(b):
    x = b.add("Relu", b.conv("input", 12, 3, 11, 4, 2))
    x = b.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    x = b.add("MaxPool", b.add("Relu", b.conv(x, 24, 12, 5)), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    for n, m in ((32, 24), (24, 32), (24, 24)):
        x = b.add("Relu", b.conv(x, n, m, 3))
    x = b.add("AveragePool", x, kernel_shape=[2, 2], strides=[1, 1])
    x = b.add("Reshape", x, b.const(np.array([-1, 24 * 4]), True))
    x = b.add("Relu", b.gemm(b.add("Dropout", x, ratio=0.5), 40, 96))
    b.gemm(b.add("Dropout", x), 10, 40)
    return b.model(x, ["N", 3, 63, 63], 9)


def squeezenet(b):
    """The model zoo's: opset 7, weights listed among the inputs, a Reshape at the end."""
    x = b.add("MaxPool", b.add("Relu", b.conv("input", 8, 3, 3, 2, 0)), kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 0, 0])
    n = 8
    for squeeze, expand in ((4, 8), (4, 8), (6, 12)):
        s = b.add("Relu", b.conv(x, squeeze, n, 1))
        x = b.add("Concat", b.add("Relu", b.conv(s, expand, squeeze, 1)), b.add("Relu", b.conv(s, expand, squeeze, 3)), axis=1)
        n = 2 * expand
    x = b.add("Relu", b.conv(b.add("Dropout", x, ratio=0.5), 10, n, 1))
    b.add("Reshape", b.add("GlobalAveragePool", x), b.const(np.array([0, 10])))
    return b.model(x, [1, 3, 35, 35], 7, listed=True)


def googlenet(b):
    """From Caffe: LRN, maxima rounded up, an average at the end, a Softmax."""
    x = b.add("MaxPool", b.add("Relu", b.conv("input", 8, 3, 7, 2, 3)), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = b.add("LRN", x, size=5, alpha=0.01, beta=0.75, bias=1.0)
    n = 8
    for _ in range(2):
        parts = [b.add("Relu", b.conv(x, 4, n, 1)), b.add("Relu", b.conv(b.add("Relu", b.conv(x, 3, n, 1)), 6, 3, 3)),
                 b.add("Relu", b.conv(b.add("Relu", b.conv(x, 2, n, 1)), 3, 2, 5)),
                 b.add("Relu", b.conv(b.add("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]), 3, n, 1))]
        x, n = b.add("Concat", *parts, axis=1), 16
    x = b.add("AveragePool", x, kernel_shape=[8, 8], strides=[1, 1])
    b.add("Softmax", b.gemm(b.add("Dropout", b.flat_by_shape(x, False), ratio=0.4), 10, n), axis=-1)
    return b.model(x, ["N", 3, 32, 32], 12)


def quantized(b):
    """onnxruntime's form for a quantized net: activations uint8, weights int8 for each channel, biases int32."""
    def q(x, scale, zero):
        s, z = b.const(np.float32(scale)), b.const(np.uint8(zero))
        return b.add("DequantizeLinear", b.add("QuantizeLinear", x, s, z), s, z)

    def conv(x, scale, outputs, inputs, k, stride, group=1):
        w = b.weights(outputs, inputs // group, k, k)
        s = (np.abs(w).max(axis=(1, 2, 3)) / 127).astype(np.float32)
        integers = np.rint(w / s.reshape(-1, 1, 1, 1)).astype(np.int8)
        wd = b.add("DequantizeLinear", b.const(integers), b.const(s), b.const(np.zeros(outputs, np.int8)), axis=0)
        bd = b.add("DequantizeLinear", b.const(rng.integers(-500, 500, outputs).astype(np.int32)), b.const((s * np.float32(scale)).astype(np.float32)),
                   b.const(np.zeros(outputs, np.int32)), axis=0)
        return b.add("Conv", x, wd, bd, kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4, group=group)
    x = q("input", 0.031, 128)
    x = q(b.add("Relu", conv(x, 0.031, 8, 3, 3, 2)), 0.02, 0)
    y = q(b.add("Relu", conv(x, 0.02, 8, 8, 3, 1, 8)), 0.02, 0)
    y = q(conv(y, 0.02, 8, 8, 1, 1), 0.03, 121)
    x = q(b.add("Relu", b.add("Add", x, y)), 0.035, 0)
    x = q(b.add("GlobalAveragePool", x), 0.02, 0)
    x = b.add("Flatten", x, axis=1)
    w = b.weights(10, 8)
    wd = b.add("DequantizeLinear", b.const(np.rint(w / 0.01).clip(-127, 127).astype(np.int8)), b.const(np.float32(0.01)), b.const(np.int8(0)))
    q(b.add("Gemm", x, wd, b.const(np.zeros(10, np.float32)), transB=1), 0.05, 118)
    return b.model(x, ["N", 3, 20, 20], 13)


def powers_of_two(b, first=2.0 ** -6, last=None):
    """A quantized net whose scales are powers of two: signed inputs, unsigned bytes that stand for a ReLU, weights with a scale for each channel."""
    def q(x, scale, kind):
        s, z = b.const(np.float32(scale)), b.const(kind(0))
        return b.add("DequantizeLinear", b.add("QuantizeLinear", x, s, z), s, z)

    def conv(x, fl, outputs, inputs, k, stride, group=1):
        w = b.weights(outputs, inputs // group, k, k)
        s = 2.0 ** np.ceil(np.log2(np.abs(w).max(axis=(1, 2, 3)) / 127)).astype(np.float32)
        integers = np.rint(w / s.reshape(-1, 1, 1, 1)).astype(np.int8)
        wd = b.add("DequantizeLinear", b.const(integers), b.const(s.astype(np.float32)), b.const(np.zeros(outputs, np.int8)), axis=0)
        bd = b.add("DequantizeLinear", b.const(rng.integers(-500, 500, outputs).astype(np.int32)), b.const((s * 2.0 ** -fl).astype(np.float32)),
                   b.const(np.zeros(outputs, np.int32)), axis=0)
        return b.add("Conv", x, wd, bd, kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4, group=group)
    x = q("input", first, np.int8)
    x = q(conv(x, 6, 8, 3, 3, 2), 2.0 ** -6, np.uint8)
    y = q(b.add("Relu", conv(x, 6, 8, 8, 3, 1, 8)), 2.0 ** -6, np.uint8)
    y = conv(y, 6, 8, 8, 1, 1)
    y = b.add("Add", x, q(y, 2.0 ** -5, np.int8)) if last is None else y
    x = q(b.add("Relu", y), 2.0 ** -5, np.uint8)
    x = q(b.add("GlobalAveragePool", x), 2.0 ** -7, np.uint8)
    x = b.add("Flatten", x, axis=1)
    w = b.weights(10, 8)
    wd = b.add("DequantizeLinear", b.const(np.rint(w * 64).clip(-127, 127).astype(np.int8)), b.const(np.float32(2.0 ** -6)), b.const(np.int8(0)))
    x = b.add("Gemm", x, wd, b.const((rng.integers(-50, 50, 10) * 2.0 ** -13).astype(np.float32)), transB=1)
    if last is not None:
        q(x, last, np.int8)
    return b.model(x, ["N", 3, 16, 16], 13)


def scores_of(m):
    """The first output; before a last Softmax, which `forward` leaves out."""
    if m.graph.node[-1].op_type == "Softmax":
        m = onnx.ModelProto.FromString(m.SerializeToString())
        m.graph.output[0].name = m.graph.node[-1].input[0]
        del m.graph.node[-1]
    return m


def images(shape):
    """A labelled set of bytes, as NumPy files."""
    n, (channels, height, width) = 16, shape
    np.save(path("few-images.npy"), rng.integers(0, 256, (n, channels, height, width)).astype(np.uint8))
    np.save(path("few-labels.npy"), rng.integers(0, 10, n).astype(np.uint8))


for name, make, refused_layer in (
        ("ResNet-18", resnet18, None), ("MobileNet v1", mobilenet1, None),
        ("MobileNet v2", mobilenet2, None), ("MobileNet v2 with ReLU", lambda b: mobilenet2(b, False), None),
        ("VGG-11", vgg11, None), ("AlexNet", alexnet, None), ("SqueezeNet", squeezenet, None), ("GoogLeNet", googlenet, None),
        ("a quantized residual net", quantized, None)):
    m = make(Builder())
    onnx.save(m, path("net.onnx"))
    dims = [d.dim_value for d in m.graph.input[0].type.tensor_type.shape.dim]
    x = rng.standard_normal((3 if dims[0] == 0 else 1, *dims[1:])).astype(np.float32)
    expected = evaluate(scores_of(m), {"input": x})
    np.save(path("x.npy"), x)
    got = ristretto("forward", path("net.onnx"), "--data", path("x.npy"), "--out", path("y.npy"))
    if check(f"{name} loads", got.returncode == 0, got.stderr):
        y = np.load(path("y.npy")).reshape(expected.shape)
        compared += y.size
        span = np.ptp(expected)
        far = np.abs(y - expected).max() / span
        # A value that another order of summation puts on the other side of a rounding moves by a whole step.
        limit = 0.2 if make is quantized else 1e-5
        check(f"{name}: scores", span > 0 and far <= limit and np.abs(y - expected).mean() <= 0.02 * span, f"differ by {far} of their range")
        for one in range(len(x) if len(x) > 1 else 0):
            np.save(path("x.npy"), x[one:one + 1])
            got = ristretto("forward", path("net.onnx"), "--data", path("x.npy"), "--out", path("y1.npy"))
            check(f"{name}: image {one} alone has the same bits", got.returncode == 0 and np.load(path("y1.npy")).tobytes() ==
                  np.load(path("y.npy"))[one:one + 1].tobytes(), got.stderr)
    images(dims[1:])
    got = ristretto("quantize", "--model", path("net.onnx"), "--data", path("few-images.npy"), "--scale", "0.0078", "--mean", "127.5", "--activation-bits", "16",
                    "--convolution-bits", "16", "--inner-product-bits", "16", "--error-margin", "100", "--out", path("q"), "--quiet")
    if refused_layer:
        check(f"{name} is not quantized, and why", got.returncode == 3 and refused_layer in got.stderr and "net.onnx" in got.stderr, got.stderr)
    else:
        good = got.returncode == 0 and os.path.exists(path("q/qnet/qnet.json"))
        check(f"{name} is quantized", good, got.stderr)
        if make is quantized:
            check.contains(f"{name}: its own formats are said to be left out", got.stderr, "QuantizeLinear layers of the net are left out here")
        if good:
            got = ristretto("test", "--model", path("q/quantized.prototxt"), "--weights", path("q/quantized.caffemodel"), "--data", path("few-images.npy"),
                            "--scale", "0.0078", "--mean", "127.5", "--json")
            check(f"{name}: what was written is a net", got.returncode == 0, got.stderr)
    shutil.rmtree(path("q"), ignore_errors=True)

# The formats of a quantized model, taken as they are: the integers decide as the model does.
IMAGES = 64
m = powers_of_two(Builder())
onnx.save(m, path("net.onnx"))
pixels = (rng.integers(0, 200, (IMAGES, 3, 1, 1)) + rng.integers(0, 56, (IMAGES, 3, 16, 16))).astype(np.uint8)
scores = evaluate(m, {"input": (pixels.astype(np.float32) - np.float32(127.5)) * np.float32(0.0078)}).reshape(IMAGES, 10)
labels = scores.argmax(axis=1)
np.save(path("few-images.npy"), pixels)
np.save(path("few-labels.npy"), labels.astype(np.uint8))
own = ["quantize", "--model", path("net.onnx"), "--data", path("few-images.npy"), "--scale", "0.0078", "--mean", "127.5", "--formats", "model",
       "--error-margin", "100", "--out", path("q"), "--quiet"]
got = ristretto(*own)
if check("formats of the model: taken", got.returncode == 0, got.stderr):
    with open(path("q/quantize.json"), encoding="utf-8") as f:
        result = json.load(f)
    check("formats of the model: every image is decided as the model decides", result["hits"] == IMAGES and result["ties"] == 0, str(result["hits"]))
    check("... of several classes", len(set(labels)) > 2, str(labels))
    with open(path("q/qnet/qnet.json"), encoding="utf-8") as f:
        net = json.load(f)
    formats = [(t["bits"], t["fl"], t["signed"]) for t in net["tensors"]]
    expected = [(8, 6, True), (8, 6, False), (8, 6, False), (8, 5, True), (8, 5, False), (8, 7, False)]  # the last is made of the one before
    compared += len(expected)
    check("formats of the model: those of its scales", formats[:6] == expected and net["rounding"] == "nearest_even", str(formats))
onnx.save(powers_of_two(Builder(), last=2.0 ** -3), path("net.onnx"))  # the array adds no signed to unsigned values, and has scores of 16 bits at most
with open(os.path.join(ROOT, "configs", "arrays", "paper-16x16.yaml"), encoding="utf-8") as f:
    array = f.read().replace("rounding: nearest", "rounding: nearest_even")
with open(path("array.yaml"), "w", encoding="utf-8") as f:
    f.write(array)
with open(path("run.yaml"), "w", encoding="utf-8") as f:
    f.write(f"""name: powers of two
model: net.onnx
data: {{ path: few-images.npy, mean: "127.5", scale: 0.0078 }}
quantize: {{ formats: model, error_margin: 100 }}
array: array.yaml
simulate: {{ images: 4 }}
out: by-run
""")
got = ristretto("run", path("run.yaml"), "--quiet")
if check("formats of the model: a run file takes them to the array", got.returncode == 0, got.stderr):
    with open(path("by-run/qnet/qnet.json"), encoding="utf-8") as f:
        formats = [(t["bits"], t["fl"], t["signed"]) for t in json.load(f)["tensors"]]
        check("... all of them", formats == [*expected[:3], *expected[4:], (8, 3, True)], str(formats))
onnx.save(powers_of_two(Builder(), 0.02), path("net.onnx"))
got = ristretto(*own)
check.contains("formats of the model: a scale that is no power of two", got.stderr, "net.onnx: error: layer ")
check("... is bad input", got.returncode == 3 and "the scale 0.0199999996 is no power of two" in got.stderr, got.stderr)
onnx.save(squeezenet(Builder()), path("net.onnx"))
got = ristretto(*own)
check("formats of the model: a model without", got.returncode == 3 and "no QuantizeLinear layers" in got.stderr, got.stderr)
got = ristretto(*own, "--max-bits", "8")
check("formats of the model: nothing else to choose", got.returncode == 2 and "--max-bits changes them" in got.stderr, got.stderr)

check(f"compared {compared} values", compared > 150)
shutil.rmtree(folder)
check.done()
