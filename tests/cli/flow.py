#!/usr/bin/env python3
"""The whole way on a few digits, step by step and at once: JSON that parses, results that agree, nothing on stderr, no thread count that matters.

test-options: limit=400
"""
import html.parser
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
NET = ["--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel", "--data", f"{ZOO}/digits"]
ARRAY, TECHNOLOGY = "configs/arrays/lenet.yaml", "configs/technologies/horowitz-45nm.yaml"
SLICES = ["--calibration", "0:200", "--search", "0:200", "--test", "200:100"]
folder = tempfile.mkdtemp()
report = os.path.join(folder, "report.json")
out = os.path.join(folder, "steps")
PLACE = ["--qnet", f"{out}/qnet", "--array", ARRAY]


def step(name, *arguments, status=0):
    """A command with --json; its parsed result. The same command without --json must print a text, and --quiet nothing."""
    r = ristretto(*arguments, "--json")
    try:
        value = json.loads(r.stdout)
    except ValueError:
        value = None
    check(f"{name}: JSON, nothing on stderr (no progress bar without a terminal)",
          r.returncode == status and value is not None and r.stderr == "", f"{r.returncode}\n{r.stderr}\n{r.stdout[:500]}")
    return value or {}


def timeless(value):
    """Without what depends on the clock or on where things lie."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items()
                if k not in ("seconds", "images_per_second", "model_cycles_per_second", "rtl_cycles_per_second", "build_seconds", "folder", "path", "data",
                             "calibration_data")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


test = step("test", "test", *NET, "--report", report)
check("test: all 2,000 digits, about 98.5 % right", test.get("images") == 2000 and 1900 < test.get("hits", 0) < 2000, test)
quantized = step("quantize", "quantize", *NET, *SLICES, "--out", out, "--report", report)
scores = {s["name"]: s for s in quantized.get("scores", [])}
check("quantize: search, test and all are scored", [scores.get(n, {}).get("images") for n in ("search", "test", "all")] == [200, 100, 2000], scores)
check("quantize: the margin is kept on the search images",
      quantized.get("target_met") is True and quantized["hits"] >= quantized["needed_hits"] and scores["search"]["hits"] == quantized["hits"], quantized)
check("quantize: 3 groups of 16 widths and at least one combination", len(quantized.get("trials", [])) >= 49)
check("the float accuracy of the search is that of test",
      step("test of the search images", "test", *NET, "--images", "200")["hits"] == quantized["float_hits"] == scores["search"]["float_hits"])
with open(f"{out}/quantized.prototxt", encoding="utf-8") as f:
    text = f.read()
check("quantized.prototxt has the original's fields", "quantization_param" in text and "ConvolutionRistretto" in text and "FcRistretto" in text)

cycles = step("simulate, cycles only", "simulate", *PLACE)
simulated = step("simulate", "simulate", *PLACE, "--data", f"{ZOO}/digits", "--images", "40", "--report", report)
check("simulate: cycles do not depend on data", cycles["cycles"] == simulated["cycles"] > 10000)
check("simulate: 40 images of 10 scores, all equal to the engine's", simulated["compared"] == 400 and simulated["equal"] is True)
check("simulate: layers add up to the whole", sum(l["cycles"] for l in simulated["layers"]) == simulated["cycles"]
      and sum(l["macs"] for l in simulated["layers"]) == 2293000)
smaller = step("simulate with --set", "simulate", *PLACE, "--set", "array.lanes=4")
check("a quarter of the lanes, more cycles", 4 * simulated["cycles"] > smaller.get("cycles", 0) > 2 * simulated["cycles"], smaller.get("cycles"))

if shutil.which("verilator"):
    cosim = step("cosim", "cosim", *PLACE, "--data", f"{ZOO}/digits", "--images", "4", "--report", report)
    check("cosim: everything was compared and is equal", cosim.get("equal") is True and cosim["images"] == 4 and cosim["outputs"] > 100
          and cosim["writes"] > 100 and cosim["reads"] > 1000 and cosim["cycles"] == 4 * simulated["cycles"], cosim)
    planted = ristretto("cosim", *PLACE, "--data", f"{ZOO}/digits", "--images", "2", "--plant", "flip", "--json")
    check("a planted bit is caught: status 1, named", planted.returncode == 1 and "expected" in planted.stderr and "xor" in planted.stderr
          and json.loads(planted.stdout)["equal"] is False, planted.stderr)
else:
    check.skip("cosim", "Verilator is not installed")

estimate = step("estimate", "estimate", *PLACE, "--technology", TECHNOLOGY, "--report", report)
check("estimate: parts add up, float costs more", abs(sum(p["pj"] for p in estimate["total"]["parts"]) - estimate["total"]["pj"]) < 1
      and estimate["total"]["float_pj"] > 3 * estimate["total"]["pj"] and estimate["float_um2"] > estimate["um2"] > 0)
exported = step("export", "export", *PLACE, "--out", f"{out}/roms", "--report", report)
check("export: every weight was read back", exported["compared"] >= 431080 and exported["files"] == len([f for f in os.listdir(f"{out}/roms")
                                                                                                        if ".lane" in f]), exported)
for form in ("coe", "mif", "ihex", "c", "npy"):
    step(f"export as {form}", "export", *PLACE, "--out", f"{folder}/{form}", "--format", form)


class Page(html.parser.HTMLParser):
    """Tags that are left open, references to other places, plots."""

    def __init__(self):
        super().__init__()
        self.open, self.references, self.plots, self.text = [], [], 0, ""

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)
        self.plots += tag == "svg"
        self.references += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> out of place")

    def handle_data(self, data):
        self.text += data


r = ristretto("report", report, "--html", f"{folder}/report.html", "--csv", f"{folder}/report.csv")
check("report: HTML and CSV", r.returncode == 0 and r.stderr == "", r.stderr)
page = Page()
with open(f"{folder}/report.html", encoding="utf-8") as f:
    page.feed(f.read())
check("the page is well-formed, refers to nothing, has no script, has its plots",
      page.open == [] and page.references == [] and page.plots >= 6 and "<script" not in page.text, f"{page.open} {page.references} {page.plots}")
check("its style sheet is one", "max-width:1120px" in page.text, page.text[:200])
check("and shows the cycles", f"{simulated['cycles']:,}" in page.text)
with open(f"{folder}/report.csv", encoding="utf-8") as f:
    lines = f.read().splitlines()
check("the CSV has the cycles", f"simulate,,cycles,{simulated['cycles']}" in lines and len(lines) > 500, lines[:5])
text = ristretto("report", report)
check("report: every section as text", text.returncode == 0 and all(w in text.stdout for w in ("conv1", "lanes", "Area", "ROMs")), text.stdout)

# The same, at once.
values = [f"data.calibration.count=200", "data.search.count=200", "data.test.first=200", "data.test.count=100", "simulate.images=40",
          f"cosim.images={4 if shutil.which('verilator') else 0}", f"out={folder}/run", "report.csv=true"]
r = ristretto("run", "configs/runs/lenet.yaml", *[w for v in values for w in ("--set", v)], "--threads", "1")
check("run: status 0, nothing on stderr", r.returncode == 0 and r.stderr == "", r.stderr)
with open(report, encoding="utf-8") as f:
    steps = json.load(f)
with open(f"{folder}/run/report.json", encoding="utf-8") as f:
    once = json.load(f)
for section in ("test", "quantize", "simulate", "cosim", "estimate", "export"):
    check.equal(f"run: section {section} is that of the single command, on another number of threads",
                timeless(once.get(section)), timeless(steps.get(section)))
check("run: everything is there", all(os.path.exists(f"{folder}/run/{f}") for f in
                                      ("report.html", "report.csv", "quantized.prototxt", "quantize.json", "qnet/qnet.json", "roms")))
r = ristretto("run", "configs/runs/lenet.yaml", "--set", f"out={folder}/missed", "--set", "quantize.max_bits=2", "--set", "data.search.count=200",
              "--set", "cosim.images=0", "--quiet")
check("run: a margin that cannot be kept is status 1, and says so",
      r.returncode == 1 and "margin" in r.stderr and r.stdout == "" and os.path.exists(f"{folder}/missed/report.json"), f"{r.returncode} {r.stderr}")
shutil.rmtree(folder)
check.done()
