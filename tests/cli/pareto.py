#!/usr/bin/env python3
"""ristretto quantize --pareto: widths layer by layer by what they cost, on LeNet and a few digits."""
import csv
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
NET = ["--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel", "--data", f"{ZOO}/digits"]
FEW = ["--calibration", "0:20", "--search", "0:20", "--test", "20:10", "--max-bits", "5", "--min-bits", "3", "--error-margin", "10"]
TECHNOLOGY = ["--technology", "configs/technologies/horowitz-45nm.yaml"]
scratch = tempfile.TemporaryDirectory()
folder = scratch.name


def pareto(name, *arguments, status=0):
    r = ristretto("quantize", *NET, *FEW, "--out", os.path.join(folder, name), "--json", *arguments)
    if not check(f"{name}: status {status}", r.returncode == status, r.stderr):
        sys.exit(1)
    return json.loads(r.stdout)


def front_is_right(points):
    for p in points:
        beaten = any((q["cost"] < p["cost"] and q["hits"] >= p["hits"]) or (q["cost"] <= p["cost"] and q["hits"] > p["hits"]) for q in points)
        if beaten == p["front"]:
            return False
    return True


for cost in ("bits", "area", "energy"):
    report = pareto(cost, "--pareto", cost, *(TECHNOLOGY if cost != "bits" else []))
    points = report["points"]
    costs = [p["cost"] for p in points]
    check(f"{cost}: it falls from point to point", len(points) > 2 and all(a > b for a, b in zip(costs, costs[1:])), costs)
    check(f"{cost}: the front is the front", front_is_right(points), points)
    check(f"{cost}: the chosen point keeps the margin", points[report["chosen"]]["hits"] >= report["needed_hits"] and report["met"], report)
    if cost == "area":
        check("area: all weights have one width", all(len(set(p["weights"].split("/"))) == 1 for p in points), points)
    with open(os.path.join(folder, cost, "pareto.csv"), newline="") as f:
        rows = list(csv.DictReader(f))
    check.equal(f"{cost}: the CSV has every point", [int(r["hits"]) for r in rows], [p["hits"] for p in points])
    chosen = [r for r in rows if r["chosen"] == "1"]
    with open(os.path.join(folder, cost, "qnet", "qnet.json")) as f:
        widths = {op["name"]: op["weight_bits"] if "weight_bits" in op else op["weight_format"]["bits"] for op in json.load(f)["ops"]
                  if "weight_bits" in op or "weight_format" in op}
    check.equal(f"{cost}: the integers have the chosen widths", widths, {name: int(chosen[0][f"{name} weights"]) for name in widths})
    if cost == "bits":
        # 20 x 25 + 50 x 500 + 800 x 500 + 500 x 10 weights; 784 + 20 x 576 + 20 x 144 + 50 x 64 + 50 x 16 + 500 + 10 values; 5 bits each
        check.equal("bits: of the widest", costs[0], 5.0 * (430500 + 784 + 11520 + 2880 + 3200 + 800 + 500 + 10))
        budget = costs[1]

report = pareto("budget", "--pareto", "bits", "--budget", str(budget), "--report", os.path.join(folder, "report.json"))
check("budget: the chosen point is within it", report["points"][report["chosen"]]["cost"] <= budget and report["met"], report)
best = max(p["hits"] for p in report["points"] if p["cost"] <= budget)
check.equal("budget: and none within it is better", report["points"][report["chosen"]]["hits"], best)
r = ristretto("report", os.path.join(folder, "report.json"), "--html", os.path.join(folder, "report.html"))
with open(os.path.join(folder, "report.html")) as f:
    check.contains("the plot is in the report", f.read(), "Accuracy against cost")
pareto("too small", "--pareto", "bits", "--budget", "10", status=1)
for name, arguments, message in (("a budget without a cost", ["--budget", "5"], "belong to --pareto"),
                                 ("energy without a technology", ["--pareto", "energy"], "front by energy needs a technology"),
                                 ("minifloat", ["--pareto", "bits", "--scheme", "minifloat"], "not of the scheme")):
    r = ristretto("quantize", *NET, *FEW, "--out", os.path.join(folder, "none"), *arguments)
    check(f"{name} is refused", r.returncode == 2 and message in r.stderr, r.stderr)
run = ["run", "configs/runs/lenet.yaml"]
for setting in (f"out={folder}/run", "cosim.images=0", "simulate.images=5", "export.format=none", "data.calibration.count=20", "data.search.count=20",
                "data.test.count=10", "quantize.pareto=energy", "quantize.max_bits=5", "quantize.min_bits=3", "quantize.error_margin=10"):
    run += ["--set", setting]
r = ristretto(*run, "--json")
if check("a run takes widths layer by layer to the array", r.returncode == 0, r.stderr):
    report = json.loads(r.stdout)
    check("the run's report has the front, and the array's scores are the engine's",
          len(report["pareto"]["points"]) > 2 and report["simulate"]["images"] == 5 and "quantize" not in report, list(report))
wrong = os.path.join(folder, "wrong.yaml")
with open("configs/runs/lenet.yaml") as f:
    text = f.read().replace("../../", ROOT + "/").replace("../arrays", ROOT + "/configs/arrays")
for name, key, message in (("area without a technology", "pareto: area", "quantize.pareto area needs a technology"),
                           ("a budget of nothing", "budget: 5", "quantize.budget belongs to")):
    with open(wrong, "w") as f:
        f.write("\n".join(line for line in text.split("\n") if not line.startswith("technology")).replace("error_margin: 1", key))
    r = ristretto("run", wrong)
    check(f"{name} is refused with its place", r.returncode == 3 and f"{wrong}:15:11: error: {message}" in r.stderr, r.stderr)
scratch.cleanup()
check.done()
