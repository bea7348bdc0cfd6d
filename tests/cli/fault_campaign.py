#!/usr/bin/env python3
"""Each command with each allocation, read and write made to fail: see tests/lib/faults.py.

test-options: variants=release,asan limit=900
"""

import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, ROOT, Checks, ristretto
from faults import campaign

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
NET = ["--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel"]
DIGITS = ["--data", f"{ZOO}/digits"]
ARRAY = ["--array", "configs/arrays/lenet.yaml"]
WIDTHS = ["--convolution-bits", "8", "--inner-product-bits", "8", "--activation-bits", "8"]
FEW = ["--calibration", "0:4", "--search", "0:4", "--test", "4:4"]
folder = tempfile.mkdtemp()

# A quantized network and a report, for the commands that begin with one.
made = ristretto("quantize", *NET, *DIGITS, *WIDTHS, *FEW, "--out", folder, "--report", f"{folder}/report.json")
check("a quantized network to work on", made.returncode == 0, made.stderr)
QNET = ["--qnet", f"{folder}/qnet"]


def faults(name, command, kinds=("alloc", "read", "write"), **options):
    """command: the arguments, {out} standing for the folder of the outputs."""
    campaign(check, name, lambda out: [BIN] + [a.replace("{out}", out) for a in command], kinds, **options)


faults("test", ["test", *NET, *DIGITS, "--images", "4", "--report", "{out}/report.json"])
faults("quantize", ["quantize", *NET, *DIGITS, *WIDTHS, *FEW, "--out", "{out}/q"])

# Fine-tuning on the embedded digits, a few of them.
with open(f"{ZOO}/lenet_train_test.prototxt", encoding="utf-8") as f:
    text = f.read().replace('"train-data.json"', f'"{ROOT}/{ZOO}/digits"').replace('"mnist"\n', f'"{ROOT}/{ZOO}/digits"\n')
with open(f"{folder}/net.prototxt", "w", encoding="utf-8") as f:
    f.write(text.replace("batch_size: 64", "batch_size: 4"))
with open(f"{folder}/solver.prototxt", "w", encoding="utf-8") as f:
    f.write('net: "net.prototxt"\nbase_lr: 0.001 lr_policy: "fixed" max_iter: 10\n')
faults("finetune", ["finetune", "--solver", f"{folder}/solver.prototxt", "--weights", f"{ZOO}/lenet.caffemodel", "--no-test", "--calibration", "4",
                    "--validation-images", "0:4", "--refine", "2", "--activations", "quantized", "--iterations", "1", "--activation-bits", "4",
                    "--out", "{out}/tuned"],
       # The solverstate names its weights by their path. Sanitizers are slow, and look for what is done with memory.
       kinds=("alloc",) if os.environ.get("RISTRETTO_VARIANT") == "asan" else ("alloc", "read", "write"), ignore=("tuned/finetune_iter_1.solverstate",))
faults("simulate", ["simulate", *QNET, *ARRAY, *DIGITS, "--images", "1", "--report", "{out}/report.json", "--timeline", "{out}/timeline.svg"])
faults("simulate --timeline", ["simulate", *QNET, *ARRAY, "--timeline", "{out}/timeline.json"], kinds=("alloc", "write"))
if shutil.which("verilator"):
    faults("cosim --dut", ["cosim", "--dut", "configs/units/serial-mac.yaml", *QNET, *DIGITS, "--images", "1", "--layer", "ip2", "--vectors", "2",
                           "--random", "2", "--report", "{out}/report.json"], kinds=("alloc", "read"))
faults("estimate", ["estimate", *QNET, *ARRAY, "--technology", "configs/technologies/horowitz-45nm.yaml",
                    "--report", "{out}/report.json"])
faults("report", ["report", f"{folder}/report.json", "--html", "{out}/report.html", "--csv", "{out}/report.csv"])
faults("data mean", ["data", "mean", f"{ZOO}/digits", "{out}/mean.binaryproto"])
faults("help", ["help", "array"], kinds=("alloc",))

shutil.rmtree(folder)
check.done()
