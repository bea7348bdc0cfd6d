#!/usr/bin/env python3
"""Files that are not what they seem, folders that nobody may enter, names that speak to the terminal.

test-options: variants=release,asan limit=120
"""
import os
import resource
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
NET = f"{ZOO}/lenet_train_test.prototxt"
MODEL = ["--model", NET, "--weights", f"{ZOO}/lenet.caffemodel"]
folder = tempfile.mkdtemp()


def refused(name, arguments, *parts, status=3):
    try:
        r = ristretto(*arguments, timeout=60)
    except subprocess.TimeoutExpired:
        check(name, False, "it waits")
        return
    check(name, r.returncode == status and all(p in r.stderr for p in parts), f"{r.returncode} {r.stderr}")


# Pipes and devices in a folder or a list.
PIPE = "this is a device or a pipe, and no file"
q = os.path.join(folder, "q")
r = ristretto("quantize", *MODEL, "--data", f"{ZOO}/digits", "--calibration", "0:20", "--search", "0:20", "--test", "20:4", "--convolution-bits", "8",
              "--inner-product-bits", "8", "--activation-bits", "8", "--error-margin", "50", "--out", q)
check("a quantized network", r.returncode == 0, r.stderr)
for name in ["qnet.json", next(f for f in sorted(os.listdir(f"{q}/qnet")) if f.endswith(".npy"))]:
    path, kept = f"{q}/qnet/{name}", os.path.join(folder, "kept")
    os.rename(path, kept)
    for make in (os.mkfifo, lambda p: os.symlink("/dev/zero", p)):
        make(path)
        refused(f"{os.path.splitext(name)[1]} of a qnet that never ends or begins",
                ["simulate", "--qnet", f"{q}/qnet", "--array", "configs/arrays/lenet.yaml", "--data", f"{ZOO}/digits"], PIPE, name)
        os.remove(path)
    os.rename(kept, path)
images = os.path.join(folder, "images")
os.mkdir(images)
os.mkfifo(os.path.join(images, "pipe.png"))
os.symlink("/dev/zero", os.path.join(images, "zero.png"))
for name in ("pipe.png", "zero.png"):
    with open(os.path.join(images, "list.txt"), "w", encoding="utf-8") as f:
        f.write(f"{name} 0\n")
    refused(f"{name} in a list of images", ["data", "info", os.path.join(images, "list.txt")], PIPE, name)
database = os.path.join(folder, "database")
os.mkdir(database)
os.mkfifo(os.path.join(database, "data.mdb"))
refused("a pipe in a database", ["data", "info", database], "data.mdb", "not a file")

# Numbers at the end of what there is.
for slice_ in ("9223372036854775807:2", "9223372036854775807:1", "9223372036854775807:9223372036854775807"):
    refused(f"images {slice_}", ["quantize", *MODEL, "--data", f"{ZOO}/digits", "--search", slice_, "--out", f"{folder}/o"],
            "images 9223372036854775807 to 9223372036854775807 are not there", status=2)

# Folders that nobody may enter or write to.
closed = os.path.join(folder, "closed")
os.makedirs(os.path.join(closed, "deep"))
shutil.copy(f"{images}/list.txt", closed)
os.chmod(closed, 0)
os.chmod(folder, 0o755)


def stranger():
    if os.geteuid() == 0:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)


def denied(name, *arguments):
    r = subprocess.run([BIN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=stranger,
                       check=False, timeout=60)
    check(name, r.returncode == 3 and "Permission denied" in r.stderr and "No such file" not in r.stderr, f"{r.returncode} {r.stderr}")


def a_stranger_can_run():
    try:
        return subprocess.run([BIN, "--version"], preexec_fn=stranger, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except PermissionError:  # below a folder that is its owner's alone
        return False


if a_stranger_can_run():
    denied("data that may not be read", "data", "info", f"{closed}/list.txt")
    with open(f"{folder}/list.txt", "w", encoding="utf-8") as f:
        f.write("closed/deep/a.png 0\n")
    denied("an image of a list that may not be read", "data", "info", f"{folder}/list.txt")
    denied("a folder that may not be entered", "convert", NET, "--input", "1x28x28", "--prototxt", f"{closed}/deep/er/net.prototxt")
    denied("a folder that may not be written to", "convert", NET, "--input", "1x28x28", "--prototxt", f"{folder}/new/net.prototxt")
else:
    check.skip("permissions", "another user cannot run the command where it lies")
os.chmod(closed, 0o700)

# Little memory: what is not needed is not loaded.
if os.environ.get("RISTRETTO_VARIANT") != "asan":
    for arguments in (["--version"], ["summary", NET, "--input", "1x28x28"]):
        try:
            r = ristretto(*arguments, timeout=60, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (150000 << 10, 150000 << 10)))
            check(f"{arguments[0]} in 150 MB", r.returncode == 0, f"{r.returncode} {r.stderr}")
        except subprocess.TimeoutExpired:
            check(f"{arguments[0]} in 150 MB", False, "it spins")

# Names with escape sequences.
net = os.path.join(folder, "net.prototxt")
with open(net, "w", encoding="utf-8") as f:
    f.write('name: "net\\033]0;title\\007"\ninput: "data"\ninput_shape { dim: 1 dim: 1 dim: 4 dim: 4 }\n'
            'layer { name: "re\\033[2Jlu" type: "ReLU" bottom: "data" top: "y\\302\\233" }\n')
r = ristretto("summary", net)
check("summary prints names without their escape sequences",
      r.returncode == 0 and not any(c in r.stdout for c in "\x1b\x07\x9b") and "re\\x1b[2Jlu" in r.stdout and "net\\x1b]0;title\\x07" in r.stdout,
      repr(r.stdout + r.stderr))
shutil.rmtree(folder)
check.done()
