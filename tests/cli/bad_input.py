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
from checks import BIN, ROOT, Checks, ristretto

check = Checks()
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


def golden(name, arguments, status, *messages, env=None):
    """Fails with this status; stderr is exactly these lines, FOLDER standing for the scratch folder."""
    r = ristretto(*arguments, env=env)
    got = r.stderr.replace(folder, "FOLDER").splitlines()
    check(name, r.returncode == status and got == list(messages) and r.stdout == "",
          "\n".join([f"status {r.returncode}, expected {status}", "expected:", *messages, "got:", *got, "stdout:", r.stdout]))


def test_with(net=NET, weights=WEIGHTS, data=DIGITS):
    return ["test", "--model", net, "--weights", weights, "--data", data]


net, weights = read(NET), read(WEIGHTS, "rb")

# Weights.
golden("missing caffemodel", test_with(weights=path("lenet.caffemodel")), 3,
       "FOLDER/lenet.caffemodel: error: cannot open: No such file or directory")
golden("missing caffemodel with a similar name beside it", test_with(weights=f"{ZOO}/lenet.cafemodel"), 3,
       f"{ZOO}/lenet.cafemodel: error: cannot open: No such file or directory", f"hint: did you mean '{ZOO}/lenet.caffemodel'?")
golden("empty caffemodel", test_with(weights=path("empty.caffemodel", b"")), 3,
       "FOLDER/empty.caffemodel: error: the file is empty, expected weights (caffemodel)")
golden("truncated caffemodel", test_with(weights=path("short.caffemodel", weights[:100000])), 3,
       "FOLDER/short.caffemodel: error: after layer 'pool1': a field of 100261 bytes, but only 97785 are left at byte 2210",
       "hint: the file is truncated or corrupt")
golden("corrupt caffemodel", test_with(weights=path("noise.caffemodel", bytes((i * 37 + 11) % 251 for i in range(3000)))), 3,
       "FOLDER/noise.caffemodel: error: a field with a wrong tag at byte 0", "hint: the file is truncated or corrupt")
huge = b"\xa2\x06" + b"\xff\xff\xff\xff\x0f" + b"x" * 23
golden("a caffemodel of 30 bytes that claims 4 GB", test_with(weights=path("huge.caffemodel", huge)), 3,
       "FOLDER/huge.caffemodel: error: a field of 4294967295 bytes, but only 23 are left at byte 0", "hint: the file is truncated or corrupt")
golden("a text where weights are expected", test_with(weights=NET), 3,
       f"{NET}: error: this is a text file, expected weights (caffemodel)", "hint: a net description (prototxt) goes elsewhere")

# Networks.
golden("prototxt with a typo: every place, line and column",
       test_with(net=path("typo.prototxt", net.replace("kernel_size: 5", "kernel_sise: 5"))), 3,
       "FOLDER/typo.prototxt:35:5: error: unknown field 'kernel_sise' in convolution_param", "hint: did you mean 'kernel_size'?",
       "FOLDER/typo.prototxt:57:5: error: unknown field 'kernel_sise' in convolution_param", "hint: did you mean 'kernel_size'?")
golden("unknown layer type", test_with(net=path("type.prototxt", net.replace('type: "ReLU"', 'type: "RELU2"'))), 3,
       "FOLDER/type.prototxt:85:3: error: layer 'relu1': unknown layer type 'RELU2'", "hint: did you mean 'ReLU'?")
golden("prototxt that ends too soon", test_with(net=path("cut.prototxt", net.rstrip()[:-1])), 3,
       "FOLDER/cut.prototxt:116:1: error: the file ends inside a block, expected '}'", "hint: the block opens at line 110, column 7")
golden("wrong blob shape: every blob, both shapes", test_with(net=path("shape.prototxt", net.replace("num_output: 500", "num_output: 400"))), 3,
       f"{WEIGHTS}: error: layer 'ip1', weights: the shape is 500x800, expected 400x800", "hint: the net declares it at FOLDER/shape.prototxt:70",
       f"{WEIGHTS}: error: layer 'ip1', bias: the shape is 500, expected 400", "hint: the net declares it at FOLDER/shape.prototxt:70",
       f"{WEIGHTS}: error: layer 'ip2', weights: the shape is 10x500, expected 10x400", "hint: the net declares it at FOLDER/shape.prototxt:89")

# Data.
golden("missing data set", test_with(data=path("nothing")), 3, "FOLDER/nothing: error: there is no data set of this name (test)")
golden("missing data set, looked up in the data folder too", test_with(data="nothing-here"), 3,
       "nothing-here: error: there is no data set of this name (test)",
       "hint: looked here and in data (RISTRETTO_DATA); scripts/fetch-data.sh fetches the public sets", env={"RISTRETTO_DATA": "data"})
golden("images that are not there", [*test_with(), "--first", "1990", "--images", "20"], 2,
       f"{DIGITS}/digits-images-idx3-ubyte.gz: error: --first, --images: images 1990 to 2009 are not there, the data set has 2000")
golden("a range that is none", ["quantize", "--out", path("x"), *test_with()[1:], "--search", "5"], 2,
       "error: --search takes FIRST:COUNT, such as 0:1000, not '5'")
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
golden("YAML key that does not exist", simulate(path("key.yaml", array.replace("multipliers:", "multiplers:"))), 3,
       *[line for line in (
           f"FOLDER/key.yaml:{array[:array.index('multipliers:')].count(chr(10)) + 1}:"
           f"{len(array[:array.index('multipliers:')].rsplit(chr(10), 1)[-1]) + 1}: error: unknown key 'multiplers' in 'array'",
           "hint: did you mean 'multipliers'?",
           f"FOLDER/key.yaml:{array[:array.index('array:')].count(chr(10)) + 2}:3: error: the key 'array.multipliers' is missing, expected a whole number "
           "from 1 to 64: multipliers per lane: products of one output summed in a cycle")])
golden("value out of range", simulate(more=["--set", "array.lanes=0"]), 2, "error: array.lanes must be a whole number from 1 to 64, not '0'")
golden("missing YAML file", simulate(path("nothing.yaml")), 3, "FOLDER/nothing.yaml: error: cannot open: No such file or directory")
golden("a folder where a YAML file is expected", simulate(folder), 3, "FOLDER: error: cannot open: Is a directory")
golden("missing network", simulate(qnet=path("no-qnet")), 3, "FOLDER/no-qnet/qnet.json: error: cannot open: No such file or directory")
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
        path("t.yaml", technology.replace("area_um2: 4.522, source: nangate", "area_um2: 4.522"))], 3,
       f"FOLDER/t.yaml:{technology[:technology.index('area_um2: 4.522')].count(chr(10)) + 1}:16: error: the key 'register_area.source' is missing, "
       "expected a text: short name of an entry of sources")
golden("a report that is none", ["report", path("r.json", "{}")], 3,
       'FOLDER/r.json: error: the file is not a report: "format" must be "ristretto-report"', "hint: the commands write one with --report FILE")
golden("a report that is no JSON", ["report", path("r.json", '{"format": ')], 3, "FOLDER/r.json:1:11: error: JSON: unexpected token near end of file")

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
check.done()
