#!/usr/bin/python3
"""`forward`: the value of each name of an ONNX model, arrays of any number of axes and images, memory that does not grow with the images, and
Ctrl-C.

test-options: variants=release,asan limit=120
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, ristretto

check = Checks()
try:
    import numpy as np
    import onnx

    from onnx_tools import conv, model, node
except ImportError as e:
    check.skip("forward", f"no package {e.name} for {sys.executable} (Debian: python3-{e.name})")
    check.done()

os.chdir(ROOT)
folder = tempfile.mkdtemp()
seed = int(os.environ.get("RISTRETTO_SEED", "11"))
print(f"# RISTRETTO_SEED={seed}")
rng = np.random.default_rng(seed)


def path(name):
    return os.path.join(folder, name)


def r(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def run(net, x, *options):
    np.save(path("x.npy"), x)
    if os.path.exists(path("y.npy")):
        os.remove(path("y.npy"))
    return ristretto("forward", net, "--data", path("x.npy"), "--out", path("y.npy"), *options)


def gives(name, net, x, expected, *options):
    got = run(net, x, *options)
    if got.returncode != 0:
        return check(name, False, got.stderr)
    y = np.load(path("y.npy"))
    close = y.shape == expected.shape and np.all(np.abs(y - expected) <= 1e-5 * max(1.0, np.abs(expected).max()))
    return check(name, close, f"{y.shape}, expected {expected.shape}\n{y}\n{expected}")


def refused(name, net, x, status, part, *options):
    got = run(net, x, *options)
    check(name, got.returncode == status and part in got.stderr and not os.path.exists(path("y.npy")),
          f"status {got.returncode}, expected {status} and {part!r}\n{got.stderr}")


def save(name, m):
    onnx.save(m, path(name))
    return path(name)


# Each name has its value, whatever works in place, is folded, or is a view.
X, W, B = r(3, 4, 9, 8), r(6, 4, 3, 3), r(6)
S, T, M, V = r(6), r(6), r(6), np.abs(r(6)) + np.float32(0.1)
D, E = r(5, 6), r(5)
net = save("names.onnx", model(
    [node("Conv", ["x", "w"], "c"), node("Add", ["c", "b"], "ca"), node("BatchNormalization", ["ca", "s", "t", "m", "v"], "n"),
     node("Relu", ["n"], "r"), node("Elu", ["r"], "e"), node("Identity", ["e"], "i"), node("GlobalAveragePool", ["i"], "g"),
     node("Flatten", ["g"], "f"), node("Gemm", ["f", "d", "h"], "y", transB=1), node("Softmax", ["y"], "p", axis=1), node("Flatten", ["r"], "z")],
    {"x": ["N", 4, 9, 8]}, outputs=("p", "z"), constants={"w": W, "b": B.reshape(1, 6, 1, 1), "s": S, "t": T, "m": M, "v": V, "d": D, "h": E}))
one = (1, 6, 1, 1)
c = conv(X, W)
ca = c + B.reshape(one)
n = S.reshape(one) * (ca - M.reshape(one)) / np.sqrt(V.reshape(one) + 1e-5) + T.reshape(one)
relu = np.maximum(n, 0)
f = relu.mean(axis=(2, 3))
y = f @ D.T + E
p = np.exp(y - y.max(axis=1, keepdims=True))
for name, expected in (("x", X), ("c", c), ("ca", ca), ("n", n), ("r", relu), ("e", relu), ("i", relu), ("g", f.reshape(3, 6, 1, 1)), ("f", f), ("y", y),
                       ("p", p / p.sum(axis=1, keepdims=True)), ("z", relu.reshape(3, -1))):
    gives(f"the value {name}", net, X, expected, "--blob", name)
gives("the scores are those that the last softmax reads", net, X, y)
refused("a constant is no value of a layer", net, X, 3, "the value 'w' is a constant", "--blob", "w")
refused("a name that the model lacks", net, X, 3, "the model computes no value 'q'", "--blob", "q")
again = path("again.onnx")
got = ristretto("convert", net, "--onnx", again)
check("convert keeps the names of outputs", got.returncode == 0 and {o.name for o in onnx.load(again).graph.output} == {"p", "z"}, got.stderr)

# Axes and batch: the model says how many axes there are, the array how many images.
L = r(4, 3, 5)
soft = save("soft.onnx", model([node("Softmax", ["x"], axis=1)], {"x": ["N", 3, 5]}))
e = np.exp(L - L.max(axis=1, keepdims=True))
gives("a model of three axes", soft, L, e / e.sum(axis=1, keepdims=True), "--blob", "y")
gives("one image of it, without a batch", soft, L[0], (e / e.sum(axis=1, keepdims=True))[:1], "--blob", "y")
fixed = save("fixed.onnx", model([node("Reshape", ["x", "to"])], {"x": [1, 4, 9, 8]}, constants={"to": np.array([1, -1])}))
gives("a model of one image takes as many as there are", fixed, X, X.reshape(3, -1))
free = save("free.onnx", model([node("GlobalAveragePool", ["x"], "g"), node("Flatten", ["g"])], {"x": ["N", 4, "H", "W"]}))
gives("open axes are those of the array", free, X, X.mean(axis=(2, 3)))
gives("and those of one image", free, X[0], X[:1].mean(axis=(2, 3)))
gives("an input that --input makes larger", fixed, r(2, 4, 3, 3) * 0, np.zeros((2, 36)), "--input", "4x3x3")
refused("another size", fixed, r(2, 4, 9, 9), 3, "the array is 2x4x9x9, the input 'x' of the network is 1x4x9x8")
refused("other axes", soft, r(4, 3, 5, 1), 3, "the array is 4x3x5x1, the input 'x' of the network is 1x3x5")
refused("no image", fixed, X[:0], 3, "the array is 0x4x9x8")
refused("--input of other axes", soft, L, 3, "input 'x' has 3 axes, the shape that is given has 4", "--input", "1x1x3x5")
two = save("two.onnx", model([node("Add", ["x", "z"])], {"x": [1, 4, 9, 8], "z": [1, 4, 9, 8]}))
refused("a second input", two, X, 3, "reads the input 'z', but forward gives the first one, 'x', alone")
with open(path("net.prototxt"), "w", encoding="utf-8") as f:
    f.write('layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "none" batch_size: 2 } }\n'
            'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: AVE global_pooling: true } }\n'
            'layer { name: "l" type: "SoftmaxWithLoss" bottom: "p" bottom: "label" top: "loss" }\n')
gives("a prototxt without a shape takes the array's", path("net.prototxt"), X, X.mean(axis=(2, 3), keepdims=True), "--blob", "p")
refused("a loss needs labels", path("net.prototxt"), X, 2, "blob 'loss' is one value for a whole batch", "--blob", "loss")

# Any number of images: the file is never in memory as a whole.
IMAGES = 20000 if os.environ.get("RISTRETTO_VARIANT") == "asan" else 400000
small = save("small.onnx", model([node("GlobalAveragePool", ["x"], "g"), node("Flatten", ["g"])], {"x": ["N", 2, 9, 8]}))


def sparse(name, images):
    """Zeros that take no room on the disk."""
    with open(path(name), "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (images, 2, 9, 8)})
        file.truncate(file.tell() + images * 2 * 9 * 8 * 4)
    return path(name)


program = "import resource, subprocess, sys; s = subprocess.call(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(s)"
got = subprocess.run([sys.executable, "-c", program, BIN, "forward", small, "--data", sparse("many.npy", IMAGES), "--out", path("y.npy")],
                     stdout=subprocess.PIPE, text=True, check=False)
check(f"{IMAGES} images", got.returncode == 0 and np.load(path("y.npy")).shape == (IMAGES, 2))
if os.environ.get("RISTRETTO_VARIANT") != "asan":
    check("in less than 150 MB", int(got.stdout.split()[-1]) < 150 << 10, f"{got.stdout} KiB")
os.remove(path("y.npy"))
os.remove(path("many.npy"))

# Ctrl-C, once values have been written.
endless = sparse("endless.npy", 1 << 30)
before = set(os.listdir(folder))
p = subprocess.Popen([BIN, "forward", small, "--data", endless, "--out", path("y.npy")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
deadline = time.monotonic() + 60


def has_begun():
    return any(f.endswith(".tmp") and os.stat(path(f)).st_size > 4096 for f in os.listdir(folder))


while not has_begun() and p.poll() is None and time.monotonic() < deadline:
    time.sleep(0.01)
p.send_signal(signal.SIGINT)
err = p.communicate(timeout=60)[1]
check("Ctrl-C: status 130, and nothing is left", p.returncode == 130 and set(os.listdir(folder)) == before, f"{p.returncode} {err}\n{os.listdir(folder)}")
shutil.rmtree(folder)
check.done()
