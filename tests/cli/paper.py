#!/usr/bin/env python3
"""The scripts of the paper's tables: without data they say what they leave out; with MNIST (in make check-full) they give numbers.

test-options: limit=900
"""

import csv
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import BIN, FULL, ROOT, SHARED, Checks, run

check = Checks()
SCRIPTS = ("table1", "table2", "figure4", "multiplier_free")


def paper(script, data, out, *options):
    return run(os.path.join(ROOT, "scripts", "paper", script), "--data", data, "--out", out, *options, env={"RISTRETTO_BIN": BIN},
               timeout=800)


with tempfile.TemporaryDirectory() as folder:
    empty = os.path.join(folder, "nothing")
    os.mkdir(empty)
    for script in SCRIPTS:
        done = paper(script, empty, os.path.join(folder, "out"), "--nets", "lenet")
        check(f"{script}: says what it leaves out", done.returncode == 0 and "LeNet: left out" in done.stdout, done.stdout + done.stderr)
    mnist = os.path.join(SHARED, "mnist")
    if not FULL or not os.path.isdir(mnist):
        check.skip("table 1 of LeNet", "in make check-full, with MNIST in ../shared/data")
    else:
        out = os.path.join(folder, "out")
        done = paper("table1", SHARED, out, "--nets", "lenet", "--quick")
        check("table1: LeNet", done.returncode == 0 and "layer outputs" in done.stdout, done.stdout + done.stderr)
        with open(os.path.join(out, "table1.csv"), encoding="utf-8") as f:
            rows = {row["part"]: row for row in csv.DictReader(f)}
        check("table1: 8-bit weights are as good as float", float(rows["convolution weights"]["8 bits"]) > 98.9, rows)
        kept = len(os.listdir(os.path.join(out, "runs")))
        again = paper("table1", SHARED, out, "--nets", "lenet", "--quick")
        check("table1: results are kept", again.stdout == done.stdout and len(os.listdir(os.path.join(out, "runs"))) == kept and
              "# LeNet" not in again.stderr, again.stderr)
check.done()
