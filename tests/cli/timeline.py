#!/usr/bin/env python3
"""simulate --timeline: what it shows are the cycles that simulate counts; pictures are well-formed and no name covers another.

test-options: variants=release,asan limit=200
"""

import json
import os
import re
import shutil
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
folder = tempfile.mkdtemp()
q = os.path.join(folder, "q")
r = ristretto("quantize", "--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel", "--data", f"{ZOO}/digits", "--calibration",
              "0:4", "--search", "0:4", "--test", "4:4", "--convolution-bits", "8", "--inner-product-bits", "8", "--activation-bits", "8", "--error-margin",
              "100", "--out", q)
check("a network to draw", r.returncode == 0, r.stderr)
report = os.path.join(folder, "report.json")


def timeline(array, name):
    path = os.path.join(folder, name)
    got = ristretto("simulate", "--qnet", f"{q}/qnet", "--array", f"configs/arrays/{array}.yaml", "--timeline", path, "--report", report, "--json")
    check(f"{name} on {array}", got.returncode == 0, got.stderr)
    return json.loads(got.stdout), path


for array in ("lenet", "low-bandwidth", "stalls-50"):
    counted, path = timeline(array, "t.json")
    with open(path, encoding="utf-8") as f:
        trace = json.load(f)
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    check.equal(f"{array}: its units", sorted(names.values()), ["loader", "sequencer", "storer"])
    check.equal(f"{array}: the cycles of the run", trace["otherData"]["cycles"], counted["cycles"])
    for layer in counted["layers"]:
        mine = [e for e in events if e["args"]["layer"] == layer["name"]]

        def spent(kind):
            return sum(e["dur"] for e in mine if e["cat"] == kind)

        check(f"{array}, {layer['name']}: computing as counted, {len(mine)} events", spent("computes") == layer["compute_cycles"] > 0,
              (spent("computes"), layer["compute_cycles"]))
        # A beat takes at least a cycle. Waiting that is another layer's drain is counted there.
        check(f"{array}, {layer['name']}: loads, writes and waits",
              spent("loads weights") >= layer["weight_beats"] + layer["bias_beats"] and spent("loads the ifmap") >= layer["ifmap_beats"] > 0
              and spent("writes the ofmap") >= layer["ofmap_beats"] > 0 and spent("waits for weights") >= layer["wait_weights"]
              and spent("waits for the ifmap") >= layer["wait_ifmap"] and spent("waits for the output buffer") >= layer["wait_output"], layer)
    for tid, name in names.items():
        mine = sorted((e["ts"], e["dur"]) for e in events if e["tid"] == tid)
        check(f"{array}: the {name} does one thing at a time", all(a[0] + a[1] <= b[0] for a, b in zip(mine, mine[1:])) and len(mine) > 3, mine[:5])
        check(f"{array}: and ends with the run", mine[-1][0] + mine[-1][1] <= counted["cycles"], mine[-1])


def boxes(root, scale=7.0):
    """The texts of a picture that are not turned, as boxes of about their size."""
    found = []
    for element in root.iter():
        if element.tag.split("}")[-1] == "text" and element.get("x") not in (None, "0.0"):
            x, y, anchor = float(element.get("x")), float(element.get("y")), element.get("text-anchor")
            w = scale * len(element.text or "") * (1.4 if "title" in (element.get("class") or "") else 0.9)
            left = x - (w if anchor == "end" else w / 2 if anchor == "middle" else 0)
            found.append((left, y - 10, left + w, y + 2, element.text))
    return found


def overlapping(found):
    return [(a[4], b[4]) for i, a in enumerate(found) for b in found[i + 1:] if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]]


counted, path = timeline("lenet", "t.svg")
picture = xml.etree.ElementTree.parse(path).getroot()
found = boxes(picture)
words = [b[4] for b in found]
check("the picture names units, layers and what they wait for", all(w in words for w in ("loader", "sequencer", "storer", "conv1", "conv2", "ip1", "ip2",
                                                                                        "waits for weights")), words)
check("no name covers another", not overlapping(found), overlapping(found))

# The roofline of the report.
html = os.path.join(folder, "report.html")
r = ristretto("report", report, "--html", html)
with open(html, encoding="utf-8") as f:
    text = f.read()
roof = re.search(r'<svg[^>]*aria-label="Multiply-accumulates a cycle by layer.*?</svg>', text, re.S)
check("the report has a roofline", roof is not None)
root = xml.etree.ElementTree.fromstring(roof.group(0))
found = boxes(root)
check("with each layer by its name", all(n in [b[4] for b in found] for n in ("conv1", "conv2", "ip1", "ip2")), found)
check("no label covers another", not overlapping(found), overlapping(found))
# Its points are where they belong: the axes are powers of ten.
layers = {layer["name"]: layer for layer in counted["layers"]}
circles = {c.find("title").text.split(":")[0]: c.find("title").text for c in root.iter("circle")}
for name, layer in layers.items():
    got = re.match(r".*: ([0-9.]+) MACs a cycle, ([0-9.]+) a byte", circles.get(name, ""))
    beats = sum(layer[k] for k in ("ifmap_beats", "weight_beats", "bias_beats", "ofmap_beats"))
    want = (layer["macs"] / layer["cycles"], layer["macs"] / (beats * counted["array"]["bus_bits"] / 8))
    check(f"{name} lies where its counts say", got is not None and abs(float(got[1]) - want[0]) < 0.06 and abs(float(got[2]) - want[1]) < 0.006,
          (circles.get(name), want))

r = ristretto("simulate", "--qnet", f"{q}/qnet", "--array", "configs/arrays/lenet.yaml", "--timeline", "t.png")
check("an ending that is not known", r.returncode == 2 and "--timeline takes a file that ends with .svg (a picture) or .json (a trace for Chrome), not 't.png'"
      in r.stderr, r.stderr)
shutil.rmtree(folder)
check.done()
