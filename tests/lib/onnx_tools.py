"""ONNX models for tests: how they are made, and what they compute by ONNX's own definitions of the operators, in NumPy and double. Nothing of
Ristretto is used here. Importing it fails where numpy or onnx is missing."""

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper

# ---- operators


def pads_of(x, kernel, stride, dilation, pads, auto, ceil=False):
    """(before, after, output size) of height and width."""
    out = []
    for a in range(2):
        size, reach = x.shape[2 + a], dilation[a] * (kernel[a] - 1) + 1
        b, e = pads[a], pads[a + 2]
        if auto.startswith("SAME"):
            total = max((-(-size // stride[a]) - 1) * stride[a] + reach - size, 0)
            b = total // 2 if auto == "SAME_UPPER" else total - total // 2
            e = total - b
        span = size + b + e - reach
        n = (-(-span // stride[a]) if ceil else span // stride[a]) + 1
        if ceil and (n - 1) * stride[a] >= size + b:
            n -= 1
        out.append((b, e, n))
    return out


def conv(x, w, bias=None, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1, auto_pad="NOTSET"):
    (top, bottom, h), (left, right, wide) = pads_of(x, w.shape[2:], strides, dilations, pads, auto_pad)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = [dilations[a] * (w.shape[2 + a] - 1) + 1 for a in range(2)]
    windows = sliding_window_view(padded, reach, axis=(2, 3))[:, :, ::strides[0], ::strides[1], ::dilations[0], ::dilations[1]]
    assert windows.shape[2:4] == (h, wide)
    per, each = w.shape[0] // group, w.shape[1]
    y = np.concatenate([np.einsum("ncijkl,ockl->noij", windows[:, g * each:(g + 1) * each], w[g * per:(g + 1) * per].astype(np.float64),
                                  optimize=True) for g in range(group)], axis=1)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def pool(x, kernel, strides=(1, 1), pads=(0, 0, 0, 0), average=False, ceil_mode=0, count_include_pad=0, auto_pad="NOTSET"):
    (top, bottom, h), (left, right, wide) = pads_of(x, kernel, strides, (1, 1), pads, auto_pad, bool(ceil_mode))
    y = np.zeros(x.shape[:2] + (h, wide))
    for i in range(h):
        for j in range(wide):
            y0, x0 = i * strides[0] - top, j * strides[1] - left
            y1, x1 = min(y0 + kernel[0], x.shape[2] + bottom), min(x0 + kernel[1], x.shape[3] + right)
            area = (y1 - y0) * (x1 - x0)
            part = x[:, :, max(y0, 0):max(min(y1, x.shape[2]), 0), max(x0, 0):max(min(x1, x.shape[3]), 0)].astype(np.float64)
            if average:
                y[:, :, i, j] = part.sum(axis=(2, 3)) / (area if count_include_pad else part.shape[2] * part.shape[3])
            else:
                y[:, :, i, j] = part.max(axis=(2, 3))
    return y


def lrn(x, size, alpha=1e-4, beta=0.75, bias=1.0):
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        a, b = max(0, c - (size - 1) // 2), min(x.shape[1] - 1, c + size // 2)
        y[:, c] = x[:, c] / (bias + alpha / size * (x[:, a:b + 1].astype(np.float64) ** 2).sum(axis=1)) ** beta
    return y


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def along(values, x, axis):
    """One value, or one for each place of an axis, in a shape that broadcasts over x."""
    return values if values.ndim == 0 or values.size == 1 else values.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])


def quantize_linear(x, scale, zero, axis=1):
    """To the nearest, ties to even, in binary32 as x and the scale are."""
    limits = np.iinfo(zero.dtype)
    q = np.rint(x.astype(np.float32) / along(scale, x, axis)) + along(zero.astype(np.float32), x, axis)
    return np.clip(q, limits.min, limits.max).astype(zero.dtype)


def dequantize_linear(q, scale, zero, axis=1):
    return (q.astype(np.int64) - along(zero.astype(np.int64), q, axis)).astype(np.float32) * along(scale, q, axis)


# ---- a whole model, node by node

def evaluate(m, feeds):
    """The first output of a model."""
    v = {t.name: numpy_helper.to_array(t) for t in m.graph.initializer}
    v.update(feeds)
    opset = m.opset_import[0].version
    for n in m.graph.node:
        a = {x.name: helper.get_attribute_value(x) for x in n.attribute}
        text = {k: x.decode() for k, x in a.items() if isinstance(x, bytes)}
        i = [v[name] if name else None for name in n.input]
        window = {k: a[k] for k in ("strides", "pads") if k in a}
        window.update({k: text[k] for k in ("auto_pad",) if k in text})
        if n.op_type == "Conv":
            y = conv(i[0], i[1], i[2] if len(i) > 2 else None, group=a.get("group", 1), dilations=a.get("dilations", (1, 1)), **window)
        elif n.op_type in ("MaxPool", "AveragePool"):
            y = pool(i[0], a["kernel_shape"], average=n.op_type == "AveragePool", ceil_mode=a.get("ceil_mode", 0),
                     count_include_pad=a.get("count_include_pad", 0), **window)
        elif n.op_type == "BatchNormalization":
            scale, shift, mean, var = (along(t.astype(np.float64), i[0], 1) for t in i[1:])
            y = (i[0] - mean) / np.sqrt(var + a.get("epsilon", 1e-5)) * scale + shift
        elif n.op_type == "Clip":
            y = np.clip(i[0], a.get("min", i[1] if len(i) > 1 else None), a.get("max", i[2] if len(i) > 2 else None))
        elif n.op_type == "Concat":
            y = np.concatenate(i, axis=a["axis"])
        elif n.op_type == "Constant":
            y = numpy_helper.to_array(a["value"]) if "value" in a else np.array(next(iter(a.values())))
        elif n.op_type == "Flatten":
            y = i[0].reshape(int(np.prod(i[0].shape[:a.get("axis", 1)])), -1)
        elif n.op_type == "Gather":
            y = np.take(i[0], i[1], axis=a.get("axis", 0))
        elif n.op_type == "Gemm":
            y = i[0].astype(np.float64) @ (i[1].T if a.get("transB") else i[1]) * a.get("alpha", 1.0) + a.get("beta", 1.0) * i[2]
        elif n.op_type == "LRN":
            y = lrn(i[0], a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))
        elif n.op_type == "Pad":
            p = a.get("pads", i[1] if len(i) > 1 else None)
            y = np.pad(i[0], [(p[k], p[k + i[0].ndim]) for k in range(i[0].ndim)])
        elif n.op_type == "QuantizeLinear":
            y = quantize_linear(i[0], i[1], i[2] if len(i) > 2 else np.uint8(0), a.get("axis", 1))
        elif n.op_type == "DequantizeLinear":
            y = dequantize_linear(i[0], i[1], i[2] if len(i) > 2 else np.zeros((), i[0].dtype), a.get("axis", 1))
        elif n.op_type in ("ReduceMean", "GlobalAveragePool"):
            y = i[0].mean(axis=tuple(a.get("axes", (2, 3))), keepdims=bool(a.get("keepdims", 1)), dtype=np.float64)
        elif n.op_type == "Reshape":
            y = i[0].reshape([i[0].shape[k] if d == 0 else d for k, d in enumerate(i[1])])
        elif n.op_type == "Unsqueeze":
            y = np.expand_dims(i[0], tuple(a["axes"] if "axes" in a else i[1]))
        elif n.op_type == "Squeeze":
            y = np.squeeze(i[0], tuple(a["axes"] if "axes" in a else i[1]))
        elif n.op_type == "Slice":
            y = i[0][int(i[1][0]):int(i[2][0])] if opset >= 10 else i[0][a["starts"][0]:a["ends"][0]]
        elif n.op_type == "Softmax":
            y = softmax(i[0])
        else:
            y = {"Add": lambda: i[0] + i[1], "Cast": lambda: i[0], "Div": lambda: i[0] / i[1], "Dropout": lambda: i[0], "Identity": lambda: i[0],
                 "MatMul": lambda: i[0].astype(np.float64) @ i[1], "Mul": lambda: i[0] * i[1], "Pow": lambda: i[0] ** i[1],
                 "Relu": lambda: np.maximum(i[0], 0), "Shape": lambda: np.array(i[0].shape, np.int64),
                 "Sigmoid": lambda: 1 / (1 + np.exp(-i[0].astype(np.float64))), "Sub": lambda: i[0] - i[1],
                 "Transpose": lambda: i[0].transpose(a.get("perm"))}[n.op_type]()
        v[n.output[0]] = y
    return v[m.graph.output[0].name]


# ---- models

def model(nodes, inputs, outputs=("y",), constants=None, opset=13, raw=True, listed=False):
    """inputs: name -> shape; constants: name -> array. listed: constants stand among the inputs too, as older exporters write it."""
    init = []
    for name, value in (constants or {}).items():
        value = np.asarray(value)
        if raw:
            init.append(numpy_helper.from_array(value, name))
        else:
            init.append(helper.make_tensor(name, onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[value.dtype], value.shape, value.flatten().tolist()))
    given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
    if listed:
        given += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in init]
    graph = helper.make_graph(nodes, "test", given, [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs], init)
    m = helper.make_model(graph, opset_imports=[helper.make_operatorsetid("", opset)])
    m.ir_version = 7
    return m


def node(op, inputs, output="y", **attributes):
    outputs = output if isinstance(output, list) else [output]
    return helper.make_node(op, inputs, outputs, name=attributes.pop("name", ""), **attributes)
