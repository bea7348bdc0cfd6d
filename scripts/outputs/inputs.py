"""The inputs of scripts/compare-outputs: networks, images, and files with mistakes in them."""

import gzip
import os
import shutil

import numpy as np

SOLVER = 'net: "NET"\nbase_lr: 0.01\nmomentum: 0.9\nweight_decay: 0.0005\nlr_policy: "step"\ngamma: 0.5\nstepsize: 3\ndisplay: 1\nmax_iter: 4\n' \
         'test_iter: 2\ntest_interval: 2\nsnapshot: 2\nsnapshot_prefix: "net"\nrandom_seed: 1\n'

# Copies of files below the root with one text replaced: target, source, old text, new text.
LENET_NET, LENET_SOLVER = "model/zoo/lenet/lenet_train_test.prototxt", "model/zoo/lenet/lenet_solver.prototxt"
CHANGED = (
    ("typo.prototxt", LENET_NET, "kernel_size: 5", "kernel_sise: 5"), ("type.prototxt", LENET_NET, 'type: "ReLU"', 'type: "RELU2"'),
    ("wrong-shape.prototxt", LENET_NET, "num_output: 500", "num_output: 400"),
    ("wrong-solver.prototxt", LENET_SOLVER, "lr_policy:", "lr_polizy:"),
    ("wrong-array.yaml", "configs/arrays/lenet.yaml", "multipliers:", "multiplers:"),
    ("small.yaml", "configs/arrays/small-4x4.yaml", "activation_elements: 2048", "activation_elements: 2560"),
    ("wrong-technology.yaml", "configs/technologies/horowitz-45nm.yaml", "area_um2: 4.522, source: nangate", "area_um2: 4.522"),
    ("wrong-run.yaml", "configs/runs/lenet.yaml", "error_margin: 1", "error_magin: 1\n  max_bits: 99"),
    ("configs/units/fault.yaml", "configs/units/serial-mac.yaml", "value: 8 }", "value: 8 }\n    - { name: FAULT, value: 1 }"),
    ("configs/units/port.yaml", "configs/units/serial-mac.yaml", "port: acc", "port: sum"))


def layer(kind, name, bottoms, tops, rest=""):
    words = [f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(words)} {rest} }}\n'


FILL = 'weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.1 }'
PATCH_DATA = layer("Data", "data", "", "data label", 'transform_param { scale: 0.015625 mean_value: 128 } data_param { source: "in/patches" batch_size: 20 }')
PATCH_SCORES = (layer("InnerProduct", "scores", "LAST", "scores", f"inner_product_param {{ num_output: 10 {FILL} }}")
                + layer("Accuracy", "accuracy", "scores label", "accuracy", "include { phase: TEST }")
                + layer("SoftmaxWithLoss", "loss", "scores label", "loss"))


def convolution(name, bottom, outputs, rest="kernel_size: 3 pad: 1"):
    return layer("Convolution", name, bottom, name, f"convolution_param {{ num_output: {outputs} {rest} {FILL} }}")


def blocks_net():
    """What the integer engine and the array know, but for what LeNet has."""
    return ('name: "blocks"\n' + PATCH_DATA + convolution("c1", "data", 8) + layer("BatchNorm", "bn1", "c1", "c1")
            + layer("Scale", "s1", "c1", "c1", "scale_param { bias_term: true }") + layer("ReLU", "r1", "c1", "c1")
            + convolution("c2", "c1", 8, "kernel_size: 3 pad: 1 group: 2") + layer("Eltwise", "sum", "c1 c2", "sum") + layer("ReLU", "r2", "sum", "sum")
            + convolution("c3", "sum", 6, "kernel_size: 1") + layer("ReLU", "r3", "c3", "c3")
            + convolution("c4", "sum", 5, "kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0 stride: 1") + layer("Concat", "cat", "c3 c4", "cat")
            + layer("LRN", "norm", "cat", "norm", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }")
            + layer("Pooling", "p1", "norm", "p1", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
            + convolution("c5", "p1", 8, "kernel_size: 3 pad: 2 dilation: 2")
            + layer("Pooling", "p2", "c5", "p2", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }") + PATCH_SCORES.replace("LAST", "p2"))


def layers_net():
    """Layers that are computed in float alone, and rules of inclusion."""
    return ('name: "layers"\n' + PATCH_DATA + convolution("c1", "data", 8) + layer("PReLU", "pr", "c1", "c1")
            + layer("Slice", "cut", "c1", "a b", "slice_param { slice_point: 3 }") + layer("Sigmoid", "sg", "a", "sg") + layer("TanH", "th", "b", "th")
            + layer("Concat", "cat", "sg th", "cat") + layer("Deconvolution", "d1", "cat", "d1", f"convolution_param {{ num_output: 4 kernel_size: 2 stride: 2 {FILL} }}")
            + layer("ELU", "el", "d1", "d1", "elu_param { alpha: 0.5 }") + layer("Bias", "bi", "d1", "d1", 'bias_param { filler { type: "constant" value: 0.2 } }')
            + layer("LRN", "norm", "d1", "norm", "lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }")
            + layer("Pooling", "p1", "norm", "p1", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }")
            + layer("Split", "sp", "p1", "x y") + layer("Eltwise", "prod", "x y", "prod", "eltwise_param { operation: PROD }")
            + layer("Eltwise", "max", "prod p1", "max", "eltwise_param { operation: MAX }") + layer("Clip", "cl", "max", "cl", "clip_param { min: -1 max: 2 }")
            + layer("Reshape", "re", "cl", "re", "reshape_param { shape { dim: 0 dim: -1 } }")
            + layer("Dropout", "dr", "re", "re", "dropout_param { dropout_ratio: 0.3 }")
            + layer("Softmax", "side", "re", "side", 'include { min_level: 1 stage: "extra" }') + PATCH_SCORES.replace("LAST", "re"))


def protobuf(*fields):
    """A message: (number, value) with an integer, a text, or the bytes of a message; (number, None) is left out."""
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif value is not None:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def quantized_onnx(rng):
    """A quantized ONNX model (QDQ) whose scales are powers of two, on patches."""
    nodes, constants = [], []

    def constant(name, array):
        kind = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}[array.dtype.name]
        constants.append(protobuf(*[(1, n) for n in array.shape], (2, kind), (8, name), (9, array.tobytes())))
        return name

    def node(kind, inputs, output, **attributes):
        made = [protobuf((1, k), *([(3, v), (20, 2)] if isinstance(v, int) else [*((8, n) for n in v), (20, 7)])) for k, v in attributes.items()]
        nodes.append(protobuf(*[(1, i) for i in inputs], (2, output), (3, output), (4, kind), *[(5, a) for a in made]))
        return output

    def rounded(x, name, scale, kind):
        parameters = [constant(name + "_scale", np.array(scale, np.float32)), constant(name + "_zero", np.array(0, kind))]
        return node("DequantizeLinear", [node("QuantizeLinear", [x, *parameters], name + "_q"), *parameters], name)

    def weights(name, *shape):
        integers = constant(name + "_i", rng.integers(-127, 128, shape, np.int64).astype(np.int8))
        return node("DequantizeLinear", [integers, constant(name + "_scale", np.array(2.0 ** -9, np.float32)), constant(name + "_zero", np.array(0, np.int8))], name)
    x = rounded("input", "x", 2.0 ** -6, np.int8)
    x = node("Relu", [node("Conv", [x, weights("w1", 6, 3, 3, 3)], "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])], "r1")
    x = rounded(x, "x1", 2.0 ** -6, np.uint8)
    x = rounded(node("Conv", [x, weights("w2", 4, 6, 1, 1)], "c2", kernel_shape=[1, 1]), "x2", 2.0 ** -5, np.int8)
    x = node("Gemm", [node("Flatten", [x], "flat", axis=1), weights("w3", 10, 4 * 36)], "scores", transB=1)

    def value(name, *shape):
        return protobuf((1, name), (2, protobuf((1, protobuf((1, 1), (2, protobuf(*[(1, protobuf((1, n))) for n in shape])))))))
    graph = protobuf(*[(1, n) for n in nodes], (2, "qdq"), *[(5, c) for c in constants], (11, value("input", 1, 3, 12, 12)), (12, value(x, 1, 10)))
    return protobuf((1, 8), (7, graph), (8, protobuf((1, ""), (2, 13))))


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def make_images(inputs):
    """Arrays and sets of noise with some structure; some digits as an array."""
    rng = np.random.default_rng(1)
    patches = (rng.integers(0, 200, (160, 3, 12, 12)) + 5 * np.arange(10)[np.arange(160) % 10][:, None, None, None]).astype(np.uint8)
    for part, images in (("train", patches[:100]), ("test", patches[60:])):
        os.makedirs(os.path.join(inputs, "patches"), exist_ok=True)
        np.save(os.path.join(inputs, "patches", f"{part}-images.npy"), images)
        np.save(os.path.join(inputs, "patches", f"{part}-labels.npy"), np.arange(len(images)).astype(np.uint8) % 10)
    np.save(os.path.join(inputs, "patches.npy"), ((patches[:4].astype(np.float32) - 128) / 64))
    np.save(os.path.join(inputs, "cifar.npy"), rng.integers(-100, 100, (2, 3, 32, 32)).astype(np.float32))
    for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        records = rng.integers(0, 256, (100, 3073)).astype(np.uint8)
        records[:, 0] %= 10
        write(os.path.join(inputs, "cifar", name + ".bin"), records.tobytes())
    with gzip.open(os.path.join(inputs, "model/zoo/lenet/digits/digits-images-idx3-ubyte.gz")) as f:
        digits = np.frombuffer(f.read()[16:16 + 5 * 784], np.uint8).reshape(5, 1, 28, 28)
    np.save(os.path.join(inputs, "digits.npy"), digits.astype(np.float32) / 256)
    write(os.path.join(inputs, "qdq.onnx"), quantized_onnx(rng))


def make_texts(inputs):
    """Networks, solvers, and files with mistakes in them."""
    def read(path):
        with open(os.path.join(inputs, path), encoding="utf-8") as f:
            return f.read()

    def put(path, text):
        write(os.path.join(inputs, path), text)
    for target, source, old, new in CHANGED:
        assert old in read(source), (source, old)
        put(target, read(source).replace(old, new))
    put("cut.prototxt", read(LENET_NET).rstrip()[:-1])
    put("net.prototxt", read(LENET_NET).replace('"train-data.json" batch_size: 64', '"in/model/zoo/lenet/digits" batch_size: 16').replace(
        'source: "mnist"', 'source: "in/model/zoo/lenet/digits"'))
    put("blocks.prototxt", blocks_net())
    put("layers.prototxt", layers_net())
    for name in ("blocks", "layers"):
        put(f"{name}-solver.prototxt", SOLVER.replace("NET", f"in/{name}.prototxt"))
    put("onnx-solver.prototxt", SOLVER.replace("NET", "in/onnx/lenet.onnx").replace("test_iter: 2\ntest_interval: 2\n", ""))
    solver = SOLVER.replace("NET", "in/net.prototxt").replace("test_interval: 2", "test_interval: 1000")
    put("solver.prototxt", solver)
    put("adam.prototxt", solver.replace("base_lr: 0.01", 'type: "Adam"\nbase_lr: 0.001') + "momentum2: 0.999\niter_size: 2\n")
    put("wild.prototxt", solver.replace("base_lr: 0.01", "base_lr: 1e20"))
    put("no-report.json", "{}")
    for name in os.listdir(os.path.join(inputs, "corpus/picture")):
        put(f"pictures/{name}.txt", f"../corpus/picture/{name} 1\n")
    if os.path.exists(os.path.join(inputs, "shared")):
        lines = read("shared/imagenet-samples/labels.txt").splitlines()
        for name, count in (("four", 4), ("twenty", 20)):
            put(f"{name}-pictures.txt", "".join(f"shared/imagenet-samples/{line}\n" for line in lines[:count]))


def lay_down(root, shared, inputs):
    """Everything that no build has a part in: files of the tree `root`, changed files, images; `shared` if it holds published weights."""
    for source in ("model/zoo", "configs", "rtl", "tests/rtl/foreign"):
        shutil.copytree(os.path.join(root, source), os.path.join(inputs, source))
    shutil.copytree(os.path.join(root, "tests/fuzz/corpus"), os.path.join(inputs, "corpus"))
    shutil.copytree(os.path.join(root, "tests/golden"), os.path.join(inputs, "golden"))
    models = os.path.join(inputs, "corpus/onnx")
    for name in os.listdir(models):
        os.rename(os.path.join(models, name), os.path.join(models, name + ".onnx"))
    if os.path.isdir(os.path.join(shared, "squeezenet")):
        os.symlink(os.path.realpath(shared), os.path.join(inputs, "shared"))
    make_images(inputs)
    make_texts(inputs)
