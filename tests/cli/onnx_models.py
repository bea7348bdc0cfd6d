#!/usr/bin/python3
"""ONNX models, made by the onnx package (an independent writer), read and run; the values are compared with plain NumPy loops written
from ONNX's own definitions of the operators. Then what is refused, and how.

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
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from onnx_tools import conv, dequantize_linear, lrn, model, node, pool, quantize_linear
except ImportError as e:
    check.skip("ONNX models", f"no package {e.name} for {sys.executable} (Debian: python3-{e.name})")
    check.done()

os.chdir(ROOT)
folder = tempfile.mkdtemp()
seed = int(os.environ.get("RISTRETTO_SEED", "7"))
print(f"# RISTRETTO_SEED={seed}")
rng = np.random.default_rng(seed)
compared = 0


def path(name):
    return os.path.join(folder, name)


def r(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def run(name, m, x, *options):
    onnx.save(m, path("net.onnx"))
    np.save(path("x.npy"), x)
    if os.path.exists(path("y.npy")):
        os.remove(path("y.npy"))
    return ristretto("forward", path("net.onnx"), "--data", path("x.npy"), "--out", path("y.npy"), *options)


def same(name, m, x, expected, tolerance=1e-5):
    global compared
    got = run(name, m, x)
    if got.returncode != 0:
        return check(name, False, f"status {got.returncode}\n{got.stderr}")
    y = np.load(path("y.npy"))
    compared += y.size
    wrong = y.shape != expected.shape or not np.all(np.abs(y - expected) <= tolerance * max(1.0, np.abs(expected).max()))
    detail = f"shape {y.shape}, expected {expected.shape}" if y.shape != expected.shape else f"differs by {np.abs(y - expected).max()}"
    return check(name, not wrong and y.size > 0, detail)


def refused(name, m, x, *parts):
    got = run(name, m, x)
    text = got.stderr.replace(folder, "FOLDER")
    check(name, got.returncode == 3 and all(p in text for p in parts), f"status {got.returncode}, expected 3 and {parts}\n{text}")


X = r(2, 4, 9, 8)
IN = {"x": [2, 4, 9, 8]}

# Convolutions.
for name, k, g, attributes in (
        ("plain", (3, 3), 1, {}),
        ("groups, stride, pads", (3, 2), 2, {"strides": [2, 1], "pads": [1, 1, 1, 1]}),
        ("depthwise", (3, 3), 4, {"pads": [1, 1, 1, 1]}),
        ("dilation", (3, 3), 1, {"dilations": [2, 1], "pads": [2, 0, 2, 0]}),
        ("asymmetric pads", (3, 3), 1, {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
        ("asymmetric pads the other way", (2, 3), 2, {"pads": [1, 2, 0, 0]}),
        ("asymmetric pads with dilation", (2, 2), 1, {"dilations": [2, 2], "pads": [0, 2, 2, 0]}),
        ("auto_pad SAME_UPPER", (3, 3), 1, {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("auto_pad SAME_LOWER", (4, 2), 1, {"strides": [1, 2], "auto_pad": "SAME_LOWER"}),
        ("auto_pad VALID", (5, 1), 1, {"auto_pad": "VALID"})):
    w, b = r(8, 4 // g, *k), r(8)
    bias = name != "plain"
    m = model([node("Conv", ["x", "w"] + (["b"] if bias else []), group=g, kernel_shape=k, **attributes)], IN,
              constants={"w": w, "b": b} if bias else {"w": w})
    same(f"Conv, {name}", m, X, conv(X, w, b if bias else None, group=g, **attributes))

# Poolings.
for name, attributes in (
        ("plain", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("rounded down", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("ceil_mode", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
        ("ceil_mode, pads", {"kernel_shape": [2, 3], "strides": [3, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
        ("ceil_mode, another rounding along each axis", {"kernel_shape": [4, 2], "strides": [2, 4], "ceil_mode": 1}),
        ("asymmetric pads", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 0, 1]}),
        ("auto_pad", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"})):
    same(f"MaxPool, {name}", model([node("MaxPool", ["x"], **attributes)], IN), X,
         pool(X, attributes["kernel_shape"], **{k: v for k, v in attributes.items() if k != "kernel_shape"}))
    if name != "auto_pad":
        same(f"AveragePool, {name}", model([node("AveragePool", ["x"], **attributes)], IN), X,
             pool(X, attributes["kernel_shape"], average=True, **{k: v for k, v in attributes.items() if k != "kernel_shape"}))
same("AveragePool, count_include_pad", model([node("AveragePool", ["x"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], IN), X,
     pool(X, (3, 3), pads=(1, 1, 1, 1), average=True, count_include_pad=1))
same("Pad, then AveragePool", model([node("Pad", ["x", "p"], "a"), node("AveragePool", ["a"], kernel_shape=[3, 3])], IN,
                                    constants={"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}), X,
     pool(X, (3, 3), pads=(1, 1, 1, 1), average=True, count_include_pad=1))
w = r(3, 4, 3, 3)
same("Pad, then Conv", model([node("Pad", ["x"], "a", pads=[0, 0, 0, 1, 0, 0, 1, 2], mode="constant"), node("Conv", ["a", "w"])], IN,
                             constants={"w": w}, opset=9), X, conv(X, w, pads=(0, 1, 1, 2)))
same("GlobalAveragePool", model([node("GlobalAveragePool", ["x"])], IN), X, X.mean(axis=(2, 3), keepdims=True, dtype=np.float64))
same("GlobalMaxPool", model([node("GlobalMaxPool", ["x"])], IN), X, X.max(axis=(2, 3), keepdims=True))
same("ReduceMean", model([node("ReduceMean", ["x"], axes=[-1, -2], keepdims=0)], IN), X, X.mean(axis=(2, 3), dtype=np.float64))

# Activations and normalization.
slope, scale, shift, mean, var = np.abs(r(4)), r(4), r(4), r(4), np.abs(r(4)) + np.float32(0.1)
one = (1, 4, 1, 1)
for name, nodes, constants, expected in (
        ("Relu", [node("Relu", ["x"])], {}, np.maximum(X, 0)),
        ("LeakyRelu", [node("LeakyRelu", ["x"], alpha=0.2)], {}, np.where(X > 0, X, np.float32(0.2) * X)),
        ("PRelu by channel", [node("PRelu", ["x", "s"])], {"s": slope.reshape(4, 1, 1)}, np.where(X > 0, X, slope.reshape(one) * X)),
        ("PRelu, one slope", [node("PRelu", ["x", "s"])], {"s": slope[:1]}, np.where(X > 0, X, slope[0] * X)),
        ("Elu", [node("Elu", ["x"], alpha=0.5)], {}, np.where(X > 0, X, 0.5 * np.expm1(X))),
        ("Sigmoid", [node("Sigmoid", ["x"])], {}, 1 / (1 + np.exp(-X.astype(np.float64)))),
        ("Tanh", [node("Tanh", ["x"])], {}, np.tanh(X)),
        ("Clip without an upper limit", [node("Clip", ["x", "lo"])], {"lo": np.float32(0)}, np.maximum(X, 0)),
        ("Clip to 6 (ReLU6)", [node("Clip", ["x", "lo", "hi"])], {"lo": np.float32(0), "hi": np.float32(0.75)}, np.clip(X, 0, 0.75)),
        ("LRN", [node("LRN", ["x"], size=3, alpha=0.5, beta=0.6, bias=2.0)], {}, lrn(X, 3, 0.5, 0.6, 2.0)),
        ("BatchNormalization", [node("BatchNormalization", ["x", "s", "b", "m", "v"], epsilon=1e-3)],
         {"s": scale, "b": shift, "m": mean, "v": var},
         scale.reshape(one) * (X - mean.reshape(one)) / np.sqrt(var.reshape(one) + 1e-3) + shift.reshape(one)),
        ("Dropout", [node("Dropout", ["x"])], {}, X),
        ("Dropout with inputs", [node("Dropout", ["x", "half", "off"])], {"half": np.float32(0.5), "off": np.array(False)}, X),
        ("Identity", [node("Identity", ["x"], "a"), node("Relu", ["a"])], {}, np.maximum(X, 0)),
        ("Add two values", [node("Relu", ["x"], "a"), node("Add", ["a", "x"])], {}, np.maximum(X, 0) + X),
        ("Sub", [node("Relu", ["x"], "a"), node("Sub", ["a", "x"])], {}, np.maximum(X, 0) - X),
        ("Mul two values", [node("Sigmoid", ["x"], "a"), node("Mul", ["a", "x"])], {}, X / (1 + np.exp(-X.astype(np.float64)))),
        ("Sum of three", [node("Relu", ["x"], "a"), node("Sum", ["a", "x", "x"])], {}, np.maximum(X, 0) + 2 * X),
        ("Max", [node("Tanh", ["x"], "a"), node("Max", ["a", "x"])], {}, np.maximum(np.tanh(X), X)),
        ("Add a constant by channel", [node("Add", ["x", "c"])], {"c": shift.reshape(4, 1, 1)}, X + shift.reshape(one)),
        ("Mul a constant by channel", [node("Mul", ["c", "x"])], {"c": shift.reshape(one)}, X * shift.reshape(one)),
        ("Mul one constant", [node("Mul", ["x", "c"])], {"c": np.float32(3)}, X * 3),
        ("Div by a constant", [node("Div", ["x", "c"])], {"c": np.float32(3)}, X / 3),
        ("Sub a constant for each place", [node("Sub", ["x", "c"])], {"c": X[0]}, X - X[:1]),
        ("in place only where nobody else reads", [node("Conv", ["x", "w"], "a"), node("Relu", ["a"], "b"), node("Sub", ["a", "b"])], {"w": w},
         np.minimum(conv(X, w), 0)),
        ("Concat", [node("Relu", ["x"], "a"), node("Concat", ["x", "a"], axis=1)], {}, np.concatenate([X, np.maximum(X, 0)], 1)),
        ("Concat along the width", [node("Relu", ["x"], "a"), node("Concat", ["x", "a"], axis=-1)], {}, np.concatenate([X, np.maximum(X, 0)], 3)),
        ("Split", [node("Split", ["x", "n"], ["a", "b"], axis=1), node("Concat", ["b", "a"], axis=1)], {"n": np.array([1, 3])},
         np.concatenate([X[:, 1:], X[:, :1]], 1))):
    same(name, model(nodes, IN, constants=constants), X, expected)

# Matrices and shapes.
W, B, F = r(5, 288), r(5), X.reshape(2, 288)
P = F.astype(np.float64) @ W.T + B
flat = node("Flatten", ["x"], "f")
same("Flatten, Gemm", model([flat, node("Gemm", ["f", "w", "b"], transB=1)], IN, constants={"w": W, "b": B}), X, P)
same("Gemm with factors", model([flat, node("Gemm", ["f", "w", "b"], alpha=0.5, beta=2.0)], IN, constants={"w": np.ascontiguousarray(W.T), "b": B[:1]}),
     X, 0.5 * (F.astype(np.float64) @ W.T) + 2 * B[0])
same("MatMul, Add", model([flat, node("MatMul", ["f", "w"], "m"), node("Add", ["m", "b"])], IN, constants={"w": np.ascontiguousarray(W.T), "b": B}), X, P)
same("Reshape by a constant", model([node("Reshape", ["x", "s"], "f"), node("Gemm", ["f", "w", "b"], transB=1)], IN,
                                    constants={"w": W, "b": B, "s": np.array([0, -1])}), X, P)
same("Shape, Gather, Unsqueeze, Concat, Reshape",
     model([node("Shape", ["x"], "s"), node("Constant", [], "zero", value=numpy_helper.from_array(np.array(0))), node("Gather", ["s", "zero"], "n", axis=0),
            node("Unsqueeze", ["n"], "n1", axes=[0]), node("Constant", [], "rest", value=numpy_helper.from_array(np.array([-1]))),
            node("Concat", ["n1", "rest"], "to", axis=0), node("Reshape", ["x", "to"], "f"), node("Gemm", ["f", "w", "b"], transB=1)],
           IN, constants={"w": W, "b": B}, opset=11), X, P)
same("Flatten behind a pooling", model([node("GlobalAveragePool", ["x"], "g"), node("Flatten", ["g"], "f"), node("Softmax", ["f"], axis=-1)], IN), X,
     X.mean(axis=(2, 3), dtype=np.float64))  # the scores: what the softmax reads
same("Squeeze, Relu", model([node("GlobalAveragePool", ["x"], "g"), node("Squeeze", ["g", "a"], "f"), node("Relu", ["f"])], IN, constants={"a": np.array([2, 3])}),
     X, np.maximum(X.mean(axis=(2, 3), dtype=np.float64), 0))
L = r(4)
same("Flatten of one axis, the output", model([node("Flatten", ["x"])], {"x": [4]}), L, L.reshape(4, 1))
same("Flatten of one axis, read", model([node("Flatten", ["x"], "f"), node("Relu", ["f"])], {"x": [4]}), L, np.maximum(L, 0).reshape(4, 1))
same("Transposed weights", model([flat, node("Transpose", ["w"], "wt", perm=[1, 0]), node("Gemm", ["f", "wt", "b"])], IN, constants={"w": W, "b": B}), X, P)
same("Reshape to images", model([node("Reshape", ["x", "s"], "a"), node("MaxPool", ["a"], kernel_shape=[2, 2])], IN, constants={"s": np.array([2, 8, 6, 6])}), X,
     pool(X.reshape(2, 8, 6, 6), (2, 2)))

# Other forms of the same constants.
same("typed fields", model([flat, node("Gemm", ["f", "w", "b"], transB=1)], IN, constants={"w": W, "b": B}, raw=False), X, P)
half = {"w": W.astype(np.float16), "b": B}
same("binary16 weights", model([flat, node("Cast", ["w"], "w32", to=1), node("Gemm", ["f", "w32", "b"], transB=1)], IN, constants=half), X,
     F.astype(np.float64) @ half["w"].astype(np.float64).T + B)
old = model([flat, node("Gemm", ["f", "w", "b"], transB=1)], {**IN, "w": [5, 288], "b": [5]}, constants={"w": W, "b": B}, opset=7)
same("weights listed among the inputs", old, X, P)
open_batch = model([flat, node("Gemm", ["f", "w", "b"], transB=1)], {"x": ["N", 4, 9, 8]}, constants={"w": W, "b": B})
same("an open batch", open_batch, X, P)

# Quantized weights.
q = rng.integers(-128, 128, (6, 4, 3, 3)).astype(np.int8)
s = (np.abs(r(6)) + 0.01).astype(np.float32)
z = np.zeros(6, np.int8)
qdq = model([node("QuantizeLinear", ["x", "xs", "xz"], "xq"), node("DequantizeLinear", ["xq", "xs", "xz"], "xd"),
             node("DequantizeLinear", ["q", "s", "z"], "w", axis=0), node("Conv", ["xd", "w"])], IN,
            constants={"xs": np.float32(0.02), "xz": np.uint8(128), "q": q, "s": s, "z": z})
rounded = dequantize_linear(quantize_linear(X, np.float32(0.02), np.uint8(128)), np.float32(0.02), np.uint8(128))
check("the values are rounded, and some saturate", np.abs(rounded - X).max() > 0.1)
same("QuantizeLinear, DequantizeLinear", qdq, X, conv(rounded, q * s.reshape(6, 1, 1, 1)))

# Quantized values of layers: exactly what ONNX says, ties and ends included, int8 and uint8, the zero point given, by a Constant node, or not.
STEPS = (np.arange(2 * 4 * 9 * 8).reshape(X.shape) % 601 - 300).astype(np.float32)
for name, unit, zero, step in (("uint8", 0.5, np.uint8(100), 0.25), ("int8", 0.037, np.int8(-5), 0.0185), ("uint8 without a zero point", 0.25, None, 0.125),
                                ("int8, a power of two", 0.0625, np.int8(0), 0.03125), ("a zero point at the end", 1.7, np.uint8(255), 0.85)):
    for place in ("initializer", "node"):
        names, constants, extra = ["x", "xs"], {"xs": np.float32(unit)}, []
        if zero is not None:
            names.append("xz")
            if place == "node":
                extra = [node("Constant", [], "xz", value=numpy_helper.from_array(np.asarray(zero)))]
            else:
                constants["xz"] = zero
        elif place == "node":
            continue
        m = model(extra + [node("QuantizeLinear", names, "q"), node("DequantizeLinear", ["q"] + names[1:], "d"), node("Relu", ["d"], "a"),
                           node("Sub", ["d", "a"])], IN, constants=constants)
        x = STEPS * np.float32(step)
        z = np.uint8(0) if zero is None else zero
        same(f"quantized values, {name}, from {'an ' if place[0] == 'i' else 'a '}{place}", m, x,
             np.minimum(dequantize_linear(quantize_linear(x, np.float32(unit), z), np.float32(unit), z), 0), 0)
flat_q = model([node("QuantizeLinear", ["x", "xs", "xz"], "q"), node("Flatten", ["q"], "f"), node("DequantizeLinear", ["f", "xs", "xz"], "d"),
                node("Relu", ["d"])], IN, constants={"xs": np.float32(0.02), "xz": np.uint8(128)})
same("a Flatten of integers", flat_q, X, np.maximum(rounded.reshape(2, -1), 0), 0)
pair = {"xs": np.float32(0.02), "xz": np.uint8(128), "ys": np.float32(0.04)}
for name, nodes, parts in (
        ("integers without a DequantizeLinear", [node("QuantizeLinear", ["x", "xs", "xz"], "q"), node("Relu", ["q"])], ("holds a QuantizeLinear's integers",)),
        ("integers as the output", [node("QuantizeLinear", ["x", "xs", "xz"])], ("the output 'y' holds a QuantizeLinear's integers",)),
        ("another scale behind", [node("QuantizeLinear", ["x", "xs", "xz"], "q"), node("DequantizeLinear", ["q", "ys", "xz"])], ("are not those of the QuantizeLinear",)),
        ("a DequantizeLinear alone", [node("DequantizeLinear", ["x", "xs", "xz"])], ("is no QuantizeLinear's",)),
        ("a scale for each channel of values", [node("QuantizeLinear", ["x", "s4", "z4"], "q"), node("DequantizeLinear", ["q", "s4", "z4"])],
         ("a scale for each of 4 channels",)),
        ("a zero point of another type", [node("QuantizeLinear", ["x", "xs", "z32"], "q"), node("DequantizeLinear", ["q", "xs", "z32"])],
         ("expected int8 (3) or uint8 (2)",))):
    refused(name, model(nodes, IN, constants={**pair, "s4": np.full(4, 0.5, np.float32), "z4": np.zeros(4, np.uint8), "z32": np.int32(0)}), X, *parts)

# Normalization within channels, which ONNX says in six nodes.
for size, power, k in ((3, "Mul", 1.0), (5, "Pow", 1.0), (3, "Mul", 2.0)):
    square = node("Mul", ["x", "x"], "q") if power == "Mul" else node("Pow", ["x", "two"], "q")
    half = (size - 1) // 2
    m = model([square, node("AveragePool", ["q"], "m", kernel_shape=[size, size], pads=[half] * 4, strides=[1, 1], count_include_pad=1),
               node("Mul", ["m", "alpha"], "s"), node("Add", ["s", "k"], "a"), node("Pow", ["a", "beta"], "p"), node("Div", ["x", "p"])], IN,
              constants={"two": np.float32(2), "alpha": np.float32(0.7), "k": np.float32(k), "beta": np.float32(0.75)})
    if k == 1.0:
        average = pool(X.astype(np.float64) ** 2, (size, size), pads=[half] * 4, average=True, count_include_pad=1)
        same(f"LRN within channels, {size} x {size}, {power}", m, X, X / (1 + np.float32(0.7) * average) ** 0.75)
    else:
        refused("the same with another constant than 1", m, X, "(Div): a division by a layer's values is not supported")
# A small residual network with all its parts, and its summary.
names = {f"{p}{i}": v for i in range(2) for p, v in (("w", r(4, 4, 3, 3)), ("s", scale), ("b", shift), ("m", mean), ("v", var))}
nodes, at = [], "x"
ref = X
for i in range(2):
    nodes += [node("Conv", [at, f"w{i}"], f"c{i}", pads=[1, 1, 1, 1], name=f"conv{i}"),
              node("BatchNormalization", [f"c{i}", f"s{i}", f"b{i}", f"m{i}", f"v{i}"], f"n{i}", name=f"bn{i}"),
              node("Add", [f"n{i}", at], f"a{i}", name=f"add{i}"), node("Relu", [f"a{i}"], f"r{i}", name=f"relu{i}")]
    normal = (conv(ref, names[f"w{i}"], pads=(1, 1, 1, 1)) - mean.reshape(one)) / np.sqrt(var.reshape(one) + 1e-5)
    ref = np.maximum(normal * scale.reshape(one) + shift.reshape(one) + ref, 0)
    at = f"r{i}"
nodes += [node("GlobalAveragePool", [at], "g"), node("Flatten", ["g"], "f"), node("Gemm", ["f", "fw", "fb"], "y", transB=1)]
names.update(fw=r(3, 4), fb=r(3))
residual = model(nodes, IN, constants=names)
same("a residual network", residual, X, ref.mean(axis=(2, 3)) @ names["fw"].T + names["fb"], 1e-4)
got = ristretto("summary", path("net.onnx"), "--json")
check("its summary", got.returncode == 0 and f'"parameters": {2 * (144 + 9 + 8) + 15}' in got.stdout, got.stdout[-400:] + got.stderr)

# What is refused.
refused("an operator that is not supported", model([node("Relu", ["x"], "a"), node("Gelu", ["a"], "b", name="act"), node("Relu", ["b"], "c"), node("If", ["c"])], IN), X,
        "net.onnx: error: node 1 'act' (Gelu): the operator is not supported", "hint: supported are Abs, Add, AveragePool")
refused("two at once", model([node("Gelu", ["x"], "a"), node("Erf", ["x"], "b"), node("Add", ["a", "b"])], IN), X, "node 0 (Gelu)", "node 1 (Erf)")
refused("many nodes of one operator", model([node("Erf", ["x"], "a"), node("Gelu", ["a"], "b"), node("Erf", ["b"], "c"), node("Erf", ["c"])], IN), X,
        "node 0 (Erf): the operator is not supported; 3 nodes are of it", "node 1 (Gelu): the operator is not supported\n")
refused("Dropout in training", model([node("Dropout", ["x", "half", "on"])], IN, constants={"half": np.float32(0.5), "on": np.array(True)}), X,
        "training_mode is on")
refused("pads that no pooling of ours has", model([node("AveragePool", ["x"], kernel_shape=[3, 3], strides=[1, 1], pads=[0, 0, 0, 2])], IN), X,
        "pads of 0 before and 2 after an axis of 8 give 8 values, which pads of the same size do not")
refused("an attribute that is not known", model([node("Relu", ["x"], slope=2)], IN), X, "node 0 (Relu): attribute 'slope' is not supported")
refused("an operator set that is too new", model([node("Relu", ["x"])], IN, opset=18), X, "operator set 18, expected 7 to 17")
refused("one that is too old", model([node("Relu", ["x"])], IN, opset=6), X, "operator set 6, expected 7 to 17")
refused("another domain", model([helper.make_node("Relu", ["x"], ["y"], domain="com.example")], IN), X, "node 0 (com.example.Relu)")
refused("an input that nothing gives", model([node("Relu", ["z"])], IN), X, "no node before it gives its input 'z'")
refused("an output that nothing gives", model([node("Relu", ["x"])], IN, outputs=("z",)), X, "no node gives the output 'z'")
refused("an output given twice", model([node("Relu", ["x"]), node("Tanh", ["x"])], IN), X, "its output 'y' is given already")
refused("computed weights", model([node("Relu", ["x"], "a"), node("Conv", ["x", "a"])], IN), X, "W (input 1) is computed, expected a constant")
refused("weights that do not fit", model([node("Conv", ["x", "w"])], IN, constants={"w": r(3, 5, 3, 3)}), X, "weights of 3x5x3x3", "input of 2x4x9x8")
refused("a kernel larger than its input", model([node("Conv", ["x", "w"])], IN, constants={"w": r(3, 4, 3, 30)}), X, "larger than its input")
refused("weights that are not finite", model([node("Conv", ["x", "w"])], IN, constants={"w": np.full((1, 4, 1, 1), np.nan, np.float32)}), X, "not finite")
refused("images that would be mixed", model([node("Reshape", ["x", "s"])], IN, constants={"s": np.array([4, -1])}), X, "expected the same batch")
same("Transpose", model([node("Transpose", ["x"], perm=[0, 2, 3, 1])], IN), X, X.transpose(0, 2, 3, 1), 0)
refused("Transpose of the batch", model([node("Transpose", ["x"], perm=[1, 0, 2, 3])], IN), X, "it moves the batch, axis 0, to another place")
same("a channel shuffle", model([node("Reshape", ["x", "split"], "a"), node("Transpose", ["a"], "b", perm=[0, 2, 1, 3, 4]), node("Reshape", ["b", "back"])], IN,
                               constants={"split": np.array([2, 2, 2, 9, 8]), "back": np.array([2, 4, 9, 8])}), X, X[:, [0, 2, 1, 3]], 0)
same("Slice", model([node("Slice", ["x", "s", "e", "a"])], IN, constants={"s": np.array([1, -3]), "e": np.array([3, 1 << 40]), "a": np.array([1, -1])}), X,
     X[:, 1:3, :, -3:], 0)
same("Tile", model([node("Tile", ["x", "n"])], IN, constants={"n": np.array([1, 2, 1, 3])}), X, np.tile(X, (1, 2, 1, 3)), 0)
refused("Slice with steps", model([node("Slice", ["x", "s", "e", "a", "t"])], IN, constants={"s": np.array([0]), "e": np.array([4]), "a": np.array([1]),
                                                                                         "t": np.array([2])}), X, "steps of 2 are not supported")
refused("Slice of the batch", model([node("Slice", ["x", "s", "e"])], IN, constants={"s": np.array([0]), "e": np.array([1])}), X, "a part of the batch")
D = np.abs(X).astype(np.float64) + 0.5
for op, expected in (("Exp", np.exp(D)), ("Log", np.log(D)), ("Sqrt", np.sqrt(D)), ("Reciprocal", 1 / D), ("Neg", -D), ("Abs", D), ("Softplus", np.log1p(np.exp(D)))):
    same(op, model([node(op, ["x"])], IN), np.abs(X) + np.float32(0.5), expected)
same("squeeze and excitation", model([node("GlobalAveragePool", ["x"], "g"), node("Sigmoid", ["g"], "s"), node("Mul", ["s", "x"])], IN), X,
     X / (1 + np.exp(-X.mean(axis=(2, 3), keepdims=True, dtype=np.float64))))
same("Add of a value for each map", model([node("GlobalMaxPool", ["x"], "g"), node("Add", ["x", "g"])], IN), X, X + X.max(axis=(2, 3), keepdims=True))
same("ReduceSum", model([node("ReduceSum", ["x", "a"], keepdims=0)], IN, constants={"a": np.array([3, 1, 2])}), X, X.sum(axis=(1, 2, 3), dtype=np.float64))
same("ReduceMean of the last axis", model([node("ReduceMean", ["x"], axes=[-1], keepdims=0)], IN), X, X.mean(axis=3, dtype=np.float64))
refused("ReduceSum of the batch", model([node("ReduceSum", ["x"], keepdims=0)], IN), X, "the batch, axis 0, cannot be reduced")
refused("a mean over the batch", model([node("MeanVarianceNormalization", ["x"])], IN), X, "only the last axes together")
same("Pow", model([node("Pow", ["x", "p"])], IN, constants={"p": np.float32(3)}), X, X.astype(np.float64) ** 3)
refused("a recurrent network", model([node("LSTM", ["x", "w", "r"], hidden_size=3)], IN, constants={"w": r(1, 12, 4), "r": r(1, 12, 3)}), X, "(LSTM)")

short = model([node("Conv", ["x", "w"])], IN, constants={"w": w})
short.graph.initializer[0].raw_data = short.graph.initializer[0].raw_data[:-4]
refused("values that are missing", short, X, "initializer 'w': it is 3x4x3x3, 432 bytes, but holds 428")
huge = model([node("Conv", ["x", "w"])], IN, constants={"w": w})
huge.graph.initializer[0].dims[:] = [1 << 31, 1 << 31, 1 << 31, 1 << 31]
refused("dimensions that overflow", huge, X, "expected at most 8 axes and 2147483647 values")
external = model([node("Conv", ["x", "w"])], IN, constants={"w": w})
t = external.graph.initializer[0]
t.ClearField("raw_data")
t.data_location = TensorProto.EXTERNAL
t.external_data.add(key="location", value="/etc/passwd")
refused("weights in another file", external, X, "initializer 'w': its values lie in another file, '/etc/passwd', which is not read")

# Many nodes that use one large constant ask for more memory than the file's size stands for: refused, not obeyed.
big = np.zeros((64, 288), np.float32)
bomb = model([flat] + [node("Gemm", ["f", "w"], f"g{i}", transB=1) for i in range(100)] + [node("Relu", ["g0"])], IN, constants={"w": big})
refused("one constant as the weights of many layers", bomb, X, "the weights up to here take")

# Damage: cut off and changed at random places. Any status but a crash, and a message.
onnx.save(residual, path("whole.onnx"))
with open(path("whole.onnx"), "rb") as f:
    whole = f.read()
bad = 0
for i in range(24):
    data = bytearray(whole[:int(rng.integers(0, len(whole)))] if i % 2 else whole)
    for _ in range(0 if i % 2 else 5):
        data[int(rng.integers(0, len(data)))] ^= 1 << int(rng.integers(0, 8))
    with open(path("damaged.onnx"), "wb") as f:
        f.write(data)
    got = ristretto("summary", path("damaged.onnx"), "--quiet")
    if got.returncode not in (0, 3) or (got.returncode == 3 and "error:" not in got.stderr):
        bad += 1
check("24 damaged files", bad == 0, f"{bad} ended otherwise than with status 0 or 3")

check(f"compared {compared} values", compared > 5000)
shutil.rmtree(folder)
check.done()
