#!/usr/bin/env python3
"""Whole networks on arrays of every kind of processing element: quantized, simulated, compared with the RTL, estimated, exported.

test-options: variants=release limit=300
"""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checks import ROOT, Checks, ristretto

check = Checks()
os.chdir(ROOT)
os.environ.setdefault("RISTRETTO_CACHE", "build/cache")
ZOO = "model/zoo/lenet"
NET = ["--model", f"{ZOO}/lenet_train_test.prototxt", "--weights", f"{ZOO}/lenet.caffemodel"]
DIGITS = ["--data", f"{ZOO}/digits"]
FEW = ["--calibration", "0:40", "--search", "0:40", "--test", "40:20", "--error-margin", "30"]
ARRAY = ["--array", "configs/arrays/small-4x4.yaml"]
TECHNOLOGY = ["--technology", "configs/technologies/horowitz-45nm.yaml"]
scratch = tempfile.TemporaryDirectory()


def quantize(name, *arguments):
    out = os.path.join(scratch.name, name)
    r = ristretto("quantize", *NET, *DIGITS, *FEW, "--out", out, "--json", *arguments)
    check(f"{name}: quantized", r.returncode == 0, r.stderr)
    return ["--qnet", os.path.join(out, "qnet")]


def report(name, *arguments):
    r = ristretto(*arguments, "--json")
    check(f"{name}: {arguments[0]} ends well", r.returncode == 0, r.stderr)
    return json.loads(r.stdout) if r.returncode == 0 else {}


def on_array(name, qnet, *settings, rtl=True):
    """The model's images against the exact engine's, and the RTL's against the model's where Verilator is there."""
    settings = [word for setting in settings for word in ("--set", setting)]
    simulated = report(name, "simulate", *qnet, *ARRAY, *settings, *DIGITS, "--images", "20")
    check(f"{name}: the model has the engine's scores", simulated.get("equal") is True and simulated.get("compared") == 200)
    if not rtl:
        return simulated
    if shutil.which("verilator"):
        compared = report(name, "cosim", *qnet, *ARRAY, *settings, *DIGITS, "--images", "1")
        check(f"{name}: the RTL has the model's beats and cycles", compared.get("equal") is True and compared.get("engine_values", 0) > 4000)
    else:
        check.skip(f"{name}: the RTL", "verilator is not installed")
    return simulated


def area(name, qnet, *settings):
    """Area of the processing elements, and bits of a weight."""
    settings = [word for setting in settings for word in ("--set", setting)]
    estimated = report(name, "estimate", *qnet, *ARRAY, *settings, *TECHNOLOGY)
    return estimated["blocks"][0]


# Powers of two: as shifts, and as integers on multipliers.
powers = quantize("powers", "--scheme", "power-of-two")
shifts = on_array("shifters", powers, "array.pe=shifter")
check.equal("shifters: bits of a weight", shifts["array"]["weight_bits"], 4)
check.equal("shifters: the kind of element", shifts["array"]["pe"], "shifter")
integers = report("multipliers", "simulate", *powers, *ARRAY, *DIGITS, "--images", "20")
check("multipliers: the same net as integers of 9 bits", integers["array"]["weight_bits"] == 9 and integers["equal"] is True)
check.equal("multipliers: the same scores", integers["hits"], shifts["hits"])
small, large = area("shifters", powers, "array.pe=shifter"), area("multipliers", powers)
check("shifters are smaller", small["name"] == "shifters" and large["name"] == "multipliers" and small["um2"] < large["um2"])
for kind in ("memh", "npy"):
    roms = report("shifters", "export", *powers, *ARRAY, "--set", "array.pe=shifter", "--format", kind, "--out", os.path.join(scratch.name, kind))
    check(f"shifters: {kind} ROMs hold the shifts", roms.get("weight_bits") == 4 and roms.get("compared", 0) > 400000)
with open(os.path.join(scratch.name, "memh", "conv1.json")) as f:
    check.equal("shifters: the ROMs say so", json.load(f)["weights"]["encoding"], "shift")
r = ristretto("simulate", "--qnet", os.path.join(scratch.name, "powers", "qnet"), *ARRAY, "--set", "array.pe=shifters")
check("an element that is none is refused", r.returncode == 2 and "did you mean 'shifter'?" in r.stderr, r.stderr)

# The whole flow of a run file on an array of shifters.
with open("configs/arrays/small-4x4.yaml") as f:
    text = f.read().replace("  lanes: 4\n", "  pe: shifter\n  lanes: 4\n")
with open(os.path.join(scratch.name, "shifters.yaml"), "w") as f:
    f.write(text)
if shutil.which("verilator"):
    r = ristretto("run", "configs/runs/lenet.yaml", "--json", *[word for setting in (
        "quantize.scheme=power-of-two", "quantize.error_margin=30", "data.calibration.count=40", "data.search.count=40", "data.test.count=20",
        f"array={scratch.name}/shifters.yaml", "simulate.images=10", "cosim.images=1", f"out={scratch.name}/run") for word in ("--set", setting)])
    done = json.loads(r.stdout) if r.returncode == 0 else {}
    check("shifters: a run file goes through", r.returncode == 0, r.stderr)
    check("shifters: the run's array", done.get("simulate", {}).get("array", {}).get("pe") == "shifter" and done["simulate"]["equal"], str(done)[:2000])
    check("shifters: the run's ROMs hold shifts", done.get("export", {}).get("weight_bits") == 4, str(done.get("export")))
else:
    check.skip("shifters: a run file", "verilator is not installed")

# A fractional length per channel.
channels = quantize("channels", "--channel-weights")
simulated = report("channels", "simulate", *channels, *ARRAY, *DIGITS, "--images", "20")
check("channels: the model has the engine's scores", simulated.get("equal") is True and simulated.get("compared") == 200)
r = ristretto("simulate", *channels, *ARRAY, "--set", "array.pe=shifter")
check("channels: integers on shifters are refused", r.returncode == 3 and "set array.pe: multiplier" in r.stderr, r.stderr)

# Minifloats: the same format for every number.
FLOATS = ["array.pe=minifloat", "array.rounding=nearest_even"]
for name, encoding in (("e4m3", "e4m3"), ("gysel", "4:3")):
    floats = quantize(name, "--scheme", "minifloat", "--minifloat", encoding)
    simulated = on_array(name, floats, *FLOATS, rtl=name == "e4m3")
    check.equal(f"{name}: 8 bits a number", (simulated["array"]["activation_bits"], simulated["array"]["weight_bits"]), (8, 8))
check.equal("minifloats: the blocks of the estimate", area("gysel", floats, *FLOATS)["name"], "minifloat multipliers")
roms = report("gysel", "export", *floats, *ARRAY, "--set", FLOATS[0], "--set", FLOATS[1], "--format", "memh", "--out",
              os.path.join(scratch.name, "codes"))
check("gysel: the ROMs hold the codes", roms.get("weight_bits") == 8 and roms.get("compared", 0) > 400000)
with open(os.path.join(scratch.name, "codes", "conv1.json")) as f:
    described = json.load(f)
check("gysel: the ROMs say so", described["weights"]["encoding"] == "minifloat" and described["weights"]["number"] == "4:3", str(described)[:500])
r = ristretto("simulate", *floats, *ARRAY)
check("minifloats on multipliers are refused", r.returncode == 3 and "set array.pe: minifloat" in r.stderr, r.stderr)
r = ristretto("simulate", *floats, *ARRAY, "--set", "array.pe=minifloat", "--set", "array.minifloat=e5m2")
check("another format is refused", r.returncode == 3 and "is 4:3, but the numbers of the array are e5m2" in r.stderr, r.stderr)
mixed = os.path.join(os.path.dirname(floats[1]), "mixed")
shutil.copytree(os.path.join(scratch.name, "e4m3", "qnet"), mixed)
for part, name, message, bits in (("tensors", "ip2", "the output of layer 'ip2' is", {}), ("ops", "ip1", "the weights of layer 'ip1' are", {"ip1": 47}),
                                  ("tensors", "data", "the input 'data' is", {"conv1": 42})):
    with open(os.path.join(scratch.name, "e4m3", "qnet", "qnet.json")) as f:
        described = json.load(f)
    next(x for x in described[part] if x["name"] == name)["minifloat" if part == "tensors" else "weight_minifloat"]["special"] = "ieee"
    for op in described["ops"]:
        if op["name"] in bits:
            op["accumulator_bits"] = bits[op["name"]]
    with open(os.path.join(mixed, "qnet.json"), "w") as f:
        json.dump(described, f)
    r = ristretto("simulate", "--qnet", mixed, *ARRAY, "--set", "array.pe=minifloat", "--set", "array.minifloat=e4m3")
    check(f"two formats: {name} is named", r.returncode == 3 and message in r.stderr and "but the numbers of the array are e4m3" in r.stderr
          and "hint: an array of minifloats has one format for everything" in r.stderr, r.stderr)
r = ristretto("simulate", *powers, *ARRAY, "--set", "array.pe=minifloat")
check("integers on minifloats are refused", r.returncode == 3 and "--scheme minifloat" in r.stderr, r.stderr)
r = ristretto("simulate", *powers, *ARRAY, "--set", "array.minifloat=e9m9")
check("a format that is none is refused", r.returncode == 2 and "array.minifloat must be" in r.stderr, r.stderr)
check.done()
