#!/usr/bin/env python3
"""Files that are wrong: each one ends with status 3 (or 4 for the machine's limits), a message that says where and what, and leaves nothing
half-written behind.

test-options: variants=release,asan
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, GoldenTexts, ristretto

check = Checks()
texts = GoldenTexts(check, "bad-input")
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
NET, WEIGHTS, DIGITS = f"{ZOO}/lenet_train_test.prototxt", f"{ZOO}/lenet.caffemodel", f"{ZOO}/digits"
ARRAY, TECHNOLOGY = "configs/arrays/lenet.yaml", "configs/technologies/horowitz-45nm.yaml"
folder = tempfile.mkdtemp()
FEW = ["--calibration", "0:50", "--search", "0:50", "--test", "50:50"]


def path(name, content=None):
    """A file of this test; bytes or text."""
    p = os.path.join(folder, name)
    if content is not None:
        with open(p, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
    return p


def read(name, mode="r"):
    with open(name, mode) as f:
        return f.read()


def golden(name, arguments, env=None):
    """What the command says on stderr, and its status; it prints nothing on stdout. FOLDER stands for the scratch folder."""
    r = ristretto(*arguments, env=env)
    texts(name, f"{r.stderr}status {r.returncode}\n{r.stdout}".replace(folder, "FOLDER"))


def test_with(net=NET, weights=WEIGHTS, data=DIGITS):
    return ["test", "--model", net, "--weights", weights, "--data", data]


net, weights = read(NET), read(WEIGHTS, "rb")

# Weights.
golden("missing caffemodel", test_with(weights=path("lenet.caffemodel")))
golden("missing caffemodel with a similar name beside it", test_with(weights=f"{ZOO}/lenet.cafemodel"))
golden("empty caffemodel", test_with(weights=path("empty.caffemodel", b"")))
golden("truncated caffemodel", test_with(weights=path("short.caffemodel", weights[:100000])))
golden("corrupt caffemodel", test_with(weights=path("noise.caffemodel", bytes((i * 37 + 11) % 251 for i in range(3000)))))
huge = b"\xa2\x06" + b"\xff\xff\xff\xff\x0f" + b"x" * 23
golden("a caffemodel of 30 bytes that claims 4 GB", test_with(weights=path("huge.caffemodel", huge)))
golden("a text where weights are expected", test_with(weights=NET))

# Networks.
golden("prototxt with a typo: every place, line and column",
       test_with(net=path("typo.prototxt", net.replace("kernel_size: 5", "kernel_sise: 5"))))
golden("unknown layer type", test_with(net=path("type.prototxt", net.replace('type: "ReLU"', 'type: "RELU2"'))))
golden("prototxt that ends too soon", test_with(net=path("cut.prototxt", net.rstrip()[:-1])))
golden("wrong blob shape: every blob, both shapes",
       test_with(net=path("shape.prototxt", net.replace("num_output: 500", "num_output: 400"))))

# Data.
golden("missing data set", test_with(data=path("nothing")))
golden("missing data set, looked up in the data folder too", test_with(data="nothing-here"), env={"RISTRETTO_DATA": "data"})
golden("images that are not there", [*test_with(), "--first", "1990", "--images", "20"])
golden("a range that is none", ["quantize", "--out", path("x"), *test_with()[1:], "--search", "5"])
images = os.path.join(folder, "x-images-idx3-ubyte.gz")
shutil.copy(f"{DIGITS}/digits-images-idx3-ubyte.gz", images)
shutil.copy(f"{DIGITS}/digits-labels-idx1-ubyte.gz", os.path.join(folder, "x-labels-idx1-ubyte.gz"))
os.truncate(images, 20000)
r = ristretto(*test_with(data=images))
check("truncated data", r.returncode == 3 and "x-images-idx3-ubyte.gz" in r.stderr and r.stderr.count("error:") == 1, r.stderr)

# A small quantized network for what follows.
q = os.path.join(folder, "q")
quantize = ["quantize", "--model", NET, "--weights", WEIGHTS, "--data", DIGITS, *FEW, "--convolution-bits", "4", "--inner-product-bits", "4",
            "--activation-bits", "6", "--error-margin", "50"]
r = ristretto(*quantize, "--out", q)
check("a network to go on with", r.returncode == 0 and os.path.isdir(f"{q}/qnet"), r.stderr)
array = read(ARRAY)


def simulate(yaml=ARRAY, qnet=f"{q}/qnet", more=()):
    return ["simulate", "--qnet", qnet, "--array", yaml, *more]


# YAML.
golden("YAML key that does not exist", simulate(path("key.yaml", array.replace("multipliers:", "multiplers:"))))
golden("value out of range", simulate(more=["--set", "array.lanes=0"]))
golden("missing YAML file", simulate(path("nothing.yaml")))
golden("a folder where a YAML file is expected", simulate(folder))
golden("missing network", simulate(qnet=path("no-qnet")))
r = ristretto(*simulate(more=["--set", "buffers.activation_elements=100"]))
check("a buffer that is too small is named, with what it needs",
      r.returncode == 3 and "layer 'conv1'" in r.stderr and "raise buffers.activation_elements to" in r.stderr, r.stderr)
check("a value of the command line has no line in the file", r.stderr.startswith(f"{ARRAY}: error: "), r.stderr)
before = array[:array.index("4096", array.index("activation_elements:"))]
r = ristretto(*simulate(path("small.yaml", array.replace("activation_elements: 4096", "activation_elements: 1000"))))
check("a buffer that is too small is named at its place in the file", r.returncode == 3 and r.stderr.startswith(
    f"{path('small.yaml')}:{before.count(chr(10)) + 1}:{len(before.rsplit(chr(10), 1)[-1]) + 1}: error: layer 'conv2': activation buffer holds 1,000"),
    r.stderr)
technology = read(TECHNOLOGY)
golden("a technology number without a source",
       ["estimate", "--qnet", f"{q}/qnet", "--array", ARRAY, "--technology",
        path("t.yaml", technology.replace("area_um2: 4.522, source: nangate", "area_um2: 4.522"))])
golden("a report that is none", ["report", path("r.json", "{}")])
golden("a report that is no JSON", ["report", path("r.json", '{"format": ')])

# The quantized network's files.
broken = os.path.join(folder, "broken")
shutil.copytree(f"{q}/qnet", broken)
os.truncate(f"{broken}/ip1.weights.npy", 1000)
r = ristretto(*simulate(qnet=broken))
check("a truncated array of integers", r.returncode == 3 and "ip1.weights.npy" in r.stderr, r.stderr)
shutil.copytree(f"{q}/qnet", broken, dirs_exist_ok=True)
data = bytearray(read(f"{broken}/conv1.weights.npy", "rb"))
data[-1] ^= 1
path("broken/conv1.weights.npy", bytes(data))
r = ristretto(*simulate(qnet=broken))
check("a changed integer is noticed", r.returncode == 3 and "conv1.weights.npy" in r.stderr, r.stderr)

# Full disk: status 4, the old file as it was, nothing half-written.
report = path("report.json", '{"format": "ristretto-report", "version": 1, "name": "old"}')
before = sorted(os.listdir(folder))
for n in range(1, 30):
    r = ristretto(*quantize, "--out", os.path.join(folder, "full"), "--report", report, env={"RISTRETTO_FAIL_WRITE": str(n)})
    if r.returncode == 0:
        break
    written = [os.path.join(d, f) for d, _, files in os.walk(os.path.join(folder, "full")) for f in files]
    complete = all(os.path.getsize(f) > 0 and not os.path.basename(f).startswith(".") and ".tmp" not in f for f in written)
    if not check(f"write {n} fails: status 4, the report as it was, nothing half-written",
                 r.returncode == 4 and r.stderr.count("error:") == 1 and complete
                 and read(report) == '{"format": "ristretto-report", "version": 1, "name": "old"}', f"{r.returncode}\n{r.stderr}\n{written}"):
        break
check("enough writes were made to fail", n > 10, n)
r = ristretto(*quantize, "--out", os.path.join(folder, "full"), "--report", "/dev/full")
check("a report on a full device", r.returncode == 4 and "/dev/full" in r.stderr and "No space left on device" in r.stderr, f"{r.returncode} {r.stderr}")
if os.geteuid() == 0 and shutil.which("unshare") and shutil.which("mount"):
    # A disk of 64 KB, in a mount namespace of its own.
    script = (f"mount -t tmpfs -o size=64k none {path('disk')} && echo mounted >&2 && {BIN} {' '.join(quantize)} --out {path('disk')}/q; s=$?; "
              f"find {path('disk')} -type f -size -2 -name '*.npy' >&2; exit $s")
    os.mkdir(path("disk"))
    r = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "mounted" not in r.stderr.split("\n"):
        check.skip("a full disk", "a small one cannot be mounted here: " + r.stderr.strip())
    else:
        check("a full disk", r.returncode == 4 and "No space left on device" in r.stderr, f"{r.returncode} {r.stderr}")
else:
    check.skip("a full disk", "needs root to mount a small one")

shutil.rmtree(folder)
texts.done()
check.done()
