#!/usr/bin/env python3
"""ristretto quantize with every scheme, the original Ristretto's command line, and what is refused.

test-options: variants=release
"""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
ZOO = "model/zoo/lenet"
NET = ["--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel"]
DIGITS = ["--data", f"{ZOO}/digits"]
FEW = ["--calibration", "0:40", "--search", "0:40", "--test", "40:20", "--error-margin", "30"]
scratch = tempfile.TemporaryDirectory()
folder = scratch.name


def quantize(name, *arguments, status=0):
    out = os.path.join(folder, name)
    r = ristretto("quantize", *NET, *DIGITS, *FEW, "--out", out, "--json", *arguments)
    if not check(f"{name} ends with status {status}", r.returncode == status, r.stderr):
        return None, ""
    with open(os.path.join(out, "quantized.prototxt")) as f:
        return json.loads(r.stdout), f.read()


for name, arguments, precision, fields in (
        ("dynamic", [], "DYNAMIC_FIXED_POINT", ["bw_params", "fl_params"]),
        ("squared error", ["--weight-range", "squared_error", "--activation-range", "percentile", "--bias-correction"], "DYNAMIC_FIXED_POINT",
         ["bw_params"]),
        ("static", ["--scheme", "static", "--max-bits", "10", "--min-bits", "8"], "DYNAMIC_FIXED_POINT", ["bw_params"]),
        ("minifloat", ["--scheme", "minifloat", "--minifloat", "4:3"], "MINIFLOAT", ["mant_bits: 3", "exp_bits: 4"]),
        ("power of two", ["--scheme", "power-of-two", "--zero-code", "--exponents=-7:-1"], "INTEGER_POWER_OF_2_WEIGHTS",
         ["exp_min: -7", "exp_max: -1", "bw_layer_in: 8"])):
    report, prototxt = quantize(name, *arguments)
    if report is None:
        continue
    check.equal(f"{name}: precision", report["precision"], precision)
    check(f"{name}: the prototxt says so", f"precision: {precision}" in prototxt and all(f in prototxt for f in fields), prototxt)
    check(f"{name}: the scores are of integers", any(t["exact"] and t["images"] == 40 for t in report["trials"]))
    with open(os.path.join(folder, name, "qnet", "qnet.json")) as f:
        kinds = {op["weight_number"] for op in json.load(f)["ops"] if "weight_number" in op}
    check.equal(f"{name}: the integers' kind", kinds,
                {"MINIFLOAT": {"minifloat"}, "INTEGER_POWER_OF_2_WEIGHTS": {"power_of_two"}}.get(precision, {"fixed"}))
    if name == "static":
        check.equal("static: one fractional length", {layer["output_fl"] for layer in report["layers"]}, {report["fl"]})

# Formats chosen on one set of images, scores on another; weights rounded by what they do to the outputs.
report, _ = quantize("apart", "--calibration-data", f"{ZOO}/digits", "--weight-rounding", "adaptive", "--refine", "40", "--unsigned-activations", "--channel-weights",
                     "--scores", "accumulator", "--convolution-bits", "4", "--inner-product-bits", "4", "--activation-bits", "4")
if report is not None:
    check.equal("apart: what was scored", [(s["name"], s["first"], s["images"]) for s in report["scores"]], [("search", 0, 40), ("test", 40, 20)])
    check("apart: the data are named", "digits" in report["calibration_data"] and report["weight_rounding"] == "adaptive", report)
    with open(os.path.join(folder, "apart", "qnet", "qnet.json")) as f:
        check("apart: the input is unsigned", '"signed": false' in json.dumps(json.load(f)["tensors"][0]))
    # The rounded weights are written; quantized to nearest in the same formats they stay as they are.
    r = ristretto("test", "--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", os.path.join(folder, "apart", "quantized.caffemodel"),
                  *DIGITS, "--images", "20")
    check("apart: the rounded weights can be read", r.returncode == 0, r.stderr)

# The original's own words. Its output file is written at the end, and a failure leaves the old one as it is.
target = os.path.join(folder, "original.prototxt")
with open(target, "w") as f:
    f.write("old")
original = ["quantize", *NET, *DIGITS, "--model_quantized", target, "--error_margin", "30"]
r = ristretto(*original, "--trimming_mode", "integer_power_of_2_weights", "--iterations", "0")
check("a wrong number of iterations is refused", r.returncode == 2, r.stderr)
with open(target) as f:
    check.equal("and the old file is still there", f.read(), "old")
r = ristretto(*original, "--trimming_mode", "integer_power_of_2_weights", "--iterations", "1")
check("the original's command line is taken", r.returncode == 0, r.stderr)
with open(target) as f:
    check.contains("its file is written", f.read(), "INTEGER_POWER_OF_2_WEIGHTS")
with open(os.path.join(folder, "original", "quantize.json")) as f:
    check.equal("one iteration is one batch", json.load(f)["images"], 100)
# Quantizing what has been quantized.
r = ristretto("quantize", "--model", target, *NET[2:], *DIGITS, *FEW, "--out", os.path.join(folder, "twice"))
check("a quantized net is quantized again", r.returncode == 0, r.stderr)

for name, arguments, message in (
        ("a format of another scheme", ["--minifloat", "4:3"], "--minifloat belongs to the scheme minifloat, not to dynamic"),
        ("an unknown minifloat", ["--scheme", "minifloat", "--minifloat", "e4m4"], "did you mean 'e4m3'?"),
        ("too many exponents", ["--scheme", "power-of-two", "--exponents=-20:-1"], "--exponents takes FIRST:LAST"),
        ("two schemes", ["--scheme", "static", "--trimming-mode", "minifloat"], "contradict each other"),
        ("static formats that move", ["--scheme", "static", "--refine", "10"], "--refine moves fractional lengths"),
        ("wide minifloat scores", ["--scheme", "minifloat", "--scores", "accumulator"], "belong to fixed point")):
    r = ristretto("quantize", *NET, *DIGITS, "--out", os.path.join(folder, "none"), *arguments)
    check(f"{name} is refused", r.returncode == 2 and message in r.stderr, r.stderr)
r = ristretto("quantize", *NET, *DIGITS, "--out", os.path.join(folder, "none"), "--calibration-data", os.path.join(folder, "nowhere"))
check("a missing set for calibration is an error", r.returncode == 3 and "nowhere: error:" in r.stderr, r.stderr)
# The same in a run file.
run = ["run", "configs/runs/lenet.yaml", "--set", f"out={folder}/run", "--set", "cosim.images=0", "--set", "simulate.images=0", "--set", "export.format=none",
       "--set", "data.calibration.count=40", "--set", "data.search.count=40", "--set", "data.test.count=40", "--set", "quantize.error_margin=50",
       "--set", f"data.calibration_path={os.path.abspath(ZOO)}/digits"]
r = ristretto(*run, "--json", "--set", "quantize.weight_rounding=adaptive", "--set", "quantize.activation_range=squared_error", "--set",
              "quantize.max_bits=8", "--set", "quantize.bias_correction=true")
section = json.loads(r.stdout)["quantize"] if r.returncode == 0 else {}
check("a run takes ranges and rounding", section.get("weight_rounding") == "adaptive" and section.get("activation_range") == "squared_error" and
      section.get("bias_correction") is True, r.stderr or section)
for keys, status, message in ((["quantize.scheme=minifloat", "quantize.minifloat=e4m4"], 2, "quantize.minifloat must be E:K"),
                      (["quantize.exponents=-3:-9", "quantize.scheme=power-of-two"], 2, "quantize.exponents must be FIRST:LAST"),
                      (["quantize.zero_code=true"], 3, "quantize.zero_code belongs to the scheme power-of-two, not to dynamic")):
    r = ristretto(*run, *[word for key in keys for word in ("--set", key)])
    check(f"{keys[0]} is refused", r.returncode == status and message in r.stderr, r.stderr)
r = ristretto("quantize", *NET, *DIGITS)
check("no place for the results is refused", r.returncode == 2 and "--out is missing" in r.stderr, r.stderr)
check("nothing is left of them", not os.path.exists(os.path.join(folder, "none")))
scratch.cleanup()
check.done()
