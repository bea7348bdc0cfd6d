#!/usr/bin/env python3
"""The files of two runs in two folders are the same, byte for byte; --stamp keeps what differs.

test-options: limit=120
"""
import json
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = os.path.join(ROOT, "model/zoo/lenet")
folder = tempfile.mkdtemp()
MODEL = ["--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel"]
DATA = ["--data", f"{ZOO}/digits"]
with open(f"{ZOO}/lenet_train_test.prototxt", encoding="utf-8") as f:
    net = re.sub(r'source: "[^"]*"', f'source: "{ZOO}/digits"', f.read())


def content(where):
    found = {}
    for path, _, names in os.walk(where):
        for name in names:
            with open(os.path.join(path, name), "rb") as stream:
                found[os.path.relpath(os.path.join(path, name), where)] = stream.read()
    return found


def results(name, *more):
    """All that the commands write."""
    out = os.path.join(folder, name)
    os.mkdir(out)
    report = ["--report", f"{out}/report.json", *more]
    for command in (["test", *MODEL, *DATA], ["simulate", "--qnet", f"{out}/q/qnet", "--array", "configs/arrays/lenet.yaml", *DATA, "--images", "1"]):
        if command[0] == "simulate":
            r = ristretto("quantize", *MODEL, *DATA, "--calibration", "0:20", "--search", "0:20", "--test", "20:4", "--convolution-bits", "8",
                          "--inner-product-bits", "8", "--activation-bits", "8", "--error-margin", "50", "--out", f"{out}/q", *report)
            check(f"{name}: quantize", r.returncode == 0, r.stderr)
        r = ristretto(*command, *report)
        check(f"{name}: {command[0]}", r.returncode == 0, r.stderr)
    with open(os.path.join(folder, "net.prototxt"), "w", encoding="utf-8") as f:
        f.write(net)
    with open(os.path.join(folder, "solver.prototxt"), "w", encoding="utf-8") as f:
        f.write('net: "net.prototxt"\nbase_lr: 0.01\nmomentum: 0.9\nlr_policy: "fixed"\nmax_iter: 3\nsnapshot: 2\nsnapshot_prefix: "x"\nrandom_seed: 3\n')
    r = ristretto("train", "--solver", os.path.join(folder, "solver.prototxt"), "--data", f"{ZOO}/digits", "--out", f"{out}/snapshot")
    check(f"{name}: train", r.returncode == 0, r.stderr)
    return content(out)


one, two = results("one"), results("two")
check.equal("two runs write the same files", sorted(one), sorted(two))
check.equal("with the same bytes", [n for n in one if one[n] != two.get(n)], [])
texts = {n: one[n].decode() for n in one if n.endswith(".json")}
check("without seconds", not any(re.search(r'"(build_)?seconds"|_per_second"', t) for t in texts.values()))
check("and without absolute paths", not any(re.search(rb"/(tmp|work|home|root)/", b) for b in one.values()),
      [n for n in one if re.search(rb"/(tmp|work|home|root)/", one[n])])
stamped = results("stamped", "--stamp")
section = json.loads(stamped["report.json"])["quantize"]
check("with --stamp they are there", section["seconds"] > 0 and section["data"].startswith("/"), section.get("data"))
out = ristretto("report", os.path.join(folder, "one", "report.json")).stdout
check("a report without them is shown without them", " trials\n" in out and "0.0 s" not in out and "images/s" not in out.split("One image")[0], out)
out = ristretto("report", os.path.join(folder, "stamped", "report.json")).stdout
check("one with them with them", re.search(r" trials in [0-9.]+ s\n", out) is not None, out)
shutil.rmtree(folder)
check.done()
